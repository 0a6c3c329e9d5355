//! A telephone: the stack's endpoint with the least of a user agent around it, and one call at a
//! time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use conference_info::ConferenceInfo;
use rtp_session::NtpClock;
use sdp::{DialogSdp, Direction};
use sip_stack::auth::Credentials;
use sip_stack::endpoint::{
    Alive, Answer, Body, CallId, ClientTransactionId, EndReason, Endpoint, EndpointConfig, Event,
    Invite, Output, ReinviteFailure,
};
use sip_stack::flow::{Flow, Target, Transport};
use sip_stack::message::cpim::Cpim;
use sip_stack::message::{Host, Method, NameAddr, Request, Response, Uri};

use crate::call::{Call, Changes, Stage, Way, description, first_offer};
use crate::clock::{Chance, secs};
use crate::link::Packet;
use crate::media::{Media, tone_frame};
use crate::picture::Picture;

/// The INFO package in which a client tells whether media come from the other of two.
const PACKAGE: &str = "parley-media-path";

/// Where SIP is spoken, on every host of this world.
pub const SIP_PORT: u16 = 5060;

/// What the person at the phone does when it rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Picks up after so long.
    Answers(Duration),
    /// Lets it ring.
    Ignores,
    /// Refuses.
    Refuses(u16),
}

/// How a call ended, as this phone was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Our INVITE was refused.
    Rejected(u16),
    /// The peer took its INVITE back.
    Cancelled,
    /// All else.
    Ended(EndReason),
}

/// A line of chat that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The conference, or who was called, when it came.
    pub at: String,
    /// The user part of who wrote it, as the envelope says.
    pub from: String,
    /// What was written.
    pub text: String,
}

/// A telephone and who sits at it.
pub struct Phone {
    pub name: &'static str,
    pub address: SocketAddr,
    pub manners: Manners,
    /// The present call.
    pub call: Option<Call>,
    /// Whom it called last.
    pub dialled: String,
    /// How former calls ended, the last one last.
    pub outcomes: Vec<Outcome>,
    /// The response to the last REGISTER.
    pub registered: Option<Response>,
    /// Chat as it came, and whom this phone had called last by then.
    pub read: Vec<Line>,
    /// What this phone has said in chats, and the status that it got.
    pub told: Vec<(String, u16)>,
    /// Who is in the conference, as the conference tells it.
    pub roster: ConferenceInfo,
    /// What the list of conferences said, every time.
    pub lists: Vec<String>,
    /// It tells the focus how its media do.
    pub reports: bool,
    /// It refuses whatever the focus wants to change.
    pub stubborn: bool,
    /// It has a camera and a screen; counts for the next call.
    pub camera: bool,
    endpoint: Endpoint,
    server: SocketAddr,
    password: Option<String>,
    clock: NtpClock,
    tone: Bytes,
    chance: Chance,
    next_port: u16,
    registering: Option<(ClientTransactionId, Request, Option<Credentials>)>,
    saying: BTreeMap<ClientTransactionId, String>,
    out: Vec<Packet>,
}

/// What a phone is made of.
pub struct PhoneSetup {
    pub name: &'static str,
    pub ip: IpAddr,
    pub server: SocketAddr,
    /// Of those who have an account.
    pub password: Option<String>,
    /// What it says all the time.
    pub hertz: u32,
    pub clock: NtpClock,
    pub seed: u64,
}

