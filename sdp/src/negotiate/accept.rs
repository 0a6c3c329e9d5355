//! Taking the answer to our offer (RFC 3264 §7).

use super::extension;
use super::line::{Agreed, NegotiatedLine, NegotiatedMedia, Refusal, Rtx};
use super::reject::Reject;
use super::transport::{direction_of, muxes};
use crate::attribute::rtcp_fb::{Feedback, RtcpFb};
use crate::codec::{Codec, CodecSet};
use crate::media::MediaDescription;
use crate::session::SessionDescription;

/// What an answer to our offer means for each line of the offer.
///
/// Taken though RFC 3264 §6 does not allow it: missing lines (refused), surplus lines (ignored),
/// RTP/AVP for RTP/AVPF, other payload types than offered, dynamic ones without `a=rtpmap` (they
/// mean what we offered), more than one codec (the first is used), directions beyond the offered.
///
/// # Errors
/// [`Reject`] when none of the lines we wanted was accepted: there is no session, end it.
pub fn accept(
    offer: &SessionDescription,
    answer: &SessionDescription,
) -> Result<Vec<NegotiatedLine>, Reject> {
    let lines: Vec<NegotiatedLine> = offer
        .media
        .iter()
        .enumerate()
        .map(|(index, ours)| NegotiatedLine {
            index,
            kind: ours.kind.clone(),
            media: accept_line(offer, ours, answer, index),
        })
        .collect();
    let wanted = offer.media.iter().any(MediaDescription::is_live);
    match Reject::unless_accepted(wanted, &lines) {
        Some(reject) => Err(reject),
        None => Ok(lines),
    }
}

fn accept_line(
    offer: &SessionDescription,
    ours: &MediaDescription,
    answer: &SessionDescription,
    index: usize,
) -> Result<NegotiatedMedia, Refusal> {
    let theirs = answer.media.get(index).filter(|media| media.is_live() && ours.is_live());
    let theirs = theirs.ok_or(Refusal::Disabled)?;
    if theirs.kind != ours.kind {
        return Err(Refusal::MediaType);
    }
    let both_plain = ours.protocol.is_plain_rtp() && theirs.protocol.is_plain_rtp();
    if ours.protocol != theirs.protocol && !both_plain {
        return Err(Refusal::Profile);
    }
    let offered = CodecSet::of(ours);
    let answered = answered_codecs(theirs, &offered);
    let common = |codec: &&Codec| offered.matching(codec).is_some();
    let codec = answered.iter().filter(common).find(|codec| !codec.is_auxiliary());
    let codec = codec.ok_or(Refusal::Codec)?.clone();
    let receive = answered.iter().filter_map(|codec| offered.matching(codec).cloned());
    let receive = receive.filter(|codec| codec.retransmits().is_none()).collect();
    let events: CodecSet = answered
        .iter()
        .filter(common)
        .filter(|codec| codec.is_telephone_event())
        .cloned()
        .collect();
    let telephone_event = events.telephone_event_for(codec.clock_rate).cloned();
    let agreed = Agreed {
        direction: direction_of(offer, index).and(direction_of(answer, index).reversed()),
        rtcp_mux: muxes(ours) && muxes(theirs),
        feedback: common_feedback(ours, theirs, &codec),
        extensions: extension::accept(ours, answer, theirs),
        extmap_allow_mixed: extension::allows_mixed(offer, ours)
            && extension::allows_mixed(answer, theirs),
        rtx: common_rtx(&offered, &answered, &codec),
        codec,
        receive,
        telephone_event,
        peer_codecs: answered,
    };
    Ok(NegotiatedMedia::new(answer, index, theirs, agreed))
}

/// What the answer lists, payload types without a meaning of their own having the offered one.
fn answered_codecs(answer: &MediaDescription, offered: &CodecSet) -> CodecSet {
    let stated = CodecSet::of(answer);
    let numbers = answer.formats.iter().filter_map(|format| format.parse().ok());
    numbers
        .filter_map(|number| {
            stated.by_payload_type(number).or_else(|| offered.by_payload_type(number)).cloned()
        })
        .collect()
}

fn common_feedback(
    ours: &MediaDescription,
    theirs: &MediaDescription,
    codec: &Codec,
) -> Vec<Feedback> {
    let answered: Vec<Feedback> = theirs
        .attributes
        .all::<RtcpFb>()
        .filter(|line| line.payload_type.is_none_or(|number| number == codec.payload_type))
        .map(|line| line.feedback)
        .collect();
    let mut common: Vec<Feedback> = Vec::new();
    for line in ours.attributes.all::<RtcpFb>() {
        if answered.contains(&line.feedback) && !common.contains(&line.feedback) {
            common.push(line.feedback);
        }
    }
    common
}

/// An answerer that renumbers has renumbered what `apt` refers to as well.
fn common_rtx(offered: &CodecSet, answered: &CodecSet, codec: &Codec) -> Option<Rtx> {
    let ours = offered.rtx_of(offered.matching(codec)?.payload_type)?;
    let theirs = answered.rtx_of(codec.payload_type)?;
    let (send, receive) = (theirs.payload_type, ours.payload_type);
    Some(Rtx { send, receive, peer_time: theirs.rtx_time() })
}
