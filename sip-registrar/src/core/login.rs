//! Logins over HTTP with the password of the SIP account (RFC 7616).

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use sip_stack::auth::Verdict;
use sip_stack::message::AuthParams;

use super::guard::Admission;
use super::registrar::Registrar;

/// What an HTTP request tells about who sent it.
#[derive(Debug, Clone, Copy)]
pub struct HttpLogin<'a> {
    /// Where it comes from.
    pub peer: SocketAddr,
    /// Its method.
    pub method: &'a str,
    /// Its target: path and query, as they were sent.
    pub target: &'a str,
    /// The value of its Authorization; `None` to be challenged.
    pub authorization: Option<&'a str>,
    /// Its User-Agent, or nothing.
    pub user_agent: &'a str,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// It comes from this account.
    Account(String),
    /// It does not say so rightly: 401 with these values of WWW-Authenticate, strongest first.
    Challenge(Vec<String>),
    /// Its source is banned, or asks too often: 429.
    Refused,
}

impl Registrar {
    /// Finds out which account an HTTP request comes from. Wrong passwords count as those of SIP do.
    pub fn login(&mut self, now: Instant, asked: &HttpLogin<'_>) -> Login {
        // The port of an HTTP connection is no registered phone's.
        if self.guard.admit(now, asked.peer, || false) != Admission::Read {
            return Login::Refused;
        }
        let accounts = &self.settings.accounts;
        let lookup = |user: &str, algorithm| {
            accounts.get(user).and_then(|account| account.ha1(algorithm).cloned())
        };
        let authorization = asked.authorization.unwrap_or_default();
        let request = (asked.method, asked.target);
        let stale = match self.challenger.verify_http(now, request, authorization, lookup) {
            Verdict::Ok { user } => return Login::Account(user),
            Verdict::Stale => true,
            Verdict::Missing => false,
            Verdict::Wrong => {
                let credentials = AuthParams::parse(authorization);
                let user = credentials.as_ref().and_then(|c| c.get("username"));
                let user = user.unwrap_or_default().to_owned();
                self.note_wrong_login(now, asked.peer, "HTTP", asked.method, &user);
                false
            }
        };
        let challenges = self.challenger.challenges_to(now, asked.user_agent, stale);
        Login::Challenge(challenges.iter().map(AuthParams::to_string).collect())
    }

    /// Whether somebody without an account who reaches this address of ours is welcome.
    #[must_use]
    pub fn welcomes_guests(&self, local: IpAddr) -> bool {
        self.settings.guests.allow(local)
    }

    /// Whether people would take `name` for that of an account: then it has to be proved.
    #[must_use]
    pub fn names_account(&self, name: &str) -> bool {
        self.settings.accounts.taken_for(name).is_some()
    }
}
