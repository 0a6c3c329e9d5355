//! One subscription: of whom, to what, and what has been told.

use std::time::Instant;

use conference_info::ConferenceInfo;
use sip_stack::dialog::Notifier;
use sip_stack::endpoint::CallId;
use sip_stack::message::Uri;

use super::list::Listing;
use super::pace::Pace;
use crate::core::conference::{Actor, ConferenceName};

/// Names one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SubscriptionId(pub(super) u64);

/// One subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) topic: Topic,
    /// Of whom.
    pub(super) by: Actor,
    pub(super) way: Way,
    /// The `id` of Event (RFC 6665 §4.5.2), to be given back.
    pub(super) event_id: Option<String>,
    /// As what the subscriber knows us: entities are told under this host.
    pub(super) known_as: Uri,
    /// When it ends unless it is refreshed.
    pub(super) expires: Instant,
    pub(super) pace: Pace,
    /// The version of the next document.
    pub(super) version: u32,
    /// Something may have changed since the last notification.
    pub(super) due: bool,
    /// The last notification has not been answered: the next one waits for that.
    pub(super) awaiting: bool,
    /// Nothing is to be told any more, for the subscriber would crash.
    pub(super) silenced: bool,
    /// When it is to be looked after again; also in the table's timers.
    pub(super) timer: Option<Instant>,
}

/// What is subscribed to.
#[derive(Debug)]
pub(super) enum Topic {
    /// A conference.
    Conference {
        /// Which.
        name: ConferenceName,
        /// What the subscriber knows of it; nothing means that all must be told.
        told: Option<Box<ConferenceInfo>>,
    },
    /// The list of conferences.
    List(Listing),
}

/// The way notifications go.
#[derive(Debug)]
pub(super) enum Way {
    /// In a dialog of their own.
    Outside(Box<Notifier>),
    /// In the dialog of the subscriber's call.
    InCall(CallId),
}

impl Subscription {
    /// The value of Event.
    pub(super) fn event(&self) -> String {
        match &self.event_id {
            Some(id) => format!("conference;id={id}"),
            None => "conference".to_owned(),
        }
    }

    /// The number of the next document; the one after it is one more (RFC 4575 §4.3).
    pub(super) fn next_version(&mut self) -> u32 {
        let version = self.version;
        self.version = version.wrapping_add(1);
        version
    }

    /// What was told is not known to have arrived: the next document tells all.
    pub(super) fn forget_told(&mut self) {
        match &mut self.topic {
            Topic::Conference { told, .. } => *told = None,
            Topic::List(listing) => listing.forget(),
        }
        self.due = true;
    }
}
