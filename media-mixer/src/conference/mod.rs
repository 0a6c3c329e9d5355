//! The media of one meeting as one value.

mod control;
mod health;
mod membership;
mod names;
mod numbers;
mod picture;
pub(crate) mod sources;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mixer_control::MixerError;
use rtp_session::NtpClock;
use sdp::negotiate::Capabilities;

use crate::audio::mixer::AudioMixer;
use crate::io::{Datagram, PortId, Transmit};
use crate::join;
use crate::leg::{Leg, LegId, LegLine, Medium};
use crate::output::{Event, Outbox, Output};
use crate::random::Random;
use crate::settings::{MAX_VOICES, Settings};
use crate::stats::{self, ConferenceStats};
use crate::tick::{TICK, Tick};
use crate::transport::Incoming;
use crate::video::LineId;
use crate::video::forward::VideoRouter;

/// Who joins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewLeg {
    /// What others are shown; may be empty.
    pub display_name: String,
    /// Where the SIP request came from: media from there may latch (RFC 7362).
    pub signalled_from: Option<IpAddr>,
    /// It waits in the lobby at first; see [`Conference::control`].
    pub lobby: bool,
}

/// How often slow things are looked after.
const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
struct PortUse {
    line: LineId,
    rtcp: bool,
}

/// See the module's description, and the crate's for how a leg joins.
#[derive(Debug)]
pub struct Conference {
    settings: Settings,
    capabilities: Capabilities,
    clock: NtpClock,
    random: Random,
    tick: Tick,
    legs: BTreeMap<LegId, Leg>,
    names: BTreeMap<String, LegId>,
    next_leg: u32,
    /// By port number of the shell, which are small.
    ports: Vec<Option<PortUse>>,
    mixer: AudioMixer,
    video: VideoRouter,
    /// SSRCs by which members are known to others, so that no two are known by the same.
    public: BTreeMap<u32, LineId>,
    /// Whose names go with the mix, at most as many as a packet can name; see [`Self::name_speakers`].
    named: VecDeque<LegId>,
    names_changed: bool,
    names_sent: Option<Instant>,
    /// When slow things were looked after last.
    looked: Option<Instant>,
    out: Outbox,
}

