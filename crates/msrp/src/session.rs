//! One side of a session: what it sends and awaits, and what comes in.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::assemble::{Assembled, Assembler, Message};
use crate::frame::{Continuation, Frame, Method, Start};
use crate::range::ByteRange;
use crate::uri::MsrpUri;

/// How long a response may take (RFC 4975 §7.1).
const RESPONSE: Duration = Duration::from_secs(30);
/// How much content goes into one chunk of ours; above 2048 bytes a chunk must be interruptible
/// (§5.1), and ours never are.
const CHUNK: usize = 2048;
/// Requests of ours that may wait for their responses.
const MAX_AWAITED: usize = 1024;

/// What a session tells its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Something has come in; answer it by [`Session::answer`].
    Incoming(Incoming),
    /// A message of ours has arrived whole: its Message-ID.
    Delivered(String),
    /// A message of ours has not arrived: its Message-ID, and the status, 408 if nobody answered.
    Failed(String, u16),
}

/// What has come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A whole message.
    Message(Message, Ticket),
    /// The peer wants to be called so (RFC 7701 §7.1); an empty name takes it back.
    Nickname(String, Ticket),
}

/// What an answer needs to know of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    request: Box<Frame>,
    size: usize,
}

/// A request of ours that waits for its response.
#[derive(Debug)]
struct Awaited {
    message: String,
    last: bool,
    until: Instant,
}

/// One side of a session (§5).
#[derive(Debug)]
pub struct Session {
    local: MsrpUri,
    remote: Vec<MsrpUri>,
    assembler: Assembler,
    awaited: BTreeMap<String, Awaited>,
    sent: u64,
    out: VecDeque<Bytes>,
    events: VecDeque<Event>,
}

