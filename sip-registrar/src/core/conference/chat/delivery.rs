//! What becomes of a line that was said: whom it has reached, and the answer to who said it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_stack::endpoint::{CallId, ServerTransactionId};

use super::line::Line;

/// How long the answer to a MESSAGE waits for those of the others. RFC 4320 §4.1 wants answers soon; a
/// client repeats its request after 0.5 s and gives up after 32 s.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Names one line on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeliveryId(u64);

/// What has become of a line at one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is there.
    Reached,
    /// It is not; this is whom it did not reach.
    Missed(String),
    /// Nothing could be expected: the device has no chat, or has left.
    Nothing,
}

/// A line on its way to several devices.
#[derive(Debug)]
pub(super) struct Delivery {
    /// The MESSAGE to be answered, until it is.
    pub(super) asked: Option<ServerTransactionId>,
    pub(super) until: Instant,
    /// Who said it.
    pub(super) sender: CallId,
    pub(super) line: Arc<Line>,
    waiting: usize,
    pub(super) reached: usize,
    /// Names of those it did not reach.
    pub(super) missed: Vec<String>,
}

/// The lines that are on their way.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    last: u64,
    open: BTreeMap<DeliveryId, Delivery>,
}

impl Deliveries {
    /// A line goes to `waiting` devices.
    pub(super) fn open(
        &mut self,
        now: Instant,
        asked: Option<ServerTransactionId>,
        sender: CallId,
        line: Arc<Line>,
        waiting: usize,
    ) -> DeliveryId {
        self.last += 1;
        let id = DeliveryId(self.last);
        let until = now + PATIENCE;
        let delivery =
            Delivery { asked, until, sender, line, waiting, reached: 0, missed: Vec::new() };
        self.open.insert(id, delivery);
        id
    }

    /// One device is done. The delivery, if there is something to tell: it is the first that was
    /// reached, or the last of all.
    pub(super) fn settle(&mut self, id: DeliveryId, outcome: Outcome) -> Option<Settled> {
        let delivery = self.open.get_mut(&id)?;
        delivery.waiting = delivery.waiting.saturating_sub(1);
        match outcome {
            Outcome::Reached => delivery.reached += 1,
            Outcome::Missed(name) => delivery.missed.push(name),
            Outcome::Nothing => {}
        }
        if delivery.waiting == 0 {
            return self.open.remove(&id).map(Settled::All);
        }
        let first = delivery.reached > 0;
        first.then(|| delivery.asked.take()).flatten().map(Settled::First)
    }

    /// The MESSAGEs that have waited for long enough.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<ServerTransactionId> {
        let due = self.open.values_mut().filter(|delivery| delivery.until <= now);
        due.filter_map(|delivery| delivery.asked.take()).collect()
    }

    /// When [`overdue`](Self::overdue) wants to be asked.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.open.values().filter(|d| d.asked.is_some()).map(|d| d.until).min()
    }
}

/// What there is to tell about a delivery.
#[derive(Debug)]
pub(super) enum Settled {
    /// Somebody has it: this is to be answered 200.
    First(ServerTransactionId),
    /// It is over.
    All(Delivery),
}
