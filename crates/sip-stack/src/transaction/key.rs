//! Which transaction a message belongs to (RFC 3261 §17.1.3 and §17.2.3).

use crate::message::{Method, Request, Response, Via};

/// Names a client transaction: the branch we made and the method. A CANCEL has the branch of its
/// INVITE, so the method is needed (RFC 3261 §17.1.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientKey {
    branch: String,
    method: Method,
}

impl ClientKey {
    /// The key of a request that goes out with `branch`.
    #[must_use]
    pub fn new(branch: &str, method: &Method) -> Self {
        Self { branch: branch.to_owned(), method: method.clone() }
    }

    /// The key a response carries in its top Via and its CSeq.
    #[must_use]
    pub fn of_response(response: &Response) -> Option<Self> {
        let via = response.headers.via_top().ok()?;
        let cseq = response.headers.cseq().ok()?;
        Some(Self::new(via.branch()?, &cseq.method))
    }
}

/// Names a server transaction (RFC 3261 §17.2.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerKey {
    method: Method,
    peer: Peer,
}

/// How the client names its transaction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Peer {
    /// By a branch with the magic cookie. The sent-by belongs to it, because a stranger could copy
    /// a branch by accident or on purpose.
    Branch { branch: String, sent_by: String },
    /// By a client of RFC 2543, whose branch says nothing. To is left out, though §17.2.3 names it:
    /// the ACK carries the tag that our response gave, the INVITE did not.
    Fields { uri: String, from_tag: String, call_id: String, cseq: u32, via: String },
}

impl ServerKey {
    /// The key of a request. An ACK has the key of its INVITE. `None` if the headers it is made of
    /// are missing.
    #[must_use]
    pub fn of_request(request: &Request) -> Option<Self> {
        let method = match &request.method {
            Method::Ack => Method::Invite,
            other => other.clone(),
        };
        Self::with_method(request, method)
    }

    /// The key of the INVITE that a CANCEL means: equal but for the method (RFC 3261 §9.2).
    #[must_use]
    pub fn of_cancelled(cancel: &Request) -> Option<Self> {
        Self::with_method(cancel, Method::Invite)
    }

    fn with_method(request: &Request, method: Method) -> Option<Self> {
        let via = request.headers.via_top().ok()?;
        let peer = match via.rfc3261_branch() {
            Some(branch) => Peer::Branch { branch: branch.to_owned(), sent_by: sent_by(&via) },
            None => Peer::Fields {
                uri: request.uri.to_string(),
                from_tag: request.headers.from().ok()?.tag().unwrap_or_default().to_owned(),
                call_id: request.headers.call_id().ok()?.to_owned(),
                cseq: request.headers.cseq().ok()?.number,
                via: via.to_string(),
            },
        };
        Some(Self { method, peer })
    }
}

/// `host:port` in one spelling: hosts compare without case, a missing port is the default one.
fn sent_by(via: &Via) -> String {
    format!("{}:{}", via.host.to_string().to_ascii_lowercase(), via.port.unwrap_or(5060))
}

/// Names a request by what stays the same when a proxy forks it and two copies arrive on two ways
/// (RFC 3261 §8.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MergeKey {
    call_id: String,
    from_tag: String,
    cseq: u32,
    method: Method,
}

impl MergeKey {
    /// The key of a request without To tag; a request inside a dialog has none.
    #[must_use]
    pub fn of_request(request: &Request) -> Option<Self> {
        if request.headers.to().ok()?.tag().is_some() {
            return None;
        }
        Some(Self {
            call_id: request.headers.call_id().ok()?.to_owned(),
            from_tag: request.headers.from().ok()?.tag()?.to_owned(),
            cseq: request.headers.cseq().ok()?.number,
            method: request.method.clone(),
        })
    }
}
