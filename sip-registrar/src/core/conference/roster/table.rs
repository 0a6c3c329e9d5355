//! All subscriptions: by dialog, by conference, by time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use conference_info::ConferenceInfo;
use sip_stack::dialog::DialogId;
use sip_stack::endpoint::CallId;

use super::subscription::{Subscription, SubscriptionId, Topic, Way};
use crate::core::conference::{Actor, ConferenceName};

/// The most subscriptions in all: each holds a document.
const MAX_SUBSCRIPTIONS: usize = 10_000;

/// The most subscriptions to the list: each change of a conference is looked at for each of them.
const MAX_LISTS: usize = 500;

/// The most subscriptions of one person: two devices, each with a conference and the list, and what a
/// crashed one has left behind.
const MAX_OF_ONE: usize = 8;

/// The subscriptions, and the conferences as last told.
#[derive(Debug, Default)]
pub(crate) struct Rosters {
    next: u64,
    all: BTreeMap<SubscriptionId, Subscription>,
    by_dialog: BTreeMap<DialogId, SubscriptionId>,
    by_call: BTreeMap<(CallId, Option<String>), SubscriptionId>,
    rooms: BTreeMap<ConferenceName, Room>,
    lists: BTreeSet<SubscriptionId>,
    timers: BTreeSet<(Instant, SubscriptionId)>,
    held: BTreeMap<String, usize>,
}

/// A conference that somebody subscribes to.
#[derive(Debug)]
pub(super) struct Room {
    /// Which meeting of that name.
    pub(super) id: String,
    /// How it was when it was last looked at.
    pub(super) now: ConferenceInfo,
    pub(super) watchers: BTreeSet<SubscriptionId>,
}

/// Why there can be no further subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// There are too many.
    Table,
    /// This person has too many.
    Subscriber,
}

impl Rosters {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether `by` may have a further subscription.
    pub(super) fn has_room(&self, by: &Actor, list: bool) -> Result<(), Full> {
        if self.all.len() >= MAX_SUBSCRIPTIONS || (list && self.lists.len() >= MAX_LISTS) {
            return Err(Full::Table);
        }
        let held = self.held.get(&holder(by)).copied().unwrap_or(0);
        if held >= MAX_OF_ONE { Err(Full::Subscriber) } else { Ok(()) }
    }

    /// Adds a subscription; to a conference only if its [`Room`] is there.
    pub(super) fn add(&mut self, subscription: Subscription) -> SubscriptionId {
        self.next += 1;
        let id = SubscriptionId(self.next);
        match &subscription.way {
            Way::Outside(notifier) => self.by_dialog.insert(notifier.id().clone(), id),
            Way::InCall(call) => self.by_call.insert((*call, subscription.event_id.clone()), id),
        };
        match &subscription.topic {
            Topic::Conference { name, .. } => {
                if let Some(room) = self.rooms.get_mut(name) {
                    room.watchers.insert(id);
                }
            }
            Topic::List(_) => {
                self.lists.insert(id);
            }
        }
        *self.held.entry(holder(&subscription.by)).or_default() += 1;
        self.all.insert(id, subscription);
        id
    }

    pub(super) fn remove(&mut self, id: SubscriptionId) -> Option<Subscription> {
        let subscription = self.all.remove(&id)?;
        match &subscription.way {
            Way::Outside(notifier) => self.by_dialog.remove(notifier.id()),
            Way::InCall(call) => self.by_call.remove(&(*call, subscription.event_id.clone())),
        };
        if let Topic::Conference { name, .. } = &subscription.topic
            && let Some(room) = self.rooms.get_mut(name)
        {
            room.watchers.remove(&id);
            if room.watchers.is_empty() {
                self.rooms.remove(name);
            }
        }
        self.lists.remove(&id);
        let holder = holder(&subscription.by);
        if let Some(held) = self.held.get_mut(&holder) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.held.remove(&holder);
            }
        }
        if let Some(at) = subscription.timer {
            self.timers.remove(&(at, id));
        }
        Some(subscription)
    }

    /// Takes a subscription out for a moment, to be [put back](Self::put_back) at once.
    pub(super) fn lend(&mut self, id: SubscriptionId) -> Option<Subscription> {
        self.all.remove(&id)
    }

    pub(super) fn put_back(&mut self, id: SubscriptionId, subscription: Subscription) {
        self.all.insert(id, subscription);
    }

    pub(super) fn get_mut(&mut self, id: SubscriptionId) -> Option<&mut Subscription> {
        self.all.get_mut(&id)
    }

    pub(super) fn get(&self, id: SubscriptionId) -> Option<&Subscription> {
        self.all.get(&id)
    }

    pub(super) fn by_dialog(&self, dialog: &DialogId) -> Option<SubscriptionId> {
        self.by_dialog.get(dialog).copied()
    }

    pub(super) fn by_call(&self, call: CallId, event_id: Option<&str>) -> Option<SubscriptionId> {
        self.by_call.get(&(call, event_id.map(str::to_owned))).copied()
    }

    /// The subscriptions in the dialog of a call.
    pub(super) fn of_call(&self, call: CallId) -> Vec<SubscriptionId> {
        let from = self.by_call.range((call, None)..);
        from.take_while(|((of, _), _)| *of == call).map(|(_, id)| *id).collect()
    }

    /// Makes sure that there is a room for somebody who is about to be added.
    pub(super) fn open_room(&mut self, name: &ConferenceName, make: impl FnOnce() -> Room) {
        self.rooms.entry(name.clone()).or_insert_with(make);
    }

    pub(super) fn room(&self, name: &ConferenceName) -> Option<&Room> {
        self.rooms.get(name)
    }

    pub(super) fn room_mut(&mut self, name: &ConferenceName) -> Option<&mut Room> {
        self.rooms.get_mut(name)
    }

    /// Who subscribes to this conference.
    pub(super) fn watchers(&self, name: &ConferenceName) -> Vec<SubscriptionId> {
        self.rooms.get(name).into_iter().flat_map(|room| room.watchers.iter().copied()).collect()
    }

    /// Who subscribes to the list.
    pub(super) fn lists(&self) -> Vec<SubscriptionId> {
        self.lists.iter().copied().collect()
    }

    pub(super) fn ids(&self) -> Vec<SubscriptionId> {
        self.all.keys().copied().collect()
    }

    /// Sets when a subscription is to be looked after again: when it ends, or earlier.
    pub(super) fn set_timer(&mut self, id: SubscriptionId, earlier: Option<Instant>) {
        let Some(subscription) = self.all.get_mut(&id) else { return };
        let at = earlier.map_or(subscription.expires, |at| at.min(subscription.expires));
        if let Some(before) = subscription.timer.replace(at) {
            self.timers.remove(&(before, id));
        }
        self.timers.insert((at, id));
    }

    /// The next subscription whose time has come.
    pub(super) fn pop_timer(&mut self, now: Instant) -> Option<SubscriptionId> {
        let (at, id) = self.timers.first().copied().filter(|(at, _)| *at <= now)?;
        self.timers.remove(&(at, id));
        if let Some(subscription) = self.all.get_mut(&id) {
            subscription.timer = None;
        }
        Some(id)
    }

    /// When the next one is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }
}

/// What subscriptions of one person are counted by.
fn holder(by: &Actor) -> String {
    match by {
        Actor::Operator(token) => format!("token {token}"),
        Actor::Account(user) => format!("account {user}"),
        Actor::Guest { address, user, .. } => format!("guest {address} {user}"),
    }
}
