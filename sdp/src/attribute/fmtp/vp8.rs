//! The parameters of VP8 (RFC 7741 §6.1).

use super::FormatParameters;

/// What a receiver of VP8 can take. RFC 7741 §6.1: a sender must not exceed either; what is absent is not
/// limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8Parameters {
    /// `max-fr`: pictures per second.
    pub max_frame_rate: Option<u32>,
    /// `max-fs`: macroblocks (16×16 pixels) per picture.
    pub max_frame_size: Option<u32>,
}

impl Vp8Parameters {
    /// Whether a picture of this size, in pixels, may be sent. RFC 7741 §6.1: neither side may be longer
    /// than √(8 · max-fs) macroblocks, so that nobody needs room for a picture of one line.
    pub fn allows(&self, width: u32, height: u32) -> bool {
        let Some(most) = self.max_frame_size else { return true };
        let [wide, high, most] = [width.div_ceil(16), height.div_ceil(16), most].map(u64::from);
        let longest = 8 * most;
        wide * high <= most && wide * wide <= longest && high * high <= longest
    }
}

impl From<&FormatParameters> for Vp8Parameters {
    fn from(parameters: &FormatParameters) -> Self {
        let limit = |name| parameters.number(name).filter(|&number| number > 0);
        Self { max_frame_rate: limit("max-fr"), max_frame_size: limit("max-fs") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vp8Parameters {
        Vp8Parameters::from(&FormatParameters::new(text))
    }

    #[test]
    fn limits_of_rfc_7741() {
        // The example of §6.2.3 and what baresip says.
        let limits = read("max-fr=30; max-fs=3600;");
        assert_eq!((limits.max_frame_rate, limits.max_frame_size), (Some(30), Some(3600)));
        assert!(limits.allows(1280, 720));
        assert!(!limits.allows(1296, 720));
        // 3600 macroblocks, but 225 of them in a row: longer than √28800 = 169.
        assert!(!limits.allows(3600, 256));
    }

    #[test]
    fn nothing_said_is_no_limit() {
        for text in ["", "max-fs=0", "max-fs=many", "max-fr=-1"] {
            let limits = read(text);
            assert_eq!((limits.max_frame_rate, limits.max_frame_size), (None, None), "{text}");
            assert!(limits.allows(16_000, 16_000));
        }
    }
}
