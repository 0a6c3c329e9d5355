//! What a payload says about itself before it is decoded.

/// The longest payload of a sample-by-sample codec, in octets: RFC 3551 §4.2 asks receivers to take
/// up to 200 ms.
const LONGEST_SAMPLED: usize = 1600;
/// RFC 6716 §3.2.5: no packet is longer than 120 ms at 48 kHz.
const LONGEST_OPUS: u32 = 5760;

/// Units of the RTP clock in a payload of G.711 or G.722: as many as octets (RFC 3551 §4.5.2, §4.5.14).
pub(super) fn sampled_duration(payload: &[u8]) -> Option<u32> {
    let octets = payload.len();
    (1..=LONGEST_SAMPLED).contains(&octets).then_some(octets as u32)
}

/// Units of the RTP clock of 48 kHz in an Opus payload; `None` when there is no such packet.
pub(super) fn opus_duration(payload: &[u8]) -> Option<u32> {
    let (&toc, rest) = payload.split_first()?;
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first()? & 0x3f),
    };
    Some(opus_frame(toc) * frames).filter(|total| (1..=LONGEST_OPUS).contains(total))
}

/// RFC 6716 §3.1, table 2: the frame size at 48 kHz by configuration.
fn opus_frame(toc: u8) -> u32 {
    let config = usize::from(toc >> 3);
    match config {
        0..=11 => [480, 960, 1920, 2880][config & 3],
        12..=15 => [480, 960][config & 1],
        _ => [120, 240, 480, 960][config & 3],
    }
}

/// Whether an Opus payload holds a coarse copy of the frame before it (in-band FEC, RFC 6716
/// §2.1.7). Only SILK and hybrid frames have a place for it: the bits after the voice activity flags,
/// one flag for each 20 ms (RFC 6716 §4.2.3). They are coded with even odds, so that they stand
/// unchanged in the first octet.
pub(super) fn opus_redundancy(payload: &[u8]) -> bool {
    let Some((&toc, rest)) = payload.split_first() else { return false };
    if toc >> 3 >= 16 {
        return false;
    }
    let Some(&first) = first_frame(toc & 3, rest).and_then(<[u8]>::first) else { return false };
    let activity_flags = (opus_frame(toc) / 960).max(1);
    let mono = first >> (7 - activity_flags) & 1 == 1;
    let is_stereo = toc & 4 != 0;
    let side = is_stereo && activity_flags < 3 && first >> (6 - 2 * activity_flags) & 1 == 1;
    mono || side
}

/// The octets from the first frame on (RFC 6716 §3.2).
fn first_frame(code: u8, rest: &[u8]) -> Option<&[u8]> {
    match code {
        0 | 1 => Some(rest),
        2 => rest.get(length_octets(*rest.first()?)..),
        _ => {
            let (&counts, mut rest) = rest.split_first()?;
            if counts & 0x40 != 0 {
                // Padding: 255 means 254 octets and another length octet.
                while let Some((&length, after)) = rest.split_first() {
                    rest = after;
                    if length != 255 {
                        break;
                    }
                }
            }
            if counts & 0x80 != 0 {
                for _ in 1..counts & 0x3f {
                    rest = rest.get(length_octets(*rest.first()?)..)?;
                }
            }
            Some(rest)
        }
    }
}

/// RFC 6716 §3.2.1: lengths from 252 on take two octets.
const fn length_octets(first: u8) -> usize {
    if first >= 252 { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn opus_durations_of_rfc_6716() {
        // (configuration, code of the frame count, octets after the first) and units at 48 kHz.
        let rows: &[(u8, u8, &[u8], Option<u32>)] = &[
            (0, 0, &[], Some(480)),
            (3, 0, &[], Some(2880)),
            (11, 1, &[], Some(5760)),
            (12, 0, &[], Some(480)),
            (13, 2, &[], Some(1920)),
            (16, 0, &[], Some(120)),
            (31, 0, &[], Some(960)),
            (31, 3, &[6], Some(5760)),
            (31, 3, &[0xc0 | 3], Some(2880)),
            (31, 3, &[7], None),
            (31, 3, &[0], None),
            (31, 3, &[], None),
        ];
        for &(config, code, rest, expected) in rows {
            let payload = [&[config << 3 | code], rest].concat();
            let duration = opus_duration(&payload);
            assert_eq!(duration, expected, "configuration {config}, code {code}, {rest:?}");
        }
        assert_eq!(opus_duration(&[]), None);
    }

    #[test]
    fn sampled_payloads_are_as_long_as_they_have_octets() {
        assert_eq!(sampled_duration(&[0; 160]), Some(160));
        assert_eq!(sampled_duration(&[0; 1600]), Some(1600));
        assert_eq!(sampled_duration(&[0; 1601]), None);
        assert_eq!(sampled_duration(&[]), None);
    }

    #[test]
    fn the_redundancy_flag_follows_the_voice_activity_flags() {
        // (configuration and stereo bit, code, octets) and what they say.
        let rows: &[(u8, u8, &[u8], bool)] = &[
            (9 << 3, 0, &[0b1100_0000], true), // SILK wideband 20 ms
            (9 << 3, 0, &[0b1000_0000], false),
            (11 << 3, 0, &[0b1111_0000], true), // 60 ms: three activity flags
            (11 << 3, 0, &[0b1110_0000], false),
            (13 << 3, 0, &[0b0100_0000], true),        // hybrid
            (9 << 3 | 4, 0, &[0b1001_0000], true),     // the side channel has it
            (9 << 3, 2, &[1, 0b0100_0000, 0], true),   // two frames, the first 1 octet
            (9 << 3, 2, &[252, 0, 0b0100_0000], true), // a length of two octets
            (9 << 3, 3, &[0xc2, 1, 2, 0b0100_0000], true), // padding and one length
            (31 << 3, 0, &[0xff], false),              // CELT has no place for it
            (9 << 3, 0, &[], false),
        ];
        for &(toc, code, rest, expected) in rows {
            let payload = [&[toc | code], rest].concat();
            assert_eq!(opus_redundancy(&payload), expected, "{toc:#x} {code} {rest:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn any_bytes(payload in prop::collection::vec(any::<u8>(), 0..12)) {
            let duration = opus_duration(&payload);
            prop_assert!(duration.is_none_or(|d| d > 0 && d <= 5760 && d % 120 == 0));
            opus_redundancy(&payload);
        }
    }
}
