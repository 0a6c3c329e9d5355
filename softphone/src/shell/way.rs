//! Who we are and how we reach a server: everything that is known before a port is opened.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use sip_net::Transports;
use sip_stack::endpoint::EndpointConfig;
use sip_stack::flow::{Hop, Transport};
use sip_stack::message::{Host, Method, NameAddr, Scheme, Uri};
use sip_stack::token::Tokens;
use softphone::core::outcome::Outcome;

use super::cli::Who;
use super::failure::Failure;

/// NATs forget a quiet TCP connection, and so would we our registration (RFC 5626 §4.4.1 says 120 s).
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// The way to a server, and who goes it.
#[derive(Debug, Clone)]
pub struct Way {
    /// Our display name.
    pub name: String,
    /// It, if it was given and not made up.
    pub given_name: Option<String>,
    /// The user part of our address.
    pub user: String,
    /// Password of the account.
    pub password: Option<String>,
    /// Where the first request goes.
    pub hop: Hop,
    /// The host behind it.
    pub remote: IpAddr,
    /// Our address there; port 0 = any.
    pub local: SocketAddr,
    name_servers: Vec<SocketAddr>,
}

impl Way {
    /// Finds the way to `first`, the URI of whom we talk to first.
    ///
    /// # Errors
    /// Its host is unknown, or cannot be reached from here.
    pub fn find(first: &Uri, who: &Who) -> Result<Self, Failure> {
        let hop = Hop::from_uri(first);
        let remote = resolve(&hop, &who.name_server)?;
        let address = match who.bind {
            Some(address) => address,
            None => address_towards(remote).map_err(|error| {
                Failure::Outcome(Outcome::Unreachable(format!("no way to {remote}: {error}")))
            })?,
        };
        let guest = || format!("guest-{}", Tokens::new(rand::random()).hex(2));
        let user = who.user.clone().unwrap_or_else(guest);
        Ok(Self {
            name: who.name.clone().unwrap_or_else(|| user.clone()),
            given_name: who.name.clone(),
            user,
            password: who.password.clone(),
            hop,
            remote: remote.ip(),
            local: SocketAddr::new(address, who.port),
            name_servers: who.name_server.clone(),
        })
    }

    /// Opens our SIP port. Must be called inside of a runtime.
    pub fn transports(&self) -> io::Result<(Transports, SocketAddr)> {
        let config = sip_net::Config {
            name_servers: self.name_servers.clone(),
            keep_alive: Some(KEEP_ALIVE),
            ..sip_net::Config::default()
        };
        let sip = Transports::bind(&[self.local], config)?;
        let local = *sip.local_addrs().first().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok((sip, local))
    }

    /// Settings of the stack once our port is known.
    pub fn endpoint(&self, local: SocketAddr) -> EndpointConfig {
        let host = Host::from(local.ip());
        let mut contact = Uri::sip(Some(&self.user), host.clone(), Some(local.port()));
        if self.hop.transport == Some(Transport::Tcp) {
            contact = contact.with_param("transport", "tcp");
        }
        let mut endpoint = EndpointConfig::new(host, local.port());
        endpoint.contact = NameAddr::new(contact);
        endpoint.user_agent = format!("Parley-softphone/{}", env!("CARGO_PKG_VERSION"));
        // lists of conferences are told with Require: eventlist (RFC 4662 §4.3)
        endpoint.supported.push("eventlist".to_owned());
        endpoint.allow = vec![
            Method::Invite,
            Method::Ack,
            Method::Cancel,
            Method::Bye,
            Method::Options,
            Method::Prack,
            Method::Update,
            Method::Info,
            Method::Message,
            Method::Notify,
        ];
        endpoint
    }

    /// Our address in the domain of `uri`.
    pub fn from(&self, uri: &Uri) -> NameAddr {
        let address = Uri::sip(Some(&self.user), uri.host.clone(), None);
        NameAddr::new(address).with_display_name(&self.name)
    }

    /// User and password for challenges.
    pub fn account(&self) -> Option<(String, String)> {
        self.password.clone().map(|password| (self.user.clone(), password))
    }
}

/// Reads a SIP URI.
///
/// # Errors
/// It is none, or one that asks for TLS.
pub fn sip_uri(text: &str) -> Result<Uri, Failure> {
    let uri = Uri::parse(text).filter(Uri::is_sip).ok_or_else(|| {
        let example = "expected something like sip:standup@127.0.0.1";
        Failure::Usage(format!("\"{text}\" is no SIP address: {example}"))
    })?;
    match uri.scheme {
        Scheme::Sip => Ok(uri),
        _ => Err(Failure::Usage(format!(
            "\"{text}\" asks for TLS, which is not there yet: use sip:"
        ))),
    }
}

/// Where a hop leads first (RFC 3263). What comes after it is for the transports to find.
fn resolve(hop: &Hop, name_servers: &[SocketAddr]) -> Result<SocketAddr, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let found = runtime.and_then(|runtime| runtime.block_on(sip_net::resolve(hop, name_servers)));
    let first = found.map_err(Failure::local)?.into_iter().next();
    let address = first.and_then(|hop| Some((hop.host.ip()?, hop.port?)));
    address.map(SocketAddr::from).ok_or_else(|| {
        let unknown = format!("{} is not known to any name server", hop.host);
        Failure::Outcome(Outcome::Unreachable(unknown))
    })
}

/// Our address on the way to `remote`; nothing is sent.
fn address_towards(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}
