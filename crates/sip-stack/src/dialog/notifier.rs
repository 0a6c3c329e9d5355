//! The dialog of a subscription whose state we notify, when a request outside of calls has made it
//! (REFER, SUBSCRIBE; RFC 6665 §4.4.1, RFC 3515 §2.4.4). Its owner keeps it and says what to notify.

use std::time::Instant;

use super::call::target_of;
use super::id::DialogId;
use super::state::Dialog;
use crate::endpoint::{Body, ClientTransactionId, Endpoint, ServerTransactionId, SessionError};
use crate::flow::Flow;
use crate::message::{Method, NameAddr, Request};
use crate::transaction::layer::ClientUser;

/// The notifying side of one subscription dialog.
#[derive(Debug)]
pub struct Notifier {
    dialog: Dialog,
    flow: Flow,
    contact: NameAddr,
}

impl Notifier {
    /// Call-ID and tags.
    #[must_use]
    pub fn id(&self) -> &DialogId {
        &self.dialog.id
    }

    /// Takes a further request of the subscriber in this dialog, which came over `flow`: `false` if a
    /// newer one was here before, which is answered 500 (RFC 3261 §12.2.2).
    pub fn take(&mut self, request: &Request, flow: Flow) -> bool {
        let number = request.headers.cseq().ok().map(|cseq| cseq.number);
        if !number.is_some_and(|number| self.dialog.accept_sequence(number)) {
            return false;
        }
        self.flow = flow;
        self.dialog.refresh_target(request.headers.contacts().ok());
        true
    }
}

impl Endpoint {
    /// The dialog that the 2xx to the request of `transaction`, which came over `flow`, makes; our
    /// Contact in it is `contact`. `None` if the transaction is over or the request has no Contact.
    #[must_use]
    pub fn notifier(
        &mut self,
        transaction: ServerTransactionId,
        flow: Flow,
        contact: NameAddr,
    ) -> Option<Notifier> {
        let tag = self.layer.server_to_tag(transaction)?.to_owned();
        let request = self.layer.server_request(transaction)?;
        let dialog = Dialog::as_server(request, &tag, self.tokens.cseq())?;
        Some(Notifier { dialog, flow, contact })
    }

    /// Sends a NOTIFY with these headers (Event and Subscription-State among them). The outcome is as
    /// of [`send_request`](Self::send_request).
    ///
    /// # Errors
    /// [`SessionError::TooMany`] above the configured limit.
    pub fn notify(
        &mut self,
        now: Instant,
        notifier: &mut Notifier,
        headers: &[(String, String)],
        body: Option<Body>,
    ) -> Result<ClientTransactionId, SessionError> {
        if !self.layer.has_room() {
            return Err(SessionError::TooMany);
        }
        let mut request = notifier.dialog.request(Method::Notify);
        request.headers.push("Contact", &notifier.contact);
        for (name, value) in headers {
            request.headers.push(name, value);
        }
        if let Some(body) = body {
            request.set_body(&body.content_type, body.bytes);
        }
        let target = target_of(Some(notifier.flow), &notifier.dialog);
        let user = ClientUser::Owner;
        Ok(self.layer.start_client(now, request, target, None, user, &mut self.tokens))
    }
}
