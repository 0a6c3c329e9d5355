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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_and_their_size() {
        // RFC 6386 §9.1: 640x480 with scaling bits set, shown, version 0.
        let frame = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0xe0, 0x81, 0xff];
        assert!(is_key_frame(&frame));
        assert_eq!(frame_size(&frame), Some((640, 480)));
        assert_eq!(frame_size(&frame[..9]), None);
        let mut wrong = frame;
        wrong[3] = 0;
        assert_eq!(frame_size(&wrong), None);
        let mut inter = frame;
        inter[0] |= 1;
        assert_eq!(frame_size(&inter), None);
        assert!(!is_key_frame(&[]));
    }

    #[test]
    fn starts_are_partition_zero_with_content() {
        assert!(starts_key_frame(&[0x10, 0x00]));
        assert!(!starts_key_frame(&[0x10, 0x01]));
        assert!(starts_picture(&[0x10, 0x01]));
        assert!(!starts_picture(&[0x00, 0x00]));
        assert!(!starts_picture(&[0x11, 0x00]), "another partition");
        assert!(!starts_picture(&[0x10]), "nothing in it");
    }
}
