//! The parameters of Opus (RFC 7587 §6.1).

use super::FormatParameters;

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
    use super::super::{Fmtp, TypedAttribute};
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
}
