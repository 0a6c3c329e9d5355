//! From a description to a plan: what would be agreed and which ports that takes. Nothing changes yet.

use std::net::{IpAddr, SocketAddr};

use mixer_control::MixerError;
use rtp_session::LevelIds;
use sdp::attribute::candidate::Candidate;
use sdp::attribute::rtcp_fb::Feedback;
use sdp::negotiate::{
    self, Answer, Capabilities, NegotiatedLine, NegotiatedMedia, OfferLine, Reject, RemoteIce,
};
use sdp::{Direction, MediaKind, SessionDescription};

use crate::address::{Addresses, Family};
use crate::conference::sources::label_of_ours;
use crate::io::PortId;
use crate::leg::{Leg, Line};
use crate::settings::Settings;

/// A port to be bound before the plan can be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortNeed {
    /// A pair for a new line: the even port, and the odd one above it when `rtcp`.
    Pair {
        /// Of which of our addresses.
        family: Family,
        /// What it carries: voices are looked at once per tick, pictures are forwarded at once.
        video: bool,
        /// Whether RTCP has a port of its own.
        rtcp: bool,
    },
    /// The odd port of a pair whose even one is in use: RTCP is not multiplexed any more.
    Rtcp {
        /// The even port.
        of: PortId,
        /// Its family.
        family: Family,
    },
}

/// What is to be done with a leg, once the ports it needs are bound.
#[derive(Debug)]
pub struct Plan {
    /// The leg, as the focus names it.
    pub(crate) leg: String,
    pub(crate) change: Change,
    pub(crate) needs: Vec<(usize, PortNeed)>,
}

#[derive(Debug)]
pub(crate) enum Change {
    /// Answer an offer.
    Answer(Answer),
    /// Make an offer with new lines of these kinds.
    Offer(Vec<MediaKind>),
}

impl Plan {
    /// The ports needed, in the order in which they are to be granted.
    pub fn needs(&self) -> impl Iterator<Item = PortNeed> + '_ {
        self.needs.iter().map(|(_, need)| *need)
    }

    /// The leg it is for.
    pub fn leg(&self) -> &str {
        &self.leg
    }
}

/// How long a packet of a picture can be sent again, milliseconds: as long as [`rtp_session::History`] keeps it.
const RTX_TIME: u32 = 1000;

/// What we can do.
pub(crate) fn capabilities(settings: &Settings) -> Capabilities {
    let mut capabilities = Capabilities::standard(settings.max_video_lines)
        .with_g722()
        .with_rtx(RTX_TIME)
        .with_extension(MediaKind::Audio, LevelIds::CLIENT_URI, Direction::RecvOnly)
        .with_extension(MediaKind::Audio, LevelIds::MIXER_URI, Direction::SendOnly);
    capabilities.ip4 = settings.addresses.of(Family::V4).is_some();
    capabilities.ip6 = settings.addresses.of(Family::V6).is_some();
    capabilities.video_feedback.push(Feedback::CcmTmmbr);
    capabilities
}

/// Reads a description.
///
/// # Errors
/// [`MixerError::Invalid`] with the line that cannot be read.
pub(crate) fn parse(sdp: &str) -> Result<SessionDescription, MixerError> {
    SessionDescription::parse(sdp).map_err(|error| MixerError::Invalid(error.to_string()))
}

/// The focus turns it into a 488 with this Warning.
pub(crate) fn no_common_media(reject: Reject) -> MixerError {
    MixerError::NoCommonMedia(reject.to_string())
}

/// What decides about the family of a line whose peer names no address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// Ours.
    pub(crate) addresses: Addresses,
    /// Where the SIP request came from.
    pub(crate) sip_source: Option<IpAddr>,
    /// Whether we do ICE.
    pub(crate) ice: bool,
}

impl Reach {
    fn family(self, media: &NegotiatedMedia, old: Option<&Line>) -> Family {
        // With ICE the family is free to choose among those the member has candidates of.
        let has = |family| media.ice.as_ref().is_some_and(|ice| has_candidate(ice, family));
        let ours = self.ice.then(|| self.addresses.iter()).into_iter().flatten();
        let free = ours.map(Family::of).find(|family| has(*family));
        let kept =
            old.map(|old| old.transport.ports().family).filter(|family| self.ice && has(*family));
        if let Some(family) = kept.or(free) {
            return family;
        }
        match (media.remote.rtp, old) {
            (Some(peer), _) => self.addresses.family_for(Some(peer.ip())),
            (None, Some(old)) => old.transport.ports().family,
            (None, None) => self.addresses.family_for(self.sip_source),
        }
    }
}

fn has_candidate(ice: &RemoteIce, family: Family) -> bool {
    let first = ice.candidates.iter().filter(|candidate| candidate.component == 1);
    first.filter_map(Candidate::socket_addr).any(|at| Family::of(at.ip()) == family)
}

