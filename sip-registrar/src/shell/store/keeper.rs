//! The thread that owns the database while the service runs: it writes what the core wants kept, answers
//! what HTTP asks, throws away what is old, and notices what other processes change.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use sip_registrar::{ConferenceName, StoreCommand};
use tokio::sync::oneshot;

use super::{AccountRow, Database, Retention, StoreError, TokenRow};

/// How often it looks for changes of accounts by another process.
const POLL: Duration = Duration::from_millis(500);

/// How long it gathers before it writes. A transaction costs more than the rows in it, and what is
/// overtaken meanwhile is never written; a crash of the process loses no more than this.
const GATHER: Duration = Duration::from_millis(100);

/// How long it waits after a failure before it tries again.
const RETRY: Duration = Duration::from_secs(1);

/// Every so many failures in a row one is logged, after the first.
const LOG_EVERY: u64 = 60;

/// How often it looks for records that are too old.
const PRUNE: Duration = Duration::from_secs(3600);

/// The most questions that wait. HTTP has as many connections.
const MAX_QUESTIONS: usize = 64;

/// What other processes, or questions that change something, may have changed.
#[derive(Debug)]
pub(crate) struct Kept {
    /// All accounts.
    pub(crate) accounts: Vec<AccountRow>,
    /// All tokens.
    pub(crate) tokens: Vec<TokenRow>,
}

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
    /// Records of the history written.
    pub(crate) records: u64,
}

/// A door to the thread for those who want to know or change something.
#[derive(Debug, Clone)]
pub(crate) struct Desk(Arc<Shared>);

/// The store cannot answer now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unanswered;

/// What is done with the database, and then how the asker is told.
type Question = Box<dyn FnOnce(&mut Database) -> Telling + Send>;
type Telling = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Shared {
    pending: Mutex<Pending>,
    wake: Condvar,
    writes: AtomicU64,
    failures: AtomicU64,
    records: AtomicU64,
    failing: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// The most records of the history that wait for a disk that does not write. What is more is lost, and
/// counted as a failure.
const MAX_RECORDS: usize = 100_000;

/// What is to be written. A newer command replaces an older one about the same thing, so there are
/// never more than accounts and conferences, however long the disk takes.
#[derive(Default)]
struct Pending {
    states: BTreeMap<Subject, StoreCommand>,
    records: VecDeque<StoreCommand>,
    questions: Vec<Question>,
    /// One of the questions may change accounts or tokens.
    changes: bool,
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
        self.states.is_empty() && self.records.is_empty() && self.questions.is_empty()
    }
}

impl Keeper {
    /// Starts the thread. `changed` is called on it with what may have been changed by another process,
    /// or by a question.
    pub(crate) fn start(
        database: Database,
        lock: Option<File>,
        retention: Retention,
        changed: impl Fn(Kept) + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let work = Work {
            database,
            shared: Arc::clone(&shared),
            retention,
            prune: Instant::now(),
            failed_in_a_row: 0,
        };
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || work.run(&changed))?;
        Ok(Keeper { shared, thread: Some(thread), _lock: lock })
    }

    /// Takes in what is to be kept; never waits for the disk.
    pub(crate) fn keep(&self, command: StoreCommand) {
        let mut pending = self.shared.pending();
        // Who gathers is awake already: to be woken again for each command is most of what it costs.
        let asleep = pending.is_empty();
        match Subject::of(&command) {
            Some(subject) => drop(pending.states.insert(subject, command)),
            None if pending.records.len() < MAX_RECORDS => pending.records.push_back(command),
            None => drop(self.shared.failures.fetch_add(1, Ordering::Relaxed)),
        }
        drop(pending);
        if asleep {
            self.shared.wake.notify_one();
        }
    }

    /// A door to the thread.
    pub(crate) fn desk(&self) -> Desk {
        Desk(Arc::clone(&self.shared))
    }

    /// The numbers of now.
    pub(crate) fn numbers(&self) -> KeeperNumbers {
        KeeperNumbers {
            writes: self.shared.writes.load(Ordering::Relaxed),
            failures: self.shared.failures.load(Ordering::Relaxed),
            failing: self.shared.failing.load(Ordering::Relaxed),
            waiting: self.shared.pending().states.len(),
            records: self.shared.records.load(Ordering::Relaxed),
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

impl Desk {
    /// Asks something. Everything that was to be kept before is there when it is looked up.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Unanswered> {
        self.put(question, false).await
    }

    /// Changes accounts or tokens. When it returns, the service has been told of the change.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Unanswered> {
        self.put(question, true).await
    }

    async fn put<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Database) -> Result<T, StoreError> + Send + 'static,
        changes: bool,
    ) -> Result<T, Unanswered> {
        let (sender, answer) = oneshot::channel();
        let question: Question = Box::new(move |database| {
            let found = question(database);
            // Who asked may have gone: that is no failure.
            Box::new(move || drop(sender.send(found)))
        });
        {
            let mut pending = self.0.pending();
            if pending.questions.len() >= MAX_QUESTIONS {
                return Err(Unanswered);
            }
            pending.questions.push(question);
            pending.changes |= changes;
        }
        self.0.wake.notify_one();
        match answer.await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => {
                tracing::error!("the store could not answer: {error}");
                Err(Unanswered)
            }
            Err(_) => Err(Unanswered),
        }
    }
}

