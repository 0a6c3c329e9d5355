//! REGISTER (RFC 3261 §10.3).

use std::time::{Duration, Instant};

use sip_stack::endpoint::ServerTransactionId;
use sip_stack::flow::Flow;
use sip_stack::message::{HeaderError, NameAddr, Request};

use super::location::{ContactUpdate, UpdateError};
use super::registrar::Registrar;
use super::reject::Reject;

impl Registrar {
    /// Carries out a REGISTER and answers it.
    pub(crate) fn register(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
        flow: &Flow,
    ) -> Result<(), Reject> {
        let user = self.authenticate(now, request)?;
        let to = request.headers.to().map_err(bad_request)?;
        if !self.is_ours(&to.uri, flow) {
            return Err(Reject::new(404));
        }
        if to.uri.user_text().as_deref() != Some(user.as_str()) {
            return Err(Reject::new(403).because("an account may register itself only"));
        }
        self.update_bindings(now, &user, request, flow)?;

        let Ok(mut response) = self.endpoint.response(transaction, 200, "") else {
            return Ok(());
        };
        for binding in self.location.bindings(now, &user) {
            let expires = binding.expires_in(now).to_string();
            response
                .headers
                .push("Contact", binding.contact.clone().with_param("expires", &expires));
        }
        response.headers.push("Date", self.clock.date(now));
        let _ = self.endpoint.respond(now, transaction, response);
        Ok(())
    }

    fn update_bindings(
        &mut self,
        now: Instant,
        user: &str,
        request: &Request,
        flow: &Flow,
    ) -> Result<(), Reject> {
        let headers = &request.headers;
        let call_id = headers.call_id().map_err(bad_request)?;
        let cseq = headers.cseq().map_err(bad_request)?.number;
        let common = headers.expires().map_err(bad_request)?;
        let before = self.location.bindings(now, user).count();

        if headers.get_all("Contact").any(|value| value == "*") {
            if !headers.contact_is_star() || common != Some(0) {
                return Err(
                    Reject::new(400).because("Contact: * needs Expires: 0 and stands alone")
                );
            }
            self.location.clear(now, user, (call_id, cseq)).map_err(refusal)?;
        } else {
            let contacts = headers.contacts().map_err(bad_request)?;
            let updates = contacts
                .into_iter()
                .map(|contact| self.contact_update(contact, common))
                .collect::<Result<Vec<_>, _>>()?;
            if updates.is_empty() {
                return Ok(()); // a question: what is registered?
            }
            self.location.update(now, user, &updates, (call_id, cseq), flow).map_err(refusal)?;
        }

        let after = self.location.bindings(now, user).count();
        match (before, after) {
            (0, 1..) => tracing::info!(user, from = %flow.remote, "registered"),
            (1.., 0) => tracing::info!(user, "unregistered"),
            _ => tracing::debug!(user, contacts = after, "registration refreshed"),
        }
        Ok(())
    }

    fn contact_update(
        &self,
        mut contact: NameAddr,
        common: Option<u32>,
    ) -> Result<ContactUpdate, Reject> {
        if !contact.uri.is_sip() {
            return Err(Reject::new(400).because("a contact must be a sip: URI"));
        }
        // Calls to it would come back to us, and fork again, until Max-Forwards ends it.
        let target = (contact.uri.host.ip(), contact.uri.port.unwrap_or(5060));
        if self.settings.listen.iter().any(|own| (Some(own.ip()), own.port()) == target) {
            return Err(Reject::new(403).because("this contact is the registrar itself"));
        }
        // A malformed expires parameter means 3600 (RFC 3261 §20.10).
        let own = contact.params.get("expires").map(|text| text.parse().unwrap_or(3600));
        let seconds = own.or(common).map(|s| Duration::from_secs(u64::from(s)));
        contact.params.remove("expires");
        let expires = match seconds {
            Some(Duration::ZERO) => Duration::ZERO,
            Some(wish) if wish < self.settings.min_expires => {
                let min = self.settings.min_expires.as_secs().to_string();
                return Err(Reject::new(423).with("Min-Expires", min));
            }
            Some(wish) => wish.min(self.settings.max_expires),
            None => self.settings.default_expires,
        };
        Ok(ContactUpdate { contact, expires })
    }
}

fn refusal(error: UpdateError) -> Reject {
    match error {
        // RFC 3261 §10.3 step 7: "the request fails"; the server's own trouble, hence 5xx.
        UpdateError::OutOfOrder => {
            Reject::new(500).because("an older REGISTER of the same Call-ID")
        }
        UpdateError::TooManyContacts => Reject::new(403).because("too many contacts"),
        UpdateError::Full => Reject::busy("too many registrations"),
    }
}

/// 400 that names the header field (RFC 3261 §21.4.1).
pub(crate) fn bad_request(error: HeaderError) -> Reject {
    Reject::new(400).because(&error.to_string())
}
