//! Members that chat by MSRP (RFC 4975, RFC 7701): their connections, sessions and messages.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ::msrp::{Decoder, Event, Frame, Incoming, Limits, MsrpUri, Session, Start};
use bytes::Bytes;
use sdp::SessionDescription;
use sip_stack::endpoint::CallId;
use sip_stack::message::MediaType;

use super::delivery::Outcome;
use super::inbox::Item;
use super::offer::{MAX_MESSAGE, host_for, line_of, path_offered};
use super::read::read;
use crate::core::registrar::{Output, Registrar, Role};
use crate::core::reject::Reject;

/// How long a member may take to connect; then it gets its chat by MESSAGE.
const CONNECT: Duration = Duration::from_secs(20);
/// How long a connection may be nobody's (RFC 4975 §7.3 wants the first SEND at once).
const UNBOUND: Duration = Duration::from_secs(10);
/// Connections at a time.
const MAX_LINKS: usize = 2000;

/// One TCP connection of the MSRP listener; no number is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MsrpConnection(pub u64);

/// The side of one member.
#[derive(Debug)]
pub(crate) struct Side {
    session: Session,
    connection: Option<MsrpConnection>,
}

/// A connection: what was read of it, and whose it is.
#[derive(Debug)]
struct Link {
    decoder: Decoder,
    call: Option<CallId>,
    since: Instant,
}

/// All connections and sessions.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    links: BTreeMap<MsrpConnection, Link>,
    /// Session → whose. The names cannot be guessed: who knows one was told it in its SIP dialog.
    sessions: BTreeMap<String, CallId>,
    /// When a session has to be looked at.
    due: BTreeMap<CallId, Instant>,
}

impl Desk {
    /// When [`Registrar::on_msrp_timeout`] wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let unbound = self.links.values().filter(|link| link.call.is_none());
        let unbound = unbound.map(|link| link.since + UNBOUND);
        self.due.values().copied().chain(unbound).min()
    }
}

