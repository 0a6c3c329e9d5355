//! Two-party calls between accounts: we are the UAS of the caller and the UAC of the callee
//! (a B2BUA, RFC 3261 §6). The descriptions pass through, so media flow directly between the two.

mod change;
mod dial;
mod early;
mod fork;
mod relay;
mod replace;

use std::collections::BTreeMap;

use bytes::Bytes;
use sdp::dialog_sdp::LineMap;
use sdp::{DialogSdp, SessionDescription};
use sip_stack::endpoint::CallId;
use sip_stack::message::multipart::body_of_type;
use sip_stack::message::{Headers, NameAddr};

pub(crate) use relay::{Relayed, is_relayed};

use change::Change;
use fork::Fork;
use relay::PassedRefer;
use replace::Taker;

/// One side of a call: our dialog with it.
#[derive(Debug)]
pub(crate) struct Side {
    /// Our `o=` line and m-line layout toward it (RFC 3264 §8).
    sdp: DialogSdp,
    /// How the caller's offer was laid out in this dialog.
    map: Option<LineMap>,
    /// Our Contact toward it.
    contact: NameAddr,
}

/// One call, named by the id of its incoming side.
#[derive(Debug)]
pub(crate) struct Bridge {
    /// The incoming side.
    caller: Side,
    /// What the caller's INVITE offered; nothing = the callee is to offer.
    offer: Option<SessionDescription>,
    /// Whom to call.
    fork: Fork,
    /// The sides that ring, or the one that has answered.
    callees: BTreeMap<CallId, Side>,
    /// Who has answered.
    connected: Option<CallId>,
    /// The best refusal so far.
    best: Option<(u16, Vec<(String, String)>)>,
    /// The callee's offer in its 2xx, which the caller's ACK must answer.
    late: Option<(SessionDescription, LineMap)>,
    /// That offer came in a provisional response of this branch, with this To tag.
    late_early: Option<(CallId, String)>,
    /// Whether the caller can acknowledge provisional responses.
    caller_reliable: bool,
    /// Whether there is one device only, so that what it says before it answers may bind the caller.
    single: bool,
    /// Offer and answer have been exchanged in provisional responses that bind both sides.
    agreed_early: bool,
    /// Who is about to take the place of one side (RFC 3891).
    taker: Option<Taker>,
    /// The REFERs that have passed, to name their notifications anew.
    refers: Vec<PassedRefer>,
    /// A change of the session on its way from one side to the other.
    change: Option<Change>,
}

/// All two-party calls.
#[derive(Debug, Default)]
pub(crate) struct Bridges(BTreeMap<CallId, Bridge>);

impl Bridges {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Bridge {
    /// The other side of an established call.
    fn peer(&self, caller: CallId, side: CallId) -> Option<CallId> {
        let connected = self.connected?;
        match side {
            side if side == caller => Some(connected),
            side if side == connected => Some(caller),
            _ => None,
        }
    }

    /// The same, or while only one device rings that one.
    fn partner(&self, caller: CallId, side: CallId) -> Option<CallId> {
        if self.connected.is_some() || !self.single || self.callees.len() != 1 {
            return self.peer(caller, side);
        }
        let only = *self.callees.keys().next()?;
        match side {
            side if side == caller => Some(only),
            side if side == only => Some(caller),
            _ => None,
        }
    }

    fn side_mut(&mut self, caller: CallId, side: CallId) -> Option<&mut Side> {
        match &mut self.taker {
            Some(taker) if taker.call == side => Some(&mut taker.side),
            _ if side == caller => Some(&mut self.caller),
            _ => self.callees.get_mut(&side),
        }
    }
}

/// The session description of a message, if it has one that can be read.
fn sdp_of(headers: &Headers, body: &Bytes) -> Option<SessionDescription> {
    SessionDescription::from_bytes(&body_of_type(headers, body, "application/sdp")?).ok()
}
