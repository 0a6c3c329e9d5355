//! The way of one port of one line: checked, chosen, kept up.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use is::stun::{StunMessage, StunPacket};
use is::{Candidate as Agents, IceAgent, IceAgentEvent, IceCreds, Protocol};
use sdp::attribute::candidate::Candidate;
use sdp::negotiate::RemoteIce;

use super::consent::Consent;
use super::validated::Validated;
use super::{CandidateKind, SelectedPath};
use crate::core::call::ice::IceTerms;

/// Checks that are not answered: so many, growing further apart up to the interval of consent, last longer than
/// consent does. The agent then does not give up a way before we do.
const RETRANSMITS: usize = 12;
/// The first of them is sent again after this; RFC 8445 §14.3 asks for 500 ms at least, browsers take less. It is often
/// lost without any fault of the network: we check as soon as we have answered, before the peer has our answer.
const FIRST_RETRANSMIT: Duration = Duration::from_millis(100);

/// Something to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub to: SocketAddr,
    /// By way of our relay.
    pub relayed: bool,
    /// What.
    pub bytes: Bytes,
}

/// What became different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Selected(SelectedPath),
    Lost,
    Restored,
}

/// The way before a restart, in use until there is a new one (RFC 8445 §9).
#[derive(Debug)]
struct Previous {
    remote: (SocketAddr, bool),
    validated: Validated,
    until: Instant,
}

/// See the module's description.
#[derive(Debug)]
pub struct Component {
    terms: IceTerms,
    number: u16,
    agent: IceAgent,
    /// The address of our port.
    base: SocketAddr,
    /// Our address at the relay.
    relay: Option<SocketAddr>,
    /// Candidates of the peer that the agent has.
    known: Vec<SocketAddr>,
    validated: Validated,
    selected: Option<(SocketAddr, bool)>,
    /// The first who has answered a check: who only sends one may have written another's address on it.
    consenting: Option<(SocketAddr, bool)>,
    /// What we are, seen from the peer.
    mapped: Option<SocketAddr>,
    previous: Option<Previous>,
    consent: Consent,
    next: Option<Instant>,
    changes: VecDeque<Change>,
}

impl Component {
    /// The component with this number (1 is RTP, 2 is RTCP) on these terms. None when either side has no candidate for
    /// it. `before` is what was in use.
    #[must_use]
    pub fn new(
        now: Instant,
        terms: &IceTerms,
        number: u16,
        tie_breaker: u64,
        before: Option<Self>,
    ) -> Option<Self> {
        let ours = terms.local.candidates.iter().filter(|own| own.component == number);
        let locals: Vec<(&Candidate, Agents)> =
            ours.filter_map(|own| Some((own, local(own)?))).collect();
        let theirs = terms.remote.candidates.iter().any(|their| their.component == number);
        // Without candidates yet the peer may still check us, if it is one that adds them later.
        if locals.is_empty() || !(theirs || number == 1) {
            return None;
        }
        let base = locals.iter().find_map(|(own, agents)| match agents.kind() {
            is::CandidateKind::Relayed => related(own),
            _ => Some(agents.local()),
        })?;
        let relayed = |agents: &Agents| agents.kind() == is::CandidateKind::Relayed;
        let relay = locals.iter().map(|(_, agents)| agents).find(|own| relayed(own));
        let relay = relay.map(Agents::addr);
        let mut agent = IceAgent::new(creds(&terms.local.ufrag, &terms.local.pwd));
        agent.set_control_tie_breaker(tie_breaker);
        agent.set_controlling(terms.controlling);
        agent.set_initial_stun_rto(FIRST_RETRANSMIT);
        agent.set_max_stun_retransmits(RETRANSMITS);
        // As in the candidates we told: the first of a kind is liked best.
        agent.set_local_preference(|own: &Agents, before: usize| {
            let first = CandidateKind::from(own.kind()).local_preference(own.addr());
            u32::from(first).saturating_sub(u32::try_from(before).unwrap_or(u32::MAX))
        });
        agent.set_remote_credentials(creds(&terms.remote.ufrag, &terms.remote.pwd));
        for (_, candidate) in locals {
            agent.add_local_candidate(candidate);
        }
        let mut component = Self {
            previous: before.and_then(|before| before.goes_on(now, &terms.remote, number)),
            terms: terms.clone(),
            number,
            agent,
            base,
            relay,
            known: Vec::new(),
            validated: Validated::default(),
            selected: None,
            consenting: None,
            mapped: None,
            consent: Consent::new(now, tie_breaker ^ u64::from(number) ^ u64::from(base.port())),
            next: None,
            changes: VecDeque::new(),
        };
        component.pace();
        component.learn(&terms.remote);
        component.agent.handle_timeout(now);
        component.after(now);
        Some(component)
    }

