//! Which part of the stack a message is for.

use std::time::Instant;

use super::{
    EndReason, Endpoint, Event, Failure, Origin, ServerTransactionId, Transmit, TransmitId,
};
use crate::dialog::{DialogId, Stage};
use crate::endpoint::{CallId, ClientTransactionId};
use crate::flow::{self, Flow, Target};
use crate::message::{Message, Method, ParseError, Reason, Request, Response, build};
use crate::transaction::layer::{Act, ClientUser, News, Received};

impl Endpoint {
    pub(super) fn receive(&mut self, now: Instant, flow: Flow, message: Message) {
        match message {
            Message::Request(mut request) => {
                flow::stamp_via(&mut request, &flow);
                self.receive_request(now, request, flow);
            }
            Message::Response(response) => {
                let user = self.layer.receive_response(now, response, &mut self.tokens);
                if let Some(ClientUser::Call(call, _) | ClientUser::InDialog(call)) = user {
                    self.note_flow(call, flow);
                }
            }
        }
    }

    fn receive_request(&mut self, now: Instant, request: Request, flow: Flow) {
        match self.layer.receive_request(now, &request, &flow, &mut self.tokens) {
            Received::Absorbed => {}
            Received::Ack => self.ack_received(now, &request, &flow),
            Received::NoRoom => {
                self.refuse_stateless(&request, &flow, 503, &[("Retry-After", "10")]);
            }
            Received::TooLarge => self.refuse_stateless(&request, &flow, 513, &[]),
            Received::Merged(id) => {
                let _ = self.respond_status(now, id, 482, "");
            }
            Received::New(id) if request.method == Method::Cancel => {
                self.cancel_received(now, id, &request);
            }
            Received::New(id) => self.route_request(now, id, request, flow),
        }
    }

    fn route_request(
        &mut self,
        now: Instant,
        id: ServerTransactionId,
        request: Request,
        flow: Flow,
    ) {
        if let Err(refusal) = self.inspect(&request) {
            self.respond_with(now, id, refusal.status, refusal.reason, &refusal.headers);
            return;
        }
        let known = DialogId::of_request(&request);
        let inside = known.is_some();
        let call = known.and_then(|dialog| self.dialogs.get(&dialog).copied());
        match (call, &request.method) {
            (Some(call), _) => self.receive_in_dialog(now, call, id, request, flow),
            (None, Method::Invite) if !inside => self.invite_received(now, id, request, flow),
            (None, Method::Bye | Method::Update | Method::Prack | Method::Info) => {
                let _ = self.respond_status(now, id, 481, "");
            }
            // Subscriptions have dialogs of their own, which the owner keeps.
            (None, Method::Subscribe | Method::Notify | Method::Register | Method::Publish) => {
                self.emit(Event::Request { transaction: id, request, flow });
            }
            (None, _) if inside => {
                let _ = self.respond_status(now, id, 481, "");
            }
            (None, _) => self.emit(Event::Request { transaction: id, request, flow }),
        }
    }

