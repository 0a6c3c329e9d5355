//! What a NOTIFY about a REFER says: the first line of a response (RFC 3420, RFC 3515 §2.4.5).

use sip_stack::message::Request;

/// A status line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// 100 to 699.
    pub status: u16,
    /// Its phrase.
    pub phrase: String,
}

/// The status line in the body of a NOTIFY.
#[must_use]
pub fn read(notify: &Request) -> Option<Fragment> {
    let body = notify.body_of_type("message/sipfrag")?;
    let text = std::str::from_utf8(&body).ok()?;
    let mut words = text.lines().next()?.splitn(3, ' ');
    words.next().filter(|word| *word == "SIP/2.0")?;
    let status = words.next()?.parse().ok().filter(|status| (100..700).contains(status))?;
    Some(Fragment { status, phrase: words.next().unwrap_or_default().trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sip_stack::message::{Method, Uri};

    use super::*;

    fn notify(body: &'static str) -> Request {
        let mut request = Request::new(Method::Notify, Uri::parse("sip:a@h").unwrap());
        request.set_body("message/sipfrag;version=2.0", Bytes::from(body));
        request
    }

    #[test]
    fn only_a_status_line_says_something() {
        let busy = Fragment { status: 486, phrase: "Busy Here".to_owned() };
        assert_eq!(read(&notify("SIP/2.0 486 Busy Here\r\n")), Some(busy));
        assert_eq!(read(&notify("SIP/2.0 200")).map(|f| f.status), Some(200));
        for wrong in ["", "SIP/2.0", "SIP/2.0 99 x", "HTTP/1.1 200 OK", "SIP/2.0 2000 x"] {
            assert_eq!(read(&notify(wrong)), None, "{wrong}");
        }
    }
}
