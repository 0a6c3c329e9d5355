//! Which conference is which task, and which focus made it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use media_mixer::{Addresses, ConferenceStats, NewLeg, Settings};
use mixer_control::{JoinRequest, MixerError, MixerEvent};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::conference_task::{self, Command, Reply, SharedPorts, Start};

/// Commands waiting for one conference; more are refused.
const INBOX: usize = 256;

/// Events waiting for one stream of one focus; a focus that does not read loses the stream, and asks again.
const EVENTS: usize = 1024;

/// How long a conference may take to say good-bye when the mixer stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long a conference may take to tell its numbers.
const STATS: Duration = Duration::from_secs(1);

/// What the directory is told at its start.
#[derive(Debug)]
pub(crate) struct DirectoryConfig {
    pub(crate) settings: Settings,
    pub(crate) bind: Addresses,
    pub(crate) max_conferences: usize,
    pub(crate) grace: Duration,
}

#[derive(Debug)]
struct Entry {
    /// Tells this conference from a later one of the same name.
    serial: u64,
    focus: String,
    inbox: mpsc::Sender<Command>,
}

#[derive(Debug, Default)]
struct Focus {
    streams: Vec<mpsc::Sender<MixerEvent>>,
    /// Since when there has been no stream.
    silent_since: Option<Instant>,
}

#[derive(Debug, Default)]
struct Tables {
    conferences: HashMap<String, Entry>,
    foci: HashMap<String, Focus>,
    next_serial: u64,
    failed: u64,
}

#[derive(Debug)]
struct Shared {
    config: DirectoryConfig,
    ports: SharedPorts,
    media: Handle,
    tables: Mutex<Tables>,
}

/// See the module's description; a clone is the same directory.
#[derive(Debug, Clone)]
pub(crate) struct Directory(Arc<Shared>);

/// What `/metrics` tells about one conference.
#[derive(Debug)]
pub(crate) struct Numbers {
    pub(crate) conference: String,
    pub(crate) stats: ConferenceStats,
    pub(crate) unsent: u64,
}