    /// Whether these terms are of the same session; if not, it begins anew.
    #[must_use]
    pub fn is_of(&self, terms: &IceTerms) -> bool {
        let (ours, other) = (&self.terms, terms);
        ours.local == other.local
            && ours.remote.ufrag == other.remote.ufrag
            && ours.remote.pwd == other.remote.pwd
    }

    /// The same session, told again: there may be more candidates.
    pub fn again(&mut self, now: Instant, terms: &IceTerms) {
        self.learn(&terms.remote);
        self.terms = terms.clone();
        self.after(now);
    }

    fn learn(&mut self, remote: &RemoteIce) {
        for candidate in remote.candidates.iter().filter(|own| own.component == self.number) {
            let Some((at, agents)) = remote_candidate(candidate) else { continue };
            if !self.known.contains(&at) && self.known.len() < sdp::negotiate::MAX_CANDIDATES {
                self.known.push(at);
                self.agent.add_remote_candidate(agents);
            }
        }
    }

    /// Candidates of the peer, for the relay to let them through.
    pub fn remotes(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.known.iter().copied()
    }

    /// What goes on while the session begins anew: a peer that keeps one of its addresses is the peer it was. Another
    /// one must not be kept waiting for the old way to end.
    fn goes_on(self, now: Instant, remote: &RemoteIce, number: u16) -> Option<Previous> {
        if self.consent.is_lost() {
            return None;
        }
        let new = remote.candidates.iter().filter(|candidate| candidate.component == number);
        let mut new = new.filter_map(Candidate::socket_addr);
        let in_use = self.selected.map(|to| (to, self.consent.deadline().unwrap_or(now)));
        let earlier = self.previous.as_ref().map(|previous| (previous.remote, previous.until));
        let (remote, until) = in_use.or(earlier)?;
        let same = new.any(|at| self.known.contains(&at));
        same.then_some(Previous { remote, validated: self.validated, until })
    }

    /// A STUN message came in; `relayed`: by way of our relay. Returns whether it was one of the peer.
    pub fn handle_stun(
        &mut self,
        now: Instant,
        from: SocketAddr,
        relayed: bool,
        bytes: &[u8],
    ) -> bool {
        let Ok(message) = StunMessage::parse(bytes) else { return false };
        let destination = match (relayed, self.relay) {
            (true, Some(relay)) => relay,
            (true, None) => return false,
            (false, _) => self.base,
        };
        let response = message.is_successful_binding_response();
        let mapped = message.mapped_address();
        let packet = StunPacket { proto: Protocol::Udp, source: from, destination, message };
        if !self.agent.handle_packet(now, packet) {
            return false;
        }
        self.validated.insert(from, relayed);
        if response {
            self.consenting.get_or_insert((from, relayed));
        }
        self.after(now);
        if response && self.selected == Some((from, relayed)) {
            self.mapped = mapped;
            if self.consent.answered(now) {
                self.changes.push_back(Change::Restored);
            }
            self.pace();
            self.after(now);
        }
        true
    }

    /// The next check of a way in use is so far away.
    fn pace(&mut self) {
        let interval = self.consent.interval();
        self.agent.set_max_stun_rto(interval);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        if self.next.is_some_and(|next| next <= now) {
            self.agent.handle_timeout(now);
        }
        self.after(now);
    }

    fn after(&mut self, now: Instant) {
        while let Some(event) = self.agent.poll_event() {
            if let IceAgentEvent::NominatedSend { source, destination, .. } = event {
                let chosen = (destination, Some(source) == self.relay);
                let first = self.selected.is_none();
                let changed = self.selected.replace(chosen) != Some(chosen);
                self.previous = None;
                if (first || changed) && self.consent.answered(now) {
                    self.changes.push_back(Change::Restored);
                }
                if let Some(path) = self.selected().filter(|_| changed) {
                    self.changes.push_back(Change::Selected(path));
                }
            }
        }
        if self.consent.expire(now) {
            self.changes.push_back(Change::Lost);
        }
        self.previous = self.previous.take().filter(|previous| previous.until > now);
        self.next = self.agent.poll_timeout();
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let previous = self.previous.as_ref().map(|previous| previous.until);
        [self.next, self.consent.deadline(), previous].into_iter().flatten().min()
    }

