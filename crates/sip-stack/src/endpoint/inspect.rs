//! Whether a request can be processed at all, before anybody looks what it means: the steps of
//! RFC 3261 §8.2 that need nothing but the request and our settings.

use super::{Endpoint, EndpointConfig};
use crate::message::{Method, Request, Scheme, multipart};

/// Why a request is refused: the status, the reason phrase (empty: the usual one) and what else the
/// peer is told so that it can do better.
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) reason: &'static str,
    pub(super) headers: Vec<(String, String)>,
}

impl Refusal {
    fn new(status: u16) -> Refusal {
        Refusal { status, reason: "", headers: Vec::new() }
    }

    fn with(mut self, name: &str, value: String) -> Refusal {
        self.headers.push((name.to_owned(), value));
        self
    }
}

impl Endpoint {
    /// Goes through RFC 3261 §8.2.1–§8.2.3 in that order. Not for ACK and CANCEL, which are never
    /// refused for these reasons. Max-Forwards is of no concern to who does not forward (RFC 4475
    /// §3.3.11); an owner that does looks at it itself.
    pub(super) fn inspect(&self, request: &Request) -> Result<(), Refusal> {
        let config = &self.config;
        if matches!(request.method, Method::Other(_)) && !config.allow.contains(&request.method) {
            // 405 is for methods that are recognised (§8.2.1, §21.5.2)
            let allow: Vec<&str> = config.allow.iter().map(Method::as_str).collect();
            return Err(Refusal::new(501).with("Allow", allow.join(", ")));
        }
        // sips: promises TLS on every hop (RFC 5630 §3.1), which no transport of ours keeps
        if request.uri.scheme != Scheme::Sip {
            return Err(Refusal::new(416));
        }
        let unknown: Vec<&str> = request
            .headers
            .get_all("Require")
            .filter(|tag| !tag.is_empty())
            .filter(|tag| !self.supported().any(|known| known.eq_ignore_ascii_case(tag)))
            .collect();
        if !unknown.is_empty() {
            return Err(Refusal::new(420).with("Unsupported", unknown.join(", ")));
        }
        inspect_content(config, request)
    }
}

/// §8.2.3, for the requests whose bodies describe sessions; what other bodies mean is the owner's to
/// judge, but nobody can read one that is compressed.
fn inspect_content(config: &EndpointConfig, request: &Request) -> Result<(), Refusal> {
    let headers = &request.headers;
    let session = matches!(request.method, Method::Invite | Method::Update);
    // of a MESSAGE the owner knows whether it has to be read at all
    let message = request.method == Method::Message;
    let readable = message || request.body.is_empty() || !multipart::is_encoded(headers);
    if !readable || session && !multipart::is_understood(headers, &request.body, &config.accept) {
        return Err(Refusal::new(415)
            .with("Accept", config.accept.join(", "))
            .with("Accept-Encoding", "identity".to_owned()));
    }
    // our 2xx would bring a description that the caller says it cannot read (RFC 4475 §3.3.15)
    let takes = |range: &str| {
        config.accept.iter().any(|name| {
            let kind = name.split('/').next().unwrap_or_default();
            range == "*/*" || range.eq_ignore_ascii_case(name) || range == format!("{kind}/*")
        })
    };
    let mut ranges = headers.get_all("Accept").filter(|range| !range.is_empty()).peekable();
    let any = ranges.peek().is_some();
    if session && any && !ranges.any(|r| takes(r.split(';').next().unwrap_or(r).trim())) {
        return Err(Refusal {
            reason: "None of the accepted types can be sent",
            ..Refusal::new(406)
        });
    }
    Ok(())
}
