//! The mixer's service without gRPC, tasks and sockets: the real conferences behind a directory,
//! with a conduct that can be told to be bad.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use media_mixer::{
    Addresses, Conference, Event, NewLeg, Output, Plan, PortGrant, PortId, PortNeed, Prompts,
    Settings,
};
use mixer_control::{LegRef, MixerError, MixerEvent, MixerReply, MixerRequest};
use rtp_session::NtpClock;
use sip_registrar::{CommandId, Input};

use crate::clock::{Chance, millis, secs};
use crate::link::Packet;

/// One way between registrar and mixer; their line loses nothing.
const CONTROL_LATENCY: Duration = millis(1);

/// How long the registrar's shell waits for a reply (its mixer timeout and a second).
const DEADLINE: Duration = secs(6);

/// What is wrong with the mixer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conduct {
    /// How long it thinks about each command.
    pub thinks: Duration,
    /// It takes commands and never answers.
    pub silent: bool,
    /// What it answers to every Join, Reoffer and Offer.
    pub refuses: Option<MixerError>,
}

/// One conference and its ports.
struct Room {
    conference: Conference,
    focus: String,
    ports: BTreeMap<PortId, u16>,
}

/// A command on its way through the mixer.
struct Pending {
    id: CommandId,
    request: MixerRequest,
    /// Its one reply is that of the registrar's own shell, when it has waited too long.
    too_late: bool,
}

/// The service.
pub struct Mixer {
    pub address: IpAddr,
    pub conduct: Conduct,
    settings: Settings,
    clock: NtpClock,
    chance: Chance,
    /// Names one start of it; none while it is down.
    instance: Option<String>,
    starts: u32,
    focus: String,
    rooms: BTreeMap<String, Room>,
    /// Which room a port belongs to.
    ports: BTreeMap<u16, (String, PortId)>,
    next_number: u16,
    commands: BTreeMap<(Instant, u64), Pending>,
    inputs: BTreeMap<(Instant, u64), (Input, String)>,
    serial: u64,
    packets: Vec<Packet>,
}

impl Mixer {
    /// A mixer that is not yet started. `focus` is the registrar's name.
    pub fn new(address: IpAddr, focus: String, clock: NtpClock, seed: u64) -> Self {
        let settings = Settings {
            addresses: Addresses::one(address),
            max_legs: 64,
            max_video_lines: 4,
            voices: 8,
            opus_bitrate: 32_000,
            opus_complexity: 0,
            ice: None,
            prompts: Prompts::built_in(),
            silence: secs(60),
        };
        Self {
            address,
            conduct: Conduct::default(),
            settings,
            clock,
            chance: Chance::new(seed),
            instance: None,
            starts: 0,
            focus,
            rooms: BTreeMap::new(),
            ports: BTreeMap::new(),
            next_number: 20_000,
            commands: BTreeMap::new(),
            inputs: BTreeMap::new(),
            serial: 0,
            packets: Vec::new(),
        }
    }

    fn tell(&mut self, at: Instant, input: Input, what: impl Into<String>) {
        self.serial += 1;
        self.inputs.insert((at, self.serial), (input, what.into()));
    }

    fn tell_event(&mut self, now: Instant, event: MixerEvent) {
        if self.instance.is_some() {
            let what = match &event {
                MixerEvent::Hello { .. } => "HELLO",
                MixerEvent::KeyFrameWanted(_) => "KEY-FRAME-WANTED",
                MixerEvent::LegSilent(_) => "LEG-SILENT",
                MixerEvent::ConferenceFailed(_) => "CONFERENCE-FAILED",
                MixerEvent::ActiveSpeaker(_) => "ACTIVE-SPEAKER",
                MixerEvent::Digit { .. } => "DIGIT",
                MixerEvent::Sources { .. } => "SOURCES",
            };
            self.tell(now + CONTROL_LATENCY, Input::MixerEvent(event), what);
        }
    }

    /// Starts the process, and the registrar finds it.
    pub fn start(&mut self, now: Instant) {
        self.starts += 1;
        let mixer = format!("mixer-{}", self.starts);
        self.instance = Some(mixer.clone());
        self.tell_event(now, MixerEvent::Hello { mixer });
    }