impl Phone {
    pub fn new(setup: PhoneSetup) -> Self {
        let mut chance = Chance::new(setup.seed);
        let host = Host::Ip(setup.ip);
        let mut config = EndpointConfig::new(host.clone(), SIP_PORT);
        let contact = Uri::sip(Some(setup.name), host, Some(SIP_PORT));
        config.contact = NameAddr::new(contact);
        config.supported.push("eventlist".to_owned());
        Self {
            name: setup.name,
            address: SocketAddr::new(setup.ip, SIP_PORT),
            manners: Manners::Answers(secs(1)),
            call: None,
            dialled: String::new(),
            outcomes: Vec::new(),
            registered: None,
            endpoint: Endpoint::new(config, chance.seed()),
            server: setup.server,
            password: setup.password,
            clock: setup.clock,
            tone: tone_frame(setup.hertz),
            chance,
            next_port: 4000,
            registering: None,
            read: Vec::new(),
            told: Vec::new(),
            roster: ConferenceInfo::default(),
            lists: Vec::new(),
            reports: false,
            stubborn: false,
            camera: false,
            saying: BTreeMap::new(),
            out: Vec::new(),
        }
    }

    fn credentials(&self) -> Option<Credentials> {
        self.password.as_ref().map(|password| Credentials::new(self.name, password))
    }

    fn uri_of(&self, user: &str) -> Uri {
        Uri::sip(Some(user), Host::Ip(self.server.ip()), Some(self.server.port()))
    }

    /// Who we are.
    fn from(&self) -> NameAddr {
        let uri = Uri::sip(Some(self.name), Host::Ip(self.server.ip()), None);
        NameAddr::new(uri).with_display_name(self.name)
    }

    fn new_sdp(&mut self) -> DialogSdp {
        DialogSdp::new(self.name, self.chance.below(1 << 40), self.address.ip())
    }

    /// What a call is made of.
    fn new_session(&mut self, now: Instant) -> (Media, DialogSdp, Option<Picture>) {
        let (media, sdp) = (self.new_media(now), self.new_sdp());
        let picture = self.camera.then(|| {
            let seed = self.chance.next();
            Picture::new(now, self.new_address(), self.name, self.clock, seed)
        });
        (media, sdp, picture)
    }

    fn new_call(
        &self,
        now: Instant,
        id: CallId,
        (media, sdp, picture): (Media, DialogSdp, Option<Picture>),
    ) -> Call {
        let pick_up = match self.manners {
            Manners::Answers(after) => Some(now + after),
            _ => None,
        };
        Call {
            id,
            stage: Stage::Ringing,
            sdp,
            offer: None,
            offered: None,
            lines: Vec::new(),
            media,
            picture,
            wanted: Direction::SendRecv,
            pick_up,
            again: None,
            changes: Changes::default(),
            direct: None,
            reported: false,
        }
    }

    /// A pair of ports, by its first.
    fn new_address(&mut self) -> SocketAddr {
        self.next_port += 2;
        SocketAddr::new(self.address.ip(), self.next_port - 2)
    }

    fn new_media(&mut self, now: Instant) -> Media {
        let (local, seed) = (self.new_address(), self.chance.next());
        Media::new(now, local, self.name, self.clock, self.tone.clone(), seed)
    }

    /// REGISTER for so many seconds; 0 takes the binding away.
    pub fn register(&mut self, now: Instant, expires: u32) {
        let host = self.uri_of(self.name).host;
        let (to, from) = (self.from(), self.from());
        let registrar = Uri::sip(None, host, Some(self.server.port()));
        let mut request = self.endpoint.new_request(Method::Register, registrar, from, to);
        let contact = self.endpoint.config().contact.clone();
        request.headers.push("Contact", contact);
        request.headers.push("Expires", expires);
        let credentials = self.credentials();
        self.send_register(now, request, credentials);
    }

    fn send_register(&mut self, now: Instant, request: Request, credentials: Option<Credentials>) {
        let target = Endpoint::target_of(&request.uri);
        let sent = self.endpoint.send_request(now, request.clone(), target).expect("room");
        self.registering = Some((sent, request, credentials));
        self.drain(now);
    }

    /// Calls somebody or a conference of the server.
    pub fn dial(&mut self, now: Instant, user: &str) {
        self.invite(now, user, true);
    }

    /// The same, but asks the peer to make the offer (RFC 3261 §13.2.1).
    pub fn dial_without_offer(&mut self, now: Instant, user: &str) {
        self.invite(now, user, false);
    }

