//! The configuration file: TOML, every key optional, a wrong key is an error that names it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;
use sip_registrar::{
    Accounts, FactoryAnswer, Guests, InvitePolicy, Network, PathPolicy, Protection, Settings,
    Visibility,
};
use sip_stack::auth::Algorithm;
use sip_stack::message::Host;

use super::account::check_user;
use super::store::{Place, Retention, StoreError};

/// Everything the file may say. `--print-config` prints [`TEMPLATE`], which documents each key.
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) sip: Sip,
    pub(crate) registration: Registration,
    pub(crate) conference: Conference,
    pub(crate) mixer: Mixer,
    pub(crate) msrp: MsrpRules,
    pub(crate) http: Http,
    pub(crate) store: Store,
    pub(crate) protection: ProtectionRules,
    pub(crate) accounts: Vec<AccountEntry>,
}

/// `[sip]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sip {
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) advertise: String,
    pub(crate) domains: Vec<String>,
    pub(crate) realm: String,
    pub(crate) digest: Vec<DigestName>,
    pub(crate) guests: GuestRule,
    pub(crate) max_calls: usize,
    pub(crate) max_connections: usize,
}

/// One of `sip.digest`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum DigestName {
    #[serde(rename = "SHA-256")]
    Sha256,
    #[serde(rename = "SHA-512-256")]
    Sha512_256,
    #[serde(rename = "MD5")]
    Md5,
}

/// `sip.guests`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GuestRule {
    Loopback,
    Anyone,
    Nobody,
}

/// `[registration]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Registration {
    pub(crate) default_expires: u32,
    pub(crate) min_expires: u32,
    pub(crate) max_expires: u32,
    pub(crate) max_bindings_per_account: usize,
    pub(crate) max_bindings: usize,
}

/// `[conference]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Conference {
    pub(crate) factory: String,
    pub(crate) list: String,
    pub(crate) max_conferences: usize,
    pub(crate) max_conferences_per_creator: usize,
    pub(crate) max_members: usize,
    pub(crate) empty_grace: u32,
    pub(crate) unused: u32,
    pub(crate) gone: u32,
    pub(crate) visibility: Visibility,
    pub(crate) media_path: PathPolicy,
    pub(crate) direct_after: u32,
    pub(crate) direct_again: u32,
    pub(crate) guests_create: bool,
    pub(crate) invite: InviteRule,
    pub(crate) factory_answer: AnswerRule,
    pub(crate) chat_history: usize,
    pub(crate) record_chat: bool,
}

/// `conference.invite`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InviteRule {
    Moderators,
    Members,
}

/// `conference.factory_answer`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum AnswerRule {
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "302")]
    Redirect,
    #[serde(rename = "200")]
    Direct,
}

/// `[mixer]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Mixer {
    pub(crate) address: SocketAddr,
    pub(crate) timeout: u64,
}

/// `[msrp]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MsrpRules {
    pub(crate) listen: String,
}

impl MsrpRules {
    /// Where to listen, if at all.
    pub(crate) fn address(&self) -> anyhow::Result<Option<SocketAddr>> {
        let given = Some(self.listen.trim()).filter(|listen| !listen.is_empty());
        given.map(str::parse).transpose().context("msrp.listen is no address with a port")
    }
}

impl Default for MsrpRules {
    fn default() -> Self {
        MsrpRules { listen: "127.0.0.1:2855".into() }
    }
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    pub(crate) listen: SocketAddr,
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Store {
    pub(crate) path: String,
    pub(crate) keep_history: u32,
    pub(crate) keep_chat: u32,
}

impl Store {
    /// Where the database is.
    pub(crate) fn place(&self) -> Result<Place, StoreError> {
        Place::of(&self.path, |name| std::env::var(name).ok())
    }

    /// How long the history is kept.
    pub(crate) fn retention(&self) -> Retention {
        let days = |days: u32| (days > 0).then(|| Duration::from_secs(u64::from(days) * 86_400));
        Retention { all: days(self.keep_history), chat: days(self.keep_chat) }
    }
}

/// `[protection]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProtectionRules {
    pub(crate) trusted: Vec<String>,
    pub(crate) rate: u32,
    pub(crate) burst: u32,
    pub(crate) max_failures: u32,
    pub(crate) failure_window: u32,
    pub(crate) ban: u32,
    pub(crate) max_sources: usize,
}

/// One `[[accounts]]` table.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountEntry {
    pub(crate) user: String,
    #[serde(default)]
    pub(crate) password: Option<String>,
    #[serde(default)]
    pub(crate) ha1_sha512_256: Option<String>,
    #[serde(default)]
    pub(crate) ha1_sha256: Option<String>,
    #[serde(default)]
    pub(crate) ha1_md5: Option<String>,
}

