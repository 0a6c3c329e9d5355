//! A laboratory: the core on a virtual clock, phones that speak raw SIP, and a mixer played by hand.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test support, shared by several test programs"
)]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mixer_control::{LegRef, MixerError, MixerEvent, MixerReply, MixerRequest};
use sdp::SessionDescription;
use sip_registrar::{
    Account, Accounts, CommandId, Counters, FactoryAnswer, Guests, Input, InvitePolicy,
    MsrpConnection, Output, PathPolicy, Protection, RecordKind, Registrar, Settings, StoreCommand,
    Visibility,
};
use sip_stack::auth::{Algorithm, Credentials};
use sip_stack::flow::{ConnectionId, Flow, Target, Transport};
use sip_stack::message::{Message, Method, Request, Response, parse};
use sip_stack::token::Tokens;

/// Branches differ between all phones of a program.
static BRANCHES: AtomicU32 = AtomicU32::new(1);

pub const SERVER: &str = "127.0.0.1:5060";
pub const T1: Duration = Duration::from_millis(500);

/// How long a conference stays after its last member has left.
pub const GRACE: Duration = Duration::from_secs(10);

/// The methods phones take.
pub const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, INFO, UPDATE, MESSAGE, REFER, NOTIFY";

pub const OFFER: &str = "v=0\r\no=phone 7 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 16000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";
pub const HOLD: &str = "v=0\r\no=phone 7 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 16000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n";
pub const WITH_VIDEO: &str = "v=0\r\no=phone 7 3 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 16000 RTP/AVP 0\r\nm=video 16002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";

pub fn settings() -> Settings {
    let mut accounts = Accounts::new();
    for (user, password) in [("alice", "wonderland"), ("bob", "builder")] {
        accounts.insert(Account::with_password(user, "parley", password));
    }
    Settings {
        realm: "parley".into(),
        digest: vec![Algorithm::Sha256, Algorithm::Md5],
        domains: Vec::new(),
        listen: vec![SERVER.parse().unwrap()],
        advertise: None,
        guests: Guests::Loopback,
        accounts,
        default_expires: Duration::from_secs(3600),
        min_expires: Duration::from_secs(60),
        max_expires: Duration::from_secs(7200),
        max_bindings_per_account: 3,
        max_bindings: 100,
        factory: "conference".into(),
        list: "meetings".into(),
        max_conferences: 3,
        max_conferences_per_creator: 2,
        max_members: 3,
        empty_grace: GRACE,
        unused: Duration::from_secs(24 * 3600),
        gone: Duration::from_secs(24 * 3600),
        visibility: Visibility::Public,
        media_path: PathPolicy::Automatic,
        direct_after: Duration::from_secs(1),
        direct_again: Duration::from_secs(10),
        guests_create: true,
        invite: InvitePolicy::Members,
        factory_answer: FactoryAnswer::Auto,
        msrp: None,
        chat_history: 50,
        record_chat: false,
        max_calls: 100,
        protection: Protection::default(),
        mixer_timeout: Duration::from_secs(5),
    }
}

/// Everything but the network.
pub struct Lab {
    pub now: Instant,
    pub registrar: Registrar,
    /// What the mixer was asked and has not replied to yet.
    pub commands: VecDeque<(CommandId, MixerRequest)>,
    /// All that the mixer was asked, for a test to take.
    pub asked: Vec<MixerRequest>,
    /// Whether the mixer agrees to everything at once.
    pub willing: bool,
    /// Connections that were to be closed.
    pub closed: Vec<ConnectionId>,
    /// What was to be kept, in order.
    pub kept: Vec<StoreCommand>,
    /// What went over MSRP connections since it was last looked at.
    pub msrp: BTreeMap<MsrpConnection, Vec<u8>>,
    /// MSRP connections that were to be closed.
    pub msrp_closed: Vec<MsrpConnection>,
    sent: VecDeque<(SocketAddr, Message)>,
}

impl Lab {
    /// A registrar whose mixer is there and agrees to everything.
    pub fn new() -> Lab {
        let mut lab = Lab::with(settings());
        lab.mixer_says(MixerEvent::Hello { mixer: "m1".into() });
        lab.willing = true;
        lab
    }

    /// A registrar without a mixer.
    pub fn with(settings: Settings) -> Lab {
        let now = Instant::now();
        let unix = Duration::from_secs(1_800_000_000);
        let registrar = Registrar::new(settings, now, unix, [7; 32]);
        Lab {
            now,
            registrar,
            commands: VecDeque::new(),
            asked: Vec::new(),
            willing: false,
            closed: Vec::new(),
            kept: Vec::new(),
            msrp: BTreeMap::new(),
            msrp_closed: Vec::new(),
            sent: VecDeque::new(),
        }
    }

