//! `a=rtpmap` (RFC 8866 §6.6).

use std::fmt;

use super::{TypedAttribute, split_word};

/// `a=rtpmap:<payload type> <encoding>/<clock rate>[/<channels>]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpMap {
    /// 0..=127
    pub payload_type: u8,
    /// Encoding name; compared without regard to case.
    pub encoding: String,
    /// RTP clock rate, Hz.
    pub clock_rate: u32,
    /// Audio channels when stated.
    pub channels: Option<u8>,
}

impl TypedAttribute for RtpMap {
    const NAME: &'static str = "rtpmap";

    fn from_value(value: &str) -> Option<Self> {
        let (payload_type, encoding) = split_word(value);
        let mut parts = encoding.trim().split('/');
        let map = Self {
            payload_type: payload_type.parse().ok().filter(|&number| number < 128)?,
            encoding: parts.next().filter(|name| !name.is_empty())?.to_owned(),
            clock_rate: parts.next()?.trim().parse().ok().filter(|&rate| rate > 0)?,
            channels: match parts.next() {
                Some(channels) => Some(channels.trim().parse().ok().filter(|&count| count > 0)?),
                None => None,
            },
        };
        Some(map)
    }
}

impl fmt::Display for RtpMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.payload_type, self.encoding, self.clock_rate)?;
        self.channels.map_or(Ok(()), |channels| write!(f, "/{channels}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        for text in ["111 opus/48000/2", "0 PCMU/8000", "96 VP8/90000"] {
            assert_eq!(RtpMap::from_value(text).unwrap().to_string(), text);
        }
        for bad in ["", "96", "128 VP8/90000", "96 VP8", "96 /90000", "96 x/0", "96 x/8000/0"] {
            assert_eq!(RtpMap::from_value(bad), None, "{bad}");
        }
    }
}
