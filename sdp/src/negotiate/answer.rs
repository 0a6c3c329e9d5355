//! Answering an offer (RFC 3264 §6).

use thiserror::Error;

use super::capabilities::{Capabilities, SupportedCodec};
use super::extension;
use super::ice;
use super::line::{Agreed, NegotiatedLine, NegotiatedMedia, Refusal, Rtx};
use super::reject::Reject;
use super::transport::{LocalTransport, direction_of, muxes, place, remote_of};
use crate::attribute::TypedAttribute as _;
use crate::attribute::candidate::Candidate;
use crate::attribute::direction::Direction;
use crate::attribute::flag::{EXTMAP_ALLOW_MIXED, RTCP_MUX};
use crate::attribute::ice::ICE_MISMATCH;
use crate::attribute::label::Label;
use crate::attribute::ptime::Ptime;
use crate::attribute::rtcp_fb::{Feedback, RtcpFb};
use crate::codec::{Codec, CodecSet};
use crate::media::{MediaDescription, MediaKind};
use crate::session::{SessionDescription, Time};

/// An answer that lacks only our ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    lines: Vec<NegotiatedLine>,
    /// One for each line: accepted ones without port, address and direction; refused ones ready.
    drafts: Vec<MediaDescription>,
    /// RFC 3264 §6: the `t=` of an answer is that of the offer.
    times: Vec<Time>,
}

/// The number of transports given is not the number of accepted lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{given} transports for {needed} accepted lines")]
pub struct WrongPortCount {
    /// Accepted lines.
    pub needed: usize,
    /// Transports given.
    pub given: usize,
}

/// Plans the answer to an offer; pure, no port is taken yet.
///
/// Each accepted audio line gets exactly one codec (a client that is given several sends UPDATE to
/// lock one) and at most one DTMF format; payload types are the offerer's. The profile is the
/// offered one. Lines that cannot be accepted stay with port 0. Groups (BUNDLE) are not answered,
/// so every line has its own transport (RFC 9143 §7.3.3).
///
/// # Errors
/// [`Reject`] when of the streams wanted neither an audio nor a video line can be accepted.
pub fn answer(offer: &SessionDescription, capabilities: &Capabilities) -> Result<Answer, Reject> {
    let (mut lines, mut drafts) = (Vec::new(), Vec::new());
    let (mut audio, mut video) = (0, 0);
    for (index, media) in offer.media.iter().enumerate() {
        let taken = if media.kind == MediaKind::Audio { &mut audio } else { &mut video };
        let planned = plan_line(offer, index, media, capabilities, *taken);
        let kind = media.kind.clone();
        match planned {
            Ok((media, draft)) => {
                *taken += 1;
                lines.push(NegotiatedLine { index, kind, media: Ok(media) });
                drafts.push(draft);
            }
            Err(refusal) => {
                lines.push(NegotiatedLine { index, kind, media: Err(refusal) });
                drafts.push(media.refused());
            }
        }
    }
    let wanted = offer.media.iter().any(MediaDescription::is_live);
    match Reject::unless_accepted(wanted, &lines) {
        Some(reject) => Err(reject),
        None => Ok(Answer { lines, drafts, times: offer.times.clone() }),
    }
}

