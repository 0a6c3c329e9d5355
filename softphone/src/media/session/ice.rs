//! ICE in the session: which port's datagrams are checks, which way a line's media goes, what comes by the relay.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use rtp_session::{PacketKind, classify};
use sdp::negotiate::NegotiatedMedia;

use super::{MediaSession, Output, path_of};
use crate::core::call::ice::IceTerms;
use crate::core::report::{IceReport, ms};
use crate::media::ice::{Change, Outgoing};
use crate::media::ice::{Component, IceEvent, Relay, SelectedPath};
use crate::media::line::{Channel, Datagram, Route};

/// News that nobody takes are forgotten, the oldest first.
const MAX_EVENTS: usize = 64;

/// The ways of one line.
#[derive(Debug, Default)]
pub(super) struct LineIce {
    /// What was agreed on, until the line is applied.
    terms: Option<IceTerms>,
    /// RTP, and RTCP when it is not multiplexed.
    components: [Option<Component>; 2],
    mux: bool,
    relay: Option<Relay>,
}

fn place(channel: Channel) -> usize {
    match channel {
        Channel::Rtp => 0,
        Channel::Rtcp => 1,
    }
}

impl MediaSession {
    /// What is agreed on about ICE, by m= line; to be told before each [`apply`](Self::apply).
    pub fn set_ice(&mut self, terms: &[Option<IceTerms>]) {
        self.ice.resize_with(terms.len().max(self.ice.len()), LineIce::default);
        for (index, line) in self.ice.iter_mut().enumerate() {
            line.terms = terms.get(index).cloned().flatten();
        }
    }

    /// Our client of STUN and TURN servers on the RTP port of a line.
    pub fn set_relay(&mut self, index: usize, relay: Relay) {
        self.ice.resize_with(self.ice.len().max(index + 1), LineIce::default);
        if let Some(line) = self.ice.get_mut(index) {
            line.relay = Some(relay);
        }
    }

    /// The line was agreed on.
    pub(super) fn apply_ice(
        &mut self,
        now: Instant,
        index: usize,
        media: Option<&NegotiatedMedia>,
    ) {
        // the same on all lines (RFC 8445 §7.1.2)
        let tie_breaker = self.config.seed.wrapping_mul(0x2545_f491_4f6c_dd1d);
        let Some(line) = self.ice.get_mut(index) else { return };
        line.mux = media.is_some_and(|media| media.rtcp_mux);
        let terms = line.terms.as_ref().filter(|_| media.is_some());
        for (number, slot) in (1..).zip(&mut line.components) {
            let terms = terms.filter(|_| number == 1 || !line.mux);
            *slot = match (slot.take(), terms) {
                (Some(mut running), Some(terms)) if running.is_of(terms) => {
                    running.again(now, terms);
                    Some(running)
                }
                (before, Some(terms)) => Component::new(now, terms, number, tie_breaker, before),
                (_, None) => None,
            };
        }
        if let (Some(relay), Some(rtp)) = (&mut line.relay, &line.components[0]) {
            rtp.remotes().for_each(|peer| relay.permit(now, peer));
        }
        self.drain_ice(now, index);
    }

    /// A datagram came in, before anything else looks at it. Returns what is left of it: its sender, if it is media of
    /// the peer.
    pub(super) fn sort_out(
        &mut self,
        now: Instant,
        index: usize,
        channel: Channel,
        from: SocketAddr,
        bytes: &Bytes,
        relayed: bool,
    ) -> Sorted {
        let Some(line) = self.ice.get_mut(index) else { return Sorted::Plain };
        if let Some(relay) = &mut line.relay
            && !relayed
            && channel == Channel::Rtp
            && relay.is_server(from)
        {
            relay.handle_datagram(now, from, bytes);
            return Sorted::Relayed;
        }
        let without_mux = !line.mux;
        let [rtp, rtcp] = &mut line.components;
        let component = match channel {
            Channel::Rtp => rtp,
            // Nothing comes there from a peer that multiplexes.
            Channel::Rtcp if rtp.is_some() && !without_mux => return Sorted::Done,
            Channel::Rtcp => rtcp,
        };
        let Some(component) = component else { return Sorted::Plain };
        if classify(bytes) == PacketKind::Stun {
            component.handle_stun(now, from, relayed, bytes);
            return Sorted::Done;
        }
        if component.accepts(from, relayed) { Sorted::Media } else { Sorted::Done }
    }

    /// What has come by the relay of a line.
    pub(super) fn poll_relayed(&mut self, index: usize) -> Option<(SocketAddr, Bytes)> {
        self.ice.get_mut(index)?.relay.as_mut()?.poll_received()
    }

    /// Does what is due.
    pub(super) fn ice_timeout(&mut self, now: Instant) {
        for index in 0..self.ice.len() {
            if let Some(line) = self.ice.get_mut(index) {
                for component in line.components.iter_mut().flatten() {
                    component.handle_timeout(now);
                }
                if let Some(relay) = &mut line.relay
                    && relay.poll_timeout().is_some_and(|due| due <= now)
                {
                    relay.handle_timeout(now);
                }
            }
            self.drain_ice(now, index);
        }
    }

