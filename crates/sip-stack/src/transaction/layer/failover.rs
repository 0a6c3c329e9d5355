//! Where else a request of ours may go: the addresses of a name (RFC 3263 §4.3), and the second ways to
//! one server (RFC 3261 §18.1.1).

use std::collections::VecDeque;
use std::time::Instant;

use super::{ClientUser, Layer};
use crate::endpoint::ClientTransactionId;
use crate::flow::{Hop, Target};
use crate::message::Response;
use crate::token::Tokens;

/// One more target of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alternative {
    pub target: Target,
    pub when: When,
}

/// What must have gone wrong before for an alternative to be of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// The server could not be reached: this is another way to it.
    Unreachable,
    /// That, or it gave no answer, or 503: this is another server.
    Unavailable,
}

/// The targets still to try, best first.
#[derive(Clone, Debug, Default)]
pub(super) struct Alternatives(VecDeque<Alternative>);

impl Alternatives {
    pub(super) fn push_front(&mut self, target: Target, when: When) {
        self.0.push_front(Alternative { target, when });
    }

    /// The next target, and the end of those before it that are of no use now.
    fn next(&mut self, wrong: When) -> Option<Target> {
        while let Some(Alternative { target, when }) = self.0.pop_front() {
            if when == wrong || when == When::Unavailable {
                return Some(target);
            }
        }
        None
    }

    fn has_other_server(&self) -> bool {
        self.0.iter().any(|alternative| alternative.when == When::Unavailable)
    }
}

impl FromIterator<Target> for Alternatives {
    /// Other ways to the same server.
    fn from_iter<I: IntoIterator<Item = Target>>(targets: I) -> Self {
        let when = When::Unreachable;
        Self(targets.into_iter().map(|target| Alternative { target, when }).collect())
    }
}

impl Layer {
    /// The name that a request was for has these addresses, best first. Nothing has been sent yet.
    pub(crate) fn client_resolved(
        &mut self,
        now: Instant,
        id: ClientTransactionId,
        attempt: u64,
        hops: Vec<Hop>,
        tokens: &mut Tokens,
    ) {
        let transaction = self.clients.get_mut(&id).filter(|t| t.attempt == attempt);
        let Some(transaction) = transaction.filter(|t| t.has_no_response()) else { return };
        for hop in hops.into_iter().rev() {
            transaction.alternatives.push_front(Target::Hop(hop), When::Unavailable);
        }
        self.fail_over(now, id, When::Unreachable, tokens);
    }

    /// A request could not be sent: the next target, or the news of it.
    pub(crate) fn client_send_failed(
        &mut self,
        now: Instant,
        id: ClientTransactionId,
        attempt: u64,
        tokens: &mut Tokens,
    ) {
        if self.clients.get(&id).is_none_or(|transaction| transaction.attempt != attempt) {
            return;
        }
        if self.fail_over(now, id, When::Unreachable, tokens) {
            return;
        }
        if let Some(transaction) = self.clients.get_mut(&id) {
            let actions = transaction.transport_error();
            self.run_client(now, id, actions, None);
        }
    }

    /// Sends a request that nobody has answered to the next target, as a new transaction with a new
    /// branch under the old id. `false` if there is none, or if the request is being worked at.
    pub(super) fn fail_over(
        &mut self,
        now: Instant,
        id: ClientTransactionId,
        wrong: When,
        tokens: &mut Tokens,
    ) -> bool {
        let transaction = self.clients.get_mut(&id).filter(|t| t.has_no_response());
        let Some(transaction) = transaction else { return false };
        let Some(target) = transaction.alternatives.next(wrong) else { return false };
        tracing::debug!(?target, "trying the next target");
        transaction.target = target;
        let mut request = transaction.request.clone();
        request.headers.remove_first("Via");
        self.restart_client(now, id, request, tokens);
        true
    }

    /// After a 503: the next server gets the request under the old id, while the old transaction goes on
    /// for nobody, to acknowledge the 503 as often as it comes. Gives the response back if there is no
    /// other server.
    pub(super) fn fail_over_503(
        &mut self,
        now: Instant,
        id: ClientTransactionId,
        response: Response,
        tokens: &mut Tokens,
    ) -> Option<Response> {
        let other = self.clients.get(&id).filter(|t| t.is_pending());
        let other = other.filter(|t| t.alternatives.has_other_server());
        if response.status != 503 || other.is_none() {
            return Some(response);
        }
        let Some(mut old) = self.clients.remove(&id) else { return Some(response) };
        self.stop_client_timers(id);
        let mut request = old.request.clone();
        request.headers.remove_first("Via");
        let mut alternatives = std::mem::take(&mut old.alternatives);
        let user = std::mem::replace(&mut old.user, ClientUser::Nobody);
        let retired = ClientTransactionId(self.new_id());
        let actions = old.response(response.status);
        self.client_keys.insert(old.key.clone(), retired);
        self.clients.insert(retired, old);
        self.run_client(now, retired, actions, Some(response));
        if let Some(target) = alternatives.next(When::Unavailable) {
            tracing::debug!(?target, "503: trying the next server");
            let branch = tokens.branch();
            self.launch(now, id, request, target, alternatives, user, &branch);
        }
        None
    }
}
