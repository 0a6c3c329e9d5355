//! One binding: where a device of an account can be reached, and until when.

use std::net::SocketAddr;
use std::time::Instant;

use sip_stack::flow::{Flow, Hop, Target, Transport};
use sip_stack::message::NameAddr;

use crate::core::clock::WallClock;
use crate::core::store::{StoredBinding, StoredFlow};

/// The largest `reg-id` (RFC 5626 §11.2: 1*DIGIT; §4.2: below 2^31).
const MAX_REG_ID: u32 = (1 << 31) - 1;

/// One contact of an account.
#[derive(Debug, Clone)]
pub struct Binding {
    /// Where the device says it can be reached, with the parameters it gave (`q` and others) but
    /// without `expires`.
    pub contact: NameAddr,
    /// Proxies to pass on the way to the device, the nearest to us first (RFC 3327).
    pub path: Vec<NameAddr>,
    /// When it ends.
    pub expires_at: Instant,
    /// The flow the registration came over: requests to the device go back that way, for it may
    /// sit behind a NAT or listen on no other connection (RFC 5626 §5.3 in spirit).
    /// `None` once its connection is gone.
    pub flow: Option<Flow>,
    /// The device and which of its flows this is, if it keeps it alive (RFC 5626 §6).
    pub outbound: Option<OutboundId>,
    /// Call-ID of the registration; CSeq counts within it.
    pub call_id: String,
    /// CSeq of the registration.
    pub cseq: u32,
    /// Counts registrations: a higher one is more recent.
    pub(super) id: u64,
}

/// What names a binding of a client that keeps its flows alive (RFC 5626 §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundId {
    /// `+sip.instance`: the device.
    pub instance: String,
    /// `reg-id`: which of its flows.
    pub reg_id: u32,
}

impl OutboundId {
    /// Of a Contact value; a `reg-id` without instance says nothing (RFC 5626 §6).
    #[must_use]
    pub fn of(contact: &NameAddr) -> Option<Self> {
        let instance = instance_of(contact)?;
        let reg_id = contact.params.get("reg-id")?.parse().ok()?;
        (1..=MAX_REG_ID).contains(&reg_id).then_some(OutboundId { instance, reg_id })
    }
}

/// The device a Contact value names (RFC 5626 §4.1).
fn instance_of(contact: &NameAddr) -> Option<String> {
    contact.params.text("+sip.instance").filter(|i| !i.is_empty()).map(|i| i.into_owned())
}

impl Binding {
    /// Where a request to this device goes: to the first proxy of its Path, else back along the flow
    /// it registered over, for it may sit behind a NAT or listen on no other connection. A contact
    /// at the very address the registration came from is taken at its word, for its port may be
    /// another; not so one that keeps its flow alive.
    #[must_use]
    pub fn target(&self) -> Target {
        if let Some(proxy) = self.path.first() {
            return Target::Hop(Hop::from_uri(&proxy.uri));
        }
        let hop = Hop::from_uri(&self.contact.uri);
        match self.flow {
            Some(flow) if flow.transport != Transport::Udp || self.outbound.is_some() => {
                Target::Flow(flow)
            }
            Some(flow) if hop.host.ip() != Some(flow.remote.ip()) => Target::Flow(flow),
            _ => Target::Hop(hop),
        }
    }

    /// Whole seconds that are left, rounded up.
    #[must_use]
    pub fn expires_in(&self, now: Instant) -> u64 {
        let left = self.expires_at.saturating_duration_since(now);
        left.as_secs() + u64::from(left.subsec_nanos() > 0)
    }

    /// The preference the device asked for, in thousandths (RFC 3261 §20.10); 1000 if it did not.
    #[must_use]
    pub fn q(&self) -> u16 {
        let q = self.contact.params.get("q").and_then(|q| q.parse::<f32>().ok());
        let q = q.filter(|q| (0.0..=1.0).contains(q)).unwrap_or(1.0);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 1000 by the filter above"
        )]
        let thousandths = (q * 1000.0).round() as u16;
        thousandths
    }

    /// The device this contact is of, if it says.
    #[must_use]
    pub fn instance(&self) -> Option<String> {
        instance_of(&self.contact)
    }

    /// Whether a REGISTER for `contact` is about this binding: the same flow of the same device, or
    /// where one of them has no such name the same URI (RFC 5626 §6, RFC 3261 §10.3 step 7).
    pub(super) fn is_for(&self, contact: &NameAddr, outbound: Option<&OutboundId>) -> bool {
        match (&self.outbound, outbound) {
            (Some(own), Some(other)) => own == other,
            _ => self.contact.uri.is_equivalent(&contact.uri),
        }
    }

    /// As it is to be kept.
    pub(super) fn to_stored(&self, clock: &WallClock) -> StoredBinding {
        StoredBinding {
            contact: self.contact.to_string(),
            path: self.path.iter().map(ToString::to_string).collect(),
            expires_at: clock.unix(self.expires_at),
            call_id: self.call_id.clone(),
            cseq: self.cseq,
            flow: self.flow.map(|flow| StoredFlow {
                transport: flow.transport,
                local: flow.local,
                remote: flow.remote,
            }),
            outbound: self.outbound.is_some(),
        }
    }

    /// A binding that was kept, if it still holds: it has not ended, and if its client relied on a
    /// connection, it will have noticed that this broke and register anew (RFC 5626 §4.4).
    pub(super) fn from_stored(
        now: Instant,
        clock: &WallClock,
        stored: &StoredBinding,
        ours: impl Fn(SocketAddr) -> bool,
    ) -> Option<Self> {
        let contact = NameAddr::parse(&stored.contact)?;
        let path = stored.path.iter().map(|p| NameAddr::parse(p)).collect::<Option<Vec<_>>>()?;
        let left = stored.expires_at.checked_sub(clock.unix(now)).filter(|l| !l.is_zero())?;
        // A datagram can be sent back from the port it reached, as long as that is still ours.
        let flow = stored.flow.filter(|f| f.transport == Transport::Udp && ours(f.local));
        let outbound = stored.outbound.then(|| OutboundId::of(&contact)).flatten();
        if outbound.is_some() && path.is_empty() && flow.is_none() {
            return None;
        }
        Some(Binding {
            contact,
            path,
            expires_at: now + left,
            flow: flow.map(|f| Flow {
                transport: f.transport,
                local: f.local,
                remote: f.remote,
                connection: None,
            }),
            outbound,
            call_id: stored.call_id.clone(),
            cseq: stored.cseq,
            id: 0,
        })
    }
}
