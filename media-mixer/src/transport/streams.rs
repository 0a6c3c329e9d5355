//! What the streams of a line are for, as agreed on.

use rtp_session::{PayloadType, RtpSession, RtxPair, Ssrc};
use sdp::negotiate::NegotiatedMedia;

/// The payload types that may come in on a line, with their clock rates.
pub(super) fn payload_types(media: &NegotiatedMedia) -> Vec<(PayloadType, u32)> {
    let mut types: Vec<(PayloadType, u32)> = media
        .receive
        .iter()
        .filter_map(|codec| Some((PayloadType::new(codec.payload_type)?, codec.clock_rate)))
        .collect();
    // Comfort noise needs no agreement to be harmless (RFC 3389 §4: its payload type is static).
    if media.codec.clock_rate == 8_000 && media.receive.by_payload_type(13).is_none() {
        types.push((PayloadType::COMFORT_NOISE, 8_000));
    }
    types
}

/// Tells the session what the streams of the member are for. Returns how it sends packets again.
pub(super) fn agree_on_streams(
    session: &mut RtpSession,
    media: &NegotiatedMedia,
) -> Option<RtxPair> {
    let auxiliary = media.receive.iter().filter(|codec| codec.is_auxiliary());
    let auxiliary = auxiliary.filter_map(|codec| PayloadType::new(codec.payload_type));
    session.set_auxiliary_types(auxiliary.chain([PayloadType::COMFORT_NOISE]).collect());
    let repairs = media.rtx.and_then(|rtx| {
        let apt = media.receive.matching(&media.codec)?.payload_type;
        Some(RtxPair { rtx: PayloadType::new(rtx.receive)?, apt: PayloadType::new(apt)? })
    });
    session.set_rtx(repairs.into_iter().collect());
    for source in &media.sources {
        if let Some(rtx) = source.rtx {
            session.associate_rtx(Ssrc(rtx), Ssrc(source.ssrc));
        }
    }
    repairs
}