impl Registrar {
    /// Bytes of an MSRP connection; the first ones make it known.
    pub(crate) fn on_msrp_bytes(&mut self, now: Instant, connection: MsrpConnection, bytes: &[u8]) {
        if !self.msrp.links.contains_key(&connection) && self.msrp.links.len() >= MAX_LINKS {
            self.push_output(Output::CloseMsrp(connection));
            return;
        }
        let link = self.msrp.links.entry(connection).or_insert_with(|| Link {
            decoder: Decoder::new(Limits::default()),
            call: None,
            since: now,
        });
        link.decoder.push(bytes);
        loop {
            let Some(link) = self.msrp.links.get_mut(&connection) else { return };
            match link.decoder.next() {
                Ok(Some(frame)) => self.on_frame(now, connection, frame),
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!(%error, "MSRP connection closed");
                    self.push_output(Output::CloseMsrp(connection));
                    self.on_msrp_closed(now, connection);
                    return;
                }
            }
        }
    }

    fn on_frame(&mut self, now: Instant, connection: MsrpConnection, frame: Frame) {
        let session = frame.to_path.first().map(|uri| uri.session.clone()).unwrap_or_default();
        let call = self.msrp.sessions.get(&session).copied();
        let side = call.and_then(|call| self.member_mut(call)?.msrp.as_mut());
        let (Some(call), Some(side)) = (call, side) else {
            self.refuse_frame(connection, &frame, 481);
            return;
        };
        if frame.from_path.last() != side.session.remote().last() {
            self.refuse_frame(connection, &frame, 481);
            return;
        }
        match side.connection {
            Some(bound) if bound != connection => {
                self.refuse_frame(connection, &frame, 506);
                return;
            }
            Some(_) => {}
            None if matches!(frame.start, Start::Request(_)) => {
                side.connection = Some(connection);
                if let Some(link) = self.msrp.links.get_mut(&connection) {
                    link.call = Some(call);
                }
                tracing::debug!(session, "MSRP session begins");
            }
            None => return,
        }
        if let Some(side) = self.side_mut(call) {
            side.session.handle(now, frame);
        }
        self.work_off(now, call);
        self.pump(now, call);
    }

    fn refuse_frame(&mut self, connection: MsrpConnection, frame: &Frame, status: u16) {
        if let Some(response) = frame.response(status, "") {
            self.push_output(Output::Msrp { connection, bytes: response.to_bytes() });
        }
    }

    /// Carries out what a session has to say.
    fn work_off(&mut self, now: Instant, call: CallId) {
        loop {
            let Some(side) = self.side_mut(call) else { return };
            let Some(event) = side.session.poll_event() else { break };
            match event {
                Event::Incoming(Incoming::Message(message, ticket)) => {
                    let content_type = MediaType::parse(&message.content_type);
                    let done = self.say_by_msrp(now, call, content_type.as_ref(), &message.body);
                    let status = done.map_or_else(|reject| status_of(&reject), |()| 200);
                    if let Some(side) = self.side_mut(call) {
                        side.session.answer(&ticket, status);
                    }
                }
                // RFC 7701 §7.1: names are those of the accounts here.
                Event::Incoming(Incoming::Nickname(_, ticket)) => {
                    side.session.answer(&ticket, 403);
                }
                Event::Delivered(_) => self.on_msrp_outcome(now, call, true),
                Event::Failed(_, status) => {
                    tracing::debug!(status, "MSRP message not delivered");
                    self.on_msrp_outcome(now, call, false);
                }
            }
        }
        self.flush(call);
    }

    fn flush(&mut self, call: CallId) {
        let Some(side) = self.side_mut(call) else { return };
        let Some(connection) = side.connection else { return };
        let bytes: Vec<Bytes> = std::iter::from_fn(|| side.session.poll_output()).collect();
        let due = side.session.poll_timeout();
        for bytes in bytes {
            self.push_output(Output::Msrp { connection, bytes });
        }
        match due {
            Some(due) => self.msrp.due.insert(call, due),
            None => self.msrp.due.remove(&call),
        };
    }

    fn say_by_msrp(
        &mut self,
        now: Instant,
        call: CallId,
        content_type: Option<&MediaType>,
        body: &Bytes,
    ) -> Result<(), Reject> {
        let Some(Role::Member(name)) = self.roles.get(&call).cloned() else {
            return Err(Reject::new(481));
        };
        if !self.member_mut(call).is_some_and(|member| member.is_inside()) {
            return Err(Reject::new(403));
        }
        if !content_type.is_some_and(|content_type| content_type.is("message/cpim")) {
            // RFC 7701 §6.3
            return Err(Reject::new(415));
        }
        match read(content_type, None, body)? {
            Some(said) => self.say(now, &name, call, &[call], said, None),
            None => Ok(()),
        }
    }

    fn on_msrp_outcome(&mut self, now: Instant, call: CallId, delivered: bool) {
        let Some(member) = self.member_mut(call) else { return };
        let Some(item) = member.inbox.answered(true) else { return };
        let missed = Outcome::Missed(member.display_name.clone());
        let outcome = if delivered { Outcome::Reached } else { missed };
        self.settle(now, item.delivery, outcome);
        self.pump(now, call);
    }

    /// Sends a line to a member by MSRP; gives it back if it does not chat that way.
    pub(super) fn send_by_msrp(&mut self, now: Instant, call: CallId, item: Item) -> Option<Item> {
        let id = self.tokens.hex(8);
        let Some(member) = self.member_mut(call) else { return Some(item) };
        let room = super::relay::room_uri(&member.contact.uri);
        let Some(side) = member.msrp.as_mut() else { return Some(item) };
        let body = item.line.cpim(&room);
        if !side.session.send(now, &id, &body.content_type, &body.bytes) {
            return Some(item);
        }
        member.inbox.sending(item);
        self.flush(call);
        None
    }

    /// Takes part in the chat that an offer has a line for: a session of its own for the member, and
    /// our line into the answer. A line that is offered no more ends it.
    pub(in crate::core::conference) fn answer_chat(
        &mut self,
        now: Instant,
        call: CallId,
        offer: &SessionDescription,
        answer: &mut SessionDescription,
    ) {
        let place = path_offered(offer).and_then(|path| {
            let listen = self.settings.msrp?;
            let called = self.endpoint.flow_of(call)?.local;
            let known = self.member_mut(call)?.contact.uri.host.to_string();
            Some((path, MsrpUri::tcp(&host_for(listen, called, &known)?, listen.port(), "")))
        });
        let Some((path, local)) = place else {
            self.end_msrp(now, call);
            return;
        };
        let port = local.port.unwrap_or_default();
        if let Some(side) = self.side_mut(call) {
            if side.session.remote() == path {
                answer.media.push(line_of(&side.session.local().clone(), port));
                return;
            }
            // Another path is another session, to which the peer connects anew.
            self.end_msrp(now, call);
        }
        let name = self.tokens.hex(16);
        let local = MsrpUri { session: name.clone(), ..local };
        answer.media.push(line_of(&local, port));
        let session = Session::new(local, path, MAX_MESSAGE);
        let Some(member) = self.member_mut(call) else { return };
        member.msrp = Some(Side { session, connection: None });
        self.msrp.sessions.insert(name, call);
        self.msrp.due.insert(call, now + CONNECT);
    }

    /// Our line in an offer of ours, if the member chats by MSRP.
    pub(in crate::core::conference) fn offer_chat(
        &mut self,
        call: CallId,
        offer: &mut SessionDescription,
    ) {
        if let Some(side) = self.side_mut(call) {
            let local = side.session.local().clone();
            offer.media.push(line_of(&local, local.port.unwrap_or_default()));
        }
    }

    /// Ends the MSRP session of a member; what waits goes by MESSAGE.
    pub(in crate::core::conference) fn end_msrp(&mut self, now: Instant, call: CallId) {
        let Some(side) = self.member_mut(call).and_then(|member| member.msrp.take()) else {
            return;
        };
        self.close_side(call, &side);
        // What is on its way may have been sent before the peer connected, by MESSAGE.
        let by_msrp = side.session.poll_timeout().is_some();
        if let Some(member) = self.member_mut(call).filter(|_| by_msrp)
            && let Some(item) = member.inbox.answered(true)
        {
            member.inbox.put_back(item);
        }
        self.pump(now, call);
    }

    /// Forgets the session of a member that has left.
    pub(in crate::core::conference) fn drop_side(&mut self, call: CallId, side: Option<&Side>) {
        if let Some(side) = side {
            self.close_side(call, side);
        }
    }

    fn close_side(&mut self, call: CallId, side: &Side) {
        self.msrp.sessions.remove(&side.session.local().session);
        self.msrp.due.remove(&call);
        if let Some(connection) = side.connection {
            self.msrp.links.remove(&connection);
            self.push_output(Output::CloseMsrp(connection));
        }
    }

    /// A connection is gone: its member is told by MESSAGE from now on.
    pub(crate) fn on_msrp_closed(&mut self, now: Instant, connection: MsrpConnection) {
        let Some(link) = self.msrp.links.remove(&connection) else { return };
        if let Some(call) = link.call {
            self.end_msrp(now, call);
        }
    }

    /// Gives up what has taken too long.
    pub(crate) fn on_msrp_timeout(&mut self, now: Instant) {
        let due: Vec<CallId> =
            self.msrp.due.iter().filter(|(_, at)| **at <= now).map(|(call, _)| *call).collect();
        for call in due {
            self.msrp.due.remove(&call);
            match self.side_mut(call) {
                Some(side) if side.connection.is_some() => {
                    side.session.handle_timeout(now);
                    self.work_off(now, call);
                }
                _ => self.end_msrp(now, call),
            }
        }
        let stale = |link: &Link| link.call.is_none() && link.since + UNBOUND <= now;
        let links = self.msrp.links.iter().filter(|(_, link)| stale(link));
        for connection in links.map(|(connection, _)| *connection).collect::<Vec<_>>() {
            self.msrp.links.remove(&connection);
            self.push_output(Output::CloseMsrp(connection));
        }
    }

    fn side_mut(&mut self, call: CallId) -> Option<&mut Side> {
        self.member_mut(call)?.msrp.as_mut()
    }
}

impl Side {
    /// Whether lines can go out.
    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }
}

/// What a refusal is called in MSRP (RFC 4975 §10, RFC 7701 §10.3).
fn status_of(reject: &Reject) -> u16 {
    match reject.status {
        status @ (400 | 403 | 404 | 415 | 481) => status,
        // Too long, or too much at a time: stop sending.
        413 | 480 | 513 => 413,
        _ => 400,
    }
}
