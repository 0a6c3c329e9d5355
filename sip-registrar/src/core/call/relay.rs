//! INFO and MESSAGE from one side of a call to the other, and the answers back.

use std::time::Instant;

use sip_stack::endpoint::{Body, CallId, ClientTransactionId, ServerTransactionId};
use sip_stack::message::{Method, Request, Response, Value};

use super::Bridge;

use crate::core::conference::SubscriptionId;
use crate::core::registrar::Registrar;
use crate::core::reject::Reject;

/// A request of ours that waits for its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Relayed {
    /// It was passed on for this one of a peer.
    For(ServerTransactionId),
    /// A member was asked for a key frame.
    KeyFrame(CallId),
    /// A silent member was asked for a sign of life.
    Probe(CallId),
    /// A line of chat went to a member.
    Chat(CallId),
    /// A subscriber was told about a conference, or about all.
    Roster(SubscriptionId),
}

/// Header fields that say what a passed on request is.
const PASSED_ON: [&str; 9] = [
    "Info-Package",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Refer-To",
    "Refer-Sub",
    "Referred-By",
    "Event",
    "Subscription-State",
];

/// A REFER that went from one side to the other. Its notifications come back named by its CSeq
/// number there, and go on named by the one it had here (RFC 3515 §2.4.6).
#[derive(Debug)]
pub(super) struct PassedRefer {
    /// Who received it.
    by: CallId,
    /// Its number there.
    passed: u32,
    /// Its number here.
    asked: u32,
}

/// The most REFERs of a call whose notifications are still named anew.
const MAX_REFERS: usize = 8;

/// Whether a request goes from one side of a two-party call to the other as it is.
pub(crate) fn is_relayed(method: &Method) -> bool {
    RELAYED.contains(method)
}

/// The methods we handle ourselves in a two-party call.
const OWN: [Method; 7] = [
    Method::Invite,
    Method::Ack,
    Method::Cancel,
    Method::Bye,
    Method::Options,
    Method::Prack,
    Method::Update,
];

/// The methods that go to the other side as they are.
const RELAYED: [Method; 4] = [Method::Info, Method::Message, Method::Refer, Method::Notify];

impl Registrar {
    /// What Allow says to one side of a call whose other side is `peer`: what that can take too.
    pub(super) fn bridge_allow(&self, peer: CallId) -> Vec<Method> {
        let relayed = RELAYED.into_iter().filter(|m| self.endpoint.peer_allows(peer, m));
        OWN.into_iter().chain(relayed).collect()
    }

    /// Passes a request on to the other side.
    pub(crate) fn relay_in_dialog(
        &mut self,
        now: Instant,
        side: CallId,
        transaction: ServerTransactionId,
        request: &Request,
    ) -> Result<(), Reject> {
        let Some((call, bridge)) = self.bridge_with(side) else { return Err(Reject::new(481)) };
        let Some(peer) = bridge.peer(call, side) else {
            return Err(Reject::new(480).because("nobody has answered yet"));
        };
        let event = bridge.event_for_peer(side, request);
        if !self.endpoint.peer_allows(peer, &request.method) {
            return Err(Reject::new(405));
        }
        if request.method == Method::Refer && !matches!(request.headers.refer_to(), Ok(Some(_))) {
            // RFC 3515 §2.4.2: exactly one, and one that can be read.
            return Err(Reject::new(400).because("Refer-To"));
        }
        let mut headers: Vec<_> = PASSED_ON
            .into_iter()
            .filter_map(|n| Some((n.to_owned(), request.headers.get(n)?.to_owned())))
            .collect();
        if let Some(event) = event {
            headers.retain(|(name, _)| name != "Event");
            headers.push(("Event".to_owned(), event.to_string()));
        }
        let content_type = request.headers.get("Content-Type").map(str::to_owned);
        let body =
            content_type.map(|content_type| Body { content_type, bytes: request.body.clone() });
        let sent = self
            .endpoint
            .request(now, peer, request.method.clone(), &headers, body)
            .map_err(|_| Reject::new(500).with("Retry-After", "1"))?;
        self.relayed.insert(sent, Relayed::For(transaction));
        Ok(())
    }

    /// A request of ours has its final answer, or will get none.
    pub(crate) fn on_own_request_done(
        &mut self,
        now: Instant,
        transaction: ClientTransactionId,
        response: Option<Response>,
    ) {
        match self.relayed.remove(&transaction) {
            Some(Relayed::KeyFrame(call)) => {
                // Linphone answers 491 while a re-INVITE is on its way: not now, but later.
                let cannot =
                    response.is_some_and(|r| matches!(r.status, 405 | 415 | 469 | 488 | 501));
                self.on_key_frame_answer(call, !cannot);
            }
            Some(Relayed::Probe(call)) => self.on_probed(now, call, response.as_ref()),
            Some(Relayed::Chat(call)) => self.on_chat_answer(now, call, response.as_ref()),
            Some(Relayed::Roster(id)) => self.on_told(now, id, response.as_ref()),
            Some(Relayed::For(asked)) => {
                // 408 and 481 would end the asker's dialog, which is alive (RFC 5057 §5.1).
                let status = match response.as_ref().map(|r| r.status) {
                    None | Some(408 | 481) => 500,
                    Some(401 | 407) => 403,
                    Some(status) => status,
                };
                let Ok(mut answer) = self.endpoint.response(asked, status, "") else { return };
                if let Some(response) = response {
                    self.note_refer(&mut answer, &response);
                    for name in ["Accept", "Recv-Info", "Refer-Sub", "Retry-After", "Warning"] {
                        for value in response.headers.get_all(name) {
                            answer.headers.push(name, value);
                        }
                    }
                    if let Some(content_type) = response.headers.get("Content-Type") {
                        answer.set_body(content_type, response.body.clone());
                    }
                }
                let _ = self.endpoint.respond(now, asked, answer);
            }
            None => {}
        }
    }

    /// A 2xx to a REFER that was passed on: notes how it was numbered, and puts our Contact in.
    fn note_refer(&mut self, answer: &mut Response, response: &Response) {
        let (Ok(passed), Ok(asked)) = (response.headers.cseq(), answer.headers.cseq()) else {
            return;
        };
        if asked.method != Method::Refer || !response.is_success() {
            return;
        }
        let Some(asker) = self.endpoint.call_of(&answer.headers) else { return };
        let Some((call, bridge)) = self.bridge_with(asker) else { return };
        let Some(by) = bridge.peer(call, asker) else { return };
        if bridge.refers.len() >= MAX_REFERS {
            bridge.refers.remove(0);
        }
        bridge.refers.push(PassedRefer { by, passed: passed.number, asked: asked.number });
        if let Some(side) = bridge.side_mut(call, asker) {
            answer.headers.push("Contact", &side.contact);
        }
    }
}

impl Bridge {
    /// The Event of a NOTIFY from `side`, with the number the other side knows the REFER by.
    fn event_for_peer(&self, side: CallId, request: &Request) -> Option<Value> {
        let event = request.headers.event().ok()??;
        let id: u32 = event.params.get("id")?.parse().ok()?;
        let refer = self.refers.iter().find(|refer| refer.by == side && refer.passed == id)?;
        Some(event.with_param("id", &refer.asked.to_string()))
    }
}
