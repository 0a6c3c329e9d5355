//! What the core is told at start.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sip_stack::auth::Algorithm;
use sip_stack::message::Host;

use super::accounts::Accounts;
use super::conference::{PathPolicy, Visibility};
use super::guard::Protection;

/// Who may have accounts of this server called into a conference (RFC 4579 §5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitePolicy {
    /// Its organizer and its moderators.
    Moderators,
    /// Also everybody in it who has an account.
    Members,
}

/// How an INVITE to the factory is answered (RFC 4579 §5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactoryAnswer {
    /// 302 to who says when it is to be or who is invited, as Linphone does; 200 to everybody else.
    Auto,
    /// 302: the caller is told the URI and dials it.
    Redirect,
    /// 200: the caller is in it at once.
    Direct,
}

/// Who may call without an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guests {
    /// Programs of this machine: the request was sent *to* a loopback address, which the kernel takes from
    /// nobody else. Its source tells less: baresip sends from the address of a network card.
    Loopback,
    /// Anyone.
    Anyone,
    /// Nobody: every call must be authenticated.
    Nobody,
}

impl Guests {
    /// Whether a request sent to this address of ours may go on without an account.
    #[must_use]
    pub fn allow(self, local: IpAddr) -> bool {
        match self {
            Guests::Anyone => true,
            Guests::Loopback => local.is_loopback(),
            Guests::Nobody => false,
        }
    }
}

/// The registrar's rules and limits.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Realm of digest challenges (RFC 7616 §3.3); constant, for stored HA1 values hold it.
    pub realm: String,
    /// Digest algorithms to offer, strongest first (RFC 8760 §2.4).
    pub digest: Vec<Algorithm>,
    /// Domain names that are ours; empty means that any host is.
    pub domains: Vec<String>,
    /// The addresses listened on, with their real ports.
    pub listen: Vec<SocketAddr>,
    /// How others reach us when the address a request arrived on does not tell, or is not to be told.
    pub advertise: Option<Host>,
    /// Who may call without an account.
    pub guests: Guests,
    /// Those who have one.
    pub accounts: Accounts,
    /// How long a binding lasts when the client does not say (RFC 3261 §10.2.1.1).
    pub default_expires: Duration,
    /// The shortest binding taken; less is 423 (RFC 3261 §10.3).
    pub min_expires: Duration,
    /// The longest binding given.
    pub max_expires: Duration,
    /// Contacts of one account.
    pub max_bindings_per_account: usize,
    /// Contacts of all accounts together.
    pub max_bindings: usize,
    /// User part of the conference factory URI (RFC 4579 §5.4).
    pub factory: String,
    /// User part of the URI whose subscribers are told which conferences there are (RFC 4662).
    pub list: String,
    /// Conferences at the same time.
    pub max_conferences: usize,
    /// Conferences of one account, or of the guests of one address, at the same time.
    pub max_conferences_per_creator: usize,
    /// Members of one conference.
    pub max_members: usize,
    /// How long a conference that was only dialled stays after its last member has left, and how long a
    /// planned one does after its end: whose network failed for a moment finds it again.
    pub empty_grace: Duration,
    /// How long a conference stays that was created but nobody comes to.
    pub unused: Duration,
    /// How long who dials a cancelled conference is told 410.
    pub gone: Duration,
    /// Who finds a conference in lists if nothing was said about it.
    pub visibility: Visibility,
    /// Which way media of a conference may go if nothing was said about it.
    pub media_path: PathPolicy,
    /// How long two must have been alone before their media go directly: nobody else is just dialling.
    pub direct_after: Duration,
    /// The same once the media of a conference have been mixed for a reason: who comes and goes does not make it flap.
    pub direct_again: Duration,
    /// Whether guests may create conferences, where they may call at all.
    pub guests_create: bool,
    /// Who may have somebody called in.
    pub invite: InvitePolicy,
    /// How an INVITE to the factory is answered.
    pub factory_answer: FactoryAnswer,
    /// Where MSRP is listened for (RFC 4975), with the real port; `None` = chat by MESSAGE only.
    pub msrp: Option<SocketAddr>,
    /// How many lines of chat a newcomer is told; 0 = none.
    pub chat_history: usize,
    /// Whether the history keeps what is said in chats.
    pub record_chat: bool,
    /// Calls at the same time, conference members included.
    pub max_calls: usize,
    /// Who is heard at all, and how much.
    pub protection: Protection,
    /// How long an INVITE waits for the mixer before it is answered 503.
    pub mixer_timeout: Duration,
}

impl Settings {
    /// Whether a request URI with this host is addressed to us.
    #[must_use]
    pub fn is_our_host(&self, host: &Host, local: IpAddr) -> bool {
        // What stands in our Contacts must be good for a call, also from outside the dialog.
        self.domains.is_empty()
            || self.domains.iter().any(|domain| Host::parse(domain).as_ref() == Some(host))
            || self.advertise.as_ref() == Some(host)
            || host.ip().is_some_and(|ip| {
                ip == local || self.listen.iter().any(|address| address.ip() == ip)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_are_told_by_the_address_they_reach() {
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let there: IpAddr = "192.0.2.1".parse().unwrap();
        for (rule, from, allowed) in [
            (Guests::Loopback, here, true),
            (Guests::Loopback, there, false),
            (Guests::Anyone, there, true),
            (Guests::Nobody, here, false),
        ] {
            assert_eq!(rule.allow(from), allowed, "{rule:?} {from}");
        }
    }
}