impl Directory {
    /// Empty. Conferences run on `media`.
    pub(crate) fn new(config: DirectoryConfig, ports: SharedPorts, media: Handle) -> Self {
        Self(Arc::new(Shared { config, ports, media, tables: Mutex::default() }))
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ports of the mixer.
    pub(crate) fn ports(&self) -> &SharedPorts {
        &self.0.ports
    }

    /// Conferences that ended by a fault so far.
    pub(crate) fn failed(&self) -> u64 {
        self.tables().failed
    }

    /// Lets a leg join, in a new conference if there is none of that name.
    pub(crate) async fn join(&self, request: JoinRequest) -> Result<String, MixerError> {
        // The conference may come to its end between being found and being asked: then it is a new one.
        for _ in 0..3 {
            let inbox = self.find_or_create(&request)?;
            let (reply, answer) = oneshot::channel();
            let command = Command::Join {
                leg: request.leg.leg.clone(),
                new: NewLeg {
                    display_name: request.display_name.clone(),
                    signalled_from: request.signalled_from,
                    lobby: request.lobby,
                },
                offer: request.offer.clone(),
                reply,
            };
            if inbox.send(command).await.is_ok()
                && let Ok(answer) = answer.await
            {
                return answer;
            }
        }
        Err(MixerError::Unavailable("the conference keeps ending".to_owned()))
    }

    fn find_or_create(&self, request: &JoinRequest) -> Result<mpsc::Sender<Command>, MixerError> {
        let mut tables = self.tables();
        let name = &request.leg.conference;
        let focus = tables.foci.entry(request.focus.clone()).or_default();
        if focus.streams.is_empty() {
            // Asking is a sign of life as well.
            focus.silent_since = Some(Instant::now());
        }
        if let Some(entry) = tables.conferences.get(name)
            && !entry.inbox.is_closed()
        {
            return Ok(entry.inbox.clone());
        }
        if tables.conferences.len() >= self.0.config.max_conferences {
            let most = self.0.config.max_conferences;
            return Err(MixerError::Exhausted(format!("there are {most} conferences")));
        }
        let (inbox, receiver) = mpsc::channel(INBOX);
        let (events, event_queue) = mpsc::channel(EVENTS);
        let serial = tables.next_serial;
        tables.next_serial += 1;
        let entry = Entry { serial, focus: request.focus.clone(), inbox: inbox.clone() };
        tables.conferences.insert(name.clone(), entry);
        drop(tables);
        let start = Start {
            name: name.clone(),
            settings: self.0.config.settings.clone(),
            bind: self.0.config.bind,
            ports: Arc::clone(&self.0.ports),
            seed: rand::random(),
            inbox: receiver,
            events,
        };
        tokio::spawn(self.clone().pass_on(request.focus.clone(), event_queue));
        let task = conference_task::run(start);
        let supervised =
            self.clone().supervise(name.clone(), serial, request.focus.clone(), Box::pin(task));
        tokio::spawn(supervised);
        Ok(inbox)
    }

    /// Runs a conference and cleans up after it, however it ends.
    async fn supervise(
        self,
        name: String,
        serial: u64,
        focus: String,
        task: impl Future<Output = std::io::Result<()>> + Send + 'static,
    ) {
        info!(conference = name, "opened");
        let ended = self.0.media.spawn(task).await;
        {
            let mut tables = self.tables();
            if tables.conferences.get(&name).is_some_and(|entry| entry.serial == serial) {
                tables.conferences.remove(&name);
            }
        }
        let fault = match ended {
            Ok(Ok(())) => {
                info!(conference = name, "closed");
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        error!(conference = name, fault, "conference failed");
        self.tables().failed += 1;
        self.tell(&focus, &MixerEvent::ConferenceFailed(name));
    }

    /// Brings the events of one conference to its focus.
    async fn pass_on(self, focus: String, mut events: mpsc::Receiver<MixerEvent>) {
        while let Some(event) = events.recv().await {
            self.tell(&focus, &event);
        }
    }

    fn tell(&self, focus: &str, event: &MixerEvent) {
        let mut tables = self.tables();
        let Some(entry) = tables.foci.get_mut(focus) else { return };
        entry.streams.retain(|stream| {
            let sent = stream.try_send(event.clone());
            if matches!(sent, Err(mpsc::error::TrySendError::Full(_))) {
                warn!(focus, "focus does not read its events, stream closed");
            }
            sent.is_ok()
        });
    }

    /// A new stream of events for a focus.
    pub(crate) fn subscribe(&self, focus: &str) -> mpsc::Receiver<MixerEvent> {
        let (sender, receiver) = mpsc::channel(EVENTS);
        let mut tables = self.tables();
        let entry = tables.foci.entry(focus.to_owned()).or_default();
        entry.streams.push(sender);
        entry.silent_since = None;
        for conference in tables.conferences.values().filter(|entry| entry.focus == focus) {
            // One that is too busy to be asked tells changes all the same.
            let _ = conference.inbox.try_send(Command::TellSources);
        }
        receiver
    }

    /// Sends a command to a conference and waits for the reply.
    pub(crate) async fn ask<T>(
        &self,
        conference: &str,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, MixerError> {
        let inbox = self.tables().conferences.get(conference).map(|entry| entry.inbox.clone());
        let inbox = inbox.ok_or(MixerError::NotFound)?;
        let (reply, answer) = oneshot::channel();
        inbox.send(command(reply)).await.map_err(|_| MixerError::NotFound)?;
        answer.await.map_err(|_| MixerError::NotFound)?
    }

    /// Ends one conference; no error when it is gone already.
    pub(crate) async fn end(&self, conference: &str) {
        let inbox = self.tables().conferences.get(conference).map(|entry| entry.inbox.clone());
        if let Some(inbox) = inbox {
            Self::end_inbox(inbox).await;
        }
    }

    async fn end_inbox(inbox: mpsc::Sender<Command>) {
        let (reply, done) = oneshot::channel();
        if inbox.send(Command::End { reply }).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Ends everything; returns when it is done or has taken too long.
    pub(crate) async fn end_all(&self) {
        let inboxes: Vec<_> =
            self.tables().conferences.values().map(|entry| entry.inbox.clone()).collect();
        let all = async {
            for inbox in inboxes {
                Self::end_inbox(inbox).await;
            }
        };
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            warn!("not every conference could be ended in time");
        }
    }

    /// Looks after foci: those without a stream for the grace time lose their conferences.
    pub(crate) async fn watch_foci(self) {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            every.tick().await;
            for (conference, inbox, focus) in self.orphans(Instant::now()) {
                warn!(conference, focus, "focus is gone, conference ended");
                Self::end_inbox(inbox).await;
            }
        }
    }

    fn orphans(&self, now: Instant) -> Vec<(String, mpsc::Sender<Command>, String)> {
        let mut tables = self.tables();
        let Tables { conferences, foci, .. } = &mut *tables;
        let mut gone = Vec::new();
        foci.retain(|name, focus| {
            focus.streams.retain(|stream| !stream.is_closed());
            if !focus.streams.is_empty() {
                return true;
            }
            let since = *focus.silent_since.get_or_insert(now);
            if now.saturating_duration_since(since) < self.0.config.grace {
                return true;
            }
            gone.push(name.clone());
            false
        });
        conferences
            .iter()
            .filter(|(_, entry)| gone.contains(&entry.focus))
            .map(|(name, entry)| (name.clone(), entry.inbox.clone(), entry.focus.clone()))
            .collect()
    }

    /// The names of all conferences.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.tables().conferences.keys().cloned().collect();
        names.sort();
        names
    }

    /// The numbers of all conferences that answer in time.
    pub(crate) async fn numbers(&self) -> Vec<Numbers> {
        let inboxes: Vec<_> = {
            let tables = self.tables();
            tables
                .conferences
                .iter()
                .map(|(name, entry)| (name.clone(), entry.inbox.clone()))
                .collect()
        };
        let mut waiting = Vec::new();
        for (conference, inbox) in inboxes {
            let (reply, answer) = oneshot::channel();
            if inbox.try_send(Command::Stats { reply }).is_ok() {
                waiting.push((conference, answer));
            }
        }
        let mut numbers = Vec::new();
        let deadline = tokio::time::Instant::now() + STATS;
        for (conference, answer) in waiting {
            if let Ok(Ok((stats, unsent))) = tokio::time::timeout_at(deadline, answer).await {
                numbers.push(Numbers { conference, stats, unsent });
            }
        }
        numbers.sort_by(|a, b| a.conference.cmp(&b.conference));
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::config::{Config, PortRange};
    use crate::shell::ports::PortPool;
    use mixer_control::LegRef;

    fn directory() -> Directory {
        let bind = Addresses::one("127.0.0.1".parse().unwrap());
        let config = DirectoryConfig {
            settings: Config::default().settings(bind).unwrap(),
            bind,
            max_conferences: 2,
            grace: Duration::from_secs(30),
        };
        let range = PortRange { first: 30_000, last: 31_999 };
        let ports = Arc::new(Mutex::new(PortPool::new(range, Duration::from_secs(30), 0)));
        Directory::new(config, ports, Handle::current())
    }

    fn request(conference: &str, leg: &str) -> JoinRequest {
        let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                     m=audio 9 RTP/AVP 0\r\n";
        JoinRequest {
            focus: "f".to_owned(),
            leg: LegRef { conference: conference.to_owned(), leg: leg.to_owned() },
            display_name: String::new(),
            offer: Some(offer.to_owned()),
            signalled_from: None,
            lobby: false,
        }
    }

    fn used(directory: &Directory) -> usize {
        directory.ports().lock().unwrap().used()
    }

    /// Waits for what happens in other tasks.
    async fn until(what: impl Fn() -> bool) {
        let begin = Instant::now();
        while !what() {
            assert!(begin.elapsed() < Duration::from_secs(10));
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_panic_ends_one_conference_and_its_focus_is_told() {
        let directory = directory();
        let mut events = directory.subscribe("f");
        let mut strangers = directory.subscribe("another");
        directory.join(request("healthy", "1")).await.unwrap();
        directory.join(request("sick", "1")).await.unwrap();
        directory.join(request("sick", "2")).await.unwrap();
        assert_eq!(used(&directory), 3);
        let inbox = directory.tables().conferences["sick"].inbox.clone();
        inbox.send(Command::Panic).await.unwrap();
        let told = events.recv().await.unwrap();
        assert_eq!(told, MixerEvent::ConferenceFailed("sick".to_owned()));
        assert!(strangers.try_recv().is_err(), "nobody else's business");
        assert_eq!(directory.failed(), 1);
        assert!(!directory.tables().conferences.contains_key("sick"));
        assert_eq!(used(&directory), 1, "its ports are given back");
        directory.join(request("healthy", "2")).await.expect("the other goes on");
        directory.join(request("sick", "1")).await.expect("and it can be opened again");
    }

    #[tokio::test]
    async fn the_ports_of_a_leg_that_left_rest_before_anybody_gets_them() {
        let directory = directory();
        let answer = directory.join(request("a", "1")).await.unwrap();
        let port = sdp::SessionDescription::parse(&answer).unwrap().media[0].port;
        directory.join(request("a", "2")).await.unwrap();
        let leave = |reply| Command::Leave { leg: "1".to_owned(), reply };
        directory.ask("a", leave).await.unwrap();
        until(|| used(&directory) == 1).await;
        let left = Instant::now();
        let mut pool = directory.ports().lock().unwrap();
        let mut free = |now| std::iter::from_fn(|| pool.take(now)).map(|pair| pair.rtp()).collect();
        let soon: Vec<u16> = free(left + Duration::from_secs(29));
        assert!(soon.len() > 900 && !soon.contains(&port));
        let later: Vec<u16> = free(left + Duration::from_secs(31));
        assert!(later.contains(&port));
    }

    #[tokio::test]
    async fn conferences_end_with_their_last_leg_and_give_their_ports_back() {
        let directory = directory();
        directory.join(request("a", "1")).await.unwrap();
        directory.join(request("b", "1")).await.unwrap();
        let full = directory.join(request("c", "1")).await;
        assert!(matches!(full, Err(MixerError::Exhausted(_))), "{full:?}");
        assert_eq!(used(&directory), 2);
        let leave = |reply| Command::Leave { leg: "1".to_owned(), reply };
        directory.ask("a", leave).await.unwrap();
        directory.end("b").await;
        directory.join(request("a", "1")).await.expect("the same name again");
        directory.end_all().await;
        until(|| used(&directory) == 0 && directory.tables().conferences.is_empty()).await;
    }

    #[tokio::test]
    async fn a_focus_that_does_not_read_loses_its_stream_and_nobody_waits() {
        let directory = directory();
        let mut events = directory.subscribe("f");
        for _ in 0..EVENTS + 10 {
            directory.tell("f", &MixerEvent::ConferenceFailed("x".to_owned()));
        }
        let mut read = 0;
        while events.recv().await.is_some() {
            read += 1;
        }
        assert_eq!(read, EVENTS, "what was queued, then the end of the stream");
    }

    #[tokio::test]
    async fn the_grace_of_a_focus_begins_when_its_stream_ends() {
        let directory = directory();
        directory.join(request("a", "1")).await.unwrap();
        let now = Instant::now();
        assert!(directory.orphans(now).is_empty());
        let events = directory.subscribe("f");
        let later = now + Duration::from_secs(100);
        assert!(directory.orphans(later).is_empty(), "it listens");
        drop(events);
        assert!(directory.orphans(later).is_empty(), "the grace begins");
        assert!(directory.orphans(later + Duration::from_secs(29)).is_empty());
        let gone = directory.orphans(later + Duration::from_secs(30));
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0].0, "a");
    }
}
