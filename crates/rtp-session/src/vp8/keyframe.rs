//! Does a picture start here, is it a key frame, how large is it (RFC 7741 §4.3, RFC 6386 §9.1).

use super::Descriptor;

/// Whether this RTP payload is the first of a picture: the start of partition 0.
#[must_use]
pub fn starts_picture(payload: &[u8]) -> bool {
    Descriptor::parse(payload)
        .is_some_and(|(d, len)| d.start_of_partition && d.partition == 0 && payload.len() > len)
}

/// Whether this RTP payload is the first of a key frame.
#[must_use]
pub fn starts_key_frame(payload: &[u8]) -> bool {
    starts_picture(payload)
        && Descriptor::parse(payload)
            .and_then(|(_, len)| payload.get(len..))
            .is_some_and(is_key_frame)
}

/// Whether this frame (without descriptor) is a key frame: the P bit is zero.
#[must_use]
pub fn is_key_frame(frame: &[u8]) -> bool {
    frame.first().is_some_and(|octet| octet & 0x01 == 0)
}

/// Width and height in a key frame's header; `None` for other frames.
#[must_use]
pub fn frame_size(frame: &[u8]) -> Option<(u16, u16)> {
    let (head, _) = frame.split_first_chunk::<10>()?;
    if !is_key_frame(frame) || head[3..6] != [0x9d, 0x01, 0x2a] {
        return None;
    }
    // The upper two bits of each are a hint for scaling.
    let width = u16::from_le_bytes([head[6], head[7]]) & 0x3fff;
    let height = u16::from_le_bytes([head[8], head[9]]) & 0x3fff;
    Some((width, height))
}
