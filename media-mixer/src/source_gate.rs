//! Who may send to this port: gated latching (RFC 7362).
//!
//! Without ICE or SRTP the port is the only name of a sender, so anyone who can reach it could speak into the meeting.
//! The gate therefore accepts a first packet only from an address the signalling vouched for: the one in the
//! description, or the one the SIP request came from (behind a NAT the first is wrong and the second right). The
//! complete address of that first packet is then *latched*: from there we accept, to there we send. It is locked until
//! the next offer/answer exchange.

use std::net::{IpAddr, SocketAddr};

/// What the gate says about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// From the latched sender.
    Accepted,
    /// The first one since the last offer/answer: its sender is latched now.
    Latched,
    /// From anybody else: to be dropped unread.
    Refused,
}

/// The gate of one port.
#[derive(Debug)]
pub struct SourceGate {
    signalled: Option<SocketAddr>,
    sip_source: Option<IpAddr>,
    latched: Option<SocketAddr>,
    locked: bool,
    refused: u64,
}

impl SourceGate {
    /// `signalled` is the address in the peer's description, `None` when it gave none that can be sent to;
    /// `sip_source` is where its SIP request came from.
    pub fn new(signalled: Option<SocketAddr>, sip_source: Option<IpAddr>) -> Self {
        Self { signalled, sip_source, latched: None, locked: false, refused: 0 }
    }

    /// A new offer/answer exchange: the sender may be latched once more. Until that happens an unchanged description
    /// keeps the old destination, because the NAT binding behind it is still good.
    pub fn renegotiated(&mut self, signalled: Option<SocketAddr>, sip_source: Option<IpAddr>) {
        if self.signalled != signalled {
            self.signalled = signalled;
            self.latched = None;
        }
        self.sip_source = sip_source.or(self.sip_source);
        self.locked = false;
    }

    /// Judges the sender of a packet that looks like media.
    pub fn admit(&mut self, from: SocketAddr) -> Admission {
        if self.locked && self.latched == Some(from) {
            return Admission::Accepted;
        }
        let vouched = self.signalled.is_some_and(|signalled| signalled.ip() == from.ip())
            || self.sip_source.is_some_and(|source| source == from.ip());
        if self.locked || !vouched {
            self.refused += 1;
            return Admission::Refused;
        }
        self.latched = Some(from);
        self.locked = true;
        Admission::Latched
    }

    /// Where to send: the latched sender, before that the signalled address.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.latched.or(self.signalled)
    }

    /// Packets refused so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn latches_the_signalled_address_once_and_locks() {
        let mut gate = SourceGate::new(Some(at("192.0.2.1:4000")), None);
        assert_eq!(gate.destination(), Some(at("192.0.2.1:4000")));
        assert_eq!(
            gate.admit(at("192.0.2.1:4002")),
            Admission::Latched,
            "another port of the same host"
        );
        assert_eq!(gate.destination(), Some(at("192.0.2.1:4002")));
        assert_eq!(gate.admit(at("192.0.2.1:4002")), Admission::Accepted);
        assert_eq!(
            gate.admit(at("192.0.2.1:4000")),
            Admission::Refused,
            "locked, even for the signalled one"
        );
        assert_eq!(gate.refused(), 1);
    }

    #[test]
    fn a_stranger_never_gets_in() {
        let mut gate =
            SourceGate::new(Some(at("192.0.2.1:4000")), Some("198.51.100.7".parse().unwrap()));
        assert_eq!(gate.admit(at("203.0.113.9:4000")), Admission::Refused);
        assert_eq!(gate.destination(), Some(at("192.0.2.1:4000")), "and media is not drawn to it");
        assert_eq!(
            gate.admit(at("198.51.100.7:61000")),
            Admission::Latched,
            "behind a NAT the SIP source is right"
        );
        assert_eq!(gate.admit(at("203.0.113.9:4000")), Admission::Refused);
        assert_eq!(gate.refused(), 2);
    }

    #[test]
    fn each_offer_answer_allows_one_more_latch() {
        let mut gate =
            SourceGate::new(Some(at("10.0.0.5:4000")), Some("198.51.100.7".parse().unwrap()));
        gate.admit(at("198.51.100.7:61000"));
        gate.renegotiated(Some(at("10.0.0.5:4000")), None);
        assert_eq!(
            gate.destination(),
            Some(at("198.51.100.7:61000")),
            "the binding is kept while nothing changed"
        );
        assert_eq!(gate.admit(at("198.51.100.7:61999")), Admission::Latched);
        assert_eq!(gate.admit(at("198.51.100.7:61000")), Admission::Refused);
        gate.renegotiated(Some(at("10.0.0.5:5000")), None);
        assert_eq!(gate.destination(), Some(at("10.0.0.5:5000")), "a new address starts over");
    }

    #[test]
    fn without_any_address_only_the_sip_source_can_latch() {
        let mut gate = SourceGate::new(None, Some("198.51.100.7".parse().unwrap()));
        assert_eq!(gate.destination(), None);
        assert_eq!(gate.admit(at("192.0.2.1:4000")), Admission::Refused);
        assert_eq!(gate.admit(at("198.51.100.7:9")), Admission::Latched);
    }
}
