//! Which devices of the callee ring, and which come after them: by `q` in groups (RFC 3261 §16.6),
//! and of a device with several flows one after the other (RFC 5626 §7).

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use sip_stack::endpoint::{Body, CallId, Invite};
use sip_stack::flow::Flow;
use sip_stack::message::{NameAddr, Uri};

use super::Bridge;
use crate::core::location::Device;
use crate::core::registrar::{Registrar, Role};

/// All that an INVITE to one more device takes.
#[derive(Debug)]
pub(crate) struct Fork {
    /// The account that calls.
    pub(super) caller: String,
    /// The account that is called.
    pub(super) callee: String,
    /// What was dialled.
    pub(super) uri: Uri,
    /// The way the caller's INVITE came.
    pub(super) flow: Flow,
    /// Its From, without tag.
    pub(super) from: NameAddr,
    /// Its To.
    pub(super) to: NameAddr,
    /// Header fields for every device.
    pub(super) headers: Vec<(String, String)>,
    /// Who is called when all that ring have refused, group by group.
    pub(super) waiting: VecDeque<Vec<Device>>,
    /// Those that ring, each with the ways to it; the first is the one tried.
    pub(super) ringing: BTreeMap<CallId, Device>,
}

impl Registrar {
    /// Calls the next group of devices; groups that nobody can be called of are passed over.
    pub(super) fn ring_next_group(&mut self, now: Instant, call: CallId, bridge: &mut Bridge) {
        while bridge.callees.is_empty() {
            let Some(group) = bridge.fork.waiting.pop_front() else { return };
            for device in group {
                self.ring_device(now, call, bridge, device);
            }
        }
    }

    /// Calls a device by the first of its ways; whether that could be begun.
    fn ring_device(
        &mut self,
        now: Instant,
        call: CallId,
        bridge: &mut Bridge,
        device: Device,
    ) -> bool {
        let Some(binding) = device.front() else { return false };
        let fork = &bridge.fork;
        let toward = binding.flow.unwrap_or(fork.flow);
        let contact = self.contact(Some(&fork.caller), &fork.uri, &toward);
        let mut side = self.side(&toward, contact);
        let body = bridge.offer.as_ref().map(|offer| {
            let (fitted, map) = side.sdp.fit_mapped(offer);
            side.map = Some(map);
            Body::sdp(fitted.to_string())
        });
        // An offer in a provisional response of one of several devices, or for a caller that cannot
        // acknowledge it, could not be answered.
        let answerable = bridge.offer.is_some() || bridge.caller_reliable && bridge.single;
        let without = if answerable { Vec::new() } else { vec!["100rel".to_owned()] };
        let invite = Invite {
            allow: Some(self.bridge_allow(call)),
            without,
            to: fork.to.clone(),
            contact: Some(side.contact.clone()),
            target: Some(binding.target()),
            route: binding.path.clone(),
            headers: fork.headers.clone(),
            ..Invite::new(binding.contact.uri.clone(), fork.from.clone(), body)
        };
        let Ok(branch) = self.endpoint.invite(now, invite) else { return false };
        self.roles.insert(branch, Role::Callee(call));
        bridge.callees.insert(branch, side);
        bridge.fork.ringing.insert(branch, device);
        true
    }

    /// The INVITE of a branch that is over never reached its device: tries the next way to it, if
    /// there is one. Only 430 says that the way is none any more; after a silence the device may go
    /// on to keep it alive, and would not register again.
    pub(super) fn ring_by_other_flow(
        &mut self,
        now: Instant,
        call: CallId,
        branch: CallId,
        status: u16,
    ) -> bool {
        let Some(mut bridge) = self.bridges.0.remove(&call) else { return false };
        let mut device = bridge.fork.ringing.remove(&branch).unwrap_or_default();
        if let Some(failed) = device.pop_front().filter(|_| status == 430) {
            self.location.handle_flow_failed(&bridge.fork.callee, &failed);
        }
        let rings = self.ring_device(now, call, &mut bridge, device);
        self.bridges.0.insert(call, bridge);
        rings
    }
}
