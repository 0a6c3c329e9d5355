//! The location service: which contacts an account is registered at (RFC 3261 §10.3).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sip_stack::flow::{ConnectionId, Flow, Hop, Target, Transport};
use sip_stack::message::{NameAddr, Uri};
use thiserror::Error;

/// One contact of an account.
#[derive(Debug, Clone)]
pub struct Binding {
    /// Where the device says it can be reached, with the parameters it gave (`q` and others) but
    /// without `expires`.
    pub contact: NameAddr,
    /// When it ends.
    pub expires_at: Instant,
    /// The flow the registration came over: requests to the device go back that way, for it may
    /// sit behind a NAT or listen on no other connection (RFC 5626 §5.3 in spirit).
    /// `None` once its connection is gone.
    pub flow: Option<Flow>,
    /// Call-ID of the registration; CSeq counts within it.
    pub call_id: String,
    /// CSeq of the registration.
    pub cseq: u32,
    id: u64,
}

impl Binding {
    /// Where a request to this device goes: back along the flow it registered over, for it may sit
    /// behind a NAT or listen on no other connection. A contact at the very address the
    /// registration came from is taken at its word, for its port may be another.
    #[must_use]
    pub fn target(&self) -> Target {
        let hop = Hop::from_uri(&self.contact.uri);
        match self.flow {
            Some(flow) if flow.transport == Transport::Tcp => Target::Flow(flow),
            Some(flow) if hop.host.ip() != Some(flow.remote.ip()) => Target::Flow(flow),
            _ => Target::Hop(hop),
        }
    }

    /// Whole seconds that are left, rounded up.
    #[must_use]
    pub fn expires_in(&self, now: Instant) -> u64 {
        let left = self.expires_at.saturating_duration_since(now);
        left.as_secs() + u64::from(left.subsec_nanos() > 0)
    }
}

/// What one REGISTER asks for one contact.
#[derive(Debug, Clone)]
pub struct ContactUpdate {
    /// The contact, without `expires`.
    pub contact: NameAddr,
    /// How long; zero removes the binding.
    pub expires: Duration,
}

/// Why a REGISTER could not be carried out; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UpdateError {
    /// An older request of the same Call-ID (RFC 3261 §10.3 step 7).
    #[error("CSeq is not higher than that of the last registration")]
    OutOfOrder,
    /// The account has too many contacts.
    #[error("too many contacts for this account")]
    TooManyContacts,
    /// The registrar has too many contacts.
    #[error("too many contacts")]
    Full,
}

/// All bindings of all accounts.
#[derive(Debug)]
pub struct Location {
    by_user: BTreeMap<String, Vec<Binding>>,
    /// Who registered over a connection; until it closes, a user may stay who has moved on.
    by_connection: BTreeMap<ConnectionId, BTreeSet<String>>,
    by_expiry: BTreeMap<(Instant, u64), String>,
    next_id: u64,
    max_per_user: usize,
    max: usize,
}

impl Location {
    /// An empty location service with its bounds: contacts of one account, and of all.
    #[must_use]
    pub fn new(max_per_user: usize, max: usize) -> Self {
        Location {
            by_user: BTreeMap::new(),
            by_connection: BTreeMap::new(),
            by_expiry: BTreeMap::new(),
            next_id: 0,
            max_per_user,
            max,
        }
    }

    /// Adds, refreshes and removes contacts of one account: all of them or, on an error, none.
    ///
    /// # Errors
    /// See [`UpdateError`].
    pub fn update(
        &mut self,
        now: Instant,
        user: &str,
        updates: &[ContactUpdate],
        (call_id, cseq): (&str, u32),
        flow: &Flow,
    ) -> Result<(), UpdateError> {
        self.handle_timeout(now);
        let held = self.by_user.get(user).map_or(&[][..], Vec::as_slice);
        let is_stale = |update: &ContactUpdate| {
            let same = |b: &&Binding| b.contact.uri.is_equivalent(&update.contact.uri);
            held.iter().find(same).is_some_and(|b| b.call_id == call_id && b.cseq >= cseq)
        };
        if updates.iter().any(is_stale) {
            return Err(UpdateError::OutOfOrder);
        }
        // What would come of it, done in the same order as below: one contact may be named twice.
        let mut after: Vec<&Uri> = held.iter().map(|b| &b.contact.uri).collect();
        for ContactUpdate { contact, expires } in updates {
            after.retain(|uri| !uri.is_equivalent(&contact.uri));
            if !expires.is_zero() {
                after.push(&contact.uri);
            }
        }
        let count = after.len();
        if count > held.len() {
            if count > self.max_per_user {
                return Err(UpdateError::TooManyContacts);
            }
            if self.len() + (count - held.len()) > self.max {
                return Err(UpdateError::Full);
            }
        }
        if let Some(connection) = flow.connection {
            self.by_connection.entry(connection).or_default().insert(user.to_owned());
        }
        for update in updates {
            self.remove(user, |b| b.contact.uri.is_equivalent(&update.contact.uri));
            if update.expires.is_zero() {
                continue;
            }
            let id = self.next_id;
            self.next_id += 1;
            let binding = Binding {
                contact: update.contact.clone(),
                expires_at: now + update.expires,
                flow: Some(*flow),
                call_id: call_id.to_owned(),
                cseq,
                id,
            };
            self.by_expiry.insert((binding.expires_at, id), user.to_owned());
            self.by_user.entry(user.to_owned()).or_default().push(binding);
        }
        Ok(())
    }

