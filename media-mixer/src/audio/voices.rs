//! Who is in a packet of mixed sound, and how loud: its CSRC list and the levels of RFC 6465, always in step.

use rtp_session::{CsrcLevels, CsrcList, Ssrc};

use super::speakers::Level;

/// Voices in the order in which they are told; at most 15.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Voices {
    list: [(Ssrc, u8); 15],
    len: u8,
}

impl Voices {
    /// Nobody.
    pub const NOBODY: Self = Self { list: [(Ssrc(0), 0); 15], len: 0 };

    /// Adds a voice; one that is there already is as loud as it was at its loudest.
    pub fn push(&mut self, ssrc: Ssrc, level: Level) {
        let len = usize::from(self.len);
        if let Some(known) = self.list[..len].iter_mut().find(|(known, _)| *known == ssrc) {
            known.1 = known.1.min(level.0);
        } else if let Some(free) = self.list.get_mut(len) {
            *free = (ssrc, level.0);
            self.len += 1;
        }
    }

    /// Adds those of the next tick.
    pub fn merge(&mut self, others: &Self) {
        for (ssrc, level) in others.iter() {
            self.push(ssrc, Level(level));
        }
    }

    fn iter(&self) -> impl Iterator<Item = (Ssrc, u8)> + '_ {
        self.list[..usize::from(self.len)].iter().copied()
    }

    /// Their SSRCs.
    pub fn csrcs(&self) -> CsrcList {
        self.iter().map(|(ssrc, _)| ssrc).collect()
    }

    /// Their levels, in the order of [`Self::csrcs`].
    pub fn levels(&self) -> CsrcLevels {
        self.iter().map(|(_, level)| level).collect()
    }
}

impl FromIterator<(Ssrc, Level)> for Voices {
    /// The first 15.
    fn from_iter<I: IntoIterator<Item = (Ssrc, Level)>>(iter: I) -> Self {
        let mut voices = Self::NOBODY;
        for (ssrc, level) in iter {
            voices.push(ssrc, level);
        }
        voices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_of_several_ticks_names_everybody_in_it_once_and_at_their_loudest() {
        let tick = |voices: &[(u32, u8)]| -> Voices {
            voices.iter().map(|&(ssrc, level)| (Ssrc(ssrc), Level(level))).collect()
        };
        let mut packet = tick(&[(1, 30), (2, 40)]);
        packet.merge(&tick(&[(2, 20), (3, 50)]));
        assert_eq!(packet.csrcs().as_slice(), [Ssrc(1), Ssrc(2), Ssrc(3)]);
        assert_eq!(packet.levels().as_slice(), [30, 20, 50]);
        let crowd: Voices = (0..40).map(|n| (Ssrc(n), Level(n as u8))).collect();
        assert_eq!(crowd.csrcs().as_slice().len(), 15);
        assert_eq!(crowd.levels().as_slice().len(), 15);
    }
}