/// What there is to do at once.
struct Tasks {
    commands: Vec<StoreCommand>,
    questions: Vec<Question>,
    changes: bool,
    stop: bool,
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something to do, or it is time to look around.
    fn next(&self) -> Tasks {
        let idle = |pending: &mut Pending| pending.is_empty() && !pending.stop;
        let waited = self.wake.wait_timeout_while(self.pending(), POLL, idle);
        let (pending, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let calm = |pending: &mut Pending| !pending.stop && pending.questions.is_empty();
        let gathered = self.wake.wait_timeout_while(pending, GATHER, calm);
        let (mut pending, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        let states = std::mem::take(&mut pending.states).into_values();
        let records = std::mem::take(&mut pending.records);
        Tasks {
            commands: states.chain(records).collect(),
            questions: std::mem::take(&mut pending.questions),
            changes: std::mem::take(&mut pending.changes),
            stop: pending.stop,
        }
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
        let surplus = records.len().saturating_sub(MAX_RECORDS);
        records.truncate(MAX_RECORDS);
        let lost = u64::try_from(surplus).unwrap_or(u64::MAX);
        self.failures.fetch_add(lost, Ordering::Relaxed);
        pending.records = records;
    }
}

/// What the thread has.
struct Work {
    database: Database,
    shared: Arc<Shared>,
    retention: Retention,
    /// When to look for old records again.
    prune: Instant,
    failed_in_a_row: u64,
}

impl Work {
    fn run(mut self, changed: &impl Fn(Kept)) {
        let mut seen = None;
        loop {
            let Tasks { commands, questions, changes, stop } = self.shared.next();
            let written = self.write(commands);
            let ask = |question: Question| question(&mut self.database);
            let tellings: Vec<Telling> = questions.into_iter().map(ask).collect();
            if changes {
                seen = None;
            }
            let looked = self.look_around(&mut seen, changed);
            // After the service knows of the change.
            tellings.into_iter().for_each(|tell| tell());
            let pruned = self.prune();
            match written.and(looked).and(pruned) {
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
        let is_record = |command: &&StoreCommand| matches!(command, StoreCommand::Record(_));
        let records = commands.iter().filter(is_record).count();
        let written = self.database.write(&commands);
        match &written {
            Ok(()) => {
                self.shared.writes.fetch_add(1, Ordering::Relaxed);
                let records = u64::try_from(records).unwrap_or(u64::MAX);
                self.shared.records.fetch_add(records, Ordering::Relaxed);
            }
            Err(_) => self.shared.put_back(commands),
        }
        written
    }

    fn look_around(
        &self,
        seen: &mut Option<i64>,
        changed: &impl Fn(Kept),
    ) -> Result<(), StoreError> {
        let changes = self.database.foreign_changes()?;
        if *seen != Some(changes) {
            // Also the first time: something may have changed since the accounts were read.
            let (accounts, tokens) = (self.database.accounts()?, self.database.tokens()?);
            changed(Kept { accounts, tokens });
            *seen = Some(changes);
        }
        Ok(())
    }

    /// Throws away what is old, now and then.
    fn prune(&mut self) -> Result<(), StoreError> {
        if Instant::now() < self.prune {
            return Ok(());
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let pruned = self.database.prune(now, self.retention)?;
        if pruned > 0 {
            tracing::info!(records = pruned, "old records of the history thrown away");
        }
        self.prune = Instant::now() + PRUNE;
        Ok(())
    }

    fn complain(&mut self, error: &StoreError) {
        self.shared.failures.fetch_add(1, Ordering::Relaxed);
        if self.failed_in_a_row.is_multiple_of(LOG_EVERY) {
            tracing::error!(
                "the store fails, registrations and records would not survive a restart: {error}"
            );
        }
        self.failed_in_a_row += 1;
    }
}