/// What to agree to on one line, and its part of the answer.
fn plan_line(
    offer: &SessionDescription,
    index: usize,
    media: &MediaDescription,
    capabilities: &Capabilities,
    lines_before: usize,
) -> Result<(NegotiatedMedia, MediaDescription), Refusal> {
    if !media.is_live() {
        return Err(Refusal::Disabled);
    }
    let max_lines = capabilities.max_lines(&media.kind);
    if max_lines == 0 {
        return Err(Refusal::MediaType);
    }
    if !media.protocol.is_plain_rtp() {
        return Err(Refusal::Profile);
    }
    // With ICE the default destination is only one place of several.
    let ice = ice::stated(offer, index).ice;
    let candidates = ice.iter().flat_map(|ice| &ice.candidates).filter_map(Candidate::socket_addr);
    if !capabilities.reaches(remote_of(offer, index, false).rtp.map(|rtp| rtp.ip()))
        && !candidates.map(|at| at.ip()).any(|ip| capabilities.reaches(Some(ip)))
    {
        return Err(Refusal::AddressFamily);
    }
    let peer_codecs = CodecSet::of(media);
    let (offered, ours) =
        choose(&peer_codecs, capabilities.codecs(&media.kind)).ok_or(Refusal::Codec)?;
    if lines_before >= max_lines {
        return Err(Refusal::TooMany);
    }
    let codec = offered.clone();
    let telephone_event = match media.kind {
        MediaKind::Audio => telephone_event(&peer_codecs, capabilities, codec.clock_rate),
        _ => None,
    };
    let answered = |codec: &Codec, parameters: &Codec| Codec {
        payload_type: codec.payload_type,
        ..parameters.clone()
    };
    let mut receive = CodecSet::from_iter([answered(&codec, ours)]);
    if let Some(event) = &telephone_event {
        receive
            .push(answered(event, &Codec::telephone_event(event.payload_type, event.clock_rate)));
    }
    let understood = capabilities.feedback(&media.kind);
    let feedback_lines: Vec<RtcpFb> = media
        .attributes
        .all::<RtcpFb>()
        .filter(|line| line.payload_type.is_none_or(|number| number == codec.payload_type))
        .filter(|line| understood.contains(&line.feedback))
        .collect();
    let feedback: Vec<Feedback> = understood
        .iter()
        .filter(|feedback| feedback_lines.iter().any(|line| line.feedback == **feedback))
        .cloned()
        .collect();
    // Packets are repeated in answer to NACK (RFC 4588 §6.1).
    let repeats = capabilities.rtx_time.is_some() && feedback.contains(&Feedback::Nack);
    let rtx = peer_codecs.rtx_of(codec.payload_type).filter(|_| repeats).map(|rtx| Rtx {
        send: rtx.payload_type,
        receive: rtx.payload_type,
        peer_time: rtx.rtx_time(),
    });
    let clashes = receive.iter().any(|codec| clashes_with_rtcp(codec.payload_type))
        || rtx.is_some_and(|rtx| clashes_with_rtcp(rtx.receive));
    let rtcp_mux = capabilities.rtcp_mux && muxes(media) && !clashes;
    let agreed = Agreed {
        direction: direction_of(offer, index).reversed().and(capabilities.direction(&media.kind)),
        feedback,
        extensions: extension::answer(offer, media, &capabilities.extensions),
        extmap_allow_mixed: extension::allows_mixed(offer, media),
        rtx,
        codec,
        receive,
        telephone_event,
        peer_codecs,
        rtcp_mux,
    };
    let negotiated = NegotiatedMedia::new(offer, index, media, agreed);
    let draft = draft(media, &negotiated, feedback_lines, capabilities);
    Ok((negotiated, draft))
}

/// The offered codec of our best rank, the earliest of several, with what we have for it.
fn choose<'a>(
    offered: &'a CodecSet,
    supported: &'a [SupportedCodec],
) -> Option<(&'a Codec, &'a Codec)> {
    let candidates = offered.iter().filter_map(|codec| {
        let ours = supported.iter().find(|ours| ours.codec.matches(codec))?;
        Some((ours.rank, codec, &ours.codec))
    });
    // The first of equal minima is returned: the offerer's order.
    candidates.min_by_key(|(rank, _, _)| *rank).map(|(_, codec, ours)| (codec, ours))
}

fn telephone_event(
    offered: &CodecSet,
    capabilities: &Capabilities,
    clock_rate: u32,
) -> Option<Codec> {
    let understood: CodecSet = offered
        .iter()
        .filter(|codec| codec.is_telephone_event())
        .filter(|codec| capabilities.telephone_events.matching(codec).is_some())
        .cloned()
        .collect();
    understood.telephone_event_for(clock_rate).cloned()
}

/// RFC 5761 §4: with RTP and RTCP on one port these payload types look like RTCP packets.
fn clashes_with_rtcp(payload_type: u8) -> bool {
    (64..=95).contains(&payload_type)
}

/// All that may arrive, with our parameters.
fn answered_codecs(negotiated: &NegotiatedMedia, capabilities: &Capabilities) -> Vec<Codec> {
    let Codec { clock_rate, payload_type, .. } = negotiated.codec;
    let rtx = negotiated.rtx;
    let rtx =
        rtx.map(|rtx| Codec::rtx(rtx.receive, clock_rate, payload_type, capabilities.rtx_time));
    negotiated.receive.iter().cloned().chain(rtx).collect()
}

/// Which extensions can be there depends on the direction, which may have been narrowed.
fn write_extensions(agreed: &NegotiatedMedia, media: &mut MediaDescription) {
    let maps = agreed.extensions.iter().filter_map(|map| map.answered(agreed.direction));
    let before = media.attributes.len();
    maps.for_each(|map| media.attributes.push_typed(&map));
    if agreed.extmap_allow_mixed && media.attributes.len() > before {
        media.attributes.push_flag(EXTMAP_ALLOW_MIXED);
    }
}