impl Conference {
    /// An empty conference. `clock` is for RTCP reports; all random numbers come out of `seed`.
    pub fn new(settings: Settings, now: Instant, clock: NtpClock, seed: u64) -> Self {
        Self {
            capabilities: join::capabilities(&settings),
            mixer: AudioMixer::new(settings.voices.clamp(1, MAX_VOICES)),
            settings,
            clock,
            random: Random::new(seed),
            tick: Tick::new(now),
            legs: BTreeMap::new(),
            names: BTreeMap::new(),
            next_leg: 1,
            ports: Vec::new(),
            video: VideoRouter::default(),
            public: BTreeMap::new(),
            named: VecDeque::new(),
            names_changed: false,
            names_sent: None,
            looked: None,
            out: Outbox::default(),
        }
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    /// How many legs it has.
    pub fn len(&self) -> usize {
        self.legs.len()
    }

    /// Whether a line of some leg uses this port.
    pub fn uses(&self, port: PortId) -> bool {
        matches!(self.ports.get(port.0 as usize), Some(Some(_)))
    }

    /// The member asks, by its signalling, for a key frame of every picture it is shown (RFC 5168).
    ///
    /// # Errors
    /// [`MixerError::NotFound`].
    pub fn refresh_video(&mut self, now: Instant, leg: &str) -> Result<(), MixerError> {
        let (_, state) = self.find(leg)?;
        let shown: Vec<LineId> =
            state.live().filter_map(|(_, line)| line.video()?.slot.showing()).collect();
        for source in shown {
            VideoRouter::refresh(now, source, &mut self.legs, &mut self.out);
        }
        Ok(())
    }

    /// A datagram came in on a port at the moment `now`.
    pub fn handle_datagram(&mut self, now: Instant, at: PortId, from: SocketAddr, bytes: &Bytes) {
        let port = at;
        let Some(&Some(PortUse { line: at, rtcp })) = self.ports.get(at.0 as usize) else { return };
        let Some(leg) = self.legs.get_mut(&at.leg) else { return };
        let Some(line) = leg.line_mut(at.line) else { return };
        let ours = (line.transport.ssrc(), line.transport.rtx_ssrc());
        let could_send = line.transport.may_send();
        let incoming = line.transport.handle(now, from, bytes, rtcp);
        // With ICE it is known only now where its pictures may be sent to: until then it was shown nobody.
        let opened = !could_send && line.transport.may_send() && line.video().is_some();
        if (line.transport.ssrc(), line.transport.rtx_ssrc()) != ours {
            line.change_ssrc();
        }
        let mut digit = None;
        match incoming {
            Incoming::Nothing => return,
            Incoming::Life => {}
            Incoming::Check(response) => {
                let datagram = Datagram::Stun(response);
                self.out.transmit(Transmit { from: port, to: from, datagram });
            }
            Incoming::Rtcp(events) => {
                line.reported(&events);
                if let Medium::Audio(audio) = &mut line.medium {
                    audio.feedback(&events);
                }
                if !events.is_empty() {
                    self.video.feedback(now, at, &events, &mut self.legs, &mut self.out);
                    self.forget_leaving_sources(at, &events);
                }
            }
            Incoming::Rtp { packet, received } => match &mut line.medium {
                Medium::Audio(audio) => {
                    let wanted = line.transport.may_receive();
                    digit = audio.keys.packet(now, &packet).filter(|_| wanted);
                    let changed = audio.receive(now, &packet, &received, wanted);
                    if changed {
                        self.publish_audio(at, received.ssrc);
                    }
                }
                Medium::Video(_) => self.handle_picture(now, at, &packet, &received),
            },
        }
        if opened {
            self.video.arrange(now, None, &mut self.legs, &mut self.out);
        }
        if let Some(leg) = self.legs.get_mut(&at.leg) {
            leg.last_heard = leg.last_heard.max(now);
            leg.silence_told = None;
            if let Some(digit) = digit {
                self.out.event(Event::Digit { leg: leg.name.clone(), digit });
            }
        }
    }

    /// Does what is due. Always safe, also early.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(skipped) = self.tick.take(now) {
            // Ticks that are made up for late belong to the moments at which they were due.
            let due = self.tick.deadline() - TICK;
            let speaker = self.mixer.tick(due, skipped, &mut self.legs, &mut self.out);
            if let Some(speaker) = speaker {
                self.video.spoke(speaker);
                self.video.arrange(now, None, &mut self.legs, &mut self.out);
                if let Some(leg) = self.legs.get(&speaker) {
                    self.out.event(Event::ActiveSpeaker { leg: leg.name.clone() });
                }
            }
            self.look_after(now);
        }
    }

    /// What is to be done, the oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop()
    }

    /// When [`Self::handle_timeout`] wants to be called. Audio that arrives before need not be handed over earlier.
    pub fn poll_timeout(&self) -> Instant {
        self.tick.deadline()
    }

    /// The counters as they are.
    pub fn stats(&self) -> ConferenceStats {
        ConferenceStats {
            legs: self.legs.values().map(stats::leg_stats).collect(),
            ticks: self.tick.stats(),
            voices: self.mixer.mixed().count(),
            encode_failures: self.mixer.failed(),
        }
    }

    /// Everything that is looked at once per tick.
    fn look_after(&mut self, now: Instant) {
        self.name_speakers(now);
        self.tell_sources();
        if self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= SECOND) {
            self.looked = Some(now);
            self.video.refresh_limits(now, &mut self.legs);
            self.watch(now);
            self.read_meters(now);
        }
        let mut vanished = false;
        for leg in self.legs.values_mut() {
            let Leg { name, lines, last_heard, silence_told, .. } = leg;
            for live in lines.iter_mut().filter_map(|line| line.live.as_mut()) {
                match live.video_mut() {
                    Some((transport, video)) => {
                        vanished |= video.source.expire(now);
                        video.source.ask(now, name, transport, &mut self.out);
                    }
                    None => live.transport.poll_rtcp(now, &mut self.out),
                }
            }
            // Who was asked for nothing, because all is on hold, owes no sign of life (RFC 3264
            // §8.4). Mute and DTX are not death either, but then RTCP goes on.
            if !lines.iter().any(LegLine::is_awaited) {
                *last_heard = now;
            }
            // Again and again, for the focus may have lost the leg or its command to remove it.
            let since = silence_told.unwrap_or(*last_heard);
            if now.saturating_duration_since(since) >= self.settings.silence {
                *silence_told = Some(now);
                self.out.event(Event::LegSilent { leg: name.clone() });
            }
        }
        if vanished {
            self.video.arrange(now, None, &mut self.legs, &mut self.out);
        }
    }
}