    pub fn input(&mut self, input: Input) {
        self.registrar.handle_input(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.registrar.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    let to = match transmit.target {
                        Target::Flow(flow) => flow.remote,
                        Target::Hop(hop) => {
                            (hop.host.ip().unwrap(), hop.port.unwrap_or(5060)).into()
                        }
                    };
                    let message = parse::message(&transmit.bytes).expect("we print what we read");
                    self.sent.push_back((to, message));
                }
                Output::Close(connection) => self.closed.push(connection),
                Output::Store(command) => self.kept.push(command),
                Output::Msrp { connection, bytes } => {
                    self.msrp.entry(connection).or_default().extend_from_slice(&bytes);
                }
                Output::CloseMsrp(connection) => self.msrp_closed.push(connection),
                Output::Mixer { id, request } => {
                    self.asked.push(request.clone());
                    self.commands.push_back((id, request));
                    if self.willing {
                        self.mixer_agrees();
                    }
                }
            }
        }
    }

    /// What an interface beside SIP has done to the registrar: what follows goes out.
    pub fn at_registrar<T>(&mut self, what: impl FnOnce(&mut Registrar, Instant) -> T) -> T {
        let done = what(&mut self.registrar, self.now);
        self.drain();
        done
    }

    /// The kinds of records that were written since it was last asked.
    pub fn records(&mut self) -> Vec<RecordKind> {
        let kept = std::mem::take(&mut self.kept);
        let kind = |command: StoreCommand| match command {
            StoreCommand::Record(record) => Some(record.kind),
            _ => None,
        };
        kept.into_iter().filter_map(kind).collect()
    }

    /// Bytes from a phone.
    pub fn receive(&mut self, flow: Flow, text: &str) {
        self.input(Input::Sip { flow, bytes: Bytes::from(text.to_owned()) });
    }

    /// What was sent to this port since it was last asked.
    pub fn take(&mut self, port: u16) -> Vec<Message> {
        let (taken, kept) = self.sent.drain(..).partition(|(to, _)| to.port() == port);
        self.sent = kept;
        let taken: VecDeque<_> = taken;
        taken.into_iter().map(|(_, message)| message).collect()
    }

    /// The responses among that; requests are kept.
    pub fn take_responses(&mut self, port: u16) -> Vec<Message> {
        let came = self.take(port);
        let (responses, requests): (Vec<_>, Vec<_>) =
            came.into_iter().partition(|m| matches!(m, Message::Response(_)));
        let to = ([127, 0, 0, 1], port).into();
        self.sent.extend(requests.into_iter().map(|request| (to, request)));
        responses
    }

    /// Lets time pass, timer by timer.
    pub fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.registrar.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.registrar.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub fn counters(&self) -> Counters {
        self.registrar.counters()
    }

    // --- the mixer ---

    pub fn mixer_says(&mut self, event: MixerEvent) {
        self.input(Input::MixerEvent(event));
    }

    /// Replies to the oldest command.
    pub fn reply(&mut self, reply: MixerReply) {
        let (id, _) = self.commands.pop_front().expect("a command");
        self.input(Input::MixerReply { id, reply });
    }

    /// The oldest command is done as a mixer with PCMU and VP8 would.
    pub fn mixer_agrees(&mut self) {
        let reply = match &self.commands.front().expect("a command").1 {
            MixerRequest::Join(join) => Some(mixer_description(join.offer.as_deref())),
            MixerRequest::Reoffer(offer) => Some(mixer_description(Some(&offer.sdp))),
            MixerRequest::Offer(_) => Some(mixer_description(None)),
            _ => None,
        };
        self.reply(Ok(reply));
    }

    pub fn mixer_refuses(&mut self, error: MixerError) {
        self.reply(Err(error));
    }

    /// The oldest command, which must be the only one.
    pub fn only_command(&self) -> &MixerRequest {
        assert_eq!(self.commands.len(), 1, "{:?}", self.commands);
        &self.commands.front().unwrap().1
    }
}

