//! The loop of one conference: it owns the [`Conference`] and its sockets, nobody else touches them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use media_mixer::{
    Addresses, Conference, ConferenceStats, Event, Family, NewLeg, Output, Plan, PortGrant,
    PortNeed, Settings,
};
use mixer_control::{LegHealth, LegRef, LegStats, MixerError, MixerEvent, Prompt};
use rtp_session::NtpClock;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, warn};

use super::ports::{PortPair, PortPool};
use super::sockets::{Attention, Failure, Sockets};

/// Ports tried before giving up: others of the same machine may sit in our range.
const BIND_TRIES: usize = 128;

/// Something the focus asks of one conference.
#[derive(Debug)]
pub(crate) enum Command {
    Join {
        leg: String,
        new: NewLeg,
        offer: Option<String>,
        reply: Reply<String>,
    },
    Reoffer {
        leg: String,
        offer: String,
        reply: Reply<String>,
    },
    Offer {
        leg: String,
        reply: Reply<String>,
    },
    Accept {
        leg: String,
        answer: String,
        reply: Reply<()>,
    },
    Leave {
        leg: String,
        reply: Reply<()>,
    },
    RefreshVideo {
        leg: String,
        reply: Reply<()>,
    },
    Control {
        leg: String,
        muted: bool,
        lobby: bool,
        reply: Reply<()>,
    },
    Park {
        leg: String,
        parked: bool,
        reply: Reply<()>,
    },
    Play {
        leg: String,
        prompts: Vec<Prompt>,
        reply: Reply<()>,
    },
    /// The focus has a new stream of events, and has missed what came while it had none.
    TellSources,
    LegStats {
        reply: Reply<Vec<LegStats>>,
    },
    Doctor {
        leg: Option<String>,
        reply: Reply<Vec<LegHealth>>,
    },
    Stats {
        reply: oneshot::Sender<(ConferenceStats, u64)>,
    },
    End {
        reply: oneshot::Sender<()>,
    },
    /// A fault in our own code.
    #[cfg(test)]
    Panic,
}

/// Where the outcome of a command goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, MixerError>>;

/// The ports of the whole mixer.
pub(crate) type SharedPorts = Arc<Mutex<PortPool>>;

/// What a conference is given at its start.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) name: String,
    pub(crate) settings: Settings,
    /// The addresses ports are bound to.
    pub(crate) bind: Addresses,
    pub(crate) ports: SharedPorts,
    pub(crate) seed: u64,
    pub(crate) inbox: mpsc::Receiver<Command>,
    pub(crate) events: mpsc::Sender<MixerEvent>,
}

struct Task {
    name: String,
    conference: Conference,
    sockets: Sockets,
    bind: Addresses,
    ports: SharedPorts,
    /// Pairs in use.
    pairs: Vec<PortPair>,
    events: mpsc::Sender<MixerEvent>,
}

/// Runs until the last leg has left, the conference is ended, or nobody holds its inbox any more.
pub(crate) async fn run(start: Start) -> std::io::Result<()> {
    let now = Instant::now();
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut inbox = start.inbox;
    let mut task = Task {
        conference: Conference::new(
            start.settings,
            now,
            NtpClock::new(now, since_epoch),
            start.seed,
        ),
        name: start.name,
        sockets: Sockets::new()?,
        bind: start.bind,
        ports: start.ports,
        pairs: Vec::new(),
        events: start.events,
    };
    loop {
        let deadline = task.conference.poll_timeout();
        tokio::select! {
            command = inbox.recv() => match command {
                Some(command) => {
                    if task.handle(command) {
                        return Ok(());
                    }
                }
                None => {
                    task.end();
                    return Ok(());
                }
            },
            woken = task.sockets.wait(deadline) => {
                woken?;
                task.receive();
            }
        }
        task.drain();
    }
}

impl Task {
    /// Reads what is there and runs what is due.
    fn receive(&mut self) {
        let Self { sockets, conference, .. } = self;
        sockets.receive_ready(|at, port, from, bytes| {
            conference.handle_datagram(at, port, from, bytes);
        });
        if Instant::now() >= conference.poll_timeout() {
            sockets.receive_before_tick(|at, port, from, bytes| {
                conference.handle_datagram(at, port, from, bytes);
            });
            conference.handle_timeout(Instant::now());
        }
    }

