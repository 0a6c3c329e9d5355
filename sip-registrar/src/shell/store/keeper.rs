//! The thread that writes what the core wants kept, and notices what other processes change.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use sip_registrar::{ConferenceName, StoreCommand};

use super::{AccountRow, Database, StoreError};

/// How often it looks for changes of accounts by another process.
const POLL: Duration = Duration::from_millis(500);

/// How long it gathers before it writes. A transaction costs more than the rows in it, and what is
/// overtaken meanwhile is never written; a crash of the process loses no more than this.
const GATHER: Duration = Duration::from_millis(100);

/// How long it waits after a failure before it tries again.
const RETRY: Duration = Duration::from_secs(1);

/// Every so many failures in a row one is logged, after the first.
const LOG_EVERY: u64 = 60;

/// A handle on the thread. Dropping it writes what is left and waits for that.
#[derive(Debug)]
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    _lock: Option<File>,
}

/// Numbers for `/metrics`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct KeeperNumbers {
    /// Transactions written.
    pub(crate) writes: u64,
    /// Transactions and queries that failed.
    pub(crate) failures: u64,
    /// Whether the last thing tried failed.
    pub(crate) failing: bool,
    /// Accounts and conferences whose state waits to be written.
    pub(crate) waiting: usize,
}

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Pending>,
    wake: Condvar,
    writes: AtomicU64,
    failures: AtomicU64,
    failing: AtomicBool,
}

/// The most records of the history that wait for a disk that does not write. What is more is lost, and
/// counted as a failure.
const MAX_RECORDS: usize = 100_000;

/// What is to be written. A newer command replaces an older one about the same thing, so there are
/// never more than accounts and conferences, however long the disk takes.
#[derive(Debug, Default)]
struct Pending {
    states: BTreeMap<Subject, StoreCommand>,
    records: VecDeque<StoreCommand>,
    stop: bool,
}

/// What a command is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Account(String),
    Conference(ConferenceName),
}

impl Subject {
    /// `None` for a record, which replaces nothing.
    fn of(command: &StoreCommand) -> Option<Self> {
        match command {
            StoreCommand::Bindings { user, .. } => Some(Subject::Account(user.clone())),
            StoreCommand::Meeting(meeting) => Some(Subject::Conference(meeting.name.clone())),
            StoreCommand::MeetingOver(name) | StoreCommand::MeetingGone { name, .. } => {
                Some(Subject::Conference(name.clone()))
            }
            StoreCommand::Record(_) => None,
        }
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.states.is_empty() && self.records.is_empty()
    }
}

impl Keeper {
    /// Starts the thread. `accounts_changed` is called on it with all accounts whenever another
    /// process has changed the database.
    pub(crate) fn start(
        database: Database,
        lock: Option<File>,
        accounts_changed: impl Fn(Vec<AccountRow>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let work = Work { database, shared: Arc::clone(&shared), failed_in_a_row: 0 };
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || work.run(&accounts_changed))?;
        Ok(Keeper { shared, thread: Some(thread), _lock: lock })
    }

    /// Takes in what is to be kept; never waits for the disk.
    pub(crate) fn keep(&self, command: StoreCommand) {
        let mut pending = self.shared.pending();
        match Subject::of(&command) {
            Some(subject) => drop(pending.states.insert(subject, command)),
            None if pending.records.len() < MAX_RECORDS => pending.records.push_back(command),
            None => drop(self.shared.failures.fetch_add(1, Ordering::Relaxed)),
        }
        drop(pending);
        self.shared.wake.notify_one();
    }

    /// The numbers of now.
    pub(crate) fn numbers(&self) -> KeeperNumbers {
        KeeperNumbers {
            writes: self.shared.writes.load(Ordering::Relaxed),
            failures: self.shared.failures.load(Ordering::Relaxed),
            failing: self.shared.failing.load(Ordering::Relaxed),
            waiting: self.shared.pending().states.len(),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.pending().stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something to do, or it is time to look around. Returns what to write and
    /// whether to stop after it.
    fn next(&self) -> (Vec<StoreCommand>, bool) {
        let idle = |pending: &mut Pending| pending.is_empty() && !pending.stop;
        let waited = self.wake.wait_timeout_while(self.pending(), POLL, idle);
        let (pending, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let gathered = self.wake.wait_timeout_while(pending, GATHER, |pending| !pending.stop);
        let (mut pending, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        let states = std::mem::take(&mut pending.states).into_values();
        let records = std::mem::take(&mut pending.records);
        (states.chain(records).collect(), pending.stop)
    }

    /// Takes back what could not be written, unless something newer has come.
    fn put_back(&self, commands: Vec<StoreCommand>) {
        let mut pending = self.pending();
        let mut records = VecDeque::new();
        for command in commands {
            match Subject::of(&command) {
                Some(subject) => drop(pending.states.entry(subject).or_insert(command)),
                None => records.push_back(command),
            }
        }
        records.append(&mut pending.records);
        pending.records = records;
    }
}

/// What the thread has.
struct Work {
    database: Database,
    shared: Arc<Shared>,
    failed_in_a_row: u64,
}

impl Work {
    fn run(mut self, accounts_changed: &impl Fn(Vec<AccountRow>)) {
        let mut seen = None;
        loop {
            let (commands, stop) = self.shared.next();
            let written = self.write(commands);
            let looked = self.look_around(&mut seen, accounts_changed);
            match written.and(looked) {
                Ok(()) => self.failed_in_a_row = 0,
                Err(error) => self.complain(&error),
            }
            self.shared.failing.store(self.failed_in_a_row > 0, Ordering::Relaxed);
            if stop {
                return;
            }
            if self.failed_in_a_row > 0 {
                std::thread::sleep(RETRY);
            }
        }
    }

    fn write(&mut self, commands: Vec<StoreCommand>) -> Result<(), StoreError> {
        if commands.is_empty() {
            return Ok(());
        }
        let written = self.database.write(&commands);
        match &written {
            Ok(()) => {
                self.shared.writes.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => self.shared.put_back(commands),
        }
        written
    }

    fn look_around(
        &self,
        seen: &mut Option<i64>,
        accounts_changed: &impl Fn(Vec<AccountRow>),
    ) -> Result<(), StoreError> {
        let changes = self.database.foreign_changes()?;
        if *seen != Some(changes) {
            // Also the first time: something may have changed since the accounts were read.
            accounts_changed(self.database.accounts()?);
            *seen = Some(changes);
        }
        Ok(())
    }

    fn complain(&mut self, error: &StoreError) {
        self.shared.failures.fetch_add(1, Ordering::Relaxed);
        if self.failed_in_a_row.is_multiple_of(LOG_EVERY) {
            tracing::error!("the store fails, registrations would not survive a restart: {error}");
        }
        self.failed_in_a_row += 1;
    }
}