/// What the mixer answers to an offer, or offers itself.
pub fn mixer_description(offer: Option<&str>) -> String {
    let mut text =
        "v=0\r\no=- 1 1 IN IP4 127.0.0.9\r\ns=mixer\r\nc=IN IP4 127.0.0.9\r\nt=0 0\r\n".to_owned();
    let Some(offer) = offer else {
        return text
            + "m=audio 20000 RTP/AVP 0\r\nm=video 20002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
    };
    let offer = SessionDescription::parse(offer).expect("the focus passes on what can be read");
    for (index, line) in offer.media.iter().enumerate() {
        let port = if line.port == 0 { 0 } else { 20_000 + 2 * index };
        let format = &line.formats[0];
        text += &format!("m={} {port} {} {format}\r\n", line.kind.as_str(), line.protocol.as_str());
        text += match line.direction() {
            sdp::Direction::SendOnly => "a=recvonly\r\n",
            sdp::Direction::RecvOnly => "a=sendonly\r\n",
            sdp::Direction::Inactive => "a=inactive\r\n",
            sdp::Direction::SendRecv => "a=sendrecv\r\n",
        };
    }
    text
}

pub fn udp(port: u16) -> Flow {
    Flow {
        transport: Transport::Udp,
        local: SERVER.parse().unwrap(),
        remote: ([127, 0, 0, 1], port).into(),
        connection: None,
    }
}

pub fn tcp(port: u16) -> Flow {
    let connection = Some(ConnectionId(u64::from(port)));
    Flow { transport: Transport::Tcp, connection, ..udp(port) }
}

/// A phone with one dialog at a time. It says only what it is told to.
pub struct Phone {
    pub flow: Flow,
    pub user: String,
    pub password: Option<String>,
    /// Request URI outside of the dialog.
    pub uri: String,
    pub call_id: String,
    pub from: String,
    pub to: String,
    pub cseq: u32,
    /// Contact value; empty = the plain address of the flow.
    pub contact: String,
    pub remote_target: Option<String>,
    pub max_forwards: u8,
    branch: u32,
    tokens: Tokens,
}

impl Phone {
    pub fn new(user: &str, port: u16) -> Phone {
        Phone {
            flow: udp(port),
            user: user.to_owned(),
            password: None,
            uri: format!("sip:{SERVER}"),
            call_id: format!("{user}-{port}"),
            from: format!("<sip:{user}@127.0.0.1>;tag={user}{port}"),
            to: String::new(),
            cseq: 0,
            contact: String::new(),
            remote_target: None,
            max_forwards: 70,
            branch: 0,
            tokens: Tokens::new([9; 32]),
        }
    }

    pub fn with_password(mut self, password: &str) -> Phone {
        self.password = Some(password.to_owned());
        self
    }

    pub fn over_tcp(mut self) -> Phone {
        self.flow = tcp(self.flow.remote.port());
        self
    }

    pub fn port(&self) -> u16 {
        self.flow.remote.port()
    }