    /// Does what the conference wants done.
    fn drain(&mut self) {
        while let Some(output) = self.conference.poll_output() {
            match output {
                Output::Transmit(transmit) => self.sockets.queue(transmit),
                Output::Release(port) => {
                    self.sockets.close(port);
                    self.return_pairs();
                }
                Output::Event(event) => self.tell(event),
            }
        }
        self.sockets.flush();
        let now = Instant::now();
        for Failure { port, to, error } in self.sockets.failures() {
            self.conference.handle_unreachable(now, port, to, error);
        }
    }

    fn tell(&mut self, event: Event) {
        let leg = |leg| LegRef { conference: self.name.clone(), leg };
        let event = match event {
            Event::KeyFrameWanted { leg: name } => MixerEvent::KeyFrameWanted(leg(name)),
            Event::LegSilent { leg: name } => {
                info!(conference = self.name, leg = name, "leg is silent");
                MixerEvent::LegSilent(leg(name))
            }
            Event::MediaMissing { leg: name, why } => {
                let why = why.join("; ");
                warn!(conference = self.name, leg = name, why, "media does not flow");
                return;
            }
            Event::ActiveSpeaker { leg: name } => MixerEvent::ActiveSpeaker(leg(name)),
            Event::Digit { leg: name, digit } => MixerEvent::Digit { leg: leg(name), digit },
            Event::Sources { leg: name, lines } => MixerEvent::Sources { leg: leg(name), lines },
        };
        // A digit may be one of a PIN.
        if !matches!(event, MixerEvent::Digit { .. }) {
            debug!(?event, "event");
        }
        // Full or closed: events are news, and the next ones will tell as much; but sources are told once.
        if let Err(TrySendError::Full(MixerEvent::Sources { .. })) = self.events.try_send(event) {
            self.conference.tell_sources_again();
        }
    }

    /// Carries out a command; `true` when the conference is over.
    fn handle(&mut self, command: Command) -> bool {
        let now = Instant::now();
        match command {
            Command::Join { leg, new, offer, reply } => {
                let who = new.display_name.clone();
                let plan = self.conference.plan_join(&leg, offer.as_deref(), new.signalled_from);
                let joined = plan.and_then(|plan| {
                    self.with_ports(plan, |task, plan, granted| {
                        task.conference.join(now, new, plan, granted)
                    })
                });
                match &joined {
                    Ok(_) => info!(conference = self.name, leg, who, "joined"),
                    Err(error) => info!(conference = self.name, leg, %error, "join refused"),
                }
                let is_new = joined.is_ok();
                if reply.send(joined).is_err() && is_new {
                    // The focus gave up waiting and believes that there is no such leg.
                    self.conference.leave(now, &leg);
                }
            }
            Command::Reoffer { leg, offer, reply } => {
                let plan = self.conference.plan_reoffer(&leg, &offer);
                let _ = reply.send(self.renegotiate(now, plan));
            }
            Command::Offer { leg, reply } => {
                let plan = self.conference.plan_offer(&leg);
                let _ = reply.send(self.renegotiate(now, plan));
            }
            Command::Accept { leg, answer, reply } => {
                let _ = reply.send(self.conference.accept(now, &leg, &answer));
            }
            Command::Leave { leg, reply } => {
                if self.conference.leave(now, &leg) {
                    info!(conference = self.name, leg, "left");
                }
                let _ = reply.send(Ok(()));
            }
            Command::RefreshVideo { leg, reply } => {
                let _ = reply.send(self.conference.refresh_video(now, &leg));
            }
            Command::Control { leg, muted, lobby, reply } => {
                debug!(conference = self.name, leg, muted, lobby, "control");
                let _ = reply.send(self.conference.control(now, &leg, muted, lobby));
            }
            Command::Park { leg, parked, reply } => {
                debug!(conference = self.name, leg, parked, "park");
                let _ = reply.send(self.conference.park(now, &leg, parked));
            }
            Command::Play { leg, prompts, reply } => {
                let _ = reply.send(self.conference.play(&leg, &prompts));
            }
            Command::LegStats { reply } => {
                let _ = reply.send(Ok(self.conference.leg_stats()));
            }
            Command::TellSources => self.conference.tell_sources_again(),
            Command::Doctor { leg, reply } => {
                let _ = reply.send(self.conference.doctor(now, leg.as_deref()));
            }
            Command::Stats { reply } => {
                let _ = reply.send((self.conference.stats(), self.sockets.unsent()));
            }
            #[cfg(test)]
            Command::Panic => panic!("a fault in one conference"),
            Command::End { reply } => {
                self.end();
                let _ = reply.send(());
                return true;
            }
        }
        if self.conference.is_empty() {
            self.end();
            return true;
        }
        false
    }

