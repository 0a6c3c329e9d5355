//! From a next hop to the servers behind it (RFC 3263 §4).
//!
//! | the hop | is looked up |
//! |---|---|
//! | an address | not at all |
//! | a name with a port | A and AAAA |
//! | a name with a transport | SRV of that transport, else A and AAAA with port 5060 |
//! | a name alone | NAPTR, then the SRV it points to; else SRV of UDP and TCP; else A and AAAA |

mod dns;
mod order;
#[cfg(test)]
mod tests;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sip_stack::flow::{Hop, Transport};
use sip_stack::message::Host;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

pub(crate) use dns::Dns;

/// The most servers of one hop that are tried; names of strangers cannot make us try more.
const MAX_TARGETS: usize = 16;
/// The most services, and the most hosts of one service, that are looked up.
const MAX_RECORDS: usize = 8;
/// The most addresses of one host that are tried.
const MAX_ADDRESSES: usize = 4;
/// The port of SIP over UDP and TCP (RFC 3261 §19.1.2).
const DEFAULT_PORT: u16 = 5060;

/// A service of a domain (RFC 3403 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Naptr {
    pub order: u16,
    pub preference: u16,
    pub flags: String,
    pub service: String,
    pub regexp: String,
    pub replacement: String,
}

/// A server of a service (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Srv {
    pub priority: u16,
    pub weight: u16,
    pub port: u16,
    /// Without the dot at the end; empty = decidedly no such service.
    pub target: String,
}

/// What a look-up finds; nothing, when there is nothing or nobody who could tell.
pub(crate) type Found<'a, T> = Pin<Box<dyn Future<Output = Vec<T>> + Send + 'a>>;

/// The questions asked of DNS.
pub(crate) trait Lookup: fmt::Debug + Send + Sync {
    fn naptr<'a>(&'a self, name: &'a str) -> Found<'a, Naptr>;
    fn srv<'a>(&'a self, name: &'a str) -> Found<'a, Srv>;
    /// IPv4 and IPv6 addresses.
    fn addresses<'a>(&'a self, name: &'a str) -> Found<'a, IpAddr>;
}

/// The servers behind `hop`, best first, all with address and port (RFC 3263 §4), for an owner that must
/// know one before it opens its sockets. Asks `name_servers`, or those of the system if there are none.
///
/// # Errors
/// If the system's resolver cannot be set up; a name that is not known gives an empty list.
pub async fn servers_of(hop: &Hop, name_servers: &[SocketAddr]) -> io::Result<Vec<Hop>> {
    let dns = Dns::new(name_servers)?;
    let mut rng = StdRng::seed_from_u64(rand::random());
    Ok(resolve(hop, &dns, |_| true, &mut rng).await)
}

/// A server before its address is known.
struct Server {
    host: String,
    port: u16,
    transport: Option<Transport>,
}

/// Where to send what is meant for `hop`, best first; all with address and port. UDP that nobody asked
/// for by name stays open, so that a long request may go by TCP (RFC 3261 §18.1.1). `may_reach` tells
/// which addresses there is a socket for.
pub(crate) async fn resolve(
    hop: &Hop,
    lookup: &dyn Lookup,
    may_reach: impl Fn(IpAddr) -> bool,
    rng: &mut impl Rng,
) -> Vec<Hop> {
    let mut targets: Vec<Hop> = Vec::new();
    for server in servers(hop, lookup, rng).await {
        let Server { host, port, transport } = server;
        let addresses = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => lookup.addresses(&host).await,
        };
        let usable = addresses.into_iter().filter(|ip| is_host(ip) && may_reach(*ip));
        for address in usable.take(MAX_ADDRESSES) {
            let target = Hop { host: Host::Ip(address), port: Some(port), transport };
            if targets.len() < MAX_TARGETS && !targets.contains(&target) {
                targets.push(target);
            }
        }
    }
    targets
}

/// Whether it is the address of one host: whoever controls a name shall not make us send elsewhere.
fn is_host(ip: &IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !(ip.is_unspecified() || ip.is_multicast() || broadcast)
}

async fn servers(hop: &Hop, lookup: &dyn Lookup, rng: &mut impl Rng) -> Vec<Server> {
    let name = match &hop.host {
        Host::Ip(ip) => ip.to_string(),
        Host::Name(name) => name.clone(),
    };
    let transport = hop.transport;
    if hop.host.ip().is_some() || hop.port.is_some() {
        return vec![Server { host: name, port: hop.port.unwrap_or(DEFAULT_PORT), transport }];
    }
    let services = match transport {
        Some(transport) => vec![service(transport, &name)],
        None => services(&name, lookup).await,
    };
    let mut servers = Vec::new();
    let mut exists = false;
    for (by, service) in services {
        let records = lookup.srv(&service).await;
        exists |= !records.is_empty();
        let wanted = transport.or(Some(by).filter(|by| *by != Transport::Udp));
        let records = order::by_priority_and_weight(records, rng).into_iter();
        for Srv { target, port, .. } in
            records.filter(|srv| !srv.target.is_empty()).take(MAX_RECORDS)
        {
            servers.push(Server { host: target, port, transport: wanted });
        }
    }
    if !exists {
        servers.push(Server { host: name, port: DEFAULT_PORT, transport });
    }
    servers
}

/// `_sip._udp.example.com`
fn service(transport: Transport, name: &str) -> (Transport, String) {
    (transport, format!("_sip._{}.{name}", transport.as_str().to_ascii_lowercase()))
}

/// The services of a domain for a `sip:` URI, best first (RFC 3263 §4.1).
async fn services(name: &str, lookup: &dyn Lookup) -> Vec<(Transport, String)> {
    let mut records = lookup.naptr(name).await;
    records.sort_by_key(|record| (record.order, record.preference));
    let known = records.into_iter().filter_map(|record| {
        let by = match record.service.to_ascii_uppercase().as_str() {
            "SIP+D2U" => Transport::Udp,
            "SIP+D2T" => Transport::Tcp,
            // TLS, SCTP, WebSocket, or not SIP
            _ => return None,
        };
        let leads_to_srv = record.flags.eq_ignore_ascii_case("s") && record.regexp.is_empty();
        (leads_to_srv && !record.replacement.is_empty()).then_some((by, record.replacement))
    });
    let known: Vec<(Transport, String)> = known.take(MAX_RECORDS).collect();
    if known.is_empty() {
        return [Transport::Udp, Transport::Tcp].map(|by| service(by, name)).to_vec();
    }
    known
}
