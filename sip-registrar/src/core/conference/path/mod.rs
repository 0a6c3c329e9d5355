//! Which way media go: through the mixer, or directly between two, and how a conference goes from one to the
//! other and back without anybody redialling (RFC 3725; docs/CALL-FLOWS.md, docs/decisions/0150).
//!
//! ```text
//!            two, settled                 a's offer            b's answer
//!   Mixed ───re-INVITE a, no offer──▶ Asking ──re-INVITE b──▶ Offering ──ACK both──▶ Direct ──media seen──▶ Direct,
//!     ▲                                 │                        │                     │                 legs gone
//!     │                                 │ refused, a third,      │ the same, no        │ a third, muted, no media,
//!     │                                 ▼ somebody leaves        ▼ answer in time      ▼ somebody leaves
//!     └────────all are back────────── Returning: each by its own re-INVITE with an offer of the mixer ────────────
//! ```

mod consider;
mod describe;
mod relay;
mod report;
mod to_direct;
mod to_mixed;
mod verdict;

use std::time::{Duration, Instant};

use sdp::SessionDescription;
use serde::{Deserialize, Serialize};
use sip_stack::endpoint::CallId;

use self::relay::Change;
use self::report::Signs;
pub(crate) use self::report::{PACKAGE, receives_reports};

/// Which way media of a conference may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathPolicy {
    /// Directly while two are there, if somebody tells whether that works; else through the mixer.
    #[default]
    Automatic,
    /// Always through the mixer.
    Mixed,
    /// Directly while two are there, also if neither client can tell whether that works.
    Direct,
}

impl PathPolicy {
    /// From the word that configuration and header fields use.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [
            ("automatic", PathPolicy::Automatic),
            ("mixed", PathPolicy::Mixed),
            ("direct", PathPolicy::Direct),
        ]
        .into_iter()
        .find_map(|(name, policy)| name.eq_ignore_ascii_case(word).then_some(policy))
    }
}

/// Which way media of a conference go now.
#[derive(Debug)]
pub(crate) struct MediaPath {
    pub(crate) state: PathState,
    /// The two who could talk directly, and since when.
    pair: Option<([CallId; 2], Instant)>,
    /// For whom it has failed, and how often.
    failures: Option<([CallId; 2], u8)>,
    /// It was mixed with good reason, or is again: the way does not change again at once.
    unsettled: bool,
    /// It is not tried before.
    pub(crate) not_before: Instant,
    /// When to look again.
    pub(crate) due: Option<Instant>,
    /// Why it is as it is, for people.
    pub(crate) why: &'static str,
}

/// How far a switch is.
#[derive(Debug)]
pub(crate) enum PathState {
    /// Through the mixer.
    Mixed,
    /// `pair[0]` was asked for an offer.
    Asking { pair: [CallId; 2], aborted: bool },
    /// Its offer is with `pair[1]`, until then.
    Offering { pair: [CallId; 2], offer: Box<SessionDescription>, until: Instant, aborted: bool },
    /// Directly.
    Direct(Direct),
    /// Back to the mixer; what each still lacks is in [`Return`].
    Returning,
}

/// Two who talk directly.
#[derive(Debug)]
pub(crate) struct Direct {
    pair: [CallId; 2],
    /// What they know each other by in the chat, if both can chat directly.
    token: Option<String>,
    /// What each has told.
    signs: [Signs; 2],
    /// Media flow.
    confirmed: bool,
    /// Until when they must; later, when both are asked for a sign of life.
    until: Instant,
    /// A new offer of one of them that is with the other.
    change: Option<Change>,
}

/// What a member lacks on its way back to the mixer.
#[derive(Debug, Clone)]
pub(crate) enum Return {
    /// Its offer, which we asked for, waits for the mixer's answer; then for our ACK.
    Owed(Box<SessionDescription>),
    /// An exchange with it has to end first.
    Settling,
    /// Its old leg has to be gone first.
    Leaving,
    /// The mixer makes its leg.
    Joining,
    /// The mixer makes an offer.
    Offering,
    /// The mixer's offer is with it.
    Inviting,
    /// Once more, then.
    Again(Instant),
}

/// How long the second may take to answer: on a bad link the request is sent four times by then. The first one's
/// phone waits all the time for its ACK, and gives up after 32 s.
const ANSWER: Duration = Duration::from_secs(5);

/// How long media may take to be seen.
const EVIDENCE: Duration = Duration::from_secs(5);

/// The same where only one side can tell, which knows of the other direction by the peer's reports: RTCP comes every
/// five seconds or so (RFC 3550 §6.2).
const REMOTE_EVIDENCE: Duration = Duration::from_secs(12);

/// So often those who talk directly are asked whether they are still there, as the mixer has those asked of whom it hears
/// nothing.
const PROBE: Duration = Duration::from_secs(60);

/// After so many failures with the same two it is not tried again.
const MAX_FAILURES: u8 = 2;

/// How long after a refusal a member is asked again to come back.
const AGAIN: Duration = Duration::from_secs(2);

impl MediaPath {
    pub(crate) fn new(now: Instant) -> Self {
        MediaPath {
            state: PathState::Mixed,
            pair: None,
            failures: None,
            unsettled: false,
            not_before: now,
            due: None,
            why: "nobody is there",
        }
    }

    /// In a word, for rosters and interfaces.
    pub(crate) fn as_str(&self) -> &'static str {
        match self.state {
            PathState::Direct(_) => "direct",
            _ => "mixer",
        }
    }

    /// A prompt is spoken to somebody: that only the mixer can.
    pub(crate) fn speaks(&mut self, now: Instant) {
        self.not_before = self.not_before.max(now + PROMPT);
    }

    fn failed(&mut self, mut pair: [CallId; 2]) {
        pair.sort_unstable();
        self.failures = Some((pair, self.failures_of(pair).saturating_add(1)));
    }

    fn failures_of(&self, mut pair: [CallId; 2]) -> u8 {
        pair.sort_unstable();
        self.failures.filter(|(of, _)| *of == pair).map_or(0, |(_, count)| count)
    }
}

/// Longer than any prompt.
const PROMPT: Duration = Duration::from_secs(6);

/// Whether these are the same two: who is asked first is no difference.
fn same(one: [CallId; 2], other: [CallId; 2]) -> bool {
    one == other || one == [other[1], other[0]]
}

impl PathState {
    /// The two whose media are to go directly, or do.
    fn pair(&self) -> Option<[CallId; 2]> {
        match self {
            PathState::Mixed | PathState::Returning => None,
            PathState::Asking { pair, .. } | PathState::Offering { pair, .. } => Some(*pair),
            PathState::Direct(direct) => Some(direct.pair),
        }
    }
}