impl Session {
    /// A session between our URI and the peer's path; messages of at most `max` bytes are taken.
    #[must_use]
    pub fn new(local: MsrpUri, remote: Vec<MsrpUri>, max: usize) -> Self {
        Session {
            local,
            remote,
            assembler: Assembler::new(max),
            awaited: BTreeMap::new(),
            sent: 0,
            out: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Our URI.
    #[must_use]
    pub fn local(&self) -> &MsrpUri {
        &self.local
    }

    /// The way to the peer.
    #[must_use]
    pub fn remote(&self) -> &[MsrpUri] {
        &self.remote
    }

    /// The peer has another path from now on.
    pub fn set_remote(&mut self, remote: Vec<MsrpUri>) {
        self.remote = remote;
    }

    /// A frame that is for this session: its To-Path is [`local`](Self::local).
    pub fn handle(&mut self, now: Instant, frame: Frame) {
        match &frame.start {
            Start::Response(status, _) => self.responded(&frame.id, *status),
            Start::Request(_) if frame.from_path.last() != self.remote.last() => {
                // §7.3: it is not of whom this session is with.
                self.respond(&frame, 481);
            }
            Start::Request(Method::Send) => self.received(now, frame),
            Start::Request(Method::Report) => self.reported(&frame),
            Start::Request(Method::Nickname) => {
                let name = frame.header("Use-Nickname").unwrap_or_default();
                let name = name.trim().trim_matches('"').to_owned();
                let ticket = Ticket { request: Box::new(frame), size: 0 };
                self.events.push_back(Event::Incoming(Incoming::Nickname(name, ticket)));
            }
            Start::Request(Method::Other(_)) => self.respond(&frame, 501),
        }
    }

    fn received(&mut self, now: Instant, frame: Frame) {
        match self.assembler.take(now, &frame) {
            Assembled::Whole(message) => {
                let size = message.body.len();
                let ticket = Ticket { request: Box::new(frame), size };
                self.events.push_back(Event::Incoming(Incoming::Message(message, ticket)));
            }
            Assembled::Begun | Assembled::Empty | Assembled::Aborted => self.respond(&frame, 200),
            Assembled::TooLong => self.respond(&frame, 413),
            Assembled::Malformed => self.respond(&frame, 400),
        }
    }

    /// Answers what has come in, as far as its sender wants to know: a response by its Failure-Report,
    /// a report by its Success-Report (§7.1.2, §7.2).
    pub fn answer(&mut self, ticket: &Ticket, status: u16) {
        let request = &ticket.request;
        self.respond(request, status);
        let wants = request.header("Success-Report").is_some_and(|v| v.eq_ignore_ascii_case("yes"));
        let is_send = request.start == Start::Request(Method::Send);
        if status != 200 || !wants || !is_send {
            return;
        }
        let id = self.next_id();
        let mut report = Frame::request(&id, Method::Report, &request.from_path, &self.local);
        report.push("Message-ID", request.header("Message-ID").unwrap_or_default());
        let total = u64::try_from(ticket.size).unwrap_or(u64::MAX);
        report.push("Byte-Range", ByteRange { start: 1, end: Some(total), total: Some(total) });
        report.push("Status", "000 200 OK");
        self.out.push_back(report.to_bytes());
    }

    fn respond(&mut self, request: &Frame, status: u16) {
        let wanted = match request.header("Failure-Report").map(str::to_ascii_lowercase).as_deref()
        {
            Some("no") => false,
            Some("partial") => status != 200,
            _ => true,
        };
        let response = request.response(status, comment(status)).filter(|_| wanted);
        self.out.extend(response.map(|response| response.to_bytes()));
    }

    fn responded(&mut self, id: &str, status: u16) {
        let Some(awaited) = self.awaited.remove(id) else { return };
        if status != 200 {
            self.fail(awaited.message, status);
        } else if awaited.last {
            self.events.push_back(Event::Delivered(awaited.message));
        }
    }

    fn reported(&mut self, frame: &Frame) {
        let status = frame.header("Status").and_then(|status| {
            let mut words = status.split_ascii_whitespace();
            (words.next()? == "000").then(|| words.next()?.parse::<u16>().ok())?
        });
        let message = frame.header("Message-ID").unwrap_or_default();
        let ours = self.awaited.values().any(|awaited| awaited.message == message);
        if let Some(status) = status.filter(|status| *status != 200 && ours) {
            self.fail(message.to_owned(), status);
        }
    }

    fn fail(&mut self, message: String, status: u16) {
        self.awaited.retain(|_, awaited| awaited.message != message);
        self.events.push_back(Event::Failed(message, status));
    }

    /// Sends a message; `id` is its Message-ID, an `ident` of 4 to 32 characters. What becomes of it
    /// is told once, by [`Event::Delivered`] or [`Event::Failed`]. False, and nothing is sent, if too
    /// much waits already.
    pub fn send(&mut self, now: Instant, id: &str, content_type: &str, body: &Bytes) -> bool {
        let chunks = body.len().div_ceil(CHUNK).max(1);
        if self.awaited.len() + chunks > MAX_AWAITED {
            return false;
        }
        let total = u64::try_from(body.len()).unwrap_or(u64::MAX);
        for index in 0..chunks {
            let start = index * CHUNK;
            let end = (start + CHUNK).min(body.len());
            let part = body.slice(start..end);
            let last = index + 1 == chunks;
            let transaction = self.id_apart_from(&part);
            let mut frame = Frame::request(&transaction, Method::Send, &self.remote, &self.local);
            frame.push("Message-ID", id);
            let (start, end) = (u64::try_from(start), u64::try_from(end));
            let (start, end) = (start.unwrap_or(u64::MAX), end.unwrap_or(u64::MAX));
            let range = ByteRange { start: start + 1, end: Some(end), total: Some(total) };
            frame.push("Byte-Range", range);
            frame.push("Content-Type", content_type);
            frame.body = Some(part);
            if !last {
                frame.continuation = Continuation::More;
            }
            self.out.push_back(frame.to_bytes());
            let awaited = Awaited { message: id.to_owned(), last, until: now + RESPONSE };
            self.awaited.insert(transaction, awaited);
        }
        true
    }

    /// A transaction id whose end-line does not occur in the content (§7.1).
    fn id_apart_from(&mut self, body: &[u8]) -> String {
        loop {
            let id = self.next_id();
            let mark = format!("-------{id}");
            if !body.windows(mark.len()).any(|window| window == mark.as_bytes()) {
                return id;
            }
        }
    }

    fn next_id(&mut self) -> String {
        self.sent += 1;
        format!("t{:07}", self.sent)
    }

    /// Gives up what nobody has answered.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due = |awaited: &&Awaited| awaited.until <= now;
        let late: Vec<String> =
            self.awaited.values().filter(due).map(|awaited| awaited.message.clone()).collect();
        for message in late {
            if self.awaited.values().any(|awaited| awaited.message == message) {
                self.fail(message, 408);
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.awaited.values().map(|awaited| awaited.until).min()
    }

    /// The next bytes for the peer.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        self.out.pop_front()
    }

    /// The next news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

/// The usual words of a status (§10, RFC 7701 §10.3).
fn comment(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Failure to resolve recipient's URI",
        408 => "Timeout",
        413 => "Stop sending this message",
        415 => "Unsupported media type",
        424 => "Malformed nickname",
        425 => "Nickname reserved or already in use",
        428 => "Private messages not supported",
        481 => "No such session",
        501 => "Unknown method",
        506 => "Session in use",
        _ => "",
    }
}
