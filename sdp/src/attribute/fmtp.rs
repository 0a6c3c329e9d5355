//! `a=fmtp` (RFC 8866 §6.15) and the parameters of Opus (RFC 7587 §6.1).

use std::fmt;

use super::{TypedAttribute, split_word};

/// `a=fmtp:<format> <parameters>`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fmtp {
    /// Payload type, 0..=127.
    pub payload_type: u8,
    /// What the format takes.
    pub parameters: FormatParameters,
}

impl TypedAttribute for Fmtp {
    const NAME: &'static str = "fmtp";

    fn from_value(value: &str) -> Option<Self> {
        let (payload_type, parameters) = split_word(value);
        Some(Self {
            payload_type: payload_type.parse().ok().filter(|&number| number < 128)?,
            parameters: FormatParameters::new(parameters),
        })
    }
}

impl fmt::Display for Fmtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.payload_type, self.parameters)
    }
}

/// Parameters of a format as written, mostly `key=value;key=value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormatParameters(String);

impl FormatParameters {
    /// Takes the text behind the payload type.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a parameter; names are compared without regard to case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .split(';')
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.get(name)?.parse().ok()
    }

    fn switch(&self, name: &str) -> bool {
        self.get(name) == Some("1")
    }
}

impl fmt::Display for FormatParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a receiver of Opus wishes to be sent (RFC 7587 §6.1). All are wishes but the bitrate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusParameters {
    /// `useinbandfec`: it can use in-band FEC. Absent = no.
    pub use_inband_fec: bool,
    /// `usedtx`: it would like silence not to be sent. Absent = no.
    pub use_dtx: bool,
    /// `stereo`: it would like two channels. Absent = no.
    pub stereo: bool,
    /// `cbr`: it would like a constant bitrate. Absent = no.
    pub cbr: bool,
    /// `maxaveragebitrate`, bit/s, within 6 000..=510 000; other values count as absent.
    pub max_average_bitrate: Option<u32>,
    /// `maxplaybackrate`, Hz, within 8 000..=48 000; absent = 48 000.
    pub max_playback_rate: u32,
}

impl From<&FormatParameters> for OpusParameters {
    fn from(parameters: &FormatParameters) -> Self {
        let bitrate = parameters.number("maxaveragebitrate");
        let playback = parameters.number("maxplaybackrate");
        Self {
            use_inband_fec: parameters.switch("useinbandfec"),
            use_dtx: parameters.switch("usedtx"),
            stereo: parameters.switch("stereo"),
            cbr: parameters.switch("cbr"),
            max_average_bitrate: bitrate.filter(|rate| (6_000..=510_000).contains(rate)),
            max_playback_rate: playback.unwrap_or(48_000).clamp(8_000, 48_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opus_wishes() {
        let fmtp = Fmtp::from_value("96 stereo=1; sprop-stereo=1;maxaveragebitrate=28000").unwrap();
        assert_eq!(fmtp.payload_type, 96);
        let opus = OpusParameters::from(&fmtp.parameters);
        assert!(opus.stereo && !opus.use_inband_fec && !opus.use_dtx && !opus.cbr);
        assert_eq!(opus.max_average_bitrate, Some(28_000));
        assert_eq!(opus.max_playback_rate, 48_000);

        let opus = OpusParameters::from(&FormatParameters::new(
            "USEINBANDFEC=1;usedtx=1;maxaveragebitrate=5;maxplaybackrate=16000",
        ));
        assert!(opus.use_inband_fec && opus.use_dtx && !opus.stereo);
        assert_eq!(opus.max_average_bitrate, None);
        assert_eq!(opus.max_playback_rate, 16_000);
    }

    #[test]
    fn parameters_need_not_be_pairs() {
        let fmtp = Fmtp::from_value("101 0-15").unwrap();
        assert_eq!(fmtp.parameters.as_str(), "0-15");
        assert_eq!(fmtp.parameters.get("0-15"), None);
        assert_eq!(fmtp.to_string(), "101 0-15");
        assert_eq!(Fmtp::from_value("x 0-15"), None);
    }
}