    /// `Contact: *` with `Expires: 0`: removes every contact of the account.
    ///
    /// # Errors
    /// [`UpdateError::OutOfOrder`] when one of them was registered later in the same Call-ID.
    pub fn clear(
        &mut self,
        now: Instant,
        user: &str,
        (call_id, cseq): (&str, u32),
    ) -> Result<(), UpdateError> {
        self.handle_timeout(now);
        let stale = |b: &Binding| b.call_id == call_id && b.cseq >= cseq;
        if self.bindings(now, user).any(stale) {
            return Err(UpdateError::OutOfOrder);
        }
        self.remove(user, |_| true);
        Ok(())
    }

    /// The live contacts of an account, oldest first.
    pub fn bindings(&self, now: Instant, user: &str) -> impl Iterator<Item = &Binding> {
        self.by_user.get(user).into_iter().flatten().filter(move |b| b.expires_at > now)
    }

    /// How many contacts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_expiry.len()
    }

    /// Whether nobody is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_expiry.is_empty()
    }

    /// A connection is gone: its devices are called at their contact from now on.
    pub fn handle_flow_closed(&mut self, connection: ConnectionId) {
        let users = self.by_connection.remove(&connection).unwrap_or_default();
        for user in users {
            for binding in self.by_user.get_mut(&user).into_iter().flatten() {
                if binding.flow.is_some_and(|f| f.connection == Some(connection)) {
                    binding.flow = None;
                }
            }
        }
    }

    /// Drops what has ended.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(entry) = self.by_expiry.first_entry() {
            let (at, id) = *entry.key();
            if at > now {
                break;
            }
            let user = entry.remove();
            self.remove(&user, |b| b.id == id);
        }
    }

    /// When the next contact ends.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.by_expiry.first_key_value().map(|((at, _), _)| *at)
    }

    fn remove(&mut self, user: &str, which: impl Fn(&Binding) -> bool) {
        let Some(held) = self.by_user.get_mut(user) else {
            return;
        };
        let by_expiry = &mut self.by_expiry;
        held.retain(|binding| {
            let gone = which(binding);
            if gone {
                by_expiry.remove(&(binding.expires_at, binding.id));
            }
            !gone
        });
        if held.is_empty() {
            self.by_user.remove(user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = "call-1";

    fn flow(port: u16) -> Flow {
        Flow {
            transport: Transport::Udp,
            local: "127.0.0.1:5060".parse().unwrap(),
            remote: ([127, 0, 0, 1], port).into(),
            connection: None,
        }
    }

    fn contact(text: &str, seconds: u64) -> ContactUpdate {
        let contact = NameAddr::parse(text).unwrap();
        ContactUpdate { contact, expires: Duration::from_secs(seconds) }
    }

    fn contacts(location: &Location, now: Instant) -> Vec<String> {
        location.bindings(now, "alice").map(|b| b.contact.to_string()).collect()
    }

    #[test]
    fn bindings_are_added_refreshed_removed_and_end() {
        let mut location = Location::new(10, 100);
        let now = Instant::now();
        let both = [contact("<sip:a@h1>;q=0.5", 60), contact("<sip:a@h2>", 120)];
        location.update(now, "alice", &both, (CALL, 1), &flow(1)).unwrap();
        assert_eq!(contacts(&location, now), ["<sip:a@h1>;q=0.5", "<sip:a@h2>"]);
        assert_eq!(location.poll_timeout(), Some(now + Duration::from_secs(60)));

        let later = now + Duration::from_secs(59);
        assert_eq!(location.bindings(later, "alice").next().unwrap().expires_in(later), 1);
        let again = [contact("<sip:a@h1>", 60)];
        location.update(later, "alice", &again, (CALL, 2), &flow(1)).unwrap();
        assert_eq!(location.len(), 2);

        let end = now + Duration::from_secs(119);
        assert_eq!(contacts(&location, end), ["<sip:a@h2>"]);
        location.handle_timeout(end);
        assert_eq!(location.len(), 1);
        location.update(end, "alice", &[contact("<sip:a@h2>", 0)], (CALL, 3), &flow(1)).unwrap();
        assert!(location.is_empty() && location.poll_timeout().is_none());
    }

    #[test]
    fn an_old_request_changes_nothing() {
        let mut location = Location::new(10, 100);
        let now = Instant::now();
        let one = [contact("<sip:a@h1>", 60)];
        location.update(now, "alice", &one, (CALL, 5), &flow(1)).unwrap();
        let older = [contact("<sip:a@h2>", 60), contact("<sip:a@h1>", 0)];
        for cseq in [4, 5] {
            let done = location.update(now, "alice", &older, (CALL, cseq), &flow(1));
            assert_eq!(done, Err(UpdateError::OutOfOrder));
            assert_eq!(location.clear(now, "alice", (CALL, cseq)), Err(UpdateError::OutOfOrder));
        }
        assert_eq!(contacts(&location, now), ["<sip:a@h1>"]);
        // A phone that has restarted begins a new Call-ID and counts from the beginning.
        location.update(now, "alice", &older, ("call-2", 1), &flow(1)).unwrap();
        assert_eq!(contacts(&location, now), ["<sip:a@h2>"]);
        location.clear(now, "alice", ("call-3", 1)).unwrap();
        assert!(location.is_empty());
    }

    #[test]
    fn bounds_hold_and_refreshing_needs_no_room() {
        let mut location = Location::new(2, 3);
        let now = Instant::now();
        let two = [contact("<sip:a@h1>", 60), contact("<sip:a@h2>", 60)];
        location.update(now, "alice", &two, (CALL, 1), &flow(1)).unwrap();
        let third = [contact("<sip:a@h3>", 60)];
        let done = location.update(now, "alice", &third, (CALL, 2), &flow(1));
        assert_eq!(done, Err(UpdateError::TooManyContacts));
        location.update(now, "alice", &two, (CALL, 3), &flow(1)).unwrap();
        let done = location.update(now, "bob", &two, (CALL, 1), &flow(1));
        assert_eq!(done, Err(UpdateError::Full));
        let swap = [contact("<sip:a@h1>", 0), contact("<sip:a@h3>", 60)];
        location.update(now, "alice", &swap, (CALL, 4), &flow(1)).unwrap();
        assert_eq!(contacts(&location, now), ["<sip:a@h2>", "<sip:a@h3>"]);
        let twice = [contact("<sip:b@h1>", 60), contact("<sip:b@h1>", 60)];
        location.update(now, "bob", &twice, (CALL, 1), &flow(1)).unwrap();
        assert_eq!(location.len(), 3);
        // Removed, taken back and one more: that is two.
        let more = [contact("<sip:b@h1>", 0), contact("<sip:b@h1>", 60), contact("<sip:b@h2>", 60)];
        let done = location.update(now, "bob", &more, (CALL, 2), &flow(1));
        assert_eq!(done, Err(UpdateError::Full));
        assert_eq!(location.len(), 3);
    }

    #[test]
    fn a_device_is_reached_where_it_registered_from() {
        let mut location = Location::new(10, 100);
        let now = Instant::now();
        let mut target = |text: &str, flow: &Flow, cseq| {
            let update = [contact(text, 60)];
            location.clear(now, "alice", (CALL, cseq)).unwrap();
            location.update(now, "alice", &update, (CALL, cseq), flow).unwrap();
            location.bindings(now, "alice").next().unwrap().target()
        };
        // Behind a NAT: the contact says nothing to us.
        assert_eq!(target("<sip:a@10.0.0.1:5070>", &flow(7), 1), Target::Flow(flow(7)));
        // No NAT: the contact may name another port.
        let hop = |text| Target::Hop(Hop::from_uri(&NameAddr::parse(text).unwrap().uri));
        let here = "<sip:a@127.0.0.1:5070>";
        assert_eq!(target(here, &flow(7), 2), hop(here));
        // A connection: as long as it is there, its remote port listens to nobody else.
        let connection = ConnectionId(1);
        let tcp = Flow { transport: Transport::Tcp, connection: Some(connection), ..flow(40_000) };
        let here = "<sip:a@127.0.0.1:5070;transport=tcp>";
        assert_eq!(target(here, &tcp, 3), Target::Flow(tcp));
        location.handle_flow_closed(ConnectionId(2));
        location.handle_flow_closed(connection);
        assert_eq!(location.bindings(now, "alice").next().unwrap().target(), hop(here));
    }
}