// Secrets must not reach a log by way of `{config:?}`.
impl std::fmt::Debug for AccountEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountEntry").field("user", &self.user).finish_non_exhaustive()
    }
}

impl DigestName {
    /// As the stack calls it.
    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            DigestName::Sha512_256 => Algorithm::Sha512_256,
            DigestName::Sha256 => Algorithm::Sha256,
            DigestName::Md5 => Algorithm::Md5,
        }
    }
}

impl Default for Sip {
    fn default() -> Self {
        Sip {
            listen: vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060)],
            advertise: String::new(),
            domains: Vec::new(),
            realm: "parley".into(),
            digest: vec![DigestName::Sha256, DigestName::Md5],
            guests: GuestRule::Loopback,
            max_calls: 10_000,
            max_connections: 10_000,
        }
    }
}

impl Default for Registration {
    fn default() -> Self {
        Registration {
            default_expires: 3600,
            min_expires: 60,
            max_expires: 7200,
            max_bindings_per_account: 10,
            max_bindings: 100_000,
        }
    }
}

impl Default for Conference {
    fn default() -> Self {
        Conference {
            factory: "conference".into(),
            list: "meetings".into(),
            max_conferences: 1000,
            max_conferences_per_creator: 100,
            max_members: 500,
            empty_grace: 10,
            unused: 86_400,
            gone: 86_400,
            visibility: Visibility::Public,
            media_path: PathPolicy::Automatic,
            direct_after: 1,
            direct_again: 10,
            guests_create: true,
            invite: InviteRule::Members,
            factory_answer: AnswerRule::Auto,
            chat_history: 50,
            record_chat: false,
        }
    }
}

impl Default for Mixer {
    fn default() -> Self {
        Mixer { address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7050), timeout: 5 }
    }
}

impl Default for ProtectionRules {
    fn default() -> Self {
        ProtectionRules {
            trusted: vec!["127.0.0.0/8".into(), "::1".into()],
            rate: 500,
            burst: 5000,
            max_failures: 50,
            failure_window: 600,
            ban: 600,
            max_sources: 20_000,
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Store { path: String::new(), keep_history: 90, keep_chat: 30 }
    }
}

impl Default for Http {
    fn default() -> Self {
        Http { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8060) }
    }
}

/// What `--print-config` prints: a file that means exactly the defaults.
pub(crate) const TEMPLATE: &str = include_str!("config.toml");

