//! Header extension elements: read in place, written without allocation (RFC 8285).

/// Profile value of one-byte elements (RFC 8285 §4.2).
const ONE_BYTE: u16 = 0xbede;
/// Profile value of two-byte elements without its lowest four bits, the "appbits" (RFC 8285 §4.3).
const TWO_BYTE: u16 = 0x1000;
/// Id of a one-byte element at which reading stops (RFC 8285 §4.2).
const STOP: u8 = 15;
/// Octets of elements one packet of ours can carry: 15 CSRC levels, a client's level, a mid, and some to spare.
const CAPACITY: usize = 44;

/// How the elements of one stream are written. The two forms must not be mixed in a stream unless
/// `a=extmap-allow-mixed` was agreed on (RFC 8285 §4.1.2), so the form belongs to the stream, not to the packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExtensionForm {
    /// Ids 1 to 14, 1 to 16 octets each. Everybody reads it.
    #[default]
    OneByte,
    /// Ids 1 to 255, 0 to 255 octets each.
    TwoByte,
}

/// The extension elements of one packet to be sent.
///
/// ```
/// use rtp_session::{ExtensionBlock, ExtensionForm};
///
/// let mut block = ExtensionBlock::new(ExtensionForm::OneByte);
/// assert!(block.push(1, &[0x8a]));
/// assert!(!block.push(15, &[0]), "reserved");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionBlock {
    form: ExtensionForm,
    octets: [u8; CAPACITY],
    len: u8,
}

impl Default for ExtensionBlock {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl ExtensionBlock {
    /// No element: the packet gets no extension at all.
    pub const EMPTY: Self = Self::new(ExtensionForm::OneByte);
    /// Most octets the block takes in a header, its own four included.
    pub(crate) const MAX_WIRE: usize = 4 + CAPACITY;

    /// No element yet.
    #[must_use]
    pub const fn new(form: ExtensionForm) -> Self {
        Self { form, octets: [0; CAPACITY], len: 0 }
    }

    /// Appends an element under the id negotiated by `a=extmap`. `false`, and nothing appended, when id or length
    /// are not possible in this form (one-byte: ids 1 to 14, 1 to 16 octets; two-byte: ids 1 to 255), or when the
    /// block is full.
    pub fn push(&mut self, id: u8, data: &[u8]) -> bool {
        let (head, head_len) = match (self.form, id, data.len()) {
            (ExtensionForm::OneByte, 1..STOP, len @ 1..=16) => ([id << 4 | (len - 1) as u8, 0], 1),
            (ExtensionForm::TwoByte, 1.., len @ 0..=255) => ([id, len as u8], 2),
            _ => return false,
        };
        let start = usize::from(self.len);
        let end = start + head_len + data.len();
        let Some(room) = self.octets.get_mut(start..end) else { return false };
        let (head_room, data_room) = room.split_at_mut(head_len);
        head_room.copy_from_slice(&head[..head_len]);
        data_room.copy_from_slice(data);
        self.len = end as u8;
        true
    }

    /// Nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Hands the octets as they stand in a packet to `push`: profile, length in words, elements, padding to a whole
    /// word. Nothing when there is no element.
    pub(crate) fn write(&self, mut push: impl FnMut(&[u8])) {
        if self.is_empty() {
            return;
        }
        let padded = usize::from(self.len).next_multiple_of(4);
        let profile = match self.form {
            ExtensionForm::OneByte => ONE_BYTE,
            ExtensionForm::TwoByte => TWO_BYTE,
        };
        push(&profile.to_be_bytes());
        push(&((padded / 4) as u16).to_be_bytes());
        push(self.octets.get(..padded).unwrap_or_default());
    }
}

/// Iterator over the elements of a received packet; see [`RtpPacket::extensions`](crate::RtpPacket::extensions).
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    rest: &'a [u8],
    form: ExtensionForm,
}

impl<'a> Extensions<'a> {
    /// The elements in the octets after profile and length; none under a profile that is not RFC 8285's.
    pub(crate) const fn new(profile: Option<u16>, octets: &'a [u8]) -> Self {
        match profile {
            Some(ONE_BYTE) => Self { rest: octets, form: ExtensionForm::OneByte },
            Some(profile) if profile & 0xfff0 == TWO_BYTE => {
                Self { rest: octets, form: ExtensionForm::TwoByte }
            }
            _ => Self { rest: &[], form: ExtensionForm::OneByte },
        }
    }