    /// The text of a request with a new branch. The method may come with its own CSeq (`ACK 3`).
    pub fn text(&mut self, method: &str, headers: &str, body: &str) -> String {
        let (method, cseq) = match method.split_once(' ') {
            Some((method, cseq)) => (method, cseq.parse().unwrap()),
            None => {
                self.cseq += 1;
                (method, self.cseq)
            }
        };
        if method != "CANCEL" {
            self.branch = BRANCHES.fetch_add(1, Ordering::Relaxed);
        }
        let Phone { user, uri, call_id, from, branch, max_forwards, .. } = &*self;
        let port = self.port();
        let uri = self.remote_target.as_ref().unwrap_or(uri);
        let to = if self.to.is_empty() { format!("<{uri}>") } else { self.to.clone() };
        let protocol = self.flow.transport.as_str();
        let contact = match &self.contact {
            contact if contact.is_empty() => format!("<sip:{user}@127.0.0.1:{port}>"),
            contact => contact.clone(),
        };
        let kind = if body.is_empty() || headers.contains("Content-Type") {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{protocol} 127.0.0.1:{port};branch=z9hG4bK{user}{port}-{branch};rport\r\n\
             Max-Forwards: {max_forwards}\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: {contact}\r\n\
             {headers}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Sends a request and returns what came back at once.
    pub fn send(&mut self, lab: &mut Lab, method: &str, headers: &str, body: &str) -> Vec<Message> {
        let text = self.text(method, headers, body);
        lab.receive(self.flow, &text);
        lab.take(self.port())
    }

    /// Sends a request and returns the final response, having answered a challenge.
    pub fn ask(&mut self, lab: &mut Lab, method: &str, headers: &str, body: &str) -> Response {
        let came = self.send(lab, method, headers, body);
        let response = last_response(came);
        if response.status != 401 || self.password.is_none() {
            return response;
        }
        if method == "INVITE" {
            self.ack_failure(lab, &response);
        }
        self.ask_again(lab, &response, method, headers, body);
        last_response(lab.take(self.port()))
    }

    /// Sends a request with the answer to the challenge in `response`.
    pub fn ask_again(
        &mut self,
        lab: &mut Lab,
        response: &Response,
        method: &str,
        headers: &str,
        body: &str,
    ) {
        let password = self.password.clone().unwrap();
        let mut credentials = Credentials::new(&self.user, &password);
        let text = self.text(method, headers, body);
        let Ok(Message::Request(mut request)) = parse::message(&Bytes::from(text)) else {
            panic!("a request of ours");
        };
        credentials.answer(response, &mut request, &mut self.tokens).expect("a known challenge");
        lab.input(Input::Sip { flow: self.flow, bytes: request.to_bytes() });
    }

    /// The ACK for a refused INVITE: same branch.
    pub fn ack_failure(&mut self, lab: &mut Lab, response: &Response) {
        let tag_before = std::mem::replace(
            &mut self.to,
            response.headers.get("To").unwrap_or_default().to_owned(),
        );
        let target = self.remote_target.take();
        let branch = self.branch;
        let text = self.text(&format!("ACK {}", self.cseq), "", "");
        let text = text.replace(&format!("-{};rport", self.branch), &format!("-{branch};rport"));
        self.remote_target = target;
        self.to = tag_before;
        lab.receive(self.flow, &text);
    }

    /// Notes the dialog a 2xx has made.
    pub fn learn(&mut self, response: &Response) {
        self.to = response.headers.get("To").unwrap().to_owned();
        if let Some(contact) = response.headers.contacts().unwrap().first() {
            self.remote_target = Some(contact.uri.to_string());
        }
    }

    /// Notes the dialog an INVITE that was answered with our tag has made.
    pub fn learn_request(&mut self, request: &Request, our_tag: &str) {
        self.call_id = request.headers.call_id().unwrap().to_owned();
        self.from = format!("{};tag={our_tag}", request.headers.get("To").unwrap());
        self.to = request.headers.get("From").unwrap().to_owned();
        self.remote_target = Some(request.headers.contacts().unwrap()[0].uri.to_string());
        self.cseq = 100;
    }

    /// Calls, is answered 200 and acknowledges.
    pub fn join(&mut self, lab: &mut Lab, name: &str) -> Response {
        self.uri = format!("sip:{name}@{SERVER}");
        let response = self.ask(lab, "INVITE", "", OFFER);
        assert_eq!(response.status, 200, "{response:?}");
        self.learn(&response);
        self.ack(lab, "");
        response
    }

    /// The ACK for the last 2xx.
    pub fn ack(&mut self, lab: &mut Lab, body: &str) {
        let cseq = self.cseq;
        self.send(lab, &format!("ACK {cseq}"), "", body);
    }

    /// Answers a request.
    pub fn respond(&self, lab: &mut Lab, request: &Request, status: u16, tag: &str, body: &str) {
        let mut response = sip_stack::message::build::response_to(request, status, "", Some(tag));
        let contact = format!("<sip:{}@127.0.0.1:{}>", self.user, self.port());
        response.headers.push("Contact", contact);
        response.headers.push("Allow", ALLOW);
        if !body.is_empty() {
            response.set_body("application/sdp", body.to_owned());
        }
        lab.input(Input::Sip { flow: self.flow, bytes: response.to_bytes() });
    }
}

pub fn last_response(messages: Vec<Message>) -> Response {
    match messages.into_iter().next_back() {
        Some(Message::Response(response)) => response,
        other => panic!("no response but {other:?}"),
    }
}

/// The status codes among messages.
pub fn statuses(messages: &[Message]) -> Vec<u16> {
    let status = |m: &Message| match m {
        Message::Response(response) => Some(response.status),
        Message::Request(_) => None,
    };
    messages.iter().filter_map(status).collect()
}

/// The requests of a method among messages.
pub fn requests(messages: &[Message], method: &Method) -> Vec<Request> {
    let of = |m: &Message| match m {
        Message::Request(request) if request.method == *method => Some(request.clone()),
        _ => None,
    };
    messages.iter().filter_map(of).collect()
}

pub fn body(response: &Response) -> SessionDescription {
    SessionDescription::from_bytes(&response.body).expect("a description")
}

pub fn leg_of(request: &MixerRequest) -> LegRef {
    match request {
        MixerRequest::Join(join) => join.leg.clone(),
        MixerRequest::Reoffer(d) | MixerRequest::Accept(d) => d.leg.clone(),
        MixerRequest::Offer(leg)
        | MixerRequest::Leave(leg)
        | MixerRequest::RefreshVideo(leg)
        | MixerRequest::Control { leg, .. }
        | MixerRequest::Park { leg, .. }
        | MixerRequest::Play { leg, .. } => leg.clone(),
        MixerRequest::End(_) => panic!("no leg"),
    }
}