    fn renegotiate(
        &mut self,
        now: Instant,
        plan: Result<Plan, MixerError>,
    ) -> Result<String, MixerError> {
        self.with_ports(plan?, |task, plan, granted| {
            task.conference.renegotiate(now, plan, granted)
        })
    }

    /// Binds what the plan needs and carries it out; when either fails, nothing stays bound.
    fn with_ports(
        &mut self,
        plan: Plan,
        carry_out: impl FnOnce(&mut Self, Plan, &[PortGrant]) -> Result<String, MixerError>,
    ) -> Result<String, MixerError> {
        let mut granted = Vec::new();
        let mut failed = None;
        for need in plan.needs() {
            match self.bind(need) {
                Ok(grant) => granted.push(grant),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let done = match failed {
            None => carry_out(self, plan, &granted),
            Some(error) => Err(error),
        };
        if done.is_err() {
            for grant in granted {
                // Where only the RTCP port was new, the other one stays.
                if !self.conference.uses(grant.rtp) {
                    self.sockets.close(grant.rtp);
                }
                if let Some(rtcp) = grant.rtcp {
                    self.sockets.close(rtcp);
                }
            }
            self.return_pairs();
        }
        done
    }

    fn bind(&mut self, need: PortNeed) -> Result<PortGrant, MixerError> {
        let (family, video, rtcp) = match need {
            PortNeed::Pair { family, video, rtcp } => (family, video, rtcp),
            PortNeed::Rtcp { of, family } => {
                let number = self.sockets.number(of).ok_or_else(|| {
                    MixerError::Unavailable("a port of the leg is gone".to_owned())
                })?;
                let rtcp =
                    self.sockets.bind(self.bind.of_or_first(family), number + 1, Attention::AtOnce);
                let rtcp = rtcp.map_err(|error| {
                    MixerError::Exhausted(format!("cannot bind port {}: {error}", number + 1))
                })?;
                return Ok(PortGrant { rtp: of, rtcp: Some(rtcp), number, family });
            }
        };
        let mut last = None;
        for _ in 0..BIND_TRIES {
            let Some(pair) = self.pool().take(Instant::now()) else { break };
            match self.bind_pair(pair, family, video, rtcp) {
                Ok(grant) => {
                    self.pairs.push(pair);
                    return Ok(grant);
                }
                Err(error) => {
                    debug!(port = pair.rtp(), %error, "port cannot be bound, trying another");
                    self.pool().give_back(Instant::now(), pair);
                    last = Some(error);
                }
            }
        }
        Err(MixerError::Exhausted(match last {
            Some(error) => format!("cannot bind a media port: {error}"),
            None => "no media port is free".to_owned(),
        }))
    }

    fn bind_pair(
        &mut self,
        pair: PortPair,
        family: Family,
        video: bool,
        rtcp: bool,
    ) -> std::io::Result<PortGrant> {
        let address = self.bind.of_or_first(family);
        let attention = if video { Attention::AtOnce } else { Attention::BeforeTick };
        let rtp = self.sockets.bind(address, pair.rtp(), attention)?;
        let rtcp = if rtcp {
            let bound = self.sockets.bind(address, pair.rtcp(), Attention::AtOnce);
            match bound {
                Ok(port) => Some(port),
                Err(error) => {
                    self.sockets.close(rtp);
                    return Err(error);
                }
            }
        } else {
            None
        };
        Ok(PortGrant { rtp, rtcp, number: pair.rtp(), family })
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, PortPool> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pairs without an open port go back to the pool.
    fn return_pairs(&mut self) {
        let open: Vec<u16> = self.sockets.numbers().collect();
        let (keep, give): (Vec<_>, Vec<_>) = self
            .pairs
            .drain(..)
            .partition(|pair| open.contains(&pair.rtp()) || open.contains(&pair.rtcp()));
        self.pairs = keep;
        let now = Instant::now();
        let mut pool = self.pool();
        for pair in give {
            pool.give_back(now, pair);
        }
    }

    /// Says good-bye to everybody.
    fn end(&mut self) {
        self.conference.end(Instant::now());
        self.drain();
    }
}

/// Whatever ends the task, a panic included, its ports go back.
impl Drop for Task {
    fn drop(&mut self) {
        let now = Instant::now();
        let pairs = std::mem::take(&mut self.pairs);
        let mut pool = self.pool();
        for pair in pairs {
            pool.give_back(now, pair);
        }
    }
}
