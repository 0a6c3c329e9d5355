//! Picture numbers of forwarded VP8 (RFC 7741 §4.2): one row across all sources.

use std::collections::VecDeque;

use crate::RtpTime;
use crate::send::shift::{Shift, unwrap_near};
use crate::vp8::PictureId;

/// Pictures of a source without picture ids that are remembered for late packets.
const PICTURES: usize = 32;
/// A picture id of 7 bits starts anew after so many, one of 15 bits after that.
const SHORT: u64 = 1 << 7;
pub(super) const LONG: u64 = 1 << 15;

/// How picture ids are written. It only ever grows: a receiver unwraps what it is used to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    None,
    Short,
    Long,
}

impl Width {
    const fn of(id: Option<PictureId>) -> Self {
        match id {
            None => Self::None,
            Some(PictureId::Short(_)) => Self::Short,
            Some(PictureId::Long(_)) => Self::Long,
        }
    }
}

/// Picture numbers; sources without any are counted by their timestamps.
#[derive(Clone, Debug)]
pub(super) struct Pictures {
    shift: Shift,
    width: Width,
    highest_in: u64,
    /// (timestamp, number) of the latest pictures, for sources without picture ids.
    counted: VecDeque<(RtpTime, u64)>,
}

impl Pictures {
    pub(super) const fn new(first_out: u64) -> Self {
        Self {
            shift: Shift::new(first_out),
            width: Width::None,
            highest_in: 0,
            counted: VecDeque::new(),
        }
    }

    /// A source begins with this picture.
    pub(super) fn join(&mut self, id: Option<PictureId>, timestamp: RtpTime) {
        let width = Width::of(id);
        if self.width == Width::Short && width == Width::Long {
            // The long numbers go on where the short ones ended.
            self.shift.lower_output(LONG, SHORT);
        }
        self.width = self.width.max(width);
        self.counted.clear();
        self.highest_in = LONG
            + match id {
                Some(PictureId::Short(id)) => u64::from(id),
                Some(PictureId::Long(id)) => u64::from(id),
                None => 0,
            };
        if id.is_none() {
            self.counted.push_back((timestamp, self.highest_in));
        }
        self.shift.sync(self.highest_in);
    }

    fn input(&mut self, id: Option<PictureId>, timestamp: RtpTime) -> Option<u64> {
        let input = match id {
            Some(PictureId::Short(id)) => unwrap_near(self.highest_in, u64::from(id), SHORT),
            Some(PictureId::Long(id)) => unwrap_near(self.highest_in, u64::from(id), LONG),
            None => return self.count(timestamp),
        };
        self.highest_in = self.highest_in.max(input);
        Some(input)
    }

    /// The number of the picture with this timestamp: known, or the next one if it is newer than all.
    fn count(&mut self, timestamp: RtpTime) -> Option<u64> {
        if let Some((_, number)) = self.counted.iter().find(|(known, _)| *known == timestamp) {
            return Some(*number);
        }
        if let Some((newest, _)) = self.counted.back()
            && timestamp.distance_from(*newest) < 0
        {
            return None;
        }
        if self.counted.len() >= PICTURES {
            self.counted.pop_front();
        }
        self.highest_in += 1;
        self.counted.push_back((timestamp, self.highest_in));
        Some(self.highest_in)
    }

    /// The id to write: as wide as any source's was so far, none while no source had one. The outer `None`: the picture
    /// is not to be forwarded.
    pub(super) fn map(
        &mut self,
        id: Option<PictureId>,
        timestamp: RtpTime,
    ) -> Option<Option<PictureId>> {
        let input = self.input(id, timestamp)?;
        let output = self.shift.map(input)?;
        Some(match self.width.max(Width::of(id)) {
            Width::None => None,
            Width::Short => Some(PictureId::Short((output % SHORT) as u8)),
            Width::Long => Some(PictureId::Long((output % LONG) as u16)),
        })
    }

    pub(super) fn omit(&mut self, id: Option<PictureId>, timestamp: RtpTime) {
        if let Some(input) = self.input(id, timestamp) {
            self.shift.omit(input);
        }
    }
}
