//! One request outside of calls, sent again with credentials when it is challenged (RFC 3261 §22.2).

use std::time::Instant;

use sip_stack::auth::Credentials;
use sip_stack::endpoint::{ClientTransactionId, Endpoint, SessionError};
use sip_stack::flow::Target;
use sip_stack::message::{Request, Response};

/// Challenges answered for one request; more are a loop.
const MAX_ATTEMPTS: u8 = 4;

/// A request that is under way.
#[derive(Debug)]
pub struct Exchange {
    request: Request,
    target: Target,
    transaction: ClientTransactionId,
    attempts: u8,
}

impl Exchange {
    /// Sends the request.
    ///
    /// # Errors
    /// As [`Endpoint::send_request`].
    pub fn send(
        now: Instant,
        endpoint: &mut Endpoint,
        request: Request,
        target: Target,
    ) -> Result<Self, SessionError> {
        let transaction = endpoint.send_request(now, request.clone(), target.clone())?;
        Ok(Exchange { request, target, transaction, attempts: 1 })
    }

    /// The request as it was sent last.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Whether this is its transaction.
    #[must_use]
    pub fn is(&self, transaction: ClientTransactionId) -> bool {
        self.transaction == transaction
    }

    /// A response to it came. Returns whether it is the last word: neither provisional nor a challenge that
    /// could be answered.
    pub fn handle_response(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        credentials: Option<&mut Credentials>,
        response: &Response,
    ) -> bool {
        if response.is_provisional() {
            return false;
        }
        if !matches!(response.status, 401 | 407) || self.attempts >= MAX_ATTEMPTS {
            return true;
        }
        let Some(credentials) = credentials else { return true };
        let answered = endpoint.answer_challenge(credentials, &self.request, response);
        let Some(mut request) = answered else { return true };
        request.headers.remove("Via");
        match endpoint.send_request(now, request.clone(), self.target.clone()) {
            Ok(transaction) => {
                self.attempts += 1;
                self.request = request;
                self.transaction = transaction;
                false
            }
            Err(_) => true,
        }
    }
}