/// What we would answer to an offer, with a label on everything we send: the one of the offer, or one of ours.
///
/// # Errors
/// [`MixerError::Invalid`] or [`MixerError::NoCommonMedia`].
pub(crate) fn answer(offer: &str, capabilities: &Capabilities) -> Result<Answer, MixerError> {
    let offer = parse(offer)?;
    let mut answer = negotiate::answer(&offer, capabilities).map_err(no_common_media)?;
    let mut earlier = Earlier::default();
    let missing: Vec<(usize, String)> = answer
        .accepted()
        .filter(|(_, media)| media.direction.sends() && media.label.is_none())
        .map(|(line, _)| (line.index, earlier.label(&line.kind, line.index)))
        .collect();
    for (index, label) in missing {
        answer.set_label(index, &label);
    }
    Ok(answer)
}

/// Puts a label on every line of an offer of ours that has none.
pub(crate) fn label_offer(lines: &mut [OfferLine]) {
    let mut earlier = Earlier::default();
    for (index, line) in lines.iter_mut().enumerate() {
        if line.label.is_none() && line.local.is_some() {
            line.label = Some(earlier.label(&line.kind, index));
        }
    }
}

/// Lines of each kind that have a label of ours.
#[derive(Default)]
struct Earlier {
    audio: usize,
    video: usize,
}

impl Earlier {
    fn label(&mut self, kind: &MediaKind, index: usize) -> String {
        let video = *kind == MediaKind::Video;
        let count = if video { &mut self.video } else { &mut self.audio };
        *count += 1;
        label_of_ours(video, index, *count - 1)
    }
}

/// Nothing was offered but pictures of members who are not there.
pub(crate) fn nobody_by_that_label() -> MixerError {
    MixerError::NoCommonMedia("304 Media type not available: no stream of that label".to_owned())
}

/// The plan for answering an offer; `leg` is the present state, if the leg exists already.
pub(crate) fn plan_answer(name: &str, leg: Option<&Leg>, answer: Answer, reach: Reach) -> Plan {
    let needs = needs(leg, answer.lines(), reach);
    Plan { leg: name.to_owned(), change: Change::Answer(answer), needs }
}

/// The ports that `lines` need beyond those that `leg` has.
fn needs(leg: Option<&Leg>, lines: &[NegotiatedLine], reach: Reach) -> Vec<(usize, PortNeed)> {
    let mut needs = Vec::new();
    for line in lines {
        let Some(media) = line.accepted() else { continue };
        let rtcp = !media.rtcp_mux;
        let old = leg.and_then(|leg| leg.line(line.index)).filter(|old| old.carries(&line.kind));
        let family = reach.family(media, old);
        // Who moves to the other family is reached from another socket only.
        match old.filter(|old| old.transport.ports().family == family) {
            Some(old) => {
                let ports = old.transport.ports();
                let bound = leg.is_some_and(|leg| leg.has_spare_rtcp(line.index));
                if rtcp && ports.rtcp.is_none() && !bound {
                    needs
                        .push((line.index, PortNeed::Rtcp { of: ports.rtp, family: ports.family }));
                }
            }
            None => {
                let video = line.kind == MediaKind::Video;
                needs.push((line.index, PortNeed::Pair { family, video, rtcp }));
            }
        }
    }
    needs
}

/// The plan for offering to a new leg: one voice, one picture.
pub(crate) fn plan_first_offer(name: &str, reach: Reach) -> Plan {
    let kinds = vec![MediaKind::Audio, MediaKind::Video];
    let family = reach.addresses.family_for(reach.sip_source);
    let needs = kinds
        .iter()
        .map(|kind| PortNeed::Pair { family, video: *kind == MediaKind::Video, rtcp: true })
        .enumerate()
        .collect();
    Plan { leg: name.to_owned(), change: Change::Offer(kinds), needs }
}

/// The plan for offering again what a leg has.
pub(crate) fn plan_offer_again(leg: &Leg) -> Plan {
    // Multiplexing is offered, so the answer may give it up: the port for RTCP must be there.
    let needs = leg
        .live()
        .filter(|(index, _)| !leg.has_spare_rtcp(*index))
        .filter_map(|(index, line)| {
            let ports = line.transport.ports();
            ports
                .rtcp
                .is_none()
                .then_some((index, PortNeed::Rtcp { of: ports.rtp, family: ports.family }))
        })
        .collect();
    Plan { leg: leg.name.clone(), change: Change::Offer(Vec::new()), needs }
}

/// The plan for making the first offer once more, because it was never answered: its ports are still there.
pub(crate) fn plan_first_offer_again(leg: &Leg, reach: Reach) -> Plan {
    let plan = plan_first_offer(&leg.name, reach);
    Plan { needs: Vec::new(), ..plan }
}

/// The lines to offer for a leg that exists.
pub(crate) fn lines_again(leg: &Leg, settings: &Settings) -> Vec<OfferLine> {
    leg.lines
        .iter()
        .map(|line| {
            let local = line.live.as_ref().map(|live| local(live, settings));
            OfferLine::again(&line.negotiated, local).with_direction(Direction::SendRecv)
        })
        .collect()
}

fn local(line: &Line, settings: &Settings) -> negotiate::LocalTransport {
    let ports = line.transport.ports();
    local_transport(ports.family, ports.number, settings)
}

/// What the member is told about a port of ours.
pub(crate) fn local_transport(
    family: Family,
    number: u16,
    settings: &Settings,
) -> negotiate::LocalTransport {
    let address = settings.addresses.of_or_first(family);
    negotiate::LocalTransport::pair(SocketAddr::new(address, number))
}