    fn invite(&mut self, now: Instant, user: &str, offers: bool) {
        assert!(self.call.is_none(), "{} is in a call already", self.name);
        user.clone_into(&mut self.dialled);
        let (media, mut sdp, picture) = self.new_session(now);
        let offer = offers.then(|| first_offer(&mut sdp, &media, picture.as_ref()));
        let body = offer.as_ref().map(|offer| Body::sdp(offer.to_string()));
        let mut invite = Invite::new(self.uri_of(user), self.from(), body);
        invite.credentials = self.credentials();
        if self.reports {
            invite.headers.push(("Recv-Info".to_owned(), PACKAGE.to_owned()));
        }
        let id = self.endpoint.invite(now, invite).expect("room for a call");
        let call = self.new_call(now, id, (media, sdp, picture));
        self.call = Some(Call { stage: Stage::Dialling, pick_up: None, offer, ..call });
        self.drain(now);
    }

    /// Ends the call, whatever it is doing.
    pub fn hang_up(&mut self, now: Instant) {
        if let Some(call) = &self.call {
            let _ = self.endpoint.bye(now, call.id, None);
        }
        self.drain(now);
    }

    /// Changes what is sent and received: sendonly is hold, sendrecv resumes. While another change is
    /// under way it waits.
    pub fn change(&mut self, now: Instant, wanted: Direction) {
        self.change_by(now, wanted, Way::Reinvite);
    }

    /// The same in one of the ways there are.
    pub fn change_by(&mut self, now: Instant, wanted: Direction, way: Way) {
        if let Some(call) = self.call.as_mut().filter(|call| call.stage == Stage::Talking) {
            call.wanted = wanted;
            call.again = Some(way);
            self.offer_again(now);
            self.drain(now);
        }
    }

    /// Makes the offer that is wanted, if it can be made now.
    fn offer_again(&mut self, now: Instant) {
        let Some(call) = &mut self.call else { return };
        let Some(way) = call.again.filter(|_| !call.lines.is_empty()) else { return };
        let mut sdp = call.sdp.clone();
        let offer = sdp.fit(&call.offer_again(call.wanted));
        let body = Body::sdp(offer.to_string());
        let updates = way == Way::Update && self.endpoint.peer_allows(call.id, &Method::Update);
        let sent = match way {
            Way::Update if updates => self.endpoint.update(now, call.id, Some(body)),
            Way::Update | Way::Reinvite => self.endpoint.reinvite(now, call.id, Some(body)),
            Way::ReinviteWithoutOffer => self.endpoint.reinvite(now, call.id, None),
        };
        if sent.is_ok() {
            call.again = None;
            if way != Way::ReinviteWithoutOffer {
                call.sdp = sdp;
                call.offer = Some(offer);
            }
        }
    }

    /// Says something in the conference it is in.
    pub fn say(&mut self, now: Instant, text: &str) {
        let Some(call) = &self.call else { return };
        let sent = self.endpoint.request(now, call.id, Method::Message, &[], Some(plain(text)));
        if let Ok(transaction) = sent {
            self.saying.insert(transaction, text.to_owned());
        }
        self.drain(now);
    }

    /// Asks who is in the conference it is in (RFC 4575), in the dialog of its call.
    pub fn watch(&mut self, now: Instant) {
        let Some(call) = &self.call else { return };
        self.roster = ConferenceInfo::default();
        let headers = [("Event", "conference"), ("Accept", conference_info::MEDIA_TYPE)];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let _ = self.endpoint.request(now, call.id, Method::Subscribe, &headers, None);
        self.drain(now);
    }