    /// The form the sender chose.
    #[must_use]
    pub const fn form(&self) -> ExtensionForm {
        self.form
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // What stands before a broken element counts, what follows it does not.
            let (&first, after) = std::mem::take(&mut self.rest).split_first()?;
            if first == 0 {
                self.rest = after; // padding (RFC 8285 §4.1.2)
                continue;
            }
            let (id, len, after) = match self.form {
                // Id 0 with a length: to be ignored with its data, as padding would be (RFC 8285 §4.2).
                ExtensionForm::OneByte => (first >> 4, usize::from(first & 0x0f) + 1, after),
                ExtensionForm::TwoByte => {
                    let (&len, after) = after.split_first()?;
                    (first, usize::from(len), after)
                }
            };
            if self.form == ExtensionForm::OneByte && id == STOP {
                return None;
            }
            let (data, rest) = after.split_at_checked(len)?;
            self.rest = rest;
            if id != 0 {
                return Some((id, data));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wire(block: &ExtensionBlock) -> Vec<u8> {
        let mut out = Vec::new();
        block.write(|octets| out.extend_from_slice(octets));
        out
    }

    fn read(wire: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let profile = wire.first_chunk::<2>().map(|profile| u16::from_be_bytes(*profile));
        let octets = wire.get(4..).unwrap_or_default();
        Extensions::new(profile, octets).map(|(id, data)| (id, data.to_vec())).collect()
    }

    #[test]
    fn one_byte_elements_of_rfc_8285_4_2() {
        let mut block = ExtensionBlock::new(ExtensionForm::OneByte);
        assert!(block.push(1, &[0xaa]));
        assert!(block.push(2, &[1, 2]));
        assert!(block.push(14, &[7; 4]));
        let octets = [0xbe, 0xde, 0, 3, 0x10, 0xaa, 0x21, 1, 2, 0xe3, 7, 7, 7, 7, 0, 0];
        assert_eq!(wire(&block), octets);
        assert_eq!(read(&octets), [(1, vec![0xaa]), (2, vec![1, 2]), (14, vec![7; 4])]);
    }

    #[test]
    fn two_byte_elements_of_rfc_8285_4_3() {
        let mut block = ExtensionBlock::new(ExtensionForm::TwoByte);
        assert!(block.push(1, &[]));
        assert!(block.push(15, &[9]), "15 means nothing special here");
        assert!(block.push(255, &[1; 17]));
        let octets = wire(&block);
        assert_eq!(octets[..9], [0x10, 0, 0, 6, 1, 0, 15, 1, 9]);
        assert_eq!(read(&octets), [(1, vec![]), (15, vec![9]), (255, vec![1; 17])]);
        // The four appbits mean nothing to us.
        let mut flagged = octets;
        flagged[1] = 0x0f;
        assert_eq!(read(&flagged).len(), 3);
    }

    #[test]
    fn what_a_form_cannot_say_is_refused() {
        let mut block = ExtensionBlock::new(ExtensionForm::OneByte);
        for (id, data) in [(0, &[1][..]), (15, &[1]), (16, &[1]), (1, &[]), (1, &[0; 17])] {
            assert!(!block.push(id, data), "{id} {data:?}");
        }
        assert!(block.is_empty());
        assert_eq!(wire(&block), []);
        assert!(!ExtensionBlock::new(ExtensionForm::TwoByte).push(0, &[1]));
        assert!(block.push(1, &[0; 16]) && block.push(2, &[0; 16]));
        assert!(!block.push(3, &[0; 16]), "full");
        assert!(block.push(3, &[0; 4]), "but not for a short one");
    }

    #[test]
    fn padding_is_skipped_and_id_15_ends_the_list() {
        let octets = [0xbe, 0xde, 0, 3, 0, 0x10, 1, 0, 0x01, 8, 8, 0x20, 2, 0xf0, 9, 0x30];
        assert_eq!(read(&octets), [(1, vec![1]), (2, vec![2])]);
        // Id 15 with length 0 as well, and a last element longer than the rest.
        assert_eq!(read(&[0xbe, 0xde, 0, 1, 0xf0, 0x10, 1, 0]), []);
        assert_eq!(read(&[0xbe, 0xde, 0, 1, 0x10, 5, 0x13, 1]), [(1, vec![5])]);
        assert_eq!(read(&[0x12, 0x34, 0, 1, 0x10, 5, 0, 0]), [], "another profile");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn what_is_written_is_read(two_byte: bool,
            elements in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..20)), 0..8))
        {
            let form = if two_byte { ExtensionForm::TwoByte } else { ExtensionForm::OneByte };
            let mut block = ExtensionBlock::new(form);
            let kept: Vec<_> =
                elements.into_iter().filter(|(id, data)| block.push(*id, data)).collect();
            let octets = wire(&block);
            prop_assert!(octets.len() <= ExtensionBlock::MAX_WIRE && octets.len().is_multiple_of(4));
            prop_assert_eq!(read(&octets), kept);
        }

        #[test]
        fn any_octets(profile: u16, octets in prop::collection::vec(any::<u8>(), 0..64)) {
            for profile in [profile, ONE_BYTE, TWO_BYTE] {
                let total: usize = Extensions::new(Some(profile), &octets)
                    .map(|(id, data)| { assert!(id != 0); data.len() + 1 })
                    .sum();
                prop_assert!(total <= octets.len());
            }
        }
    }
}
