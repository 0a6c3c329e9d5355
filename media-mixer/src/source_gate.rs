//! Who may send to this port: gated latching (RFC 7362).
//!
//! Without ICE or SRTP the port is the only name of a sender, so anyone who can reach it could speak into the meeting.
//! The gate therefore accepts a first packet only from an address the signalling vouched for: the one in the
//! description, or the one the SIP request came from (behind a NAT the first is wrong and the second right). The
//! complete address of that first packet is then *latched*: from there we accept, to there we send. It stays locked
//! until the signalling names another address; an offer that repeats the old one, as a session refresh or a hold does,
//! gives nobody a second chance.
//!
//! With ICE there is better evidence: who is where a good check came from gets in, nobody else does, and the member
//! itself says where to send to.

use std::net::{IpAddr, SocketAddr};

use crate::address::canonical;
use crate::ice::Checked;

/// What the gate thinks of a sender, before its packet is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The latched sender.
    Latched,
    /// Vouched for, and nobody is latched yet: the first proper packet decides.
    Candidate,
    /// Anybody else: to be dropped unread.
    Stranger,
}

/// What kind of packet speaks for a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// A control packet. Some clients agree on one port for both and send control packets from another all the same, so
    /// the first media packet may still correct this.
    Control,
    /// A media packet of a payload type agreed on.
    Media,
}

/// The gate of one port.
#[derive(Debug)]
pub struct SourceGate {
    signalled: Option<SocketAddr>,
    sip_source: Option<IpAddr>,
    latched: Option<(SocketAddr, Evidence)>,
    /// The peer took its address back (`c=0.0.0.0`): nothing is to be sent until it names one again.
    withdrawn: bool,
    /// With ICE: where checks came from.
    checked: Option<Checked>,
}

impl SourceGate {
    /// `signalled` is the address in the peer's description, `None` when it gave none that can be sent to;
    /// `sip_source` is where its SIP request came from.
    pub fn new(signalled: Option<SocketAddr>, sip_source: Option<IpAddr>) -> Self {
        let (signalled, sip_source) = (signalled.map(canonical), sip_source.map(plain));
        Self { signalled, sip_source, latched: None, withdrawn: false, checked: None }
    }

    /// A new offer/answer exchange. Another address than before, in the description or of the SIP request, opens the
    /// gate for one more latch. `None` as `signalled` puts the line on hold (RFC 3264 §8.4) and leaves the lock alone;
    /// `None` as `sip_source` means that nothing is known about it.
    pub fn renegotiated(&mut self, signalled: Option<SocketAddr>, sip_source: Option<IpAddr>) {
        let (signalled, sip_source) = (signalled.map(canonical), sip_source.map(plain));
        self.withdrawn = signalled.is_none() && self.signalled.is_some();
        let moved = signalled.is_some() && signalled != self.signalled;
        let signalled_elsewhere = sip_source.is_some() && sip_source != self.sip_source;
        self.signalled = signalled.or(self.signalled);
        self.sip_source = sip_source.or(self.sip_source);
        if moved || signalled_elsewhere {
            self.latched = None;
        }
    }

    /// Whether checks decide who gets in. A gate that has seen some keeps them when the same is said again, so that a
    /// restart interrupts nothing.
    pub(crate) fn require_checks(&mut self, required: bool) {
        match (&self.checked, required) {
            (None, true) => self.checked = Some(Checked::default()),
            (Some(_), false) => self.checked = None,
            _ => {}
        }
    }

    /// A good check came from there.
    pub(crate) fn checked(&mut self, from: SocketAddr, nominated: bool) {
        if let Some(checked) = &mut self.checked {
            checked.insert(canonical(from), nominated);
        }
    }

    /// Whether a good check came from there.
    pub(crate) fn is_checked(&self, from: SocketAddr) -> bool {
        self.checked.as_ref().is_some_and(|checked| checked.contains(canonical(from)))
    }

    /// What it thinks of a sender.
    pub fn standing(&self, from: SocketAddr) -> Standing {
        let from = canonical(from);
        if let Some(checked) = &self.checked {
            return if checked.contains(from) { Standing::Latched } else { Standing::Stranger };
        }
        match self.latched {
            Some((latched, _)) if latched == from => Standing::Latched,
            Some((_, Evidence::Media)) => Standing::Stranger,
            Some((_, Evidence::Control)) | None if self.vouched(from.ip()) => Standing::Candidate,
            Some((_, Evidence::Control)) | None => Standing::Stranger,
        }
    }

    /// A proper packet came from this sender: a candidate is latched. Returns whether it is accepted.
    pub fn admit(&mut self, from: SocketAddr, evidence: Evidence) -> bool {
        let from = canonical(from);
        if self.checked.is_some() {
            return self.is_checked(from);
        }
        match (self.standing(from), self.latched) {
            (Standing::Latched, Some((_, Evidence::Media))) => true,
            (Standing::Latched, _) | (Standing::Candidate, None) => {
                self.latched = Some((from, evidence));
                true
            }
            (Standing::Candidate, Some(_)) if evidence == Evidence::Media => {
                self.latched = Some((from, evidence));
                true
            }
            (Standing::Candidate | Standing::Stranger, _) => false,
        }
    }

    fn vouched(&self, ip: IpAddr) -> bool {
        self.signalled.is_some_and(|signalled| signalled.ip() == ip) || self.sip_source == Some(ip)
    }