    fn receive_in_dialog(
        &mut self,
        now: Instant,
        call: CallId,
        id: ServerTransactionId,
        request: Request,
        flow: Flow,
    ) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let from = request.headers.from();
        let tag = from.as_ref().ok().and_then(|from| from.tag()).unwrap_or_default();
        let in_order = state.dialog_with(tag).is_none_or(|dialog| dialog.accept_sequence(number));
        let ended = state.stage == Stage::Ended;
        if !in_order {
            let wait = [("Retry-After".to_owned(), self.tokens.below(11).to_string())];
            self.respond_with(now, id, 500, "CSeq Out Of Order", &wait);
            return;
        }
        self.note_flow(call, flow);
        match request.method {
            Method::Bye => self.bye_received(now, call, id, &request),
            // Our BYE is under way; the peer's will not come to anything (RFC 5407 §3.2.2).
            _ if ended => self.respond_with(now, id, 481, "", &[]),
            Method::Prack => self.prack_received(now, call, id, request),
            Method::Invite | Method::Update => self.change_received(now, call, id, request),
            _ => self.emit(Event::InDialog { call, transaction: id, request }),
        }
    }

    /// Works off what the transactions have to tell.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Some(news) = self.layer.poll_news() {
            match news {
                News::Response { id, user, response } => {
                    self.client_response(now, id, user, response)
                }
                News::Failed { id, user, failure } => self.failed(now, id, user, failure),
                News::ClientGone { id, user: ClientUser::Call(call, _) } => {
                    if let Some(state) = self.calls.get_mut(&call) {
                        state.client_gone(id);
                    }
                    self.forget_if_over(call);
                }
                News::ClientGone { .. } => {}
            }
        }
    }

    fn client_response(
        &mut self,
        now: Instant,
        id: ClientTransactionId,
        user: ClientUser,
        response: Response,
    ) {
        match user {
            ClientUser::Owner => self.emit(Event::Response { transaction: id, response }),
            ClientUser::InDialog(call) => self.in_dialog_response(now, call, id, response),
            ClientUser::Call(call, Act::Invite) => self.invite_response(now, call, id, response),
            ClientUser::Call(call, Act::Change) => self.change_response(now, call, id, response),
            ClientUser::Call(call, Act::Bye | Act::Aside) => {
                if let Some(request) = self.retry_of(call, id, &response) {
                    self.layer.restart_client(now, id, request, &mut self.tokens);
                }
            }
            ClientUser::Nobody => {}
        }
    }

    fn in_dialog_response(
        &mut self,
        now: Instant,
        call: CallId,
        id: ClientTransactionId,
        response: Response,
    ) {
        if let Some(request) = self.retry_of(call, id, &response) {
            self.layer.restart_client(now, id, request, &mut self.tokens);
            return;
        }
        let of_session = self.is_info(id);
        let status = response.status;
        self.emit(Event::Response { transaction: id, response });
        if of_session && matches!(status, 408 | 481) {
            let told = EndReason::DialogLost(Some(status));
            self.lose_dialog(now, call, told);
        }
    }

    fn failed(
        &mut self,
        now: Instant,
        id: ClientTransactionId,
        user: ClientUser,
        failure: Failure,
    ) {
        match user {
            ClientUser::Owner => self.emit(Event::RequestFailed { transaction: id, failure }),
            ClientUser::InDialog(call) => {
                let of_session = self.is_info(id);
                self.emit(Event::RequestFailed { transaction: id, failure });
                if of_session {
                    self.lose_dialog(now, call, EndReason::DialogLost(None));
                }
            }
            ClientUser::Call(call, Act::Invite) => self.invite_failed(call, failure),
            ClientUser::Call(call, Act::Change) => self.change_failed(now, call, id, failure),
            ClientUser::Call(_, Act::Bye | Act::Aside) | ClientUser::Nobody => {}
        }
    }

    /// Only an INFO belongs to the session; MESSAGE, REFER and the like fail for themselves
    /// (RFC 5057 §5.1).
    fn is_info(&self, id: ClientTransactionId) -> bool {
        self.layer.client_request(id).is_some_and(|request| request.method == Method::Info)
    }

    fn lose_dialog(&mut self, now: Instant, call: CallId, told: EndReason) {
        if self.live_call(call).is_ok() {
            self.terminate(now, call, told, Some(Reason::sip(481, "Dialog lost")));
        }
    }

    /// Answers a request that could not be read, if it is possible to.
    pub(super) fn refuse_unreadable(&mut self, error: &ParseError, flow: &Flow) {
        tracing::trace!(%error, "unreadable message");
        let tag = self.tokens.tag();
        let Some(response) = build::refusal(error, &tag) else { return };
        self.respond_stateless(&response, flow);
    }

    fn refuse_stateless(
        &mut self,
        request: &Request,
        flow: &Flow,
        status: u16,
        headers: &[(&str, &str)],
    ) {
        let tag = self.tokens.tag_of(request);
        let mut response = build::response_to(request, status, "", Some(&tag));
        headers.iter().for_each(|(name, value)| response.headers.push(name, value));
        self.respond_stateless(&response, flow);
    }

    /// Sends a response that no transaction remembers.
    fn respond_stateless(&mut self, response: &Response, flow: &Flow) {
        let Some(via) = response.headers.via_to_refuse() else { return };
        let target = Target::Flow(flow::response_flow(&via, flow));
        let id = TransmitId(Origin::Nobody);
        self.layer.push_transmit(Transmit { id, target, bytes: response.to_bytes() });
    }
}
