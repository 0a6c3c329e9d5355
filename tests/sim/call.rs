//! The session of one call: its description, its media, and how far both have come.

use std::time::Instant;

use sdp::negotiate::{self, Capabilities, LocalTransport, NegotiatedLine, OfferLine};
use sdp::{DialogSdp, Direction, MediaKind, SessionDescription};
use sip_stack::endpoint::CallId;

use crate::media::Media;
use crate::picture::Picture;

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
    /// What was agreed, line by line.
    pub lines: Vec<NegotiatedLine>,
    pub media: Media,
    /// Of those who have a camera.
    pub picture: Option<Picture>,
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

/// PCMU alone, and VP8 on one line with a camera.
fn capabilities(camera: bool) -> Capabilities {
    let mut capabilities = Capabilities::standard(usize::from(camera));
    capabilities.audio.retain(|supported| supported.codec.name == "PCMU");
    capabilities.telephone_events = Default::default();
    if !camera {
        capabilities.video.clear();
    }
    capabilities
}

/// The description in a body, if there is one.
pub fn description(bytes: &[u8]) -> Option<SessionDescription> {
    SessionDescription::from_bytes(bytes).ok().filter(|_| !bytes.is_empty())
}

/// The first offer of a call: a voice, and a picture if there is a camera.
pub fn first_offer(
    sdp: &mut DialogSdp,
    media: &Media,
    picture: Option<&Picture>,
) -> SessionDescription {
    let both = Direction::SendRecv;
    let voice = OfferLine::new(MediaKind::Audio, both, LocalTransport::pair(media.local()));
    let screen = picture.map(|picture| OfferLine::new(MediaKind::Video, both, picture.transport()));
    let lines: Vec<OfferLine> = [voice].into_iter().chain(screen).collect();
    sdp.fit(&negotiate::offer(&lines, &capabilities(picture.is_some())))
}

impl Call {
    fn capabilities(&self) -> Capabilities {
        capabilities(self.picture.is_some())
    }

    /// Our first offer.
    pub fn first_offer(&mut self) -> SessionDescription {
        first_offer(&mut self.sdp, &self.media, self.picture.as_ref())
    }

    /// The lines there are, offered again; those that cannot be used keep their place with port 0.
    pub fn offer_again(&self, direction: Direction) -> SessionDescription {
        let places = [&MediaKind::Audio, &MediaKind::Video].map(|kind| self.place_of(kind));
        let lines = self.lines.iter().map(|line| {
            let used = places.contains(&Some(line.index));
            let local = self.local_of(line).filter(|_| used);
            OfferLine::again(line, local).with_direction(direction)
        });
        negotiate::offer(&lines.collect::<Vec<_>>(), &self.capabilities())
    }

    /// Which of the lines of a kind is ours: the one that was agreed, else the first.
    fn place_of(&self, kind: &MediaKind) -> Option<usize> {
        let lines = || self.lines.iter().filter(|line| line.kind == *kind);
        let line = lines().find(|line| line.accepted().is_some()).or_else(|| lines().next());
        line.map(|line| line.index)
    }

    /// Where a line is received; nowhere without what it takes.
    fn local_of(&self, line: &NegotiatedLine) -> Option<LocalTransport> {
        match line.kind {
            MediaKind::Audio => Some(LocalTransport::pair(self.media.local())),
            MediaKind::Video => self.picture.as_ref().map(Picture::transport),
            _ => None,
        }
    }

    /// Answers the peer's offer; nothing when there is nothing in common.
    pub fn answer_offer(&mut self, now: Instant, offer: &SessionDescription) -> Option<String> {
        let mut plan = negotiate::answer(offer, &self.capabilities()).ok()?;
        for index in 0..offer.media.len() {
            plan.limit_direction(index, self.wanted);
        }
        let answer = plan.describe(|line| self.local_of(line).expect("what was accepted is there"));
        self.agree(now, plan.lines().to_vec(), offer);
        Some(self.sdp.answer(offer, &answer).to_string())
    }

    /// The answer to our offer has come.
    pub fn close_offer(&mut self, now: Instant, body: &[u8]) {
        let (Some(offer), Some(answer)) = (self.offer.take(), description(body)) else { return };
        let lines = negotiate::accept(&offer, &answer).unwrap_or_default();
        self.agree(now, lines, &answer);
    }

    fn agree(&mut self, now: Instant, lines: Vec<NegotiatedLine>, theirs: &SessionDescription) {
        let direct = theirs.attributes.has("parley-path");
        self.direct = direct.then_some(theirs.origin.session_version);
        self.reported = false;
        self.lines = lines;
        let agreed = |kind: &MediaKind| {
            let line = self.place_of(kind).and_then(|place| self.lines.get(place));
            line.and_then(NegotiatedLine::accepted).cloned()
        };
        let (voice, picture) = (agreed(&MediaKind::Audio), agreed(&MediaKind::Video));
        self.media.agree(now, voice);
        if let Some(screen) = &mut self.picture {
            screen.agree(now, picture);
        }
    }
}