    /// Where to send: with ICE what the member chose; else the latched sender, before that the signalled address; nowhere while the peer has no address.
    pub fn destination(&self) -> Option<SocketAddr> {
        if let Some(checked) = &self.checked {
            return checked.destination();
        }
        if self.withdrawn {
            return None;
        }
        self.latched.map(|(from, _)| from).or(self.signalled)
    }

    /// The address in the peer's last description that had one.
    pub fn signalled(&self) -> Option<SocketAddr> {
        self.signalled
    }

    /// Where its SIP requests come from.
    pub fn sip_source(&self) -> Option<IpAddr> {
        self.sip_source
    }

    /// Who is latched.
    pub fn latched(&self) -> Option<SocketAddr> {
        match &self.checked {
            Some(checked) => checked.nominated(),
            None => self.latched.map(|(from, _)| from),
        }
    }
}

fn plain(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Evidence::{Control, Media};

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn nat() -> SourceGate {
        SourceGate::new(Some(at("10.0.0.5:4000")), Some("198.51.100.7".parse().unwrap()))
    }

    #[test]
    fn latches_the_signalled_address_once_and_locks() {
        let mut gate = SourceGate::new(Some(at("192.0.2.1:4000")), None);
        assert_eq!(gate.destination(), Some(at("192.0.2.1:4000")));
        assert!(gate.admit(at("192.0.2.1:4002"), Media), "another port of the same host");
        assert_eq!(gate.destination(), Some(at("192.0.2.1:4002")));
        assert_eq!(gate.standing(at("192.0.2.1:4002")), Standing::Latched);
        assert!(gate.admit(at("192.0.2.1:4002"), Control));
        assert_eq!(gate.standing(at("192.0.2.1:4000")), Standing::Stranger, "locked, even for it");
        assert!(!gate.admit(at("192.0.2.1:4000"), Media));
    }

    #[test]
    fn a_stranger_never_gets_in() {
        let mut gate = nat();
        assert!(!gate.admit(at("203.0.113.9:4000"), Media));
        assert_eq!(gate.destination(), Some(at("10.0.0.5:4000")), "and media is not drawn to it");
        assert_eq!(gate.standing(at("198.51.100.7:61000")), Standing::Candidate);
        assert!(
            gate.admit(at("198.51.100.7:61000"), Media),
            "behind a NAT the SIP source is right"
        );
        assert!(!gate.admit(at("203.0.113.9:4000"), Media));
    }

    #[test]
    fn an_offer_that_changes_no_address_opens_nothing() {
        let mut gate = nat();
        gate.admit(at("198.51.100.7:61000"), Media);
        for sip_source in [None, Some("198.51.100.7".parse().unwrap())] {
            gate.renegotiated(Some(at("10.0.0.5:4000")), sip_source);
            assert!(
                !gate.admit(at("198.51.100.7:61999"), Media),
                "a neighbour behind the same NAT"
            );
            assert_eq!(gate.destination(), Some(at("198.51.100.7:61000")));
        }
    }

    #[test]
    fn a_changed_address_allows_one_more_latch() {
        let mut gate = nat();
        gate.admit(at("198.51.100.7:61000"), Media);
        gate.renegotiated(Some(at("10.0.0.5:5000")), None);
        assert_eq!(gate.destination(), Some(at("10.0.0.5:5000")), "a new address starts over");
        assert!(gate.admit(at("198.51.100.7:62000"), Media));
        assert!(!gate.admit(at("198.51.100.7:61000"), Media), "the old one is out");
        gate.renegotiated(Some(at("10.0.0.5:5000")), Some("203.0.113.80".parse().unwrap()));
        assert!(!gate.admit(at("198.51.100.7:62000"), Media), "it moved to another network");
        assert!(gate.admit(at("203.0.113.80:4000"), Media));
    }

    #[test]
    fn a_hold_without_address_stops_sending_and_keeps_the_lock() {
        let mut gate = nat();
        gate.admit(at("198.51.100.7:61000"), Media);
        gate.renegotiated(None, None);
        assert_eq!(gate.destination(), None, "RFC 3264 section 8.4");
        assert!(!gate.admit(at("198.51.100.7:61999"), Media));
        gate.renegotiated(Some(at("10.0.0.5:4000")), None);
        assert_eq!(gate.destination(), Some(at("198.51.100.7:61000")), "as before the hold");
        assert!(!gate.admit(at("198.51.100.7:61999"), Media));
    }

    #[test]
    fn media_corrects_what_a_control_packet_latched_and_not_the_other_way() {
        let mut gate = SourceGate::new(Some(at("192.0.2.1:4000")), None);
        assert!(gate.admit(at("192.0.2.1:4001"), Control));
        assert!(gate.admit(at("192.0.2.1:4001"), Control));
        assert!(!gate.admit(at("192.0.2.1:4009"), Control), "once");
        assert!(!gate.admit(at("203.0.113.9:4000"), Media), "only where it could have latched");
        assert!(gate.admit(at("192.0.2.1:4000"), Media));
        assert_eq!(gate.destination(), Some(at("192.0.2.1:4000")));
        assert!(!gate.admit(at("192.0.2.1:4001"), Control));
        assert!(!gate.admit(at("192.0.2.1:4001"), Media));
    }

    #[test]
    fn without_any_address_only_the_sip_source_can_latch() {
        let mut gate = SourceGate::new(None, Some("198.51.100.7".parse().unwrap()));
        assert_eq!(gate.destination(), None);
        assert!(!gate.admit(at("192.0.2.1:4000"), Media));
        assert!(gate.admit(at("198.51.100.7:9"), Media));
        assert_eq!(gate.destination(), Some(at("198.51.100.7:9")));
    }
}
