//! The core's view of the mixer: whether it can be used, and which commands are on their way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mixer_control::LegRef;
use sip_stack::endpoint::CallId;

/// Names one command, to find its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// What a command was for, to go on when the reply comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An INVITE waits for the answer.
    Join,
    /// A re-INVITE or UPDATE waits for the answer to this offer.
    Reoffer(String),
    /// An INVITE without SDP waits for the mixer's offer.
    Offer,
    /// The member's answer; nobody waits.
    Accept(String),
    /// Its media go directly: the leg is removed.
    Retire,
    /// A leg for a member whose media went directly.
    Rejoin,
    /// The mixer's offer for such a member, or one whose way was not changed after all.
    ReturnOffer,
    /// Its answer to that.
    ReturnAccept(String),
    /// The answer to this offer, which the focus asked a member for.
    OwedAnswer(String),
    /// The INVITE is over: a leg that comes into being must leave.
    AbandonedJoin,
    /// Whatever the reply is, nothing follows.
    Forget,
}

/// One command on its way.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) purpose: Purpose,
    pub(crate) call: CallId,
    pub(crate) leg: LegRef,
    pub(crate) deadline: Instant,
}

/// Whether the mixer can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Link {
    /// It cannot. After `since` + [`GRACE`] the conferences are lost.
    Down { since: Option<Instant> },
    /// It can.
    Up,
}

/// How long the event stream may be gone before the conferences are given up. A mixer that comes
/// back within it as the same process has lost nothing.
const GRACE: Duration = Duration::from_secs(2);

/// The core's view of the mixer: is it there, and which commands are on their way.
#[derive(Debug)]
pub(crate) struct MixerLink {
    link: Link,
    instance: Option<String>,
    next: u64,
    pending: BTreeMap<CommandId, Pending>,
    timeout: Duration,
}

/// What the return of the mixer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Return {
    /// The same process as before: its conferences live on.
    Same,
    /// Another process, or the first: it knows none of our conferences.
    New,
}

impl MixerLink {
    pub(crate) fn new(timeout: Duration) -> Self {
        MixerLink {
            link: Link::Down { since: None },
            instance: None,
            next: 0,
            pending: BTreeMap::new(),
            timeout,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.link == Link::Up
    }

    /// The event stream is there; `instance` is random per process start of the mixer.
    pub(crate) fn up(&mut self, instance: String) -> Return {
        self.link = Link::Up;
        match self.instance.replace(instance.clone()) {
            Some(before) if before == instance => Return::Same,
            _ => Return::New,
        }
    }

    /// The event stream is gone.
    pub(crate) fn down(&mut self, now: Instant) {
        if self.is_up() {
            self.link = Link::Down { since: Some(now) };
        }
    }

    /// Notes a command on its way and gives it its name.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        purpose: Purpose,
        call: CallId,
        leg: LegRef,
    ) -> CommandId {
        let id = self.new_id();
        let deadline = now + self.timeout;
        self.pending.insert(id, Pending { purpose, call, leg, deadline });
        id
    }

    /// A name for a command whose reply nobody looks at.
    pub(crate) fn new_id(&mut self) -> CommandId {
        let id = CommandId(self.next);
        self.next += 1;
        id
    }

    /// The reply to a command has come.
    pub(crate) fn take(&mut self, id: CommandId) -> Option<Pending> {
        self.pending.remove(&id)
    }

    /// The call is over: nobody waits for its commands any more.
    pub(crate) fn abandon(&mut self, call: CallId) {
        for pending in self.pending.values_mut().filter(|p| p.call == call) {
            pending.purpose = match pending.purpose {
                Purpose::Join | Purpose::Rejoin | Purpose::AbandonedJoin => Purpose::AbandonedJoin,
                _ => Purpose::Forget,
            };
        }
    }

    /// The peer took its offer back: nobody waits for what the mixer makes of it.
    pub(crate) fn abandon_change(&mut self, call: CallId) {
        for pending in self.pending.values_mut().filter(|p| p.call == call) {
            if matches!(pending.purpose, Purpose::Reoffer(_) | Purpose::Offer) {
                pending.purpose = Purpose::Forget;
            }
        }
    }

    /// Whether a JOIN of this call is on its way.
    pub(crate) fn is_joining(&self, call: CallId) -> bool {
        let joins = |purpose: &Purpose| matches!(purpose, Purpose::Join | Purpose::Rejoin);
        self.pending.values().any(|p| p.call == call && joins(&p.purpose))
    }

    /// The commands whose caller has waited long enough. They stay on the list, for the reply may
    /// still come, but nobody waits for them any more.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<Pending> {
        let mut overdue = Vec::new();
        for pending in self.pending.values_mut() {
            if pending.deadline > now || !pending.purpose.is_awaited() {
                continue;
            }
            overdue.push(pending.clone());
            pending.purpose = match pending.purpose {
                Purpose::Join | Purpose::Rejoin => Purpose::AbandonedJoin,
                _ => Purpose::Forget,
            };
        }
        overdue
    }

    /// Whether the conferences must be given up now: the mixer has been gone for too long.
    pub(crate) fn is_lost(&mut self, now: Instant) -> bool {
        let lost = matches!(self.link, Link::Down { since: Some(since) } if since + GRACE <= now);
        if lost {
            self.link = Link::Down { since: None };
            // Should it come back after all, its conferences are not ours any more.
            self.instance = None;
        }
        lost
    }

    /// When [`overdue`](Self::overdue) or [`is_lost`](Self::is_lost) must be asked again.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let grace = match self.link {
            Link::Down { since: Some(since) } => Some(since + GRACE),
            _ => None,
        };
        // All wait equally long, so the first is the one that was sent first.
        let command = self.pending.values().find(|p| p.purpose.is_awaited()).map(|p| p.deadline);
        [grace, command].into_iter().flatten().min()
    }
}

impl Purpose {
    /// Whether a SIP request or a member's session waits for the reply.
    fn is_awaited(&self) -> bool {
        !matches!(self, Purpose::AbandonedJoin | Purpose::Forget)
    }
}