    /// A check, or the answer to one.
    pub fn poll_transmit(&mut self) -> Option<Outgoing> {
        let transmit = self.agent.poll_transmit()?;
        let relayed = Some(transmit.source) == self.relay;
        let bytes = Bytes::copy_from_slice(&transmit.contents);
        Some(Outgoing { to: transmit.destination, relayed, bytes })
    }

    pub(crate) fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// Whether media from there is the peer's.
    #[must_use]
    pub fn accepts(&self, from: SocketAddr, relayed: bool) -> bool {
        let previous = self.previous.as_ref();
        self.validated.contains(from, relayed)
            || previous.is_some_and(|previous| previous.validated.contains(from, relayed))
    }

    /// Where media goes, and whether by way of the relay: the way chosen; while there is none yet, the one of before, then
    /// the first from where a check was answered. Nowhere before that: whoever is named in a description need not be the one
    /// who wrote it (RFC 7675 §5.1, RFC 8445 §19.5.1).
    #[must_use]
    pub fn destination(&self) -> Option<(SocketAddr, bool)> {
        if self.consent.is_lost() {
            return None;
        }
        let previous = self.previous.as_ref().map(|previous| previous.remote);
        self.selected.or(previous).or(self.consenting)
    }

    /// The way chosen.
    #[must_use]
    pub fn selected(&self) -> Option<SelectedPath> {
        let (remote, relayed) = self.selected?;
        let kind = self.agent.remote_candidates().find(|their| their.addr() == remote);
        let kind = kind.map_or(CandidateKind::PeerReflexive, |their| their.kind().into());
        let local = match self.mapped {
            _ if relayed => CandidateKind::Relayed,
            Some(mapped) if mapped != self.base => {
                let told = |own: is::Candidate| {
                    own.addr() == mapped && own.kind() == is::CandidateKind::ServerReflexive
                };
                match self.agent.local_candidates().any(told) {
                    true => CandidateKind::ServerReflexive,
                    false => CandidateKind::PeerReflexive,
                }
            }
            _ => CandidateKind::Host,
        };
        Some(SelectedPath { remote, kind, local })
    }

    /// Whether consent is lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.consent.is_lost()
    }

    /// Whether we choose the way, after all conflicts.
    #[must_use]
    pub fn controlling(&self) -> bool {
        self.agent.controlling()
    }

    /// How long a check and its answer took last.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.agent.nominated_pair_rtt()
    }
}

fn creds(ufrag: &str, pwd: &str) -> IceCreds {
    IceCreds { ufrag: ufrag.to_owned(), pass: pwd.to_owned() }
}

/// One of ours as the agent wants it.
fn local(own: &Candidate) -> Option<Agents> {
    let at = own.socket_addr()?;
    let made = match CandidateKind::from_name(&own.kind)? {
        CandidateKind::Host => Agents::host(at, "udp"),
        CandidateKind::ServerReflexive => Agents::server_reflexive(at, related(own)?, "udp"),
        CandidateKind::Relayed => Agents::relayed(at, related(own)?, "udp"),
        CandidateKind::PeerReflexive => return None,
    };
    made.ok()
}

/// `raddr` and `rport`.
fn related(candidate: &Candidate) -> Option<SocketAddr> {
    let words: Vec<&str> = candidate.extensions.split(' ').collect();
    let after = |name| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1));
    Some(SocketAddr::new(after("raddr")?.parse().ok()?, after("rport")?.parse().ok()?))
}

/// One of the peer's as the agent wants it; none for what cannot be sent to.
fn remote_candidate(their: &Candidate) -> Option<(SocketAddr, Agents)> {
    let at = their.socket_addr().filter(|at| at.port() != 0)?;
    let broadcast = matches!(at, SocketAddr::V4(at) if at.ip().is_broadcast());
    if at.ip().is_unspecified() || at.ip().is_multicast() || broadcast {
        return None;
    }
    let kind = match CandidateKind::from_name(&their.kind)? {
        CandidateKind::Host => is::CandidateKind::Host,
        CandidateKind::ServerReflexive => is::CandidateKind::ServerReflexive,
        CandidateKind::PeerReflexive => is::CandidateKind::PeerReflexive,
        CandidateKind::Relayed => is::CandidateKind::Relayed,
    };
    // The agent knows one component only, and calls it the first.
    let foundation = their.foundation.clone();
    let made = Agents::from_parts(
        foundation,
        1,
        Protocol::Udp,
        their.priority,
        at,
        kind,
        None,
        None,
        None,
    );
    Some((at, made))
}
