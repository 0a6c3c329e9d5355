//! The list of conferences as one subscriber knows it (RFC 4662).

use std::collections::{BTreeMap, BTreeSet};

use conference_info::ConferenceInfo;
use conference_info::rlmi::{Instance, InstanceState, List, Resource, multipart};

use super::document::uri_of;
use super::subscription::{Subscription, Topic};
use crate::core::conference::ConferenceName;
use crate::core::registrar::Registrar;

/// The most conferences in one notification: some 25 kB, that it fits into a datagram, and no more parts
/// than bodies of several parts may have here. Those left out are told in the next one.
const MAX_ROWS: usize = sip_stack::message::multipart::MAX_PARTS - 2;

/// What a subscriber knows of the list.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// What was told.
    rows: BTreeMap<ConferenceName, Row>,
    /// What may have changed since.
    changed: BTreeSet<ConferenceName>,
    /// Whether anything was told at all.
    begun: bool,
    next: u64,
}

/// A conference that was told of.
#[derive(Debug)]
struct Row {
    /// Its number, for names in the document.
    number: u64,
    info: ConferenceInfo,
}

impl Listing {
    /// This conference may have changed.
    pub(super) fn note(&mut self, name: &ConferenceName) {
        self.changed.insert(name.clone());
    }

    /// Nothing of what was told is known to have arrived.
    pub(super) fn forget(&mut self) {
        self.rows.clear();
        self.changed.clear();
        self.begun = false;
    }
}

/// A notification of the list.
pub(super) struct ListNotification {
    pub(super) content_type: String,
    pub(super) body: String,
    /// Whether more has to be told.
    pub(super) cut: bool,
}

impl Registrar {
    /// What has to be told of the list; `None` if nothing has changed. It is taken for told.
    pub(super) fn list_notification(
        &self,
        subscription: &mut Subscription,
    ) -> Option<ListNotification> {
        let (by, known_as) = (subscription.by.clone(), subscription.known_as.clone());
        let Topic::List(listing) = &mut subscription.topic else { return None };
        let full = !std::mem::replace(&mut listing.begun, true);
        if full {
            listing.changed =
                self.directory.iter().map(|focus| focus.meeting().name.clone()).collect();
        }
        let mut resources = Vec::new();
        let mut documents = Vec::new();
        while resources.len() < MAX_ROWS
            && let Some(name) = listing.changed.pop_first()
        {
            let uri = uri_of(&name, &known_as);
            let Some(info) = self.listed(&name, &by, &known_as) else {
                if let Some(row) = listing.rows.remove(&name) {
                    let reason = InstanceState::Terminated("noresource".to_owned());
                    let instance = Some(instance(row.number, reason, None));
                    resources.push(Resource { uri, name: None, instance });
                }
                continue;
            };
            if listing.rows.get(&name).is_some_and(|row| row.info == info) {
                continue;
            }
            listing.next += 1;
            let fresh = listing.next;
            let row = listing.rows.entry(name);
            let row = row.or_insert_with(|| Row { number: fresh, info: ConferenceInfo::default() });
            row.info = info;
            let cid = format!("m{}@parley", row.number);
            let title = row.info.description.as_ref().and_then(|d| d.display_text.clone());
            let instance = instance(row.number, InstanceState::Active, Some(cid.clone()));
            resources.push(Resource { uri, name: title, instance: Some(instance) });
            documents.push((cid, row.info.to_xml()));
        }
        let cut = !listing.changed.is_empty();
        if resources.is_empty() && !full {
            return None;
        }
        let list = List {
            uri: known_as.to_string(),
            version: subscription.next_version(),
            full,
            name: None,
            resources,
        };
        let (content_type, body) = multipart(&list, &documents);
        Some(ListNotification { content_type, body, cut })
    }
}

/// Its id is opaque to everybody but Linphone, which looks for a part with this very Content-ID.
fn instance(number: u64, state: InstanceState, cid: Option<String>) -> Instance {
    Instance { id: format!("<m{number}@parley>"), state, cid }
}
