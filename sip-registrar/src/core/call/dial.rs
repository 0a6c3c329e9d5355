//! From the caller's INVITE to the first 2xx of a callee, or to the last refusal.

use std::collections::BTreeMap;
use std::time::Instant;

use sdp::DialogSdp;
use sip_stack::endpoint::{Answer, CallId};
use sip_stack::flow::Flow;
use sip_stack::message::{Headers, NameAddr, Reason, Request, Response};

use super::fork::Fork;
use super::{Bridge, Side};
use crate::core::conference::description_of;
use crate::core::identity::Identity;
use crate::core::location::by_preference;
use crate::core::registrar::{Registrar, Role};
use crate::core::reject::Reject;

/// Header fields of the INVITE that the callee should see.
const PASSED_ON: [&str; 4] = ["Subject", "Priority", "Alert-Info", "Referred-By"];

impl Registrar {
    /// An account is called: its devices ring, the most wanted ones first (RFC 3261 §16.6).
    #[allow(clippy::too_many_arguments, reason = "all that an INVITE is")]
    pub(crate) fn call_account(
        &mut self,
        now: Instant,
        call: CallId,
        request: &Request,
        from: &NameAddr,
        flow: &Flow,
        identity: &Identity,
        callee: &str,
    ) -> Result<(), Reject> {
        let Identity::Account(user) = identity else {
            // Guests may meet in conferences; ringing somebody's phone takes a name.
            return Err(self.challenge(now, request, false));
        };
        let hops = match request.headers.max_forwards() {
            Ok(Some(0)) => return Err(Reject::new(483)),
            Ok(hops) => hops.unwrap_or(70) - 1,
            Err(error) => return Err(crate::core::register::bad_request(error)),
        };
        let offer = description_of(&request.headers, &request.body)?;
        let to = request.headers.to().map_err(crate::core::register::bad_request)?;
        let waiting = by_preference(self.location.bindings(now, callee));
        if waiting.is_empty() {
            return Err(Reject::new(480).because("not registered"));
        }
        let single = waiting.iter().map(Vec::len).sum::<usize>() == 1;
        let mut from = from.clone();
        from.params.remove("tag");
        let mut headers = vec![("Max-Forwards".to_owned(), hops.to_string())];
        for name in PASSED_ON {
            let values = request.headers.get_all(name);
            headers.extend(values.map(|value| (name.to_owned(), value.to_owned())));
        }
        let fork = Fork {
            caller: user.clone(),
            callee: callee.to_owned(),
            uri: request.uri.clone(),
            flow: *flow,
            from,
            to,
            headers,
            waiting,
            ringing: BTreeMap::new(),
        };
        let contact = self.contact(Some(callee), &request.uri, flow);
        let caller = self.side(flow, contact);
        let mut bridge = Bridge {
            caller,
            offer,
            fork,
            callees: BTreeMap::new(),
            connected: None,
            best: None,
            late: None,
            late_early: None,
            caller_reliable: understands_100rel(&request.headers),
            single,
            taker: None,
            refers: Vec::new(),
            agreed_early: false,
            change: None,
        };
        self.ring_next_group(now, call, &mut bridge);
        if bridge.callees.is_empty() {
            return Err(Reject::busy("too many calls"));
        }
        tracing::debug!(caller = user, callee, devices = bridge.callees.len(), "call");
        self.roles.insert(call, Role::Caller);
        self.bridges.0.insert(call, bridge);
        Ok(())
    }

    pub(super) fn side(&mut self, flow: &Flow, contact: NameAddr) -> Side {
        let session_id = u64::from_str_radix(&self.tokens.hex(7), 16).unwrap_or(1);
        Side { sdp: DialogSdp::new("-", session_id, flow.local.ip()), map: None, contact }
    }

    /// A device has answered; the first one gets the call.
    pub(crate) fn on_callee_answered(&mut self, now: Instant, branch: CallId, response: &Response) {
        let Some((call, bridge)) = self.bridge_of(branch) else {
            let _ = self.endpoint.bye(now, branch, None);
            return;
        };
        let body = if bridge.agreed_early {
            None
        } else if bridge.offer.is_some() {
            bridge.answer_for_caller(branch, response)
        } else {
            bridge.offer_for_caller(response)
        };
        if body.is_none() && !bridge.agreed_early {
            bridge.callees.remove(&branch);
            self.roles.remove(&branch);
            let reason = Reason::sip(488, "no session description in the answer");
            let _ = self.endpoint.bye(now, branch, Some(reason));
            self.refuse_if_nobody_is_left(now, call);
            return;
        }
        bridge.connected = Some(branch);
        let contact = Some(bridge.caller.contact.clone());
        let others: Vec<CallId> = bridge.callees.keys().copied().filter(|b| *b != branch).collect();
        bridge.callees.retain(|b, _| *b == branch);
        for other in others {
            self.roles.remove(&other);
            let reason = Reason::sip(200, "Call completed elsewhere");
            let _ = self.endpoint.bye(now, other, Some(reason));
        }
        let allow = Some(self.bridge_allow(branch));
        let answer = Answer { body, contact, allow, ..Answer::default() };
        if self.endpoint.accept(now, call, answer).is_err() {
            self.on_caller_gone(now, call, None);
        }
    }

