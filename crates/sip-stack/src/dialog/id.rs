//! What names a dialog (RFC 3261 §12).

use crate::message::{Headers, Request};

/// Call-ID and both tags, from our point of view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DialogId {
    /// The Call-ID.
    pub call_id: String,
    /// The tag we chose.
    pub local_tag: String,
    /// The tag the peer chose; empty for a client of RFC 2543 that sent none (§12.1.1).
    pub remote_tag: String,
}

impl DialogId {
    /// The dialog a request from the peer belongs to; `None` if its To has no tag.
    #[must_use]
    pub fn of_request(request: &Request) -> Option<Self> {
        let local_tag = request.headers.to().ok()?.tag()?.to_owned();
        Some(Self {
            call_id: request.headers.call_id().ok()?.to_owned(),
            local_tag,
            remote_tag: remote_tag_of_request(&request.headers),
        })
    }

    /// What a request of ours that makes a dialog has of its name: Call-ID and From tag.
    #[must_use]
    pub(crate) fn of_own_request(headers: &Headers) -> Option<Self> {
        Some(Self {
            call_id: headers.call_id().ok()?.to_owned(),
            local_tag: headers.from().ok()?.tag()?.to_owned(),
            remote_tag: String::new(),
        })
    }

    /// The dialog that a response to our request makes or belongs to.
    #[must_use]
    pub fn of_response(headers: &Headers) -> Option<Self> {
        Some(Self {
            call_id: headers.call_id().ok()?.to_owned(),
            local_tag: headers.from().ok()?.tag()?.to_owned(),
            remote_tag: headers.to().ok()?.tag().unwrap_or_default().to_owned(),
        })
    }
}

/// The From tag of a request; a missing one counts as empty.
pub(super) fn remote_tag_of_request(headers: &Headers) -> String {
    headers.from().ok().and_then(|from| from.tag().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Message, parse};
    use bytes::Bytes;

    #[test]
    fn a_request_and_a_response_name_the_same_dialog_from_each_side() {
        let bye = Bytes::from_static(
            b"BYE sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:b@h>;tag=b\r\n\
              To: <sip:a@h>;tag=a\r\nCall-ID: c\r\nCSeq: 1 BYE\r\n\r\n",
        );
        let Ok(Message::Request(bye)) = parse::message(&bye) else { panic!("a request") };
        let ours = DialogId::of_request(&bye).unwrap();
        assert_eq!((ours.local_tag.as_str(), ours.remote_tag.as_str()), ("a", "b"));
        let theirs = DialogId::of_response(&bye.headers).unwrap();
        assert_eq!((theirs.local_tag.as_str(), theirs.remote_tag.as_str()), ("b", "a"));
    }
}
