//! Video: forwarded as it comes, never decoded (RFC 7667 §3.7, selective forwarding).

pub mod forward;
pub mod keyframe;
pub mod layout;
pub mod slot;
pub mod source;

use std::time::Instant;

use sdp::Protocol;
use sdp::attribute::rtcp_fb::Feedback;
use sdp::negotiate::NegotiatedMedia;

use crate::conference::sources;
use crate::leg::LegId;

/// One m=video line of one leg, as a sender of a picture or as a place where one is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId {
    /// Whose.
    pub leg: LegId,
    /// Index of the m-line.
    pub line: usize,
}

/// Both sides of an m=video line.
#[derive(Debug)]
pub struct VideoLine {
    /// The member's picture.
    pub source: source::VideoSource,
    /// What the member is shown here.
    pub slot: slot::Slot,
    /// What the member says about the line.
    pub wishes: VideoWishes,
}

/// What a member says by `a=label` (RFC 4574) and `a=content` (RFC 4796) about a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoWishes {
    /// Shown here is this picture only.
    pub only: Option<LineId>,
    /// What the member sends here is its camera once more, small: for those who ask for it by its label. Linphone's
    /// word, not one of RFC 4796.
    pub thumbnail: bool,
}

impl VideoWishes {
    /// What was agreed on.
    pub(crate) fn of(media: &NegotiatedMedia) -> Self {
        let content = media.content.as_deref().unwrap_or_default();
        Self {
            only: sources::wished(media),
            thumbnail: content.split(',').any(|token| token == "thumbnail"),
        }
    }
}

/// How a key frame is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFrameWay {
    /// RTCP PLI (RFC 4585 §6.3.1).
    Pli,
    /// RTCP FIR (RFC 5104 §4.3.1).
    Fir,
    /// By the signalling (RFC 5168).
    Info,
    /// RTCP PLI, and by the signalling as well: the peer lists the feedback in a profile without feedback, and such
    /// clients do not all mean it.
    PliAndInfo,
}

impl KeyFrameWay {
    /// What was agreed on.
    pub fn of(media: &NegotiatedMedia) -> Self {
        let avpf = media.profile == Protocol::RtpAvpf;
        match (media.supports(&Feedback::NackPli), media.supports(&Feedback::CcmFir)) {
            (true, _) if avpf => Self::Pli,
            (true, _) => Self::PliAndInfo,
            (false, true) => Self::Fir,
            (false, false) => Self::Info,
        }
    }
}

/// A moment of a member's own wall clock and what it is on ours: keeps its voice, which waits in a jitter buffer, and
/// its picture, which does not, together at the receivers (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy)]
pub struct SyncPoint {
    /// The member's clock.
    pub theirs: rtp_session::NtpTime,
    /// When that moment was mixed.
    pub ours: Instant,
}
