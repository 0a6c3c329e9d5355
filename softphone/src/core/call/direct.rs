//! What the focus says in a description about media that go directly to the other of two.

use sdp::SessionDescription;
use sip_stack::message::Uri;

/// The other of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direct {
    /// The version of the description that says so (`o=`, RFC 8866 §5.2).
    pub version: u64,
    /// Where it takes lines of chat, and what shows it who we are; if it takes any.
    pub chat: Option<(String, Uri)>,
}

impl Direct {
    /// What a description of the focus says; `None`: media go through the mixer.
    #[must_use]
    pub fn of(description: &SessionDescription) -> Option<Self> {
        if description.attributes.get("parley-path")? != "direct" {
            return None;
        }
        let chat = description.attributes.get("parley-chat").and_then(|value| {
            let (token, uri) = value.split_once(' ')?;
            let uri = Uri::parse(uri.trim()).filter(Uri::is_sip)?;
            // A name would have to be looked up, and whoever can be reached directly has an address.
            uri.host.ip()?;
            Some((token.to_owned(), uri))
        });
        Some(Self { version: description.origin.session_version, chat })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read() {
        let read = |lines: &str| {
            let text = format!("v=0\no=- 1 7 IN IP4 192.0.2.1\ns=-\nt=0 0\n{lines}");
            Direct::of(&SessionDescription::parse(&text).unwrap())
        };
        assert_eq!(read(""), None);
        assert_eq!(read("a=parley-path:mixer\n"), None);
        assert_eq!(read("a=parley-path:direct\n"), Some(Direct { version: 7, chat: None }));
        let full =
            read("a=parley-path:direct\na=parley-chat:abc sip:zoe@192.0.2.9:5070\n").unwrap();
        let (token, uri) = full.chat.unwrap();
        assert_eq!((token.as_str(), uri.to_string().as_str()), ("abc", "sip:zoe@192.0.2.9:5070"));
        for bad in ["abc", "abc tel:1", "abc sip:zoe@nowhere.example"] {
            let lines = format!("a=parley-path:direct\na=parley-chat:{bad}\n");
            assert_eq!(read(&lines).unwrap().chat, None, "{bad}");
        }
    }
}
