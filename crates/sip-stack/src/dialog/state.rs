//! The state of one dialog: who the two are, sequence numbers, where the peer is (RFC 3261 §12).

use super::id::{DialogId, remote_tag_of_request};
use super::routes::RouteSet;
use crate::flow::Hop;
use crate::message::{CSeq, Headers, Method, NameAddr, Request, Response, Uri};

/// A dialog, early or confirmed.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) id: DialogId,
    /// From of our requests, with our tag.
    local: NameAddr,
    /// To of our requests, with the peer's tag.
    remote: NameAddr,
    /// The last CSeq number we used.
    local_seq: u32,
    /// The last CSeq number the peer used; `None` before its first request.
    remote_seq: Option<u32>,
    /// The peer's Contact.
    remote_target: Uri,
    routes: RouteSet,
}

impl Dialog {
    /// As the server of `request`, with `local_tag` in our responses (§12.1.1). `None` if the
    /// request lacks what a dialog needs.
    pub(crate) fn as_server(request: &Request, local_tag: &str, local_seq: u32) -> Option<Self> {
        let headers = &request.headers;
        let remote = headers.from().ok()?;
        let remote_target = match headers.contacts().ok()?.into_iter().next() {
            Some(contact) => contact.uri,
            // a client of RFC 2543 need not send one and is reached by its From (RFC 4475 §3.4.1)
            None if headers.via_top().ok()?.rfc3261_branch().is_none() => remote.uri.clone(),
            None => return None,
        };
        Some(Self {
            id: DialogId {
                call_id: headers.call_id().ok()?.to_owned(),
                local_tag: local_tag.to_owned(),
                remote_tag: remote_tag_of_request(headers),
            },
            local: headers.to().ok()?.with_param("tag", local_tag),
            remote,
            local_seq,
            remote_seq: Some(headers.cseq().ok()?.number),
            remote_target,
            routes: RouteSet::of_request(headers),
        })
    }

    /// As the client, from the `response` to our `request` (§12.1.2).
    pub(crate) fn as_client(request: &Request, response: &Response) -> Option<Self> {
        let headers = &response.headers;
        let contact = headers.contacts().ok().and_then(|all| all.into_iter().next());
        Some(Self {
            id: DialogId::of_response(headers)?,
            local: request.headers.from().ok()?,
            remote: headers.to().ok()?,
            local_seq: request.headers.cseq().ok()?.number,
            remote_seq: None,
            // A 2xx must have a Contact; without one the peer can only be where the INVITE went.
            remote_target: contact.map_or_else(|| request.uri.clone(), |contact| contact.uri),
            routes: RouteSet::of_response(headers),
        })
    }

    /// The 2xx to our INVITE: the route set and the target are taken from it, whatever the early
    /// dialog had (§13.2.2.4).
    pub(crate) fn confirm(&mut self, headers: &Headers) {
        self.routes = RouteSet::of_response(headers);
        self.refresh_target(headers.contacts().ok());
    }

    /// A request in the dialog with the next CSeq number (§12.2.1.1).
    pub(crate) fn request(&mut self, method: Method) -> Request {
        self.local_seq += 1;
        self.build(method, self.local_seq)
    }

    /// A request to the peer by the way of the dialog, but outside of it: without tags, Call-ID and
    /// CSeq.
    pub(crate) fn beside(&self, method: Method) -> Request {
        let mut request = self.build(method, 0);
        let without_tag = |address: &NameAddr| {
            let mut address = address.clone();
            address.params.remove("tag");
            address
        };
        request.headers.insert("From", without_tag(&self.local));
        request.headers.insert("To", without_tag(&self.remote));
        request.headers.remove("Call-ID");
        request.headers.remove("CSeq");
        request
    }

    /// The ACK for the 2xx to our INVITE with the CSeq number `cseq` (§13.2.2.4).
    pub(crate) fn ack(&self, cseq: u32) -> Request {
        self.build(Method::Ack, cseq)
    }

