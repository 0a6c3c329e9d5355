//! The whole HTTP side in a test: core, loop and store are real, the media mixer is not there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use sip_registrar::{Input, Registrar, Secret, StoreCommand};
use sip_stack::auth::digest::{Asked, Count};
use sip_stack::auth::{Algorithm, Ha1};
use sip_stack::message::AuthParams;
use tokio::sync::{mpsc, watch};

use super::caller::Ends;
use super::{Board, Numbers, Question, Services, Tokens, app};
use crate::shell::account::merge;
use crate::shell::config::Config;
use crate::shell::mixer::Mixer;
use crate::shell::store::{Database, Keeper, Kept, Place, Retention, TokenRow};

/// A service of its own for one test.
pub(super) struct Lab {
    app: Router,
    board: Board,
    keeper: Keeper,
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A request that is put together.
pub(super) struct Asking<'a> {
    lab: &'a Lab,
    method: &'a str,
    path: &'a str,
    headers: BTreeMap<String, String>,
    body: String,
    ends: Ends,
}

impl Asking<'_> {
    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With the token of this name.
    pub(super) fn token(self, name: &str) -> Self {
        self.header("authorization", &format!("Bearer secret of {name}"))
    }

    pub(super) fn json(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self.header("content-type", "application/json")
    }

    pub(super) fn body(mut self, kind: &str, body: &str) -> Self {
        self.body = body.to_owned();
        self.header("content-type", kind)
    }

    /// From another machine, to an address that is not loopback.
    pub(super) fn outside(mut self) -> Self {
        let [local, peer] = ["192.0.2.1:8060", "198.51.100.7:4000"].map(|a| a.parse().unwrap());
        self.ends = Ends { local, peer };
        self
    }

    pub(super) async fn send(self) -> Answer {
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.extension(self.ends).body(Body::from(self.body)).unwrap();
        let response = TowerToHyperService::new(self.lab.app.clone()).call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

impl Lab {
    /// With the accounts alice and bob (password: the name and "-secret"), and a token for each list of
    /// scopes, called as its scopes are.
    pub(super) fn new(tokens: &[&str]) -> Self {
        let config = Config::parse(
            "[[accounts]]\nuser = \"alice\"\npassword = \"alice-secret\"\n\
             [[accounts]]\nuser = \"bob\"\npassword = \"bob-secret\"",
        );
        Lab::with(config.unwrap(), tokens)
    }

    pub(super) fn with(config: Config, tokens: &[&str]) -> Self {
        let database = Database::open(&Place::Memory).unwrap();
        for scopes in tokens {
            let row = TokenRow {
                name: (*scopes).to_owned(),
                hash: Secret::of(&format!("secret of {scopes}")),
                scopes: scopes.split(' ').map(str::to_owned).collect(),
                created: Duration::ZERO,
            };
            assert!(database.add_token(&row).unwrap());
        }
        let listen = ["127.0.0.1:5060".parse().unwrap()];
        let settings = config.settings(&listen, None, merge(&config, &[]).unwrap());
        let unix = Duration::from_secs(1_795_341_600);
        let mut registrar = Registrar::new(settings, Instant::now(), unix, [7; 32]);
        let (tell, tokens) = watch::channel(database.tokens().unwrap());
        let (changed, mut accounts) = mpsc::channel(1);
        let keeper = Keeper::start(database, None, Retention::default(), move |kept: Kept| {
            tell.send_replace(kept.tokens);
            let _ = changed.blocking_send(kept.accounts);
        });
        let keeper = keeper.unwrap();
        let (questions, mut asked) = mpsc::channel(16);
        let (inputs, _) = mpsc::channel(16);
        let nowhere = "127.0.0.1:9".parse().unwrap();
        let board = Board(questions);
        let services = Services {
            board: board.clone(),
            desk: keeper.desk(),
            mixer: Mixer::start(nowhere, String::new(), Duration::from_secs(1), inputs).unwrap(),
            tokens: Tokens(tokens),
            config: config.clone().into(),
        };
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(rows) = accounts.recv() => {
                        let accounts = merge(&config, &rows).unwrap();
                        registrar.handle_input(Instant::now(), Input::Accounts(accounts));
                    }
                    question = asked.recv() => match question {
                        Some(Question::Core(ask)) => ask(Instant::now(), &mut registrar),
                        Some(Question::Numbers(answer)) => drop(answer.send(Numbers::default())),
                        None => return,
                    }
                }
            }
        });
        Lab { app: app(services), board, keeper }
    }

    /// Does something with the core.
    pub(super) async fn core<T: Send + 'static>(
        &self,
        ask: impl FnOnce(Instant, &mut Registrar) -> T + Send + 'static,
    ) -> T {
        self.board.core(ask).await.unwrap()
    }

    /// Puts something into the store, as the core does.
    pub(super) fn keep(&self, command: StoreCommand) {
        self.keeper.keep(command);
    }

    /// A request from this machine.
    pub(super) fn ask<'a>(&'a self, method: &'a str, path: &'a str) -> Asking<'a> {
        let [local, peer] = ["127.0.0.1:8060", "127.0.0.1:4000"].map(|a| a.parse().unwrap());
        let headers = BTreeMap::from([("host".to_owned(), "localhost:8060".to_owned())]);
        Asking { lab: self, method, path, headers, body: String::new(), ends: Ends { local, peer } }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).send().await
    }
}

/// The value of Authorization with which an account answers the first digest challenge of a refusal
/// (RFC 7616 §3.4).
pub(super) fn digest(refusal: &Answer, user: &str, method: &str, path: &str) -> String {
    let challenges = refusal.headers.get_all("www-authenticate").iter();
    let challenge = challenges
        .filter_map(|value| AuthParams::parse(value.to_str().ok()?))
        .find(|challenge| challenge.scheme == "Digest")
        .unwrap();
    let get = |name| challenge.get(name).unwrap();
    let (realm, nonce, named) = (get("realm"), get("nonce"), get("algorithm"));
    let algorithm = Algorithm::from_name(named).unwrap();
    let ha1 = Ha1::from_password(algorithm, user, realm, &format!("{user}-secret"));
    let (nc, cnonce) = ("00000001", "0a4f113b");
    let count = Some(Count { nc, cnonce });
    let response = ha1.response(&Asked { method, uri: path, nonce, count });
    format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{path}\", \
         algorithm={named}, qop=auth, nc={nc}, cnonce=\"{cnonce}\", response=\"{response}\""
    )
}