/// The answer's m= line but for port, address, extensions and direction.
fn draft(
    offered: &MediaDescription,
    negotiated: &NegotiatedMedia,
    feedback: Vec<RtcpFb>,
    capabilities: &Capabilities,
) -> MediaDescription {
    let codecs = answered_codecs(negotiated, capabilities);
    let formats = codecs.iter().map(|codec| codec.payload_type.to_string()).collect();
    let mut draft =
        MediaDescription::new(offered.kind.clone(), 0, offered.protocol.clone(), formats);
    let attributes = &mut draft.attributes;
    codecs.iter().for_each(|codec| codec.write(&offered.kind, attributes));
    feedback.iter().for_each(|line| attributes.push_typed(line));
    if let (MediaKind::Audio, Some(ptime)) = (&offered.kind, capabilities.ptime) {
        attributes.push_typed(&Ptime(ptime));
    }
    for (name, value) in negotiated.names() {
        attributes.push_value(name, value);
    }
    if negotiated.rtcp_mux {
        attributes.push_flag(RTCP_MUX);
    }
    draft
}

impl Answer {
    /// All lines of the offer, by index.
    pub fn lines(&self) -> &[NegotiatedLine] {
        &self.lines
    }

    /// The lines that need a [`LocalTransport`], in order.
    pub fn accepted(&self) -> impl Iterator<Item = (&NegotiatedLine, &NegotiatedMedia)> {
        self.lines.iter().filter_map(|line| Some((line, line.accepted()?)))
    }

    /// Narrows what we do on a line: we hold, have no camera, send only. Does nothing to a line that
    /// is not accepted.
    pub fn limit_direction(&mut self, index: usize, most: Direction) {
        if let Some(Ok(media)) = self.lines.get_mut(index).map(|line| &mut line.media) {
            media.direction = media.direction.and(most);
        }
    }

    /// Refuses a line after all.
    pub fn refuse(&mut self, index: usize) {
        if let (Some(line), Some(draft)) = (self.lines.get_mut(index), self.drafts.get_mut(index)) {
            line.media = Err(Refusal::Application);
            *draft = draft.refused();
        }
    }

    /// Names what we send on an accepted line (RFC 4574), in place of the offer's name for it.
    pub fn set_label(&mut self, index: usize, label: &str) {
        let accepted = self.lines.get(index).is_some_and(|line| line.media.is_ok());
        if let Some(draft) = self.drafts.get_mut(index).filter(|_| accepted) {
            draft.attributes.remove(Label::NAME);
            draft.attributes.push_value(Label::NAME, label);
        }
    }

    /// The answer, with the transports of the accepted lines in their order. Its `o=` line is a
    /// placeholder.
    ///
    /// # Errors
    /// When there are not as many transports as accepted lines.
    pub fn into_description(
        self,
        local: &[LocalTransport],
    ) -> Result<SessionDescription, WrongPortCount> {
        let needed = self.accepted().count();
        if needed != local.len() {
            return Err(WrongPortCount { needed, given: local.len() });
        }
        let mut rest = local.iter();
        let lines = self.lines.iter().map(|line| line.accepted().and_then(|_| rest.next()));
        let local: Vec<Option<LocalTransport>> = lines.map(Option::<&_>::cloned).collect();
        Ok(self.with_transports(&local))
    }

    /// The answer, asking for the transport of each accepted line. Its `o=` line is a placeholder.
    pub fn describe(
        &self,
        mut local: impl FnMut(&NegotiatedLine) -> LocalTransport,
    ) -> SessionDescription {
        let lines = self.lines.iter().map(|line| line.accepted().map(|_| local(line)));
        let local: Vec<Option<LocalTransport>> = lines.collect();
        self.with_transports(&local)
    }

    fn with_transports(&self, local: &[Option<LocalTransport>]) -> SessionDescription {
        // No ICE where the offer had none (RFC 8839 §4.2.3).
        let local: Vec<Option<LocalTransport>> = (self.lines.iter().zip(local))
            .map(|(line, local)| {
                let with_ice = line.accepted().is_some_and(|agreed| agreed.ice.is_some());
                let ice = local.as_ref().and_then(|local| local.ice.clone()).filter(|_| with_ice);
                local.clone().map(|local| LocalTransport { ice, ..local })
            })
            .collect();
        let lines = self.lines.iter().zip(&self.drafts).zip(&local);
        let media = lines.map(|((line, draft), local)| {
            let mut media = draft.clone();
            if let (Some(agreed), Some(local)) = (line.accepted(), local) {
                write_extensions(agreed, &mut media);
                media.attributes.push_flag(agreed.direction.as_str());
                local.write(&mut media, agreed.rtcp_mux);
                if agreed.ice_mismatch {
                    media.attributes.push_flag(ICE_MISMATCH);
                }
            }
            media
        });
        let mut description = place(media.collect(), local.iter().flatten());
        description.times.clone_from(&self.times);
        description
    }
}
