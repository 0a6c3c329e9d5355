//! The connections of this process: who they lead to, and the queues that write to them.

use sip_stack::endpoint::TransmitId;
use sip_stack::flow::ConnectionId;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::sync::mpsc;

/// One message for a connection.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Who wants to hear of a failure; nobody for keep-alives.
    pub id: Option<TransmitId>,
    pub bytes: bytes::Bytes,
}

#[derive(Debug)]
struct Entry {
    remote: SocketAddr,
    queue: mpsc::Sender<Outgoing>,
    /// Whether we opened it or a whole message came over it. Others are the first to go.
    proven: bool,
}

/// What became of a message given to the table.
#[derive(Debug)]
pub(crate) enum Queued {
    Yes,
    /// The peer reads too slowly.
    Full,
    /// There is no such connection (any more); here is the message again.
    NoConnection(Outgoing),
}

/// All connections, at most `limit`.
#[derive(Debug)]
pub(crate) struct Table {
    entries: BTreeMap<ConnectionId, Entry>,
    by_remote: BTreeMap<SocketAddr, ConnectionId>,
    next: u64,
    limit: usize,
}

impl Table {
    pub fn new(limit: usize) -> Table {
        Table { entries: BTreeMap::new(), by_remote: BTreeMap::new(), next: 1, limit }
    }

    /// Adds a connection. When the table is full, one that never carried a message must go (its queue
    /// closes, which ends it); without such a one the answer is `None`. One address gets at most half
    /// of the table by connecting, so that a single stranger cannot keep everybody else out.
    pub fn add(
        &mut self,
        remote: SocketAddr,
        queue: mpsc::Sender<Outgoing>,
        proven: bool,
    ) -> Option<ConnectionId> {
        let ip = remote.ip();
        let accepted_abroad = !proven && !ip.is_loopback();
        let of_address = || self.entries.values().filter(|e| e.remote.ip() == ip).count();
        if accepted_abroad && of_address() >= self.limit / 2 {
            self.drop_unproven(|entry| entry.remote.ip() == ip)?;
        }
        if self.entries.len() >= self.limit {
            self.drop_unproven(|_| true)?;
        }
        let id = ConnectionId(self.next);
        self.next += 1;
        self.entries.insert(id, Entry { remote, queue, proven });
        self.by_remote.insert(remote, id);
        Some(id)
    }

    /// Lets the oldest connection go that never carried a message, because the system has no room for
    /// more.
    pub fn make_room(&mut self) {
        let _ = self.drop_unproven(|_| true);
    }

    fn drop_unproven(&mut self, which: impl Fn(&Entry) -> bool) -> Option<()> {
        let mut victims = self.entries.iter().filter(|(_, e)| !e.proven && which(e));
        let victim = *victims.next()?.0;
        self.remove(victim);
        Some(())
    }

    /// Notes that a whole message came over a connection.
    pub fn prove(&mut self, id: ConnectionId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.proven = true;
        }
    }

    /// Forgets a connection.
    pub fn remove(&mut self, id: ConnectionId) {
        if let Some(entry) = self.entries.remove(&id)
            && self.by_remote.get(&entry.remote) == Some(&id)
        {
            self.by_remote.remove(&entry.remote);
        }
    }

    /// The connection to `remote`.
    pub fn to(&self, remote: SocketAddr) -> Option<ConnectionId> {
        self.by_remote.get(&remote).copied()
    }

    /// Queues a message on connection `id`.
    pub fn queue(&mut self, id: ConnectionId, message: Outgoing) -> Queued {
        let Some(entry) = self.entries.get(&id) else { return Queued::NoConnection(message) };
        match entry.queue.try_send(message) {
            Ok(()) => Queued::Yes,
            Err(mpsc::error::TrySendError::Full(_)) => Queued::Full,
            Err(mpsc::error::TrySendError::Closed(message)) => {
                self.remove(id);
                Queued::NoConnection(message)
            }
        }
    }

    /// Lets go of all queues, so that every connection ends when it has written what it has.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.by_remote.clear();
        self.limit = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Outgoing {
        Outgoing { id: None, bytes: bytes::Bytes::from_static(b"x") }
    }

    #[test]
    fn the_unproven_go_first_and_the_limit_holds() {
        let mut table = Table::new(2);
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (queue, _keep) = mpsc::channel(1);
        let a = table.add(at(1), queue.clone(), false).unwrap();
        let b = table.add(at(2), queue.clone(), false).unwrap();
        table.prove(a);
        let c = table.add(at(3), queue.clone(), true).unwrap();
        assert_eq!((table.to(at(1)), table.to(at(2)), table.to(at(3))), (Some(a), None, Some(c)));
        assert!(matches!(table.queue(b, message()), Queued::NoConnection(_)));
        assert_eq!(table.add(at(4), queue, true), None, "all are proven");
    }

    #[test]
    fn one_address_gets_half_of_the_table() {
        let mut table = Table::new(4);
        let at = |host, port| SocketAddr::from(([192, 0, 2, host], port));
        let (queue, _keep) = mpsc::channel(1);
        let a = table.add(at(1, 1), queue.clone(), false).unwrap();
        let b = table.add(at(1, 2), queue.clone(), false).unwrap();
        table.prove(b);
        let c = table.add(at(1, 3), queue.clone(), false).unwrap();
        assert_eq!((table.to(at(1, 1)), table.to(at(1, 2))), (None, Some(b)), "{a:?} has gone");
        table.prove(c);
        assert_eq!(table.add(at(1, 4), queue.clone(), false), None);
        assert!(table.add(at(2, 1), queue.clone(), false).is_some(), "there is room for others");
        assert!(
            table.add(at(1, 5), queue, true).is_some(),
            "what we open ourselves is no stranger"
        );
    }

    #[test]
    fn out_of_descriptors_the_oldest_silent_connection_goes() {
        let mut table = Table::new(4);
        let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let (queue, _keep) = mpsc::channel(1);
        table.add(at(1), queue.clone(), true).unwrap();
        table.add(at(2), queue, false).unwrap();
        table.make_room();
        table.make_room();
        assert!(table.to(at(1)).is_some() && table.to(at(2)).is_none());
    }

    #[test]
    fn a_full_queue_fails_and_a_closed_one_is_forgotten() {
        let mut table = Table::new(2);
        let remote = SocketAddr::from(([127, 0, 0, 1], 1));
        let (queue, reader) = mpsc::channel(1);
        let id = table.add(remote, queue, true).unwrap();
        assert!(matches!(table.queue(id, message()), Queued::Yes));
        assert!(matches!(table.queue(id, message()), Queued::Full));
        drop(reader);
        assert!(matches!(table.queue(id, message()), Queued::NoConnection(_)));
        assert_eq!(table.to(remote), None);
    }
}