    /// A device has refused.
    pub(crate) fn on_callee_rejected(&mut self, now: Instant, branch: CallId, response: &Response) {
        let headers = ["Warning", "Retry-After", "Reason"]
            .into_iter()
            .filter_map(|n| Some((n.to_owned(), response.headers.get(n)?.to_owned())))
            .collect();
        let undelivered = matches!(response.status, 408 | 430);
        self.callee_fails(now, branch, response.status, headers, undelivered);
    }

    /// The call of a device is over: it has hung up, or could not be reached.
    pub(crate) fn on_callee_gone(&mut self, now: Instant, branch: CallId, given: Option<Reason>) {
        let Some((call, bridge)) = self.bridge_of(branch) else {
            self.roles.remove(&branch);
            return;
        };
        if bridge.connected == Some(branch) {
            self.roles.remove(&branch);
            self.roles.remove(&call);
            if let Some(mut bridge) = self.bridges.0.remove(&call) {
                self.end_taker(now, &mut bridge);
            }
            let _ = self.endpoint.bye(now, call, given);
            return;
        }
        let cause = given.and_then(|reason| reason.cause).and_then(|c| u16::try_from(c).ok());
        let status = cause.unwrap_or(480);
        self.callee_fails(now, branch, status, Vec::new(), status == 480);
    }

    /// The caller has cancelled or hung up.
    pub(crate) fn on_caller_gone(&mut self, now: Instant, call: CallId, given: Option<Reason>) {
        self.roles.remove(&call);
        let Some(mut bridge) = self.bridges.0.remove(&call) else { return };
        self.end_taker(now, &mut bridge);
        for branch in bridge.callees.into_keys() {
            self.roles.remove(&branch);
            let _ = self.endpoint.bye(now, branch, given.clone());
        }
    }

    fn callee_fails(
        &mut self,
        now: Instant,
        branch: CallId,
        status: u16,
        headers: Vec<(String, String)>,
        undelivered: bool,
    ) {
        let Some((call, bridge)) = self.bridge_of(branch) else { return };
        bridge.callees.remove(&branch);
        self.roles.remove(&branch);
        // No answer of the device: 430 and 408 of a proxy on the way (RFC 5626 §7), 480 of our own
        // stack when nothing could be sent.
        if undelivered && self.ring_by_other_flow(now, call, branch, status) {
            return;
        }
        let Some(bridge) = self.bridges.0.get_mut(&call) else { return };
        let better = bridge.best.as_ref().is_none_or(|(best, _)| rank(status) < rank(*best));
        if better {
            bridge.best = Some((status, headers));
        }
        if status >= 600 {
            // RFC 3261 §16.7 step 5: it is everybody's answer.
            bridge.fork.waiting.clear();
            for other in std::mem::take(&mut bridge.callees).into_keys() {
                self.roles.remove(&other);
                let _ = self.endpoint.bye(now, other, None);
            }
        }
        self.refuse_if_nobody_is_left(now, call);
    }

    /// When the last of those that rang has refused, the next group is called; after the last group
    /// the caller gets the best refusal.
    fn refuse_if_nobody_is_left(&mut self, now: Instant, call: CallId) {
        let Some(mut bridge) = self.bridges.0.remove(&call) else { return };
        self.ring_next_group(now, call, &mut bridge);
        if !bridge.callees.is_empty() {
            self.bridges.0.insert(call, bridge);
            return;
        }
        let (status, headers) = bridge.best.take().unwrap_or((502, Vec::new()));
        self.roles.remove(&call);
        let reject = Reject { headers, ..Reject::new(status_for_caller(status)) };
        self.refuse(now, call, &reject);
    }

    /// The call an outgoing side belongs to.
    pub(super) fn bridge_of(&mut self, branch: CallId) -> Option<(CallId, &mut Bridge)> {
        let Some(Role::Callee(call)) = self.roles.get(&branch) else { return None };
        let call = *call;
        self.bridges.0.get_mut(&call).map(|bridge| (call, bridge))
    }
}

/// Whether the sender of these headers can acknowledge provisional responses (RFC 3262 §3).
fn understands_100rel(headers: &Headers) -> bool {
    ["Supported", "Require"].into_iter().any(|name| headers.list_has(name, "100rel"))
}

/// Which refusal tells the caller most (RFC 3261 §16.7 step 6): 6xx, then the lowest class.
fn rank(status: u16) -> u16 {
    match status {
        600.. => 0,
        // Says more than that somebody else was cancelled or did not answer.
        401..=407 | 409..=486 | 488..=499 => status,
        400 | 408 | 487 => 499,
        _ => status + 100,
    }
}

/// A callee's refusal as the caller may see it: challenges and redirections of the callee's side
/// are not for the caller to act on, and 503 would say that *we* are out of service (§16.7).
fn status_for_caller(status: u16) -> u16 {
    match status {
        300..=399 | 430 | 487 => 480,
        401 | 407 => 403,
        503 => 500,
        status => status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_telling_refusal_wins() {
        let mut statuses = [503, 302, 408, 486, 603, 480];
        statuses.sort_by_key(|s| rank(*s));
        assert_eq!(statuses, [603, 302, 480, 486, 408, 503]);
    }

    #[test]
    fn what_is_not_the_callers_business_is_translated() {
        for (from, to) in [(302, 480), (401, 403), (407, 403), (486, 486), (503, 500), (603, 603)] {
            assert_eq!(status_for_caller(from), to);
        }
    }
}