    /// Whether the process runs.
    pub fn is_up(&self) -> bool {
        self.instance.is_some()
    }

    /// The process dies: conferences, ports and unanswered commands with it.
    pub fn crash(&mut self, now: Instant) {
        self.instance = None;
        self.rooms.clear();
        self.ports.clear();
        self.tell(now + CONTROL_LATENCY, Input::MixerDown, "DOWN");
        let unanswered = std::mem::take(&mut self.commands).into_values();
        for pending in unanswered.filter(|pending| !pending.too_late) {
            self.reply(now, &pending, Err(MixerError::Unavailable("connection closed".into())));
        }
    }

    /// The event stream breaks and is there again after `gap`; nothing else happens.
    pub fn blink(&mut self, now: Instant, gap: Duration) {
        self.tell(now, Input::MixerDown, "DOWN");
        if let Some(mixer) = self.instance.clone() {
            self.tell(now + gap, Input::MixerEvent(MixerEvent::Hello { mixer }), "HELLO");
        }
    }

    /// One conference ends by a fault, as when its task panics.
    pub fn fail_conferences(&mut self, now: Instant) {
        for name in std::mem::take(&mut self.rooms).into_keys() {
            self.ports.retain(|_, (room, _)| *room != name);
            self.tell_event(now, MixerEvent::ConferenceFailed(name));
        }
    }

    /// A command leaves the registrar. There is always exactly one reply.
    pub fn command(&mut self, now: Instant, id: CommandId, request: MixerRequest) {
        // One after the other, as a conference works them off.
        let last = self.commands.keys().next_back().map_or(now, |(at, _)| *at);
        let at = last.max(now + CONTROL_LATENCY + self.conduct.thinks);
        let too_late = self.conduct.silent || at > now + DEADLINE;
        let up = self.instance.is_some();
        let pending = Pending { id, request, too_late: too_late && up };
        if !up {
            self.reply(now, &pending, Err(MixerError::Unavailable("connection refused".into())));
            return;
        }
        self.serial += 1;
        self.commands.insert((at, self.serial), pending);
        if too_late {
            let reply = Err(MixerError::Unavailable("deadline".into()));
            self.tell(now + DEADLINE, Input::MixerReply { id, reply }, "(deadline)");
        }
    }

    fn reply(&mut self, now: Instant, pending: &Pending, reply: MixerReply) {
        let what = match &reply {
            Ok(_) => format!("ok {}", name_of(&pending.request)),
            Err(error) => format!("refused {}: {error}", name_of(&pending.request)),
        };
        let input = Input::MixerReply { id: pending.id, reply };
        self.tell(now + CONTROL_LATENCY, input, what);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let rooms = self.rooms.values().map(|room| room.conference.poll_timeout()).min();
        let command = self.commands.keys().next().map(|(at, _)| *at);
        let input = self.inputs.keys().next().map(|(at, _)| *at);
        [rooms, command, input].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(entry) = self.commands.first_entry().filter(|entry| entry.key().0 <= now) {
            let pending = entry.remove();
            if !self.conduct.silent {
                self.carry_out(now, pending);
            }
        }
        for room in self.rooms.values_mut() {
            if room.conference.poll_timeout() <= now {
                room.conference.handle_timeout(now);
            }
        }
        self.drain(now);
    }

    /// What has arrived at the registrar by `now`.
    pub fn take_input(&mut self, now: Instant) -> Option<(Input, String)> {
        let entry = self.inputs.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }

