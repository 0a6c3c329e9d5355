//! A conference without sockets: time and datagrams are moved by hand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media_mixer::{
    Addresses, Conference, Datagram, Event, IceSecret, NewLeg, Output, Plan, PortGrant, PortId,
    PortNeed, Prompts, Settings, TICK,
};
use mixer_control::MixerError;
use rtp_session::NtpClock;

use crate::phone::Phone;

pub(crate) fn settings() -> Settings {
    Settings {
        addresses: Addresses::one("192.0.2.1".parse().unwrap()),
        max_legs: 100,
        max_video_lines: 8,
        voices: 15,
        opus_bitrate: 32_000,
        opus_complexity: 0,
        ice: Some(IceSecret::new([7; 32])),
        prompts: Prompts::built_in(),
        silence: Duration::from_secs(60),
    }
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) conference: Conference,
    /// UDP port number of each open port of the mixer.
    pub(crate) open: BTreeMap<PortId, u16>,
    next_port: u32,
    next_number: u16,
    pub(crate) events: Vec<Event>,
    pub(crate) phones: BTreeMap<String, Phone>,
    /// Datagrams to addresses that are no phone's.
    pub(crate) astray: Vec<(SocketAddr, Datagram)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(settings())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let now = Instant::now();
        let clock = NtpClock::new(now, Duration::from_secs(1_700_000_000));
        Self {
            now,
            start: now,
            conference: Conference::new(settings, now, clock, 42),
            open: BTreeMap::new(),
            next_port: 0,
            next_number: 30_000,
            events: Vec::new(),
            phones: BTreeMap::new(),
            astray: Vec::new(),
        }
    }

    /// Binds as the shell would.
    pub(crate) fn grant(&mut self, plan: &Plan) -> Vec<PortGrant> {
        let mut granted = Vec::new();
        for need in plan.needs() {
            granted.push(match need {
                PortNeed::Pair { family, rtcp, .. } => {
                    let number = self.next_number;
                    self.next_number += 2;
                    let rtp = self.bind(number);
                    PortGrant { rtp, rtcp: rtcp.then(|| self.bind(number + 1)), number, family }
                }
                PortNeed::Rtcp { of, family } => {
                    let number = self.open[&of];
                    PortGrant { rtp: of, rtcp: Some(self.bind(number + 1)), number, family }
                }
            });
        }
        granted
    }

    fn bind(&mut self, number: u16) -> PortId {
        let port = PortId(self.next_port);
        self.next_port += 1;
        self.open.insert(port, number);
        port
    }

    /// A phone calls in with its offer.
    pub(crate) fn join(&mut self, phone: Phone) -> Result<(), MixerError> {
        self.join_at(phone, false)
    }

    /// A phone calls in, perhaps to wait in the lobby.
    pub(crate) fn join_at(&mut self, mut phone: Phone, lobby: bool) -> Result<(), MixerError> {
        let offer = phone.offer();
        let plan =
            self.conference.plan_join(&phone.name, Some(&offer), Some(phone.address.ip()))?;
        let granted = self.grant(&plan);
        let new = NewLeg {
            display_name: phone.name.to_uppercase(),
            signalled_from: Some(phone.address.ip()),
            lobby,
        };
        let answer = self.conference.join(self.now, new, plan, &granted)?;
        phone.take_answer(&answer);
        self.phones.insert(phone.name.clone(), phone);
        self.deliver();
        Ok(())
    }

    /// A phone sends a new offer.
    pub(crate) fn reoffer(&mut self, name: &str) -> Result<String, MixerError> {
        let offer = self.phones[name].offer();
        let answer = self.reoffer_text(name, &offer)?;
        self.phone(name).take_answer(&answer);
        Ok(answer)
    }

    pub(crate) fn reoffer_text(&mut self, name: &str, offer: &str) -> Result<String, MixerError> {
        let plan = self.conference.plan_reoffer(name, offer)?;
        let granted = self.grant(&plan);
        let answer = self.conference.renegotiate(self.now, plan, &granted)?;
        self.deliver();
        Ok(answer)
    }

    pub(crate) fn leave(&mut self, name: &str) {
        assert!(self.conference.leave(self.now, name));
        self.deliver();
    }

    pub(crate) fn phone(&mut self, name: &str) -> &mut Phone {
        self.phones.get_mut(name).unwrap()
    }

    fn port(&self, number: u16) -> PortId {
        *self.open.iter().find(|(_, open)| **open == number).expect("an open port").0
    }

    /// A datagram reaches the mixer.
    pub(crate) fn send(&mut self, to: u16, from: SocketAddr, bytes: &Bytes) {
        let port = self.port(to);
        self.conference.handle_datagram(self.now, port, from, bytes);
        self.deliver();
    }

    /// Does what the conference wants done.
    pub(crate) fn deliver(&mut self) {
        while let Some(output) = self.conference.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    assert!(self.open.contains_key(&transmit.from), "sent from a closed port");
                    let from = self.open[&transmit.from];
                    let now = self.now;
                    match self.phones.values_mut().find(|phone| phone.owns(transmit.to)) {
                        Some(phone) => phone.receive(now, from, transmit.to, &transmit.datagram),
                        None => self.astray.push((transmit.to, transmit.datagram)),
                    }
                }
                Output::Release(port) => {
                    assert!(self.open.remove(&port).is_some(), "closed twice");
                }
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    /// Everybody sends, then the mixer ticks.
    pub(crate) fn tick(&mut self) {
        for name in self.phones.keys().cloned().collect::<Vec<_>>() {
            let now = self.now;
            for (to, from, bytes) in self.phone(&name).speak(now) {
                if self.open.values().any(|number| *number == to) {
                    self.send(to, from, &bytes);
                }
            }
        }
        self.now += TICK;
        self.conference.handle_timeout(self.now);
        self.deliver();
    }

    /// The mixer does not run for so many ticks, while everybody goes on sending.
    pub(crate) fn stall(&mut self, ticks: u32) {
        let mut queued = Vec::new();
        for _ in 0..ticks {
            for name in self.phones.keys().cloned().collect::<Vec<_>>() {
                let now = self.now;
                let spoken = self.phone(&name).speak(now);
                queued.extend(spoken.into_iter().map(|datagram| (now, datagram)));
            }
            self.now += TICK;
        }
        for (at, (to, from, bytes)) in queued {
            let port = self.port(to);
            self.conference.handle_datagram(at, port, from, &bytes);
        }
        self.conference.handle_timeout(self.now);
        self.deliver();
    }

    pub(crate) fn run(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / TICK.as_millis() {
            self.tick();
        }
    }
}
