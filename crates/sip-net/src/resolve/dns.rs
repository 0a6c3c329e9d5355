//! The questions asked of real name servers.

use super::{Found, Lookup, Naptr, Srv};
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tracing::{debug, warn};

/// The longest answers are kept. Their time to live is honoured up to here, so that a moved service is
/// found again the same hour.
const MAX_TTL: Duration = Duration::from_secs(3600);
/// How long it is remembered that there is nothing: a server just set up shall be found soon.
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(60);
/// Most answers kept.
const CACHE_SIZE: u64 = 1024;
/// How long a name server has for an answer. A request may need three answers in turn, and its sender
/// waits 32 s (timer F).
const TIMEOUT: Duration = Duration::from_secs(2);
/// How often a question is asked.
const ATTEMPTS: usize = 2;

/// Name servers and the cache of their answers.
pub(crate) struct Dns(TokioResolver);

impl Dns {
    /// Asks `servers`, or those of the system (`/etc/resolv.conf`) if the list is empty.
    /// `/etc/hosts` comes before either.
    ///
    /// # Errors
    /// If the system has no usable random numbers or the like.
    pub fn new(servers: &[SocketAddr]) -> io::Result<Dns> {
        let mut builder = match servers {
            [] => TokioResolver::builder_tokio().unwrap_or_else(|error| {
                warn!(%error, "no name server: only addresses and /etc/hosts will be found");
                let none = ResolverConfig::from_name_servers(Vec::new());
                Resolver::builder_with_config(none, TokioRuntimeProvider::default())
            }),
            servers => {
                let servers = servers.iter().map(name_server).collect();
                let config = ResolverConfig::from_name_servers(servers);
                Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        options.timeout = TIMEOUT;
        options.attempts = ATTEMPTS;
        options.cache_size = CACHE_SIZE;
        options.positive_max_ttl = Some(MAX_TTL);
        options.negative_max_ttl = Some(MAX_NEGATIVE_TTL);
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        builder.build().map(Dns).map_err(io::Error::other)
    }

    async fn records<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Vec<T> {
        match self.0.lookup(absolute(name), kind).await {
            Ok(found) => found.answers().iter().filter_map(|record| read(&record.data)).collect(),
            Err(error) => {
                debug!(name, %kind, %error, "nothing found");
                Vec::new()
            }
        }
    }
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dns")
    }
}

impl Lookup for Dns {
    fn naptr<'a>(&'a self, name: &'a str) -> Found<'a, Naptr> {
        Box::pin(self.records(name, RecordType::NAPTR, |data| {
            let RData::NAPTR(naptr) = data else { return None };
            Some(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: String::from_utf8_lossy(&naptr.flags).into_owned(),
                service: String::from_utf8_lossy(&naptr.services).into_owned(),
                regexp: String::from_utf8_lossy(&naptr.regexp).into_owned(),
                replacement: host(&naptr.replacement),
            })
        }))
    }

    fn srv<'a>(&'a self, name: &'a str) -> Found<'a, Srv> {
        Box::pin(self.records(name, RecordType::SRV, |data| {
            let RData::SRV(srv) = data else { return None };
            let (priority, weight, port) = (srv.priority, srv.weight, srv.port);
            Some(Srv { priority, weight, port, target: host(&srv.target) })
        }))
    }

    fn addresses<'a>(&'a self, name: &'a str) -> Found<'a, IpAddr> {
        Box::pin(async move {
            match self.0.lookup_ip(absolute(name)).await {
                Ok(found) => found.iter().collect(),
                Err(error) => {
                    debug!(name, %error, "no address found");
                    Vec::new()
                }
            }
        })
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.to_vec())
}

/// A name of SIP is a full one and not relative to the search list of this machine, unless it is a
/// single word, which people use in their own network.
fn absolute(name: &str) -> String {
    if name.contains('.') && !name.ends_with('.') { format!("{name}.") } else { name.to_owned() }
}

fn host(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_owned()
}
