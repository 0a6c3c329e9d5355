//! The session of one call: its description, its media, and how far both have come.

use std::time::Instant;

use sdp::negotiate::{self, Capabilities, LocalTransport, NegotiatedLine};
use sdp::{DialogSdp, Direction, SessionDescription};
use sip_stack::endpoint::CallId;

use crate::media::Media;

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Our INVITE waits.
    Dialling,
    /// The peer's INVITE waits.
    Ringing,
    /// It stands.
    Talking,
}

/// The present call.
pub struct Call {
    pub id: CallId,
    pub stage: Stage,
    pub sdp: DialogSdp,
    /// Our offer that waits for its answer.
    pub offer: Option<SessionDescription>,
    /// The peer's offer in its INVITE.
    pub offered: Option<SessionDescription>,
    pub line: Option<NegotiatedLine>,
    pub media: Media,
    /// What we want to do: sendrecv, or sendonly to put the peer on hold.
    pub wanted: Direction,
    /// When we pick up.
    pub pick_up: Option<Instant>,
    /// An offer of ours is to be made as soon as it can be.
    pub again: Option<Way>,
    pub changes: Changes,
    /// What was agreed is with somebody who is reached directly: the version of that one's description.
    pub direct: Option<u64>,
    /// It was told that media come from there.
    pub reported: bool,
}

/// How a change of the session is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By re-INVITE with an offer.
    Reinvite,
    /// By re-INVITE that asks the peer to offer.
    ReinviteWithoutOffer,
    /// By UPDATE (RFC 3311), if the peer knows it.
    Update,
}

/// What became of re-INVITEs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Ours that were accepted.
    pub accepted: u32,
    /// Ours that were refused for good.
    pub refused: u32,
    /// The peer's.
    pub answered: u32,
}

/// PCMU alone.
pub fn capabilities() -> Capabilities {
    let mut capabilities = Capabilities::standard(0);
    capabilities.audio.retain(|supported| supported.codec.name == "PCMU");
    capabilities.telephone_events = Default::default();
    capabilities.video.clear();
    capabilities
}

/// The description in a body, if there is one.
pub fn description(bytes: &[u8]) -> Option<SessionDescription> {
    SessionDescription::from_bytes(bytes).ok().filter(|_| !bytes.is_empty())
}

impl Call {
    /// Answers the peer's offer; nothing when there is nothing in common.
    pub fn answer_offer(&mut self, now: Instant, offer: &SessionDescription) -> Option<String> {
        let mut plan = negotiate::answer(offer, &capabilities()).ok()?;
        for index in 0..offer.media.len() {
            plan.limit_direction(index, self.wanted);
        }
        let local = self.media.local();
        let answer = plan.describe(|_| LocalTransport::pair(local));
        self.agree(now, plan.lines().first().cloned(), offer);
        Some(self.sdp.answer(offer, &answer).to_string())
    }

    /// The answer to our offer has come.
    pub fn close_offer(&mut self, now: Instant, body: &[u8]) {
        let (Some(offer), Some(answer)) = (self.offer.take(), description(body)) else { return };
        let lines = negotiate::accept(&offer, &answer).unwrap_or_default();
        self.agree(now, lines.into_iter().next(), &answer);
    }

    fn agree(&mut self, now: Instant, line: Option<NegotiatedLine>, theirs: &SessionDescription) {
        let direct = theirs.attributes.has("parley-path");
        self.direct = direct.then_some(theirs.origin.session_version);
        self.reported = false;
        self.media.agree(now, line.as_ref().and_then(NegotiatedLine::accepted).cloned());
        self.line = line;
    }
}
