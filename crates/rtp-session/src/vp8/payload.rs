//! A frame cut into payloads (RFC 7741 §4.4).

use bytes::Bytes;

use super::{Descriptor, PictureId};

/// One packet's worth of a frame.
#[derive(Clone, Debug)]
pub struct Vp8Part {
    descriptor: [u8; 6],
    descriptor_len: usize,
    /// The piece of the frame; shares the frame's memory.
    pub payload: Bytes,
    /// The last of the frame: the packet gets the marker.
    pub last: bool,
}

impl Vp8Part {
    /// The descriptor in front of the piece.
    #[must_use]
    pub fn descriptor(&self) -> &[u8] {
        self.descriptor.get(..self.descriptor_len).unwrap_or_default()
    }
}

/// Cuts frames and numbers their pictures with 15 bits.
#[derive(Clone, Debug)]
pub struct Packetizer {
    picture_id: u16,
    max_payload: usize,
}

impl Packetizer {
    /// Payloads of at most `max_payload` octets with descriptor (1200 is safe on any path); the first picture
    /// id comes out of `seed`.
    #[must_use]
    pub fn new(max_payload: usize, seed: u64) -> Self {
        Self {
            picture_id: (crate::random::Random::new(seed).next_u64() & 0x7fff) as u16,
            max_payload: max_payload.max(16),
        }
    }

    /// The pieces of one encoded frame, nearly equal in size.
    pub fn split(&mut self, frame: &Bytes) -> impl Iterator<Item = Vp8Part> + use<> {
        let picture_id = self.picture_id;
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        let room = self.max_payload - 4;
        let count = frame.len().div_ceil(room);
        let frame = frame.clone();
        (0..count).map(move |i| {
            // Pieces of equal size: one tiny last packet costs as much as a full one.
            let start = frame.len() * i / count;
            let end = frame.len() * (i + 1) / count;
            let mut descriptor = [0; 6];
            let descriptor_len = Descriptor {
                start_of_partition: i == 0,
                picture_id: Some(PictureId::Long(picture_id)),
                ..Descriptor::default()
            }
            .write(&mut descriptor);
            Vp8Part {
                descriptor,
                descriptor_len,
                payload: frame.slice(start..end),
                last: i + 1 == count,
            }
        })
    }
}
