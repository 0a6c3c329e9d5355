//! Who sends an HTTP request, and what they may do.
//!
//! A token says so, or the SIP account's password by digest. Without either, programs of this machine are
//! guests: they may look at what SIP guests see, and a guest organizer does what it wants with its own
//! conference by showing the secret that it got when it made it. See docs/decisions/0111.

use std::net::{IpAddr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use sip_registrar::{Actor, HttpLogin, Login};
use sip_stack::message::NameAddr;
use tokio::sync::watch;

use super::Services;
use super::problem::Problem;
use crate::shell::store::TokenRow;
use crate::shell::token::Scope;

/// The header in which a guest shows the secret of its conference.
pub(super) const ORGANIZER_SECRET: HeaderName = HeaderName::from_static("organizer-secret");

/// The addresses of the connection a request came on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    /// Ours.
    pub(super) local: SocketAddr,
    /// The other side's.
    pub(super) peer: SocketAddr,
}

impl Ends {
    /// Whether the other side is a program of this machine: the kernel takes nothing from outside that
    /// is sent to loopback, or that comes from our own address.
    fn are_here(self) -> bool {
        self.local.ip().to_canonical().is_loopback() || self.local.ip() == self.peer.ip()
    }
}

/// The tokens that are good now.
#[derive(Debug, Clone)]
pub(crate) struct Tokens(pub(crate) watch::Receiver<Vec<TokenRow>>);

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Who has a token of this name.
    Operator { name: String, scopes: Vec<Scope> },
    /// An account, proved by digest.
    Account(String),
    /// A program of this machine.
    Guest {
        address: IpAddr,
        /// What it calls itself in From, as in a SIP request; mostly nothing.
        user: String,
        /// The secret of a conference that it has created.
        secret: Option<String>,
        /// Whether guests may call, and so look at conferences.
        welcome: bool,
        /// What to answer to those who want more than guests may.
        challenges: Vec<String>,
    },
}

impl Caller {
    /// Who this is to the core, if they may do what the scope is about. Accounts and guests may look at
    /// and change conferences; which, the core knows.
    pub(crate) fn may(self, scope: Scope) -> Result<Actor, Problem> {
        let meetings = matches!(scope, Scope::MeetingsRead | Scope::MeetingsWrite);
        match self {
            Caller::Operator { name, scopes } if scopes.contains(&scope) => {
                Ok(Actor::Operator(name))
            }
            Caller::Operator { name, .. } => {
                Err(Problem::forbidden(format!("the token \"{name}\" has no scope {scope}")))
            }
            Caller::Account(user) if meetings => Ok(Actor::Account(user)),
            Caller::Account(_) => {
                Err(Problem::forbidden(format!("this needs a token with the scope {scope}")))
            }
            // Here the secret counts, and not the name that anybody can give.
            Caller::Guest { address, secret, welcome: true, .. }
                if scope == Scope::MeetingsRead || meetings && secret.is_some() =>
            {
                Ok(Actor::Guest { address, user: String::new(), secret })
            }
            Caller::Guest { challenges, .. } => Err(token_wanted(scope, challenges)),
        }
    }

    /// Who makes a conference: a guest has no secret of one that is not there yet.
    pub(crate) fn may_create(self) -> Result<Actor, Problem> {
        match self {
            Caller::Guest { challenges, .. } => Err(token_wanted(Scope::MeetingsWrite, challenges)),
            other => other.may(Scope::MeetingsWrite),
        }
    }

    /// Who controls conferences by CCMP, where guests may do what they may by SIP.
    pub(crate) fn may_control(self) -> Result<Actor, Problem> {
        match self {
            Caller::Guest { address, user, secret, welcome: true, .. } => {
                Ok(Actor::Guest { address, user, secret })
            }
            other => other.may(Scope::MeetingsWrite),
        }
    }

    /// Whether numbers and findings may be shown: to programs of this machine, and to whoever has a
    /// token for it.
    pub(crate) fn may_watch(self) -> Result<(), Problem> {
        match self {
            Caller::Operator { scopes, .. } if scopes.contains(&Scope::Metrics) => Ok(()),
            Caller::Guest { .. } => Ok(()),
            other => other.may(Scope::Metrics).map(drop),
        }
    }
}

/// 401 that tells how to come by a token.
fn token_wanted(scope: Scope, challenges: Vec<String>) -> Problem {
    Problem::unauthorized(
        format!(
            "this needs a token: make one with `sip-registrar token add NAME --scope {scope}` and send it as \
             \"Authorization: Bearer TOKEN\""
        ),
        challenges,
    )
}

impl FromRequestParts<Services> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, services: &Services) -> Result<Self, Problem> {
        let ends = parts.extensions.get::<Ends>().copied();
        let ends = ends.ok_or_else(|| Problem::forbidden("where this comes from is not known"))?;
        check_origin(&parts.method, &parts.headers)?;
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return without_credentials(parts, services, ends).await;
        }
        let authorization = text(&parts.headers, header::AUTHORIZATION.as_str());
        match authorization.and_then(|value| value.split_once(' ')) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => {
                operator(services, token.trim()).await
            }
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("Digest") => {
                account(parts, services, ends, authorization).await
            }
            _ => Err(Problem::bad("Authorization must be Bearer or Digest")),
        }
    }
}

