//! REGISTER (RFC 3261 §10.3) with Path (RFC 3327) and client-initiated flows (RFC 5626 §6).

use std::time::{Duration, Instant};

use sip_stack::endpoint::ServerTransactionId;
use sip_stack::flow::{Flow, Transport};
use sip_stack::message::{HeaderError, NameAddr, Request, Scheme};

use super::location::{ContactUpdate, OutboundId, Registration, UpdateError};
use super::registrar::Registrar;
use super::reject::Reject;

/// How often a client that keeps its connection alive should do so, in seconds (RFC 5626 §11.1): the
/// interval that §4.4.1 recommends for TCP. Over UDP nothing is said, for the shorter default of §4.4
/// suits NATs better than anything we could know.
const FLOW_TIMER: &str = "120";

/// The longest Contact value, Call-ID, and Path as a whole that is kept, in bytes: a binding stays
/// for hours, and there may be [`max_bindings`](super::Settings::max_bindings) of them.
const MAX_KEPT: usize = 2048;

/// How a REGISTER came to us, as far as its bindings depend on it.
#[derive(Debug)]
struct Arrival {
    path: Vec<NameAddr>,
    /// Whether `reg-id` counts (RFC 5626 §6).
    outbound: bool,
    /// Whether the client itself is at the other end of the flow.
    direct: bool,
}

impl Registrar {
    /// Carries out a REGISTER and answers it.
    pub(crate) fn register(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
        flow: &Flow,
    ) -> Result<(), Reject> {
        let headers = &request.headers;
        if !self.is_ours(&request.uri, flow) {
            return Err(Reject::new(404).because("this host is not served here"));
        }
        let user = self.authenticate(now, request, flow)?;
        let to = headers.to().map_err(bad_request)?;
        if !self.is_ours(&to.uri, flow) {
            return Err(Reject::new(404).because("this host is not served here"));
        }
        let from = headers.from().map_err(bad_request)?;
        let own = |who: &NameAddr| who.uri.user_text().as_deref() == Some(user.as_str());
        if !own(&to) || !own(&from) {
            return Err(Reject::new(403).because("an account may register itself only"));
        }
        let arrival = arrival(request)?;
        let flows = self.update_bindings(now, &user, request, flow, &arrival)?;

        let Ok(mut response) = self.endpoint.response(transaction, 200, "") else {
            return Ok(());
        };
        for binding in self.location.bindings(now, &user) {
            let expires = binding.expires_in(now).to_string();
            response
                .headers
                .push("Contact", binding.contact.clone().with_param("expires", &expires));
        }
        arrival.path.iter().for_each(|path| response.headers.push("Path", path));
        if flows && headers.list_has("Supported", "outbound") {
            response.headers.push("Require", "outbound");
            if arrival.direct && flow.transport != Transport::Udp {
                response.headers.push("Flow-Timer", FLOW_TIMER);
            }
        }
        response.headers.push("Date", self.clock.date(now));
        let _ = self.endpoint.respond(now, transaction, response);
        Ok(())
    }

    /// Whether any of the contacts was taken as a flow (RFC 5626).
    fn update_bindings(
        &mut self,
        now: Instant,
        user: &str,
        request: &Request,
        flow: &Flow,
        arrival: &Arrival,
    ) -> Result<bool, Reject> {
        let headers = &request.headers;
        let registration = Registration {
            call_id: bounded(headers.call_id().map_err(bad_request)?)?,
            cseq: headers.cseq().map_err(bad_request)?.number,
            path: &arrival.path,
            flow,
        };
        let common = headers.expires().map_err(bad_request)?;
        let before = self.location.bindings(now, user).count();

        let mut flows = false;
        if headers.get_all("Contact").any(|value| value == "*") {
            if !headers.contact_is_star() || common != Some(0) {
                return Err(
                    Reject::new(400).because("Contact: * needs Expires: 0 and stands alone")
                );
            }
            self.location.clear(now, user, registration).map_err(refusal)?;
        } else {
            headers.get_all("Contact").try_for_each(|value| bounded(value).map(drop))?;
            let contacts = headers.contacts().map_err(bad_request)?;
            let updates = contacts
                .into_iter()
                .map(|contact| self.contact_update(contact, common, arrival))
                .collect::<Result<Vec<_>, _>>()?;
            if updates.is_empty() {
                return Ok(false); // a question: what is registered?
            }
            flows = updates.iter().any(|update| update.outbound.is_some());
            let adds = updates.iter().filter(|update| !update.expires.is_zero()).count();
            if flows && adds > 1 {
                return Err(Reject::new(400).because("one REGISTER is for one flow"));
            }
            self.location.update(now, user, &updates, registration).map_err(refusal)?;
        }

        let after = self.location.bindings(now, user).count();
        match (before, after) {
            (0, 1..) => tracing::info!(user, from = %flow.remote, "registered"),
            (1.., 0) => tracing::info!(user, "unregistered"),
            _ => tracing::debug!(user, contacts = after, "registration refreshed"),
        }
        Ok(flows)
    }

    fn contact_update(
        &self,
        mut contact: NameAddr,
        common: Option<u32>,
        arrival: &Arrival,
    ) -> Result<ContactUpdate, Reject> {
        // RFC 5630 §5.4: no sips: for who did not come by TLS, and we would not call it by TLS either
        if contact.uri.scheme != Scheme::Sip {
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
        let outbound = arrival.outbound.then(|| OutboundId::of(&contact)).flatten();
        Ok(ContactUpdate { contact, expires, outbound })
    }
}

fn arrival(request: &Request) -> Result<Arrival, Reject> {
    let headers = &request.headers;
    let values: Vec<&str> = headers.get_all("Path").collect();
    bounded(&values.concat())?;
    let path: Option<Vec<NameAddr>> = values.into_iter().map(NameAddr::parse).collect();
    let path = path.ok_or_else(|| Reject::new(400).because("Path cannot be read"))?;
    if !path.is_empty() && !headers.list_has("Supported", "path") {
        // A proxy has put itself between us and a client that does not know (RFC 3327 §5.3).
        return Err(Reject::new(420).with("Unsupported", "path"));
    }
    let direct = headers.vias().map_err(bad_request)?.len() == 1;
    let outbound = direct || path.iter().any(|proxy| proxy.uri.params.has("ob"));
    let wants_flow =
        || headers.contacts().is_ok_and(|all| all.iter().any(|c| c.params.has("reg-id")));
    if !outbound && headers.list_has("Supported", "outbound") && wants_flow() {
        return Err(Reject::new(439));
    }
    Ok(Arrival { path, outbound, direct })
}

/// Refuses what is too long to be kept.
fn bounded(text: &str) -> Result<&str, Reject> {
    let fits = text.len() <= MAX_KEPT;
    fits.then_some(text).ok_or_else(|| Reject::new(400).because("a header field is too long"))
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