    pub fn take_packets(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.packets)
    }

    pub fn handle_packet(&mut self, now: Instant, packet: &Packet) {
        let Some((name, port)) = self.ports.get(&packet.to.port()) else { return };
        if let Some(room) = self.rooms.get_mut(name) {
            room.conference.handle_datagram(now, *port, packet.from, &packet.bytes);
        }
    }

    fn carry_out(&mut self, now: Instant, pending: Pending) {
        let reply = self.execute(now, &pending.request);
        if !pending.too_late {
            self.reply(now, &pending, reply);
        } else if let (MixerRequest::Join(join), Ok(_)) = (&pending.request, &reply) {
            // Nobody waits any more: the leg is taken back, as the service does.
            let leg = join.leg.clone();
            let _ = self.execute(now, &MixerRequest::Leave(leg));
        }
        self.drain(now);
    }

    fn execute(&mut self, now: Instant, request: &MixerRequest) -> MixerReply {
        let offers = matches!(
            request,
            MixerRequest::Join(_) | MixerRequest::Reoffer(_) | MixerRequest::Offer(_)
        );
        if let (true, Some(error)) = (offers, &self.conduct.refuses) {
            return Err(error.clone());
        }
        let name = request.conference().to_owned();
        if let MixerRequest::Join(join) = request {
            self.rooms.entry(name.clone()).or_insert_with(|| Room {
                conference: Conference::new(
                    self.settings.clone(),
                    now,
                    self.clock,
                    self.chance.next(),
                ),
                focus: join.focus.clone(),
                ports: BTreeMap::new(),
            });
        }
        let Some(mut room) = self.rooms.remove(&name) else {
            let harmless = matches!(request, MixerRequest::Leave(_) | MixerRequest::End(_));
            return if harmless { Ok(None) } else { Err(MixerError::NotFound) };
        };
        assert_eq!(room.focus, self.focus, "another focus");
        let reply = self.execute_in(now, &name, &mut room, request);
        self.drain_room(now, &name, &mut room);
        if !room.conference.is_empty() {
            self.rooms.insert(name, room);
        } else {
            assert!(room.ports.is_empty(), "ports of an empty conference: {:?}", room.ports);
        }
        reply
    }

    fn execute_in(
        &mut self,
        now: Instant,
        name: &str,
        room: &mut Room,
        request: &MixerRequest,
    ) -> MixerReply {
        let conference = &mut room.conference;
        match request {
            MixerRequest::Join(join) => {
                let plan = conference.plan_join(
                    &join.leg.leg,
                    join.offer.as_deref(),
                    join.signalled_from,
                )?;
                let ports = self.bind(name, room, &plan);
                let new = NewLeg {
                    display_name: join.display_name.clone(),
                    signalled_from: join.signalled_from,
                    lobby: join.lobby,
                };
                let done = room.conference.join(now, new, plan, &ports);
                self.check(room, &ports, done)
            }
            MixerRequest::Reoffer(offer) => {
                let plan = conference.plan_reoffer(&offer.leg.leg, &offer.sdp)?;
                let ports = self.bind(name, room, &plan);
                let done = room.conference.renegotiate(now, plan, &ports);
                self.check(room, &ports, done)
            }
            MixerRequest::Offer(leg) => {
                let plan = conference.plan_offer(&leg.leg)?;
                let ports = self.bind(name, room, &plan);
                let done = room.conference.renegotiate(now, plan, &ports);
                self.check(room, &ports, done)
            }
            MixerRequest::Accept(answer) => {
                conference.accept(now, &answer.leg.leg, &answer.sdp).map(|()| None)
            }
            MixerRequest::Leave(leg) => {
                conference.leave(now, &leg.leg);
                Ok(None)
            }
            MixerRequest::End(_) => {
                conference.end(now);
                Ok(None)
            }
            MixerRequest::RefreshVideo(leg) => {
                conference.refresh_video(now, &leg.leg).map(|()| None)
            }
            MixerRequest::Control { leg, muted, lobby } => {
                conference.control(now, &leg.leg, *muted, *lobby).map(|()| None)
            }
            MixerRequest::Park { leg, parked } => {
                conference.park(now, &leg.leg, *parked).map(|()| None)
            }
            MixerRequest::Play { leg, prompts } => {
                conference.play(&leg.leg, prompts).map(|()| None)
            }
        }
    }

    /// Ports by counter; there are always some.
    fn bind(&mut self, name: &str, room: &mut Room, plan: &Plan) -> Vec<PortGrant> {
        let mut grants = Vec::new();
        for need in plan.needs() {
            grants.push(match need {
                PortNeed::Pair { family, rtcp, .. } => {
                    let number = self.next_number;
                    self.next_number += 2;
                    let rtp = self.open(name, room, number);
                    let rtcp = rtcp.then(|| self.open(name, room, number + 1));
                    PortGrant { rtp, rtcp, number, family }
                }
                PortNeed::Rtcp { of, family } => {
                    let number = room.ports[&of];
                    let rtcp = Some(self.open(name, room, number + 1));
                    PortGrant { rtp: of, rtcp, number, family }
                }
            });
        }
        grants
    }

    /// Opens a port under the smallest free id, as the sockets of the service do.
    fn open(&mut self, name: &str, room: &mut Room, number: u16) -> PortId {
        let id = (0..).map(PortId).find(|id| !room.ports.contains_key(id)).expect("a free id");
        room.ports.insert(id, number);
        self.ports.insert(number, (name.to_owned(), id));
        id
    }

    /// When a plan could not be carried out, its ports are closed.
    fn check(
        &mut self,
        room: &mut Room,
        granted: &[PortGrant],
        done: Result<String, MixerError>,
    ) -> MixerReply {
        if done.is_err() {
            let both = granted.iter().flat_map(|grant| [Some(grant.rtp), grant.rtcp]);
            for port in both.flatten().filter(|port| !room.conference.uses(*port)) {
                let number = room.ports.remove(&port);
                number.and_then(|number| self.ports.remove(&number));
            }
        }
        done.map(Some)
    }

    fn drain(&mut self, now: Instant) {
        let mut rooms = std::mem::take(&mut self.rooms);
        for (name, room) in &mut rooms {
            self.drain_room(now, name, room);
        }
        self.rooms = rooms;
    }

    fn drain_room(&mut self, now: Instant, name: &str, room: &mut Room) {
        while let Some(output) = room.conference.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    let number = room.ports[&transmit.from];
                    self.packets.push(Packet {
                        from: SocketAddr::new(self.address, number),
                        to: transmit.to,
                        bytes: transmit.datagram.to_bytes(),
                    });
                }
                Output::Release(port) => {
                    let number = room.ports.remove(&port).expect("a port is released once");
                    self.ports.remove(&number);
                }
                Output::Event(event) => {
                    let leg = |leg| LegRef { conference: name.to_owned(), leg };
                    self.tell_event(
                        now,
                        match event {
                            Event::KeyFrameWanted { leg: it } => {
                                MixerEvent::KeyFrameWanted(leg(it))
                            }
                            Event::LegSilent { leg: it } => MixerEvent::LegSilent(leg(it)),
                            Event::ActiveSpeaker { leg: it } => MixerEvent::ActiveSpeaker(leg(it)),
                            Event::Digit { leg: it, digit } => {
                                MixerEvent::Digit { leg: leg(it), digit }
                            }
                            Event::Sources { leg: it, lines } => {
                                MixerEvent::Sources { leg: leg(it), lines }
                            }
                            // A line in the mixer's own log.
                            Event::MediaMissing { .. } => continue,
                        },
                    );
                }
            }
        }
    }

    /// Conferences.
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// Legs of all conferences.
    pub fn legs(&self) -> usize {
        self.rooms.values().map(|room| room.conference.len()).sum()
    }

    /// Ports in use.
    pub fn open_ports(&self) -> usize {
        self.ports.len()
    }

    /// Commands not yet answered, and news not yet told.
    pub fn is_idle(&self) -> bool {
        self.commands.is_empty() && self.inputs.is_empty()
    }
}

/// A command in a word, for the ladder.
pub fn name_of(request: &MixerRequest) -> &'static str {
    match request {
        MixerRequest::Join(_) => "JOIN",
        MixerRequest::Reoffer(_) => "REOFFER",
        MixerRequest::Offer(_) => "OFFER",
        MixerRequest::Accept(_) => "ACCEPT",
        MixerRequest::Leave(_) => "LEAVE",
        MixerRequest::End(_) => "END",
        MixerRequest::RefreshVideo(_) => "REFRESH-VIDEO",
        MixerRequest::Control { .. } => "CONTROL",
        MixerRequest::Park { .. } => "PARK",
        MixerRequest::Play { .. } => "PLAY",
    }
}
