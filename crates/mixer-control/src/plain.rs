//! What focus and mixer say to each other, without gRPC.

use std::net::IpAddr;

use crate::{MixerError, Prompt, SourceLine};

/// Names one leg: one person's media in one conference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegRef {
    /// The conference, unique per meeting.
    pub conference: String,
    /// The leg, unique in the conference.
    pub leg: String,
}

/// A leg and a session description for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegDescription {
    /// Whose description it is.
    pub leg: LegRef,
    /// SDP (RFC 8866).
    pub sdp: String,
}

/// Adds a leg, and with its first leg the conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRequest {
    /// Instance of the calling focus: when its event stream is gone, its conferences end.
    pub focus: String,
    /// The new leg.
    pub leg: LegRef,
    /// What the others are shown; may be empty.
    pub display_name: String,
    /// The member's offer; `None` asks the mixer to offer (late offer, RFC 3261 §13.2.1).
    pub offer: Option<String>,
    /// Where the signalling came from: media from there may be latched on to (RFC 7362).
    pub signalled_from: Option<IpAddr>,
    /// It waits in the lobby at first; see [`MixerRequest::Control`].
    pub lobby: bool,
}

/// Everything a focus can ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MixerRequest {
    /// Adds a leg; replied to with the answer, or with an offer if the request had none.
    Join(JoinRequest),
    /// The member's new offer; replied to with the answer. Refused, the leg stays as it was.
    Reoffer(LegDescription),
    /// Asks for a new offer of the mixer, which takes effect with [`Accept`](Self::Accept).
    Offer(LegRef),
    /// The member's answer to the mixer's last offer.
    Accept(LegDescription),
    /// Removes a leg; no error if it is gone already.
    Leave(LegRef),
    /// Removes the named conference with all its legs.
    End(String),
    /// The member asks for a key frame of every picture it is sent (RFC 5168).
    RefreshVideo(LegRef),
    /// How a leg is to be from now on: the whole state, so that asking twice is asking once.
    Control {
        /// Which.
        leg: LegRef,
        /// Nobody hears it, and the others are told so by level 127 (RFC 6465).
        muted: bool,
        /// It hears prompts only, is heard and seen by nobody and sees nobody. Its digits are told.
        lobby: bool,
    },
    /// Sends a leg nothing, or goes on; asking twice is asking once. Its ports stay open.
    Park {
        /// Which.
        leg: LegRef,
        /// It is sent nothing.
        parked: bool,
    },
    /// Speaks to one leg, which nobody else hears.
    Play {
        /// Which.
        leg: LegRef,
        /// One after the other, instead of what is being spoken to it; empty: fall silent.
        prompts: Vec<Prompt>,
    },
}

impl MixerRequest {
    /// The conference this is about.
    #[must_use]
    pub fn conference(&self) -> &str {
        match self {
            Self::Join(join) => &join.leg.conference,
            Self::Reoffer(description) | Self::Accept(description) => &description.leg.conference,
            Self::Offer(leg)
            | Self::Leave(leg)
            | Self::RefreshVideo(leg)
            | Self::Control { leg, .. }
            | Self::Park { leg, .. }
            | Self::Play { leg, .. } => &leg.conference,
            Self::End(conference) => conference,
        }
    }
}

/// The answer to a [`MixerRequest`]: the SDP of [`Join`](MixerRequest::Join),
/// [`Reoffer`](MixerRequest::Reoffer) and [`Offer`](MixerRequest::Offer), `None` for the others.
pub type MixerReply = Result<Option<String>, MixerError>;

/// What happens at the mixer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MixerEvent {
    /// Always the first event of a stream.
    Hello {
        /// Random per process start: another value than before means that the mixer was
        /// restarted and has lost its conferences.
        mixer: String,
    },
    /// The member's source must make a key frame and its RTP profile has no feedback: send INFO
    /// (RFC 5168).
    KeyFrameWanted(LegRef),
    /// Neither RTP nor RTCP came for the dead-peer time. Told again after each such time while the
    /// leg is there: a focus that knows no such leg removes it.
    LegSilent(LegRef),
    /// The named conference died at the mixer: end its members or join them again.
    ConferenceFailed(String),
    /// This leg is speaking now.
    ActiveSpeaker(LegRef),
    /// A key was pressed at the member's phone (RFC 4733). Once per press, in the lobby too.
    Digit {
        /// Whose.
        leg: LegRef,
        /// `0`-`9`, `*`, `#` or `A`-`D`.
        digit: char,
    },
    /// By what the others know a member's streams. Told when the leg has joined and whenever it
    /// changes; always all of its lines that are in use.
    Sources {
        /// Whose.
        leg: LegRef,
        /// In the order of their m-lines.
        lines: Vec<SourceLine>,
    },
}
