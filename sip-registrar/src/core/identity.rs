//! Who is calling: an account that proved itself, or a guest.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use sip_stack::auth::Verdict;
use sip_stack::flow::Flow;
use sip_stack::message::{Headers, Host, NameAddr, Request};

use super::conference::{Actor, Creator};
use super::guard::Source;
use super::registrar::Registrar;
use super::reject::Reject;

/// The header field in which a guest is told the secret of the conference it has opened, and shows it
/// (decision 0080).
pub(crate) const ORGANIZER_SECRET: &str = "Organizer-Secret";

/// How many characters of a user name go into the log.
const MAX_LOGGED: usize = 64;

/// Who sent a request that opens a dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// An account, proved by digest.
    Account(String),
    /// Somebody without one. From one address the same From is the same person: that is all there is to
    /// tell guests apart.
    Guest {
        /// The address it comes from.
        address: IpAddr,
        /// The user part of its From.
        user: String,
    },
}

impl Identity {
    /// Who does something, if it is somebody who can be in a conference.
    pub(crate) fn of_actor(actor: &Actor) -> Option<Self> {
        match actor {
            Actor::Operator(_) => None,
            Actor::Account(user) => Some(Identity::Account(user.clone())),
            Actor::Guest { address, user, .. } => {
                Some(Identity::Guest { address: *address, user: user.clone() })
            }
        }
    }

    /// Somebody who does something by a request with these header fields.
    pub(crate) fn actor(&self, headers: &Headers) -> Actor {
        match self {
            Identity::Account(user) => Actor::Account(user.clone()),
            Identity::Guest { address, user } => {
                let shown = headers.get(ORGANIZER_SECRET).map(str::trim);
                let secret = shown.filter(|shown| !shown.is_empty()).map(str::to_owned);
                Actor::Guest { address: *address, user: user.clone(), secret }
            }
        }
    }

    /// In whose name a conference is opened.
    pub(crate) fn creator(&self) -> Creator {
        match self {
            Identity::Account(user) => Creator::Account(user.clone()),
            Identity::Guest { address, .. } => Creator::Guests(*address),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::Account(user) => write!(f, "account {user}"),
            Identity::Guest { address, .. } => write!(f, "guest from {address}"),
        }
    }
}

impl Registrar {
    /// Finds out who sent this, or returns the refusal to answer with.
    ///
    /// A From that names an account is challenged wherever it comes from: nobody may use a name that
    /// is somebody's, nor one that looks like it (`Alice` for `alice`). Valid credentials make the
    /// caller that account.
    pub(crate) fn identify(
        &mut self,
        now: Instant,
        request: &Request,
        from: &NameAddr,
        flow: &Flow,
    ) -> Result<Identity, Reject> {
        let name = from.uri.user_text().unwrap_or_default();
        let named = self.settings.accounts.taken_for(&name).map(str::to_owned);
        if request.headers.has("Authorization") {
            let user = self.authenticate(now, request, flow)?;
            if named.as_ref() != Some(&user) && !is_anonymous(from) {
                return Err(Reject::new(403).because("an account may call in its own name only"));
            }
            return Ok(Identity::Account(user));
        }
        if named.is_none() {
            if self.settings.guests.allow(flow.local.ip()) {
                return Ok(Identity::Guest { address: flow.remote.ip(), user: name });
            }
            if self.settings.accounts.is_empty() {
                return Err(Reject::new(403).because("no guests here, and no accounts either"));
            }
        }
        Err(self.challenge(now, request, false))
    }

    /// The account whose credentials the request carries (RFC 7616), or the refusal.
    pub(crate) fn authenticate(
        &mut self,
        now: Instant,
        request: &Request,
        flow: &Flow,
    ) -> Result<String, Reject> {
        let accounts = &self.settings.accounts;
        let lookup = |user: &str, algorithm| {
            accounts.get(user).and_then(|account| account.ha1(algorithm).cloned())
        };
        match self.challenger.verify(now, request, lookup) {
            Verdict::Ok { user } => Ok(user),
            Verdict::Stale => Err(self.challenge(now, request, true)),
            Verdict::Missing => Err(self.challenge(now, request, false)),
            Verdict::Wrong => {
                self.login_failed(now, request, flow);
                Err(self.challenge(now, request, false))
            }
        }
    }

    /// Notes wrong credentials of a SIP request.
    fn login_failed(&mut self, now: Instant, request: &Request, flow: &Flow) {
        let credentials = request.headers.auth("Authorization");
        let user = credentials.iter().find_map(|c| c.get("username")).unwrap_or_default();
        let transport = flow.transport.to_string();
        self.note_wrong_login(now, flow.remote, &transport, request.method.as_str(), user);
    }

    /// Notes wrong credentials. The line is a promise to fail2ban (docs/fail2ban): what a stranger
    /// chose stands last, quoted and cut.
    pub(crate) fn note_wrong_login(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        transport: &str,
        method: &str,
        user: &str,
    ) {
        let user: String = user.chars().take(MAX_LOGGED).collect();
        tracing::warn!(
            source = %remote.ip(),
            transport = %transport,
            method = %method,
            user = ?user,
            "authentication failed"
        );
        self.count_failure(now, remote);
    }

    /// Counts a wrong password or PIN against where it came from.
    pub(crate) fn count_failure(&mut self, now: Instant, remote: SocketAddr) {
        let location = &self.location;
        let registered = |source: Source| location.registered_from(source.remotes());
        self.guard.login_failed(now, remote, registered);
    }

    /// 401 with one challenge per algorithm, strongest first (RFC 8760 §2.3).
    pub(crate) fn challenge(&mut self, now: Instant, request: &Request, stale: bool) -> Reject {
        let mut reject = Reject::new(401);
        for value in self.challenger.challenges(now, request, stale) {
            reject = reject.with("WWW-Authenticate", value.to_string());
        }
        reject
    }
}

/// Whether somebody calls without a name (RFC 3323 §4.1.1.3), which is nobody else's.
fn is_anonymous(from: &NameAddr) -> bool {
    from.uri.host == Host::Name("anonymous.invalid".to_owned())
        && from.uri.user_text().as_deref() == Some("anonymous")
}
