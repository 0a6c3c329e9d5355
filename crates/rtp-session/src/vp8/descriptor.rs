//! The payload descriptor (RFC 7741 §4.2).

/// A picture number; a sender keeps the width it began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureId {
    /// Seven bits.
    Short(u8),
    /// Fifteen bits.
    Long(u16),
}

/// What stands in front of every VP8 payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// N: nothing refers to this frame.
    pub non_reference: bool,
    /// S: a partition starts here.
    pub start_of_partition: bool,
    /// PID: which partition, 0 to 7.
    pub partition: u8,
    /// I: the number of the picture.
    pub picture_id: Option<PictureId>,
    /// L: the number of the temporal base layer picture.
    pub tl0_pic_idx: Option<u8>,
    /// T: temporal layer 0 to 3, and Y: the frame depends on the base layer only.
    pub temporal: Option<(u8, bool)>,
    /// K: temporal key frame index, 0 to 31.
    pub key_idx: Option<u8>,
}

impl Descriptor {
    /// Reads it off the front of a payload; with it the number of octets it took. `None` when the payload
    /// ends inside it.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<(Self, usize)> {
        let mut rest = payload.iter().copied();
        let first = rest.next()?;
        let mut out = Self {
            non_reference: first & 0x20 != 0,
            start_of_partition: first & 0x10 != 0,
            partition: first & 0x07,
            ..Self::default()
        };
        if first & 0x80 != 0 {
            let flags = rest.next()?;
            if flags & 0x80 != 0 {
                let high = rest.next()?;
                out.picture_id = Some(if high & 0x80 == 0 {
                    PictureId::Short(high)
                } else {
                    PictureId::Long(u16::from(high & 0x7f) << 8 | u16::from(rest.next()?))
                });
            }
            if flags & 0x40 != 0 {
                out.tl0_pic_idx = Some(rest.next()?);
            }
            if flags & 0x30 != 0 {
                let octet = rest.next()?;
                if flags & 0x20 != 0 {
                    out.temporal = Some((octet >> 6, octet & 0x20 != 0));
                }
                if flags & 0x10 != 0 {
                    out.key_idx = Some(octet & 0x1f);
                }
            }
        }
        Some((out, payload.len() - rest.len()))
    }

    /// Writes it into `out`; the number of octets, at most 6.
    #[must_use]
    pub fn write(&self, out: &mut [u8; 6]) -> usize {
        let mut len = 0;
        let mut put = |octet: u8| {
            if let Some(slot) = out.get_mut(len) {
                *slot = octet;
                len += 1;
            }
        };
        let extended = self.picture_id.is_some()
            || self.tl0_pic_idx.is_some()
            || self.temporal.is_some()
            || self.key_idx.is_some();
        put(u8::from(extended) << 7
            | u8::from(self.non_reference) << 5
            | u8::from(self.start_of_partition) << 4
            | self.partition & 0x07);
        if extended {
            put(u8::from(self.picture_id.is_some()) << 7
                | u8::from(self.tl0_pic_idx.is_some()) << 6
                | u8::from(self.temporal.is_some()) << 5
                | u8::from(self.key_idx.is_some()) << 4);
            match self.picture_id {
                Some(PictureId::Short(id)) => put(id & 0x7f),
                Some(PictureId::Long(id)) => {
                    put(0x80 | (id >> 8) as u8);
                    put(id as u8);
                }
                None => {}
            }
            if let Some(index) = self.tl0_pic_idx {
                put(index);
            }
            if self.temporal.is_some() || self.key_idx.is_some() {
                let (tid, y) = self.temporal.unwrap_or_default();
                put((tid & 0x03) << 6 | u8::from(y) << 5 | self.key_idx.unwrap_or(0) & 0x1f);
            }
        }
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn descriptors_of_rfc_7741() {
        type Row<'a> = (&'a [u8], Option<(Descriptor, usize)>);
        let plain = Descriptor::default();
        let rows: &[Row<'_>] = &[
            (&[], None),
            (&[0x10], Some((Descriptor { start_of_partition: true, ..plain }, 1))),
            (&[0x27, 9], Some((Descriptor { non_reference: true, partition: 7, ..plain }, 1))),
            (&[0x80], None),
            (&[0x80, 0x80], None),
            // §4.2: seven bits, fifteen bits.
            (
                &[0x90, 0x80, 0x11],
                Some((
                    Descriptor {
                        start_of_partition: true,
                        picture_id: Some(PictureId::Short(17)),
                        ..plain
                    },
                    3,
                )),
            ),
            (
                &[0x80, 0x80, 0x92, 0x34],
                Some((Descriptor { picture_id: Some(PictureId::Long(0x1234)), ..plain }, 4)),
            ),
            (&[0x80, 0x80, 0x92], None),
            // Everything: I, L, T, K.
            (
                &[0x90, 0xf0, 0x80, 0x01, 0x2a, 0xa5, 0xff],
                Some((
                    Descriptor {
                        start_of_partition: true,
                        picture_id: Some(PictureId::Long(1)),
                        tl0_pic_idx: Some(42),
                        temporal: Some((2, true)),
                        key_idx: Some(5),
                        ..plain
                    },
                    6,
                )),
            ),
            // T without K, K without T share an octet.
            (&[0x80, 0x20, 0x5f], Some((Descriptor { temporal: Some((1, false)), ..plain }, 3))),
            (&[0x80, 0x10, 0xc3], Some((Descriptor { key_idx: Some(3), ..plain }, 3))),
            (&[0x80, 0x40], None),
        ];
        for (bytes, expected) in rows {
            assert_eq!(Descriptor::parse(bytes), *expected, "{bytes:02x?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn what_is_read_is_written_the_same(payload in prop::collection::vec(any::<u8>(), 0..12)) {
            if let Some((descriptor, len)) = Descriptor::parse(&payload) {
                prop_assert!(len <= 6 && len <= payload.len());
                let mut out = [0; 6];
                let written = descriptor.write(&mut out);
                prop_assert_eq!(Descriptor::parse(&out[..written]).map(|(d, _)| d), Some(descriptor));
            }
            let _ = crate::vp8::starts_key_frame(&payload);
            let _ = crate::vp8::frame_size(&payload);
        }
    }
}