    /// Asks which conferences there are (RFC 4662). Only for those who have no account.
    pub fn watch_list(&mut self, now: Instant) {
        let (to, from) = (self.uri_of("meetings"), self.from());
        let mut request =
            self.endpoint.new_request(Method::Subscribe, to.clone(), from, NameAddr::new(to));
        let contact = self.endpoint.config().contact.clone();
        request.headers.push("Contact", contact);
        request.headers.push("Event", "conference");
        request.headers.push("Supported", "eventlist");
        request.headers.push("Expires", 3600);
        let target = Endpoint::target_of(&request.uri);
        self.endpoint.send_request(now, request, target).expect("room");
        self.drain(now);
    }

    /// Says something to a conference outside of any call, whether it is in it or not. Only for those
    /// who have no account.
    pub fn say_outside(&mut self, now: Instant, conference: &str, text: &str) {
        let to = self.uri_of(conference);
        let from = self.from();
        let mut request =
            self.endpoint.new_request(Method::Message, to.clone(), from, NameAddr::new(to));
        let body = plain(text);
        request.set_body(&body.content_type, body.bytes);
        let target = Endpoint::target_of(&request.uri);
        let sent = self.endpoint.send_request(now, request, target).expect("room");
        self.saying.insert(sent, text.to_owned());
        self.drain(now);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let call = self.call.as_ref();
        let media = call.and_then(|call| call.media.poll_timeout());
        let picture = call.and_then(|call| call.picture.as_ref()?.poll_timeout());
        let pick_up = call.and_then(|call| call.pick_up);
        [self.endpoint.poll_timeout(), media, picture, pick_up].into_iter().flatten().min()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.drain(now);
        let Some(call) = &mut self.call else { return };
        call.media.handle_timeout(now, &mut self.out);
        if let Some(picture) = &mut call.picture {
            picture.handle_timeout(now, &mut self.out);
        }
        if call.pick_up.take_if(|at| *at <= now).is_some() {
            self.answer(now);
            self.drain(now);
        }
    }

    pub fn handle_packet(&mut self, now: Instant, packet: &Packet) {
        if packet.to.port() != SIP_PORT {
            let ours = |call: &&mut Call| {
                let port = call.media.local().port();
                packet.to.port() == port || packet.to.port() == port + 1
            };
            if let Some(call) = self.call.as_mut().filter(ours) {
                call.media.handle_datagram(now, &packet.bytes);
                self.report(now, packet.from);
            } else if let Some(picture) = self.call.as_mut().and_then(|call| call.picture.as_mut())
                && picture.owns(packet.to.port())
            {
                picture.handle_datagram(now, &packet.bytes);
            }
            return;
        }
        let flow = Flow {
            transport: Transport::Udp,
            local: packet.to,
            remote: packet.from,
            connection: None,
        };
        self.endpoint.handle_message(now, flow, &packet.bytes);
        self.drain(now);
    }

    /// Tells the focus, once, that something comes from the other of two.
    fn report(&mut self, now: Instant, from: SocketAddr) {
        let Some(call) = self.call.as_mut().filter(|_| self.reports) else { return };
        let Some(version) = call.direct.filter(|_| !call.reported) else { return };
        let remote = call.media.agreed().and_then(|agreed| agreed.remote.rtp);
        if remote.is_none_or(|remote| remote.ip() != from.ip()) {
            return;
        }
        call.reported = true;
        let id = call.id;
        self.tell_media(now, id, version, true);
    }

    fn tell_media(&mut self, now: Instant, call: CallId, version: u64, receives: bool) {
        let body = Body {
            content_type: "application/vnd.parley.media-path+json".to_owned(),
            bytes: format!("{{\"version\":{version},\"receives\":{receives}}}").into(),
        };
        let headers = [("Info-Package".to_owned(), PACKAGE.to_owned())];
        let _ = self.endpoint.request(now, call, Method::Info, &headers, Some(body));
        self.drain(now);
    }

