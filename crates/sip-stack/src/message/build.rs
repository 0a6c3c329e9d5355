//! Responses and requests with the headers that RFC 3261 demands.

use super::{
    CSeq, Headers, Method, NameAddr, ParseError, ParseErrorKind, Request, Response, Uri, Via,
};
use bytes::Bytes;

/// The usual reason phrase of a status code (RFC 3261 §21 and later RFCs).
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        428 => "Use Identity Header",
        429 => "Provide Referrer Identity",
        430 => "Flow Failed",
        439 => "First Hop Lacks Outbound Support",
        469 => "Bad Info Package",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => "",
    }
}

/// The headers that every response copies from its request (RFC 3261 §8.2.6.2), and `to_tag` if
/// there is none in To yet.
fn copied(request: &Headers, to_tag: Option<&str>) -> Headers {
    let mut headers = request.only(&["Via", "From", "To", "Call-ID", "CSeq"]);
    if let (Ok(to), Some(tag)) = (headers.to(), to_tag)
        && to.tag().is_none()
    {
        headers.insert("To", to.with_param("tag", tag));
    }
    headers
}

/// A response to `request` with Via, From, To, Call-ID and CSeq copied (RFC 3261 §8.2.6.2).
///
/// `to_tag` is put into To if To has none; every response but 100 needs one. An empty `reason` means
/// the usual phrase.
pub fn response_to(request: &Request, status: u16, reason: &str, to_tag: Option<&str>) -> Response {
    let reason = if reason.is_empty() { reason_phrase(status) } else { reason };
    let headers = copied(&request.headers, to_tag);
    Response { status, reason: reason.to_owned(), headers, body: Bytes::new() }
}

/// The answer to a request that could not be read: 400, 505 or 513 (RFC 3261 §8.2, §16.3, §21). `None` when
/// there is nobody to answer, or when it is an ACK, which is never answered.
pub fn refusal(error: &ParseError, to_tag: &str) -> Option<Response> {
    let partial = error.partial.as_ref()?;
    if partial.method == Method::Ack {
        return None;
    }
    let (status, reason) = match error.kind {
        ParseErrorKind::Version => (505, String::new()),
        ParseErrorKind::TooLarge => (513, String::new()),
        // the phrase says what was wrong (RFC 3261 §21.4.1)
        kind => (400, format!("Bad Request ({kind})")),
    };
    let reason = if reason.is_empty() { reason_phrase(status).to_owned() } else { reason };
    let headers = copied(&partial.headers, Some(to_tag));
    Some(Response { status, reason, headers, body: Bytes::new() })
}

/// What a new request outside or inside a dialog is made of.
#[derive(Debug, Clone)]
pub struct RequestParts {
    /// The method; also that of CSeq.
    pub method: Method,
    /// The request URI.
    pub uri: Uri,
    /// The topmost Via.
    pub via: Via,
    /// From with its tag.
    pub from: NameAddr,
    /// To, with the remote tag inside a dialog.
    pub to: NameAddr,
    /// Call-ID.
    pub call_id: String,
    /// The CSeq number.
    pub cseq: u32,
    /// The Route set, next hop first.
    pub routes: Vec<NameAddr>,
}

/// A request with Via, Max-Forwards 70, Route, From, To, Call-ID and CSeq (RFC 3261 §8.1.1).
pub fn request(parts: RequestParts) -> Request {
    let RequestParts { method, uri, via, from, to, call_id, cseq, routes } = parts;
    let mut headers = Headers::new();
    headers.push("Via", via);
    headers.push("Max-Forwards", 70);
    routes.iter().for_each(|route| headers.push("Route", route));
    headers.push("From", from);
    headers.push("To", to);
    headers.push("Call-ID", call_id);
    headers.push("CSeq", CSeq { number: cseq, method: method.clone() });
    Request { method, uri, headers, body: Bytes::new() }
}

/// The ACK for a final response other than 2xx (RFC 3261 §17.1.1.3): same URI, top Via, From,
/// Call-ID, CSeq number and Route as the INVITE; To from the response.
pub fn ack_for_failure(invite: &Request, response: &Response) -> Request {
    let mut ack = hop_by_hop(invite, Method::Ack);
    if let Some(to) = response.headers.get("To") {
        ack.headers.insert("To", to);
    }
    ack
}

/// The CANCEL for `request` (RFC 3261 §9.1): same URI, top Via, From, To, Call-ID, CSeq number and
/// Route.
pub fn cancel(request: &Request) -> Request {
    hop_by_hop(request, Method::Cancel)
}

fn hop_by_hop(request: &Request, method: Method) -> Request {
    let mut made = Request::new(method.clone(), request.uri.clone());
    if let Some(via) = request.headers.get("Via") {
        made.headers.push("Via", via);
    }
    made.headers.push("Max-Forwards", 70);
    for name in ["Route", "From", "To", "Call-ID"] {
        for value in request.headers.get_all(name) {
            made.headers.push(name, value);
        }
    }
    if let Ok(cseq) = request.headers.cseq() {
        made.headers.push("CSeq", CSeq { number: cseq.number, method });
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::parse;

    fn invite() -> Request {
        let address = |text: &str| NameAddr::new(Uri::parse(text).unwrap());
        let via = Via::new("UDP", crate::message::Host::Name("h".into()), None, "z9hG4bK1");
        request(RequestParts {
            method: Method::Invite,
            uri: Uri::parse("sip:b@h").unwrap(),
            via,
            from: address("sip:a@h").with_param("tag", "1"),
            to: address("sip:b@h"),
            call_id: "c".into(),
            cseq: 7,
            routes: vec![address("sip:p1;lr"), address("sip:p2;lr")],
        })
    }

    #[test]
    fn responses_copy_what_they_must() {
        let mut invite = invite();
        invite.headers.push("Via", "SIP/2.0/UDP second;branch=z9hG4bK2");
        let response = response_to(&invite, 180, "", Some("t"));
        assert_eq!(response.reason, "Ringing");
        assert_eq!(response.headers.get_all("Via").count(), 2);
        assert_eq!(response.headers.to().unwrap().tag(), Some("t"));
        assert!(!response.headers.has("Route") && !response.headers.has("Max-Forwards"));
        let again = response_to(
            &Request { headers: response.headers.clone(), ..invite.clone() },
            200,
            "Fine",
            Some("other"),
        );
        assert_eq!(again.headers.to().unwrap().tag(), Some("t"), "a tag is never replaced");
        assert_eq!(response_to(&invite, 100, "", None).headers.to().unwrap().tag(), None);
    }

    #[test]
    fn ack_and_cancel_follow_their_invite() {
        let mut invite = invite();
        invite.headers.push("Require", "x");
        let response = response_to(&invite, 486, "", Some("t"));
        for (made, method) in
            [(ack_for_failure(&invite, &response), Method::Ack), (cancel(&invite), Method::Cancel)]
        {
            assert_eq!(made.uri, invite.uri);
            assert_eq!(made.headers.get("Via"), invite.headers.get("Via"));
            assert_eq!(made.headers.get_all("Route").count(), 2);
            assert_eq!(made.headers.cseq().unwrap(), CSeq { number: 7, method: method.clone() });
            assert!(!made.headers.has("Require"));
            let tag = (method == Method::Ack).then_some("t");
            assert_eq!(made.headers.to().unwrap().tag(), tag);
            assert!(parse::message(&made.to_bytes()).is_ok());
        }
    }
}
