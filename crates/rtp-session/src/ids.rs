//! The numbers RTP counts in. All of them wrap; none is compared with `<` by accident.

use std::fmt;

/// Synchronisation source: who sends a stream (RFC 3550 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl From<u32> for Ssrc {
    fn from(value: u32) -> Self {
        Self(value)
    }
}

/// Payload type: what a packet carries, 0 to 127 (RFC 3551 §6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadType(u8);

impl PayloadType {
    /// PCMU, 8000 Hz (RFC 3551 §4.5.14).
    pub const PCMU: Self = Self(0);
    /// PCMA, 8000 Hz (RFC 3551 §4.5.14).
    pub const PCMA: Self = Self(8);
    /// Comfort noise, 8000 Hz (RFC 3389).
    pub const COMFORT_NOISE: Self = Self(13);

    /// `None` above 127, which does not fit in seven bits.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        if value < 128 { Some(Self(value)) } else { None }
    }

    /// The lower seven bits of the second header octet.
    #[must_use]
    pub(crate) const fn from_octet(octet: u8) -> Self {
        Self(octet & 0x7f)
    }

    /// The number, 0 to 127.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Sequence number as on the wire; it wraps (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seq(pub u16);

impl Seq {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How far `self` is after `other`, by the shorter way around: -32768 to 32767.
    #[must_use]
    pub const fn distance_from(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    /// Whether `self` comes after `other` by the shorter way around.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Sequence number that never wraps: the number of cycles above the 16 bits of the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtSeq(pub u64);

impl ExtSeq {
    /// The first number of a stream, one cycle up, so that a packet reordered before it has a number too.
    #[must_use]
    pub const fn first(seq: Seq) -> Self {
        Self(0x1_0000 + seq.0 as u64)
    }

    /// The number with the wire value `seq` that is nearest to `self`.
    #[must_use]
    pub const fn nearest(self, seq: Seq) -> Self {
        let step = seq.distance_from(self.wire()) as i64;
        Self(self.0.saturating_add_signed(step))
    }

    /// The 16 bits that go on the wire.
    #[must_use]
    pub const fn wire(self) -> Seq {
        Seq(self.0 as u16)
    }

    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Media timestamp as on the wire, in units of the payload's clock; it wraps (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RtpTime(pub u32);

impl RtpTime {
    /// This time, `ticks` later.
    #[must_use]
    pub const fn plus(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }

    /// How far `self` is after `other` by the shorter way around, in clock units.
    #[must_use]
    pub const fn distance_from(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }
}

impl fmt::Display for RtpTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Media timestamp that never wraps, in units of the payload's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtRtpTime(pub i64);

impl ExtRtpTime {
    /// The first time of a stream.
    #[must_use]
    pub const fn first(time: RtpTime) -> Self {
        Self(time.0 as i64)
    }

    /// The time with the wire value `time` that is nearest to `self`.
    #[must_use]
    pub const fn nearest(self, time: RtpTime) -> Self {
        Self(self.0.saturating_add(time.distance_from(self.wire()) as i64))
    }

    /// The 32 bits that go on the wire.
    #[must_use]
    pub const fn wire(self) -> RtpTime {
        RtpTime(self.0 as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sequence_numbers_compare_around_the_wrap() {
        assert!(Seq(0).is_after(Seq(65535)));
        assert!(!Seq(65535).is_after(Seq(0)));
        assert_eq!(Seq(2).distance_from(Seq(65534)), 4);
        assert_eq!(Seq(65535).next(), Seq(0));
    }

    #[test]
    fn a_packet_before_the_first_still_has_a_number() {
        let first = ExtSeq::first(Seq(0));
        assert_eq!(first.nearest(Seq(65535)), ExtSeq(0xffff));
        assert_eq!(first.nearest(Seq(65535)).wire(), Seq(65535));
    }

    #[test]
    fn payload_types_have_seven_bits() {
        assert_eq!(PayloadType::new(127).map(PayloadType::get), Some(127));
        assert_eq!(PayloadType::new(128), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn extended_numbers_follow_any_walk(start: u16, steps in prop::collection::vec(-30000i32..30000, 1..50)) {
            let mut ext = ExtSeq::first(Seq(start));
            let mut truth = ext.0.cast_signed() + 1_000_000 * 65536;
            ext = ExtSeq(truth.cast_unsigned());
            for step in steps {
                truth += i64::from(step);
                ext = ext.nearest(Seq(truth as u16));
                prop_assert_eq!(ext.0.cast_signed(), truth);
            }
        }

        #[test]
        fn extended_times_follow_any_walk(start: u32, steps in prop::collection::vec(any::<i32>(), 1..50)) {
            let mut ext = ExtRtpTime::first(RtpTime(start));
            let mut truth = i64::from(start);
            for step in steps {
                truth += i64::from(step);
                ext = ext.nearest(RtpTime(truth as u32));
                prop_assert_eq!(ext.0, truth);
            }
        }
    }
}
