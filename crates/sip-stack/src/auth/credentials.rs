//! The client's side: answering challenges (RFC 3261 §22.2, RFC 8760 §2.4).

use super::digest::{Algorithm, Asked, Count, Ha1};
use crate::message::{AuthParams, Request, Response};
use crate::token::Tokens;
use std::fmt;
use thiserror::Error;

/// Why a challenge is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// The response is no 401 or 407, or has no challenge that we can answer.
    #[error("no challenge with a known scheme, algorithm and qop")]
    Unsupported,
    /// The answer to such a challenge has just been refused: the password is wrong (RFC 3261 §22.2).
    #[error("the credentials were refused")]
    Refused,
}

/// A user's name and password, and the nonces in use.
pub struct Credentials {
    user: String,
    password: String,
    sessions: Vec<Session>,
    stale_in_a_row: u8,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How many realms are remembered; the oldest goes first.
const MAX_SESSIONS: usize = 8;
/// A server that calls nonce after nonce stale is broken.
const MAX_STALE: u8 = 3;

/// A challenge being used, with its count.
struct Session {
    /// `Authorization` or `Proxy-Authorization`.
    header: &'static str,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// Whether to name the algorithm: old servers send none and may not understand it.
    named: bool,
    ha1: Ha1,
    qop: bool,
    nc: u32,
}

impl Credentials {
    /// Credentials of `user`.
    pub fn new(user: &str, password: &str) -> Credentials {
        Credentials {
            user: user.to_owned(),
            password: password.to_owned(),
            sessions: Vec::new(),
            stale_in_a_row: 0,
        }
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Puts the answer to the 401 or 407 `response` into `request`, the request that got it. The
    /// caller sends it with a new branch and the next CSeq number (RFC 3261 §22.2).
    pub fn answer(
        &mut self,
        response: &Response,
        request: &mut Request,
        tokens: &mut Tokens,
    ) -> Result<(), AnswerError> {
        let (asks, header) = match response.status {
            401 => ("WWW-Authenticate", "Authorization"),
            407 => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => return Err(AnswerError::Unsupported),
        };
        let challenges = response.headers.auth(asks);
        // the topmost that we support; the server has put them in the order of its liking
        let found = challenges.iter().find_map(|c| self.session(header, c).map(|s| (c, s)));
        let (challenge, session) = found.ok_or(AnswerError::Unsupported)?;
        let stale = challenge.get("stale").is_some_and(|s| s.eq_ignore_ascii_case("true"));
        let sent = request.headers.auth(header);
        let before = sent.iter().find(|a| a.get("realm") == Some(&session.realm));
        if let Some(before) = before {
            let same = before.get("nonce") == Some(&session.nonce);
            if !stale || same || self.stale_in_a_row >= MAX_STALE {
                return Err(AnswerError::Refused);
            }
        }
        self.stale_in_a_row = if before.is_some() { self.stale_in_a_row + 1 } else { 0 };
        self.sessions.retain(|s| s.header != header || s.realm != session.realm);
        if self.sessions.len() >= MAX_SESSIONS {
            self.sessions.remove(0);
        }
        self.sessions.push(session);
        self.authorize(request, tokens);
        Ok(())
    }

    /// Puts credentials for every challenge known so far into `request`, replacing those in it, so
    /// that a new request need not be challenged again. Does nothing if there was no challenge yet.
    pub fn authorize(&mut self, request: &mut Request, tokens: &mut Tokens) {
        request.headers.remove("Authorization");
        request.headers.remove("Proxy-Authorization");
        let (method, uri) = (request.method.to_string(), request.uri.to_string());
        for session in &mut self.sessions {
            let value = session.value(&self.user, &method, &uri, tokens);
            request.headers.push(session.header, value);
        }
    }

    fn session(&self, header: &'static str, challenge: &AuthParams) -> Option<Session> {
        if !challenge.scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let named = challenge.get("algorithm");
        let algorithm = Algorithm::from_name(named.unwrap_or("MD5"))?;
        let qop = match challenge.get("qop") {
            Some(list) => {
                list.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")).then_some(true)?
            }
            None => false,
        };
        let realm = challenge.get("realm")?.to_owned();
        Some(Session {
            header,
            nonce: challenge.get("nonce")?.to_owned(),
            opaque: challenge.get("opaque").map(str::to_owned),
            named: named.is_some(),
            ha1: Ha1::from_password(algorithm, &self.user, &realm, &self.password),
            realm,
            qop,
            nc: 0,
        })
    }
}

impl Session {
    fn value(&mut self, user: &str, method: &str, uri: &str, tokens: &mut Tokens) -> AuthParams {
        self.nc = self.nc.saturating_add(1);
        let (nc, cnonce) = (format!("{:08x}", self.nc), tokens.cnonce());
        let count = self.qop.then_some(Count { nc: &nc, cnonce: &cnonce });
        let response = self.ha1.response(&Asked { method, uri, nonce: &self.nonce, count });
        let mut value = AuthParams::new("Digest")
            .quoted("username", user)
            .quoted("realm", &self.realm)
            .quoted("nonce", &self.nonce)
            .quoted("uri", uri)
            .quoted("response", &response);
        if self.named {
            value = value.token("algorithm", self.ha1.algorithm().as_str());
        }
        if self.qop {
            value = value.token("qop", "auth").token("nc", &nc).quoted("cnonce", &cnonce);
        }
        match &self.opaque {
            Some(opaque) => value.quoted("opaque", opaque),
            None => value,
        }
    }
}