async fn operator(services: &Services, shown: &str) -> Result<Caller, Problem> {
    // Hashes are compared: the time it takes tells nothing about the token.
    let find = |tokens: &[TokenRow]| tokens.iter().find(|token| token.hash.is(shown)).cloned();
    let known = find(&services.tokens.0.borrow());
    let token = match known {
        Some(token) => Some(token),
        // It may have been made a moment ago.
        None => find(&services.desk.ask(|database| database.tokens()).await?),
    };
    let Some(token) = token else {
        let challenge = "Bearer realm=\"parley\", error=\"invalid_token\"".to_owned();
        return Err(Problem::unauthorized(
            "this token is not, or no longer, good",
            vec![challenge],
        ));
    };
    let scopes = token.scopes.iter().filter_map(|name| Scope::parse(name)).collect();
    Ok(Caller::Operator { name: token.name, scopes })
}

async fn account(
    parts: &Parts,
    services: &Services,
    ends: Ends,
    authorization: Option<&str>,
) -> Result<Caller, Problem> {
    match login(parts, services, ends, authorization).await? {
        Login::Account(user) => Ok(Caller::Account(user)),
        Login::Challenge(challenges) => {
            Err(Problem::unauthorized("wrong user or password", challenges))
        }
        Login::Refused => Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many attempts")),
    }
}

async fn login(
    parts: &Parts,
    services: &Services,
    ends: Ends,
    authorization: Option<&str>,
) -> Result<Login, Problem> {
    let (method, authorization) = (parts.method.to_string(), authorization.map(str::to_owned));
    let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let agent = text(&parts.headers, header::USER_AGENT.as_str()).unwrap_or_default().to_owned();
    let asked = move |now, core: &mut sip_registrar::Registrar| {
        core.login(
            now,
            &HttpLogin {
                peer: ends.peer,
                method: &method,
                target: &target,
                authorization: authorization.as_deref(),
                user_agent: &agent,
            },
        )
    };
    Ok(services.board.core(asked).await?)
}

async fn without_credentials(
    parts: &Parts,
    services: &Services,
    ends: Ends,
) -> Result<Caller, Problem> {
    let mut challenges = vec!["Bearer realm=\"parley\"".to_owned()];
    if let Login::Challenge(digest) = login(parts, services, ends, None).await? {
        challenges.extend(digest);
    }
    if !ends.are_here() || came_by_proxy(&parts.headers) {
        let detail = "this needs a token (`sip-registrar token add`) or the password of an account";
        return Err(Problem::unauthorized(detail, challenges));
    }
    // A page of a stranger can reach us through the browser of somebody on this machine, by a name that
    // it lets point here (DNS rebinding); but then it is that name that stands in Host.
    let host = text(&parts.headers, header::HOST.as_str()).and_then(|host| host.parse().ok());
    if !host.as_ref().is_some_and(|host: &Authority| names_us(host.host())) {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "without a token, say localhost or the address of this server",
        ));
    }
    let secret = text(&parts.headers, ORGANIZER_SECRET.as_str()).map(str::to_owned);
    let (local, user) = (ends.local.ip(), user_of_from(&parts.headers));
    let name = user.clone();
    let asked = services
        .board
        .core(move |_, core| (core.welcomes_guests(local), core.names_account(&name)));
    let (welcome, is_account) = asked.await?;
    if is_account {
        let detail = "this name in From is an account's: prove it by digest";
        return Err(Problem::unauthorized(detail, challenges));
    }
    Ok(Caller::Guest { address: ends.peer.ip(), user, secret, welcome, challenges })
}

/// The user part of the SIP URI in From (RFC 9110 §10.1.2 has an e-mail address there; Linphone a SIP
/// URI), or nothing.
fn user_of_from(headers: &HeaderMap) -> String {
    let from = text(headers, header::FROM.as_str()).and_then(NameAddr::parse);
    from.and_then(|from| from.uri.user_text()).unwrap_or_default()
}

/// `localhost` or an address.
fn names_us(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

/// Somebody else's request that a proxy of this machine passes on.
fn came_by_proxy(headers: &HeaderMap) -> bool {
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// Refuses what a page of another site makes a browser send: that may carry credentials which the browser
/// remembers (Fetch §3.2, "Sec-Fetch-Site").
fn check_origin(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let origin = text(headers, header::ORIGIN.as_str());
    let from = origin.and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    let alien = origin.is_some() && from != text(headers, header::HOST.as_str());
    let told = text(headers, "sec-fetch-site").is_some_and(|site| site.starts_with("cross-site"));
    match alien || told && method != Method::GET {
        true => Err(Problem::forbidden("a page of another site may not do this")),
        false => Ok(()),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