    /// What is to be sent.
    pub fn take_packets(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.out)
    }

    /// What the stack still keeps.
    pub fn alive(&self) -> Alive {
        self.endpoint.alive()
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit(transmit) => match udp_target(&transmit.target) {
                    Some(to) => {
                        self.out.push(Packet { from: self.address, to, bytes: transmit.bytes });
                    }
                    // There is no TCP in this world.
                    None => self.endpoint.handle_send_failed(now, transmit.id),
                },
                Output::Event(event) => self.on_event(now, event),
            }
        }
    }

    fn on_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::IncomingCall { call, request, .. } => self.on_call(now, call, &request),
            Event::Answered { call, response } => {
                self.on_description(now, call, &response.body, Means::Invite);
                if let Some(call) = self.current(call) {
                    call.stage = Stage::Talking;
                }
            }
            Event::ReinviteAnswered { call, response } => {
                self.on_description(now, call, &response.body, Means::Reinvite);
                if let Some(call) = self.current(call) {
                    call.changes.accepted += 1;
                }
                self.offer_again(now);
            }
            Event::Ack { call, body } => {
                let Some(call) = self.current(call) else { return };
                if let Some(body) = body {
                    call.close_offer(now, &body.bytes);
                }
                self.offer_again(now);
            }
            Event::Reinvite { call, request } => self.on_reinvite(now, call, &request),
            Event::ReinviteFailed { call: id, failure } => {
                let Some(call) = self.current(id) else { return };
                call.offer = None;
                let superseded = matches!(failure, ReinviteFailure::Superseded);
                if superseded {
                    call.again.get_or_insert(Way::Reinvite);
                }
                call.changes.refused += u32::from(!superseded);
                self.offer_again(now);
            }
            Event::Rejected { call, response } => {
                self.over(call, Outcome::Rejected(response.status));
            }
            Event::Cancelled { call, .. } => self.over(call, Outcome::Cancelled),
            Event::Ended { call, reason } => self.over(call, Outcome::Ended(reason)),
            Event::Response { transaction, response } => {
                self.on_response(now, transaction, response)
            }
            Event::RequestFailed { transaction, .. } => {
                if let Some(text) = self.saying.remove(&transaction) {
                    self.told.push((text, 408));
                } else {
                    self.registering = None;
                }
            }
            Event::InDialog { transaction, request, .. }
            | Event::Request { transaction, request, .. } => {
                match request.method {
                    Method::Message => self.on_message(&request),
                    Method::Notify => self.on_notify(&request),
                    _ => {}
                }
                let _ = self.endpoint.respond_status(now, transaction, 200, "");
            }
            Event::Progress { .. }
            | Event::Pracked { .. }
            | Event::ReinviteCancelled { .. }
            | Event::Refreshed { .. } => {}
        }
    }

    fn current(&mut self, id: CallId) -> Option<&mut Call> {
        self.call.as_mut().filter(|call| call.id == id)
    }

    fn over(&mut self, id: CallId, outcome: Outcome) {
        if self.current(id).is_some() {
            self.call = None;
            self.outcomes.push(outcome);
        }
    }

    fn on_call(&mut self, now: Instant, id: CallId, request: &Request) {
        if self.call.is_some() {
            let _ = self.endpoint.reject(now, id, 486, "", &[]);
            return;
        }
        if let Manners::Refuses(status) = self.manners {
            let _ = self.endpoint.reject(now, id, status, "", &[]);
            return;
        }
        let _ = self.endpoint.ring(now, id, 180, Answer::default());
        self.dialled.clear();
        let offered = description(&request.body);
        let session = self.new_session(now);
        self.call = Some(Call { offered, ..self.new_call(now, id, session) });
    }

    /// Picks up.
    fn answer(&mut self, now: Instant) {
        let Some(call) = self.call.as_mut().filter(|call| call.stage == Stage::Ringing) else {
            return;
        };
        let body = match call.offered.take() {
            Some(offer) => call.answer_offer(now, &offer),
            None => {
                let offer = call.first_offer();
                Some(call.offer.insert(offer).to_string())
            }
        };
        let id = call.id;
        call.stage = Stage::Talking;
        let _ = match body {
            Some(body) => self.endpoint.accept(now, id, Answer::with_body(Body::sdp(body))),
            None => self.endpoint.reject(now, id, 488, "", &[]),
        };
    }

    fn on_reinvite(&mut self, now: Instant, id: CallId, request: &Request) {
        if self.stubborn {
            let _ = self.endpoint.reject_reinvite(now, id, 488, "", &[]);
            return;
        }
        let Some(call) = self.current(id) else { return };
        call.changes.answered += 1;
        let body = match description(&request.body) {
            Some(offer) => call.answer_offer(now, &offer),
            None => {
                let again = call.offer_again(Direction::SendRecv);
                let offer = call.sdp.fit(&again);
                Some(call.offer.insert(offer).to_string())
            }
        };
        let _ = match body {
            Some(body) => {
                self.endpoint.answer_reinvite(now, id, Answer::with_body(Body::sdp(body)))
            }
            None => self.endpoint.reject_reinvite(now, id, 488, "", &[]),
        };
    }

    /// A 2xx brings the answer to our offer, or the offer we asked for.
    fn on_description(&mut self, now: Instant, id: CallId, body: &Bytes, means: Means) {
        let Some(call) = self.current(id) else { return };
        if call.offer.is_some() {
            call.close_offer(now, body);
            return;
        }
        let answer = description(body).and_then(|offer| call.answer_offer(now, &offer));
        let answer = answer.map(Body::sdp);
        assert!(answer.is_some() || means == Means::Reinvite, "a 2xx without an offer");
        let _ = self.endpoint.acknowledge(now, id, answer);
    }

    fn on_message(&mut self, request: &Request) {
        let cpim = Cpim::parse(&request.body);
        let from = cpim.as_ref().and_then(Cpim::from).or_else(|| request.headers.from().ok());
        let text = cpim.map_or(request.body.clone(), |cpim| cpim.body);
        self.read.push(Line {
            at: self.dialled.clone(),
            from: from.and_then(|from| from.uri.user_text()).unwrap_or_default(),
            text: String::from_utf8_lossy(&text).into_owned(),
        });
    }

    fn on_notify(&mut self, request: &Request) {
        match ConferenceInfo::parse(&request.body) {
            Ok(news) => drop(self.roster.apply(news)),
            Err(_) => self.lists.push(String::from_utf8_lossy(&request.body).into_owned()),
        }
    }

    fn on_response(&mut self, now: Instant, id: ClientTransactionId, response: Response) {
        if self.saying.contains_key(&id) {
            if !response.is_provisional()
                && let Some(text) = self.saying.remove(&id)
            {
                self.told.push((text, response.status));
            }
            return;
        }
        let Some((_, request, mut credentials)) =
            self.registering.take_if(|(waiting, ..)| *waiting == id)
        else {
            return;
        };
        if response.is_provisional() {
            self.registering = Some((id, request, credentials));
            return;
        }
        let again = credentials.as_mut().and_then(|credentials| {
            self.endpoint.answer_challenge(credentials, &request, &response)
        });
        match again {
            Some(again) if response.status == 401 => self.send_register(now, again, credentials),
            _ => self.registered = Some(response),
        }
    }
}

fn plain(text: &str) -> Body {
    let content_type = "text/plain;charset=UTF-8".to_owned();
    Body { content_type, bytes: Bytes::copy_from_slice(text.as_bytes()) }
}

/// What a description in a 2xx belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    Invite,
    Reinvite,
}

/// The address of a target, if it can be reached by UDP.
pub fn udp_target(target: &Target) -> Option<SocketAddr> {
    match target {
        Target::Flow(flow) if flow.transport == Transport::Udp => Some(flow.remote),
        Target::Hop(hop) if hop.transport != Some(Transport::Tcp) => {
            Some(SocketAddr::new(hop.host.ip()?, hop.port.unwrap_or(SIP_PORT)))
        }
        _ => None,
    }
}
