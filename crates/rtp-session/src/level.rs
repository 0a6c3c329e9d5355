//! How loud a packet is, and who in it is how loud (RFC 6464, RFC 6465).

use crate::packet::RtpPacket;
use crate::{ExtensionBlock, Ssrc};

/// What an audio level extension calls digital silence, and nothing else: Linphone shows such a member as muted.
const DIGITAL_SILENCE: u8 = 127;

/// How loud the sender says its packet is (RFC 6464 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// The sender believes there is speech in it (the V bit; meaningless under `vad=off`).
    pub voice: bool,
    /// Level in -dBov: 0 is loudest, 127 is digital silence.
    pub level: u8,
}

impl AudioLevel {
    /// A microphone that is off.
    pub const MUTED: Self = Self { voice: false, level: DIGITAL_SILENCE };

    /// As it stands in the packet.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Self {
        Self { voice: octet & 0x80 != 0, level: octet & 0x7f }
    }

    /// As it stands in the packet.
    #[must_use]
    pub fn to_octet(self) -> u8 {
        u8::from(self.voice) << 7 | self.level.min(DIGITAL_SILENCE)
    }
}

/// The level of decoded sound in -dBov, 0 (a full-scale square wave) to 127 (RFC 6464 §3, RFC 6465 appendix A).
/// 127 is given to digital silence only; sound too faint to measure, as codecs make of silence (DTX), is 126.
#[must_use]
pub fn level_of(samples: &[i16]) -> u8 {
    let power: u64 = samples.iter().map(|&sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
    if power == 0 {
        return DIGITAL_SILENCE;
    }
    let mean = power as f64 / samples.len() as f64;
    let full_scale = 32_768.0f64.powi(2);
    let below = -10.0 * (mean / full_scale).log10();
    below.round().clamp(0.0, f64::from(DIGITAL_SILENCE - 1)) as u8
}

/// The levels of the sources mixed into a packet, in the order of its CSRC list (RFC 6465 §3); at most 15.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CsrcLevels {
    levels: [u8; 15],
    len: u8,
}

impl CsrcLevels {
    /// Nobody.
    pub const EMPTY: Self = Self { levels: [0; 15], len: 0 };

    /// Appends the level of the next CSRC in -dBov, 0 to 127; 127 means digital silence or a source that tells
    /// nothing. `false` when there are 15 already.
    pub fn push(&mut self, level: u8) -> bool {
        let Some(slot) = self.levels.get_mut(usize::from(self.len)) else { return false };
        // The first bit is reserved and zero.
        *slot = level.min(DIGITAL_SILENCE);
        self.len += 1;
        true
    }

    /// The levels in order.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.levels.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl FromIterator<u8> for CsrcLevels {
    /// The first 15.
    fn from_iter<I: IntoIterator<Item = u8>>(iter: I) -> Self {
        let mut out = Self::EMPTY;
        for level in iter.into_iter().take(15) {
            out.push(level);
        }
        out
    }
}