    /// Takes out what the ways of a line want sent and told, and points the line where they lead.
    pub(super) fn drain_ice(&mut self, now: Instant, index: usize) {
        let Some(line) = self.ice.get_mut(index) else { return };
        let mut out = Vec::new();
        for (channel, component) in
            [Channel::Rtp, Channel::Rtcp].into_iter().zip(&mut line.components)
        {
            let Some(component) = component else { continue };
            while let Some(Outgoing { to, relayed, bytes }) = component.poll_transmit() {
                out.push(Datagram { line: index, from: channel, to, relayed, bytes });
            }
            while let Some(change) = component.poll_change() {
                if channel == Channel::Rtcp {
                    continue;
                }
                self.ice_events.push_back(match change {
                    Change::Selected(path) => IceEvent::Selected { line: index, path },
                    Change::Lost => IceEvent::Lost { line: index },
                    Change::Restored => IceEvent::Restored { line: index },
                });
            }
        }
        while self.ice_events.len() > MAX_EVENTS {
            self.ice_events.pop_front();
        }
        self.now = now;
        self.outputs.extend(out.into_iter().map(Output::Send));
        self.drain_relay(index);
        self.route(index);
    }

    fn drain_relay(&mut self, index: usize) {
        let relay = self.ice.get_mut(index).and_then(|line| line.relay.as_mut());
        let Some(relay) = relay else { return };
        while let Some((to, bytes)) = relay.poll_transmit() {
            let from = Channel::Rtp;
            let datagram = Datagram { line: index, from, to, relayed: false, bytes };
            self.outputs.push_back(Output::Send(datagram));
        }
    }

    /// Points a line where its ways lead.
    fn route(&mut self, index: usize) {
        let Some(line) = self.ice.get(index) else { return };
        let Some(path) = path_of(&mut self.lines, index) else { return };
        let [rtp, rtcp] = &line.components;
        let rtp = rtp.as_ref().map(|component| route(component.destination()));
        let rtcp = rtcp.as_ref().map(|component| route(component.destination()));
        path.set_routes(rtp, if line.mux { rtp } else { rtcp });
    }

    /// Hands a datagram to the relay instead, if that is its way.
    pub(super) fn relay_instead(&mut self, datagram: Datagram) -> Option<Datagram> {
        if !datagram.relayed {
            return Some(datagram);
        }
        let now = self.now;
        let relay = self.ice.get_mut(datagram.line).and_then(|line| line.relay.as_mut())?;
        relay.send(now, datagram.to, &datagram.bytes);
        self.drain_relay(datagram.line);
        None
    }

    pub(super) fn ice_deadline(&self) -> Option<Instant> {
        let all = self.ice.iter().flat_map(|line| line.components.iter().flatten());
        all.filter_map(Component::poll_timeout).chain(self.relay_deadline).min()
    }

    pub(super) fn note_relay_deadline(&mut self) {
        let relays = self.ice.iter_mut().filter_map(|line| line.relay.as_mut());
        self.relay_deadline = relays.filter_map(Relay::poll_timeout).min();
    }

    /// Gives the addresses at relays back.
    pub(super) fn close_relays(&mut self, now: Instant) {
        for index in 0..self.ice.len() {
            if let Some(relay) = self.ice.get_mut(index).and_then(|line| line.relay.as_mut()) {
                relay.close(now);
            }
            self.drain_relay(index);
        }
    }

    /// The way of a line's media, once ICE has chosen one; none on lines without ICE.
    #[must_use]
    pub fn selected(&self, line: usize) -> Option<SelectedPath> {
        self.ice.get(line)?.components[place(Channel::Rtp)].as_ref()?.selected()
    }

    /// Whether ICE is done on a line at all.
    #[must_use]
    pub fn has_ice(&self, line: usize) -> bool {
        self.ice.get(line).is_some_and(|line| line.components[0].is_some())
    }

    /// Whether nobody has answered the checks of a line for 30 s (RFC 7675): nothing is sent on it.
    #[must_use]
    pub fn is_consent_lost(&self, line: usize) -> bool {
        let line = self.ice.get(line).and_then(|line| line.components[0].as_ref());
        line.is_some_and(Component::is_lost)
    }

    /// News about the ways of lines, the oldest first.
    pub fn poll_ice(&mut self) -> Option<IceEvent> {
        self.ice_events.pop_front()
    }

    /// What the report says about the ways of lines.
    pub(super) fn ice_report(&self) -> Vec<IceReport> {
        let lines = self.ice.iter().enumerate();
        let lines = lines.filter_map(|(line, ice)| Some((line, ice.components[0].as_ref()?)));
        lines
            .map(|(line, component)| {
                let path = component.selected();
                IceReport {
                    line,
                    remote: path.map(|path| path.remote.to_string()),
                    remote_kind: path.map(|path| path.kind),
                    local_kind: path.map(|path| path.local),
                    controlling: component.controlling(),
                    consent_lost: component.is_lost(),
                    rtt_ms: component.rtt().map(ms),
                }
            })
            .collect()
    }
}

fn route(way: Option<(SocketAddr, bool)>) -> Route {
    Route { to: way.map(|(to, _)| to), relayed: way.is_some_and(|(_, relayed)| relayed) }
}

/// What a datagram is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sorted {
    /// The line does no ICE: who may send is decided otherwise.
    Plain,
    /// From where the peer has been checked to be.
    Media,
    /// Of a server of ours: look at what has come by it.
    Relayed,
    /// Dealt with, or of nobody we know.
    Done,
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests;
