//! One media description (RFC 8866 §5.14): an m= line and what hangs below it.

use std::fmt;

use crate::attribute::Attributes;
use crate::attribute::direction::Direction;
use crate::session::{Bandwidth, Connection};

/// One `m=` line with its `i=`, `c=`, `b=`, `k=` and `a=` lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDescription {
    /// What it carries.
    pub kind: MediaKind,
    /// The RTP port; 0 = refused or disabled (RFC 3264 §6, §8.2).
    pub port: u16,
    /// Number of port pairs, written `port/count`.
    pub port_count: Option<u32>,
    /// Transport and profile.
    pub protocol: Protocol,
    /// Formats; payload types when the protocol is RTP.
    pub formats: Vec<String>,
    /// `i=`
    pub information: Option<String>,
    /// `c=` lines; more than one only in layered multicast.
    pub connections: Vec<Connection>,
    /// `b=` lines
    pub bandwidths: Vec<Bandwidth>,
    /// `k=` (obsolete), verbatim.
    pub key: Option<String>,
    /// `a=` lines
    pub attributes: Attributes,
}

impl MediaDescription {
    /// A bare m= line.
    pub fn new(kind: MediaKind, port: u16, protocol: Protocol, formats: Vec<String>) -> Self {
        Self {
            kind,
            port,
            port_count: None,
            protocol,
            formats,
            information: None,
            connections: Vec::new(),
            bandwidths: Vec::new(),
            key: None,
            attributes: Attributes::default(),
        }
    }

    /// The same line with port 0 and without attributes but `mid`: a refused or disabled stream
    /// (RFC 3264 §6, §8.2; RFC 5888 §9 keeps the identification).
    pub fn refused(&self) -> Self {
        let formats = match self.formats.as_slice() {
            [] => vec!["0".to_owned()],
            formats => formats.to_vec(),
        };
        let mut refused = Self::new(self.kind.clone(), 0, self.protocol.clone(), formats);
        if let Some(mid) = self.attributes.get("mid") {
            refused.attributes.push_value("mid", mid);
        }
        refused
    }

    /// Whether the stream is neither refused nor disabled.
    pub fn is_live(&self) -> bool {
        self.port != 0
    }

    /// The direction stated on this medium; sendrecv when it states none (RFC 3264 §5.1).
    ///
    /// A session-level direction is the default of media without their own: see
    /// [`crate::negotiate::direction_of`].
    pub fn direction(&self) -> Direction {
        self.attributes.direction().unwrap_or_default()
    }
}

/// The first word of an m= line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediaKind {
    /// `audio`
    Audio,
    /// `video`
    Video,
    /// `text`: T.140 (RFC 4103)
    Text,
    /// `application`: BFCP, data channels …
    Application,
    /// `message`: MSRP (RFC 4975)
    Message,
    /// Anything else, as written.
    Other(String),
}

impl MediaKind {
    /// As written in an m= line.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Text => "text",
            Self::Application => "application",
            Self::Message => "message",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for MediaKind {
    fn from(name: &str) -> Self {
        let known = [Self::Audio, Self::Video, Self::Text, Self::Application, Self::Message];
        let found = known.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name));
        found.unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Transport and profile of an m= line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `RTP/AVP` (RFC 3551)
    RtpAvp,
    /// `RTP/AVPF` (RFC 4585)
    RtpAvpf,
    /// `RTP/SAVP` (RFC 3711)
    RtpSavp,
    /// `RTP/SAVPF` (RFC 5124)
    RtpSavpf,
    /// `UDP/TLS/RTP/SAVP` (RFC 5764)
    UdpTlsRtpSavp,
    /// `UDP/TLS/RTP/SAVPF` (RFC 5764)
    UdpTlsRtpSavpf,
    /// Anything else, as written.
    Other(String),
}

impl Protocol {
    /// As written in an m= line.
    pub fn as_str(&self) -> &str {
        match self {
            Self::RtpAvp => "RTP/AVP",
            Self::RtpAvpf => "RTP/AVPF",
            Self::RtpSavp => "RTP/SAVP",
            Self::RtpSavpf => "RTP/SAVPF",
            Self::UdpTlsRtpSavp => "UDP/TLS/RTP/SAVP",
            Self::UdpTlsRtpSavpf => "UDP/TLS/RTP/SAVPF",
            Self::Other(name) => name,
        }
    }

    /// Whether formats are RTP payload types.
    pub fn is_rtp(&self) -> bool {
        !matches!(self, Self::Other(_))
    }

    /// Whether it is one of the plain RTP profiles, RTP/AVP and RTP/AVPF.
    pub fn is_plain_rtp(&self) -> bool {
        matches!(self, Self::RtpAvp | Self::RtpAvpf)
    }
}

impl From<&str> for Protocol {
    fn from(name: &str) -> Self {
        let known = [
            Self::RtpAvp,
            Self::RtpAvpf,
            Self::RtpSavp,
            Self::RtpSavpf,
            Self::UdpTlsRtpSavp,
            Self::UdpTlsRtpSavpf,
        ];
        let found = known.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(name));
        found.unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
