//! From a next hop to addresses (RFC 3263; literals and the system's resolver so far).

use sip_stack::flow::Hop;
use sip_stack::message::Host;
use std::io;
use std::net::SocketAddr;

/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// The address of a hop that needs no look-up.
pub(crate) fn literal(hop: &Hop) -> Option<SocketAddr> {
    Some(SocketAddr::new(hop.host.ip()?, hop.port.unwrap_or(5060)))
}

/// The addresses of a hop in the order to try them.
pub(crate) async fn addresses(hop: &Hop) -> io::Result<Vec<SocketAddr>> {
    let port = hop.port.unwrap_or(5060);
    match &hop.host {
        Host::Ip(ip) => Ok(vec![SocketAddr::new(*ip, port)]),
        Host::Name(name) => {
            let found = tokio::net::lookup_host((name.as_str(), port)).await?;
            Ok(found.take(MAX_ADDRESSES).collect())
        }
    }
}