/// The ids under which levels were agreed on for one m-line, in the direction in question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelIds {
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464).
    pub client: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:csrc-audio-level` (RFC 6465).
    pub mixer: Option<u8>,
}

impl LevelIds {
    /// URI of [`LevelIds::client`] in `a=extmap`.
    pub const CLIENT_URI: &'static str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
    /// URI of [`LevelIds::mixer`] in `a=extmap`.
    pub const MIXER_URI: &'static str = "urn:ietf:params:rtp-hdrext:csrc-audio-level";

    /// Appends what was agreed on: the level of the whole packet, and those of the sources in it. `levels` must be as
    /// many and in the same order as the packet's CSRCs; without any the RFC 6465 element is left out (its §3: as many
    /// levels as CSRCs).
    pub fn write(self, block: &mut ExtensionBlock, level: Option<AudioLevel>, levels: &CsrcLevels) {
        if let (Some(id), Some(level)) = (self.client, level) {
            block.push(id, &[level.to_octet()]);
        }
        if let Some(id) = self.mixer
            && !levels.as_slice().is_empty()
        {
            block.push(id, levels.as_slice());
        }
    }
}

impl RtpPacket {
    /// The level the sender wrote under this extension id (RFC 6464 §3).
    #[must_use]
    pub fn audio_level(&self, id: u8) -> Option<AudioLevel> {
        let &octet = self.extension(id)?.first()?;
        Some(AudioLevel::from_octet(octet))
    }

    /// Each source mixed into the packet with its level in -dBov, as written under this extension id (RFC 6465 §3).
    /// Nothing when the numbers of levels and CSRCs differ: then nobody can tell whose is whose.
    pub fn csrc_levels(&self, id: u8) -> impl Iterator<Item = (Ssrc, u8)> + '_ {
        let levels = self.extension(id).unwrap_or_default();
        let fits = levels.len() == self.csrcs().count();
        let levels = if fits { levels } else { &[] };
        self.csrcs().zip(levels.iter().map(|octet| octet & 0x7f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CsrcList, ExtensionForm, PayloadType, SendStream};
    use bytes::Bytes;

    #[test]
    fn levels_of_sound() {
        // A full-scale square wave is 0 dBov, and a sine of the same amplitude 3 dB less (RFC 6465 appendix A).
        assert_eq!(level_of(&[i16::MAX, i16::MIN, i16::MAX, i16::MIN]), 0);
        let sine: Vec<i16> = (0..800)
            .map(|i| ((f64::from(i) / 8.0 * std::f64::consts::TAU).sin() * 32_767.0) as i16)
            .collect();
        assert_eq!(level_of(&sine), 3);
        let tenth: Vec<i16> = sine.iter().map(|sample| sample / 10).collect();
        assert_eq!(level_of(&tenth), 23);
    }

    #[test]
    fn only_digital_silence_is_127() {
        assert_eq!(level_of(&[0; 160]), 127);
        assert_eq!(level_of(&[]), 127);
        let mut faint = [0; 960];
        faint[17] = 1;
        assert_eq!(level_of(&faint), 120);
        assert!(level_of(&[1; 160]) < 127);
    }

    #[test]
    fn the_octet_of_rfc_6464() {
        assert_eq!(AudioLevel { voice: true, level: 33 }.to_octet(), 0xa1);
        assert_eq!(AudioLevel::from_octet(0xa1), AudioLevel { voice: true, level: 33 });
        assert_eq!(AudioLevel { voice: false, level: 200 }.to_octet(), 127, "never the V bit");
        assert_eq!(AudioLevel::MUTED.to_octet(), 127);
    }

    fn packet(form: ExtensionForm, sources: u32, levels: usize) -> RtpPacket {
        let ids = LevelIds { client: Some(3), mixer: Some(9) };
        let mut block = ExtensionBlock::new(form);
        let levels: CsrcLevels = (0..levels).map(|i| 100 + i as u8).collect();
        ids.write(&mut block, Some(AudioLevel { voice: true, level: 12 }), &levels);
        let csrcs: CsrcList = (0..sources).map(Ssrc).collect();
        let mut stream = SendStream::new(Ssrc(9), PayloadType::PCMU, 1);
        let sent =
            stream.packet_with_extensions(false, 0, Bytes::from_static(b"x"), &csrcs, &block);
        RtpPacket::parse(sent.to_bytes()).unwrap()
    }

    #[test]
    fn one_level_for_each_source_in_order() {
        for form in [ExtensionForm::OneByte, ExtensionForm::TwoByte] {
            let full = packet(form, 15, 15);
            let got: Vec<_> = full.csrc_levels(9).collect();
            let expected: Vec<_> = (0..15).map(|i| (Ssrc(i), 100 + i as u8)).collect();
            assert_eq!(got, expected);
            assert_eq!(full.audio_level(3), Some(AudioLevel { voice: true, level: 12 }));
            assert_eq!(full.payload_ref(), b"x");
            let one = packet(form, 1, 1);
            assert_eq!(one.csrc_levels(9).collect::<Vec<_>>(), [(Ssrc(0), 100)]);
        }
    }

    #[test]
    fn levels_that_fit_no_source_are_not_believed() {
        assert_eq!(packet(ExtensionForm::OneByte, 3, 2).csrc_levels(9).count(), 0);
        assert_eq!(packet(ExtensionForm::OneByte, 2, 3).csrc_levels(9).count(), 0);
        let none = packet(ExtensionForm::OneByte, 0, 0);
        assert_eq!(none.extension(9), None);
        assert_eq!(none.csrc_levels(9).count(), 0);
    }

    #[test]
    fn fifteen_are_the_limit_and_the_reserved_bit_is_zero() {
        let levels: CsrcLevels = (0..40).map(|i| 120 + i).collect();
        assert_eq!(levels.as_slice().len(), 15);
        assert!(levels.as_slice().iter().all(|level| *level <= 127));
    }
}