impl Config {
    /// Reads a file; the error names the file, the line and the wrong key.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Config> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Config::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Reads the text of a file.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Config> {
        let config: Config = toml::from_str(text).map_err(|error| {
            // the error's own Display quotes the line, which may be one with a password in it
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            anyhow!("line {}: {}", before.matches('\n').count() + 1, error.message())
        })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.sip.listen.is_empty() {
            bail!("sip.listen: at least one address is needed");
        }
        if !self.sip.advertise.is_empty() && Host::parse(&self.sip.advertise).is_none() {
            bail!("sip.advertise: \"{}\" is no host name or address", self.sip.advertise);
        }
        if let Some(bad) = self.sip.domains.iter().find(|domain| Host::parse(domain).is_none()) {
            bail!("sip.domains: \"{bad}\" is no host name or address");
        }
        if self.sip.digest.is_empty() {
            bail!("sip.digest: at least one algorithm is needed");
        }
        let r = &self.registration;
        // RFC 3261 §10.3: 423 is for wishes below an hour only.
        if r.min_expires > 3600 {
            bail!("registration.min_expires: must be at most 3600 seconds");
        }
        if r.min_expires > r.default_expires || r.default_expires > r.max_expires {
            bail!(
                "registration: min_expires <= default_expires <= max_expires must hold \
                 (they are {}, {}, {})",
                r.min_expires,
                r.default_expires,
                r.max_expires
            );
        }
        if !(1..=3600).contains(&self.mixer.timeout) {
            bail!("mixer.timeout: must be 1 to 3600 seconds");
        }
        if let Some(bad) = self.protection.trusted.iter().find(|n| Network::parse(n).is_none()) {
            bail!("protection.trusted: \"{bad}\" is no address or network such as 10.0.0.0/8");
        }
        if self.protection.rate > 0 && self.protection.burst == 0 {
            bail!("protection.burst: must be at least 1, or nothing would be read");
        }
        if self.sip.realm.contains(['"', '\\', '\r', '\n']) || self.sip.realm.is_empty() {
            bail!("sip.realm: must be non-empty and hold no quotes or line breaks");
        }
        for entry in &self.accounts {
            check_user(&entry.user, &self.conference).context("accounts")?;
            let hashes = [&entry.ha1_sha512_256, &entry.ha1_sha256, &entry.ha1_md5];
            let hashed = hashes.iter().any(|hash| hash.is_some());
            if entry.password.is_none() && !hashed {
                bail!("accounts: \"{}\" needs a password or an ha1_…", entry.user);
            }
            if entry.password.is_some() && hashed {
                bail!("accounts: \"{}\" has both a password and an HA1; give one", entry.user);
            }
        }
        let users: std::collections::BTreeSet<_> = self.accounts.iter().map(|a| &a.user).collect();
        if users.len() != self.accounts.len() {
            bail!("accounts: the same user stands there twice");
        }
        Ok(())
    }

    /// What the core needs to know. `bound` are the addresses really listened on, `main_address` is
    /// how others reach this machine when those do not tell.
    pub(crate) fn settings(
        &self,
        bound: &[SocketAddr],
        main_address: Option<Host>,
        accounts: Accounts,
    ) -> Settings {
        let only_loopback = bound.iter().all(|a| a.ip().is_loopback());
        let guests = match self.sip.guests {
            GuestRule::Anyone => Guests::Anyone,
            GuestRule::Loopback if only_loopback => Guests::Loopback,
            GuestRule::Loopback | GuestRule::Nobody => Guests::Nobody,
        };
        let seconds = |s: u32| Duration::from_secs(u64::from(s));
        let rules = &self.protection;
        let protection = Protection {
            trusted: rules.trusted.iter().filter_map(|network| Network::parse(network)).collect(),
            rate: rules.rate,
            burst: rules.burst,
            max_failures: rules.max_failures,
            failure_window: seconds(rules.failure_window),
            ban: seconds(rules.ban),
            max_sources: rules.max_sources,
        };
        Settings {
            realm: self.sip.realm.clone(),
            digest: self.sip.digest.iter().map(|name| name.algorithm()).collect(),
            domains: self.sip.domains.clone(),
            listen: bound.to_vec(),
            advertise: Host::parse(&self.sip.advertise).or(main_address),
            guests,
            accounts,
            default_expires: seconds(self.registration.default_expires),
            min_expires: seconds(self.registration.min_expires),
            max_expires: seconds(self.registration.max_expires),
            max_bindings_per_account: self.registration.max_bindings_per_account,
            max_bindings: self.registration.max_bindings,
            factory: self.conference.factory.clone(),
            list: self.conference.list.clone(),
            max_conferences: self.conference.max_conferences,
            max_conferences_per_creator: self.conference.max_conferences_per_creator,
            max_members: self.conference.max_members,
            empty_grace: seconds(self.conference.empty_grace),
            unused: seconds(self.conference.unused),
            gone: seconds(self.conference.gone),
            visibility: self.conference.visibility,
            media_path: self.conference.media_path,
            direct_after: seconds(self.conference.direct_after),
            direct_again: seconds(self.conference.direct_again),
            guests_create: self.conference.guests_create,
            invite: match self.conference.invite {
                InviteRule::Moderators => InvitePolicy::Moderators,
                InviteRule::Members => InvitePolicy::Members,
            },
            factory_answer: match self.conference.factory_answer {
                AnswerRule::Auto => FactoryAnswer::Auto,
                AnswerRule::Redirect => FactoryAnswer::Redirect,
                AnswerRule::Direct => FactoryAnswer::Direct,
            },
            // Known when it is listened for.
            msrp: None,
            // No more than the queue of one member takes.
            chat_history: self.conference.chat_history.min(200),
            record_chat: self.conference.record_chat,
            max_calls: self.sip.max_calls,
            protection,
            mixer_timeout: Duration::from_secs(self.mixer.timeout),
        }
    }

    /// What a user can dial, line by line, for the start of the log.
    pub(crate) fn what_to_dial(&self, bound: &[SocketAddr], settings: &Settings) -> Vec<String> {
        let mut lines = Vec::new();
        for address in bound {
            let ip = match &settings.advertise {
                Some(host) if !address.ip().is_loopback() => host.clone(),
                _ => Host::Ip(address.ip()),
            };
            let host = match address.port() {
                5060 => ip.to_string(),
                port => format!("{ip}:{port}"),
            };
            lines.push(format!(
                "dial sip:NAME@{host} for the conference NAME, sip:{}@{host} for a new one",
                self.conference.factory
            ));
        }
        let accounts = settings.accounts.len();
        lines.push(match (settings.guests, accounts) {
            (Guests::Nobody, 0) => "nobody can dial: there are no accounts, and guests are not \
                                    welcome on this address (see --print-config)"
                .to_owned(),
            (Guests::Nobody, _) => format!("{accounts} account(s); guests are not welcome"),
            (Guests::Loopback, _) => {
                format!("{accounts} account(s); programs of this machine need none")
            }
            (Guests::Anyone, _) => format!("{accounts} account(s); anyone may call without one"),
        });
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::account::merge;

    #[test]
    fn the_printed_configuration_means_the_defaults() {
        assert_eq!(Config::parse(TEMPLATE).unwrap(), Config::default());
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn the_printed_configuration_documents_every_key() {
        for key in [
            "listen",
            "advertise",
            "domains",
            "realm",
            "digest",
            "guests",
            "max_calls",
            "max_connections",
            "default_expires",
            "min_expires",
            "max_expires",
            "max_bindings_per_account",
            "max_bindings",
            "factory",
            "list",
            "max_conferences",
            "max_conferences_per_creator",
            "max_members",
            "empty_grace",
            "unused",
            "gone",
            "visibility",
            "media_path",
            "direct_after",
            "direct_again",
            "guests_create",
            "invite",
            "factory_answer",
            "chat_history",
            "record_chat",
            "address",
            "timeout",
            "user",
            "password",
            "ha1_sha256",
            "ha1_sha512_256",
            "ha1_md5",
            "path",
            "keep_history",
            "keep_chat",
            "trusted",
            "rate",
            "burst",
            "max_failures",
            "failure_window",
            "ban",
            "max_sources",
        ] {
            let documented = TEMPLATE
                .lines()
                .any(|l| l.trim_start_matches("# ").starts_with(&format!("{key} = ")));
            assert!(documented, "{key}");
        }
    }

    #[test]
    fn a_wrong_key_is_named() {
        let error = Config::parse("[sip]\nlisten_on = [\"127.0.0.1:5060\"]\n").unwrap_err();
        assert!(format!("{error:#}").contains("listen_on"), "{error:#}");
        let error = Config::parse("[mixr]\naddress = \"127.0.0.1:7050\"\n").unwrap_err();
        assert!(format!("{error:#}").contains("mixr"), "{error:#}");
    }

    #[test]
    fn senseless_values_are_refused_with_their_key() {
        for (text, key) in [
            ("[sip]\nlisten = []", "sip.listen"),
            ("[sip]\nadvertise = \"a b\"", "sip.advertise"),
            ("[sip]\ndigest = []", "sip.digest"),
            ("[sip]\ndigest = [\"ROT13\"]", "ROT13"),
            ("[sip]\nrealm = \"a\\\"b\"", "sip.realm"),
            ("[registration]\nmin_expires = 3601", "registration.min_expires"),
            ("[registration]\nmin_expires = 600\ndefault_expires = 500", "min_expires"),
            ("[sip]\ndomains = [\"sip:example.org\"]", "sip.domains"),
            ("[protection]\ntrusted = [\"10.0.0.0/99\"]", "10.0.0.0/99"),
            ("[protection]\nburst = 0", "protection.burst"),
            ("[mixer]\ntimeout = 0", "mixer.timeout"),
            ("[mixer]\ntimeout = 9223372036854775807", "mixer.timeout"),
            ("[[accounts]]\nuser = \"\"\npassword = \"x\"", "user"),
            ("[[accounts]]\nuser = \"a:b\"\npassword = \"x\"", "a:b"),
            ("[[accounts]]\nuser = \"conference\"\npassword = \"x\"", "conference.factory"),
            ("[[accounts]]\nuser = \"a\"", "password"),
            ("[[accounts]]\nuser = \"a\"\npassword = \"x\"\nha1_md5 = \"00\"", "both"),
            (
                "[[accounts]]\nuser = \"a\"\npassword = \"x\"\n[[accounts]]\nuser = \"a\"\npassword = \"y\"",
                "twice",
            ),
        ] {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.contains(key), "{text}: {error}");
        }
    }

    #[test]
    fn guests_end_where_the_loopback_ends() {
        let config = Config::default();
        let local: SocketAddr = "127.0.0.1:5060".parse().unwrap();
        let open: SocketAddr = "0.0.0.0:5060".parse().unwrap();
        assert_eq!(config.settings(&[local], None, Accounts::new()).guests, Guests::Loopback);
        assert_eq!(config.settings(&[local, open], None, Accounts::new()).guests, Guests::Nobody);
        let config = Config::parse("[sip]\nguests = \"anyone\"").unwrap();
        assert_eq!(config.settings(&[open], None, Accounts::new()).guests, Guests::Anyone);
    }

    #[test]
    fn accounts_by_password_and_by_ha1_are_the_same_thing() {
        let by_password =
            Config::parse("[[accounts]]\nuser = \"alice\"\npassword = \"secret\"").unwrap();
        assert!(!format!("{by_password:?}").contains("secret"));
        assert!(merge(&by_password, &[]).unwrap().contains("alice"));
        let bad = Config::parse("[[accounts]]\nuser = \"alice\"\nha1_sha256 = \"xyz\"").unwrap();
        assert!(merge(&bad, &[]).is_err());
    }
}