    fn build(&self, method: Method, number: u32) -> Request {
        let (uri, routes) = self.routes.apply(&self.remote_target);
        let mut request = Request::new(method.clone(), uri);
        let headers = &mut request.headers;
        headers.push("Max-Forwards", 70);
        routes.iter().for_each(|route| headers.push("Route", route));
        headers.push("From", &self.local);
        headers.push("To", &self.remote);
        headers.push("Call-ID", &self.id.call_id);
        headers.push("CSeq", CSeq { number, method });
        request
    }

    /// Notes the CSeq of a request from the peer; `false` if it is not newer than the last one,
    /// which is answered 500 (§12.2.2).
    pub(crate) fn accept_sequence(&mut self, number: u32) -> bool {
        if self.remote_seq.is_some_and(|last| number <= last) {
            return false;
        }
        self.remote_seq = Some(number);
        true
    }

    /// Where the peer takes requests.
    pub(crate) fn remote_target(&self) -> &Uri {
        &self.remote_target
    }

    /// Target refresh: the peer's new Contact, from a request we accepted or a 2xx (§12.2.1.2).
    pub(crate) fn refresh_target(&mut self, contacts: Option<Vec<NameAddr>>) {
        if let Some(contact) = contacts.into_iter().flatten().next() {
            self.remote_target = contact.uri;
        }
    }

    /// The next number, for a request that is sent again with credentials.
    pub(crate) fn next_sequence(&mut self) -> u32 {
        self.local_seq += 1;
        self.local_seq
    }

    /// Sets the number that the last of our requests really had, after a retry with credentials.
    pub(crate) fn used_sequence(&mut self, number: u32) {
        self.local_seq = self.local_seq.max(number);
    }

    /// Where requests go first.
    pub(crate) fn next_hop(&self) -> Hop {
        self.routes.next_hop(&self.remote_target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Message, parse};
    use bytes::Bytes;

    fn invite() -> Request {
        let text = "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\n\
            From: \"A\" <sip:a@h>;tag=ta\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\n\
            Contact: <sip:a@10.0.0.1>\r\nRecord-Route: <sip:p@h;lr>\r\n\r\n";
        match parse::message(&Bytes::from(text)).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request"),
        }
    }

    #[test]
    fn requests_of_the_server_side() {
        let mut dialog = Dialog::as_server(&invite(), "tb", 20).unwrap();
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri.to_string(), "sip:a@10.0.0.1");
        assert_eq!(bye.headers.get("From"), Some("<sip:b@h>;tag=tb"));
        assert_eq!(bye.headers.get("To"), Some("\"A\" <sip:a@h>;tag=ta"));
        assert_eq!(bye.headers.get("Route"), Some("<sip:p@h;lr>"));
        assert_eq!(bye.headers.get("CSeq"), Some("21 BYE"));
        assert_eq!(dialog.request(Method::Info).headers.get("CSeq"), Some("22 INFO"));
        assert_eq!(dialog.ack(20).headers.get("CSeq"), Some("20 ACK"));
    }

    #[test]
    fn only_rising_sequence_numbers_are_in_order() {
        let mut dialog = Dialog::as_server(&invite(), "tb", 1).unwrap();
        assert!(!dialog.accept_sequence(6));
        assert!(!dialog.accept_sequence(7));
        assert!(dialog.accept_sequence(9));
        assert!(!dialog.accept_sequence(8));
    }

    #[test]
    fn a_new_contact_moves_the_target_and_none_leaves_it() {
        let mut dialog = Dialog::as_server(&invite(), "tb", 1).unwrap();
        dialog.refresh_target(Some(Vec::new()));
        dialog.refresh_target(NameAddr::parse("<sip:a@10.9.9.9:5070>").map(|c| vec![c]));
        assert_eq!(dialog.request(Method::Bye).uri.to_string(), "sip:a@10.9.9.9:5070");
    }
}
