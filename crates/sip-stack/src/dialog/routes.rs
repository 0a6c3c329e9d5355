//! The route set of a dialog and what it makes of a request (RFC 3261 §12.1, §12.2.1.1).

use crate::flow::Hop;
use crate::message::{Headers, NameAddr, Uri};

/// Proxies between us and the peer, the nearest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RouteSet(Vec<NameAddr>);

/// The most proxies a peer may put between us; more are no honest path.
const MAX_ROUTES: usize = 32;

impl RouteSet {
    /// As the server: Record-Route in the order of the request (§12.1.1).
    pub(crate) fn of_request(headers: &Headers) -> Self {
        let mut routes = headers.record_routes().unwrap_or_default();
        routes.truncate(MAX_ROUTES);
        Self(routes)
    }

    /// As the client: Record-Route of the response in reverse (§12.1.2).
    pub(crate) fn of_response(headers: &Headers) -> Self {
        let mut routes = headers.record_routes().unwrap_or_default();
        routes.truncate(MAX_ROUTES);
        routes.reverse();
        Self(routes)
    }

    /// The request URI and the Route values of a request to `remote_target`.
    pub(crate) fn apply(&self, remote_target: &Uri) -> (Uri, Vec<NameAddr>) {
        match self.0.split_first() {
            None => (remote_target.clone(), Vec::new()),
            Some((first, _)) if first.uri.params.has("lr") => {
                (remote_target.clone(), self.0.clone())
            }
            // A strict router wants itself in the request URI and the target at the end. A request
            // URI may have neither headers nor `method` (§19.1.1, Table 1).
            Some((first, rest)) => {
                let mut uri = first.uri.clone();
                uri.headers.clear();
                uri.params.remove("method");
                let mut routes = rest.to_vec();
                routes.push(NameAddr::new(remote_target.clone()));
                (uri, routes)
            }
        }
    }

    /// Where a request to `remote_target` goes first.
    pub(crate) fn next_hop(&self, remote_target: &Uri) -> Hop {
        Hop::from_uri(self.0.first().map_or(remote_target, |route| &route.uri))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record_route(values: &[&str]) -> Headers {
        let mut headers = Headers::new();
        values.iter().for_each(|value| headers.push("Record-Route", value));
        headers
    }

    fn uri(text: &str) -> Uri {
        Uri::parse(text).unwrap()
    }

    fn printed(routes: &[NameAddr]) -> Vec<String> {
        routes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_client_reverses_what_the_server_keeps() {
        let headers = record_route(&["<sip:p2@h;lr>, <sip:p1@h;lr>"]);
        let (_, of_server) = RouteSet::of_request(&headers).apply(&uri("sip:a@b"));
        assert_eq!(printed(&of_server), ["<sip:p2@h;lr>", "<sip:p1@h;lr>"]);
        let (_, of_client) = RouteSet::of_response(&headers).apply(&uri("sip:a@b"));
        assert_eq!(printed(&of_client), ["<sip:p1@h;lr>", "<sip:p2@h;lr>"]);
    }

    // The example of RFC 3261 §12.2.1.1.
    #[test]
    fn a_strict_router_gets_the_request_uri() {
        let set = RouteSet::of_request(&record_route(&[
            "<sip:proxy1>",
            "<sip:proxy2>",
            "<sip:proxy3;lr>",
            "<sip:proxy4>",
        ]));
        let (target, routes) = set.apply(&uri("sip:user@remoteua"));
        assert_eq!(target.to_string(), "sip:proxy1");
        assert_eq!(
            printed(&routes),
            ["<sip:proxy2>", "<sip:proxy3;lr>", "<sip:proxy4>", "<sip:user@remoteua>"]
        );
        assert_eq!(set.next_hop(&uri("sip:user@remoteua")), Hop::from_uri(&uri("sip:proxy1")));
    }

    #[test]
    fn without_proxies_the_target_is_the_next_hop() {
        let target = uri("sip:user@10.0.0.1:5070;transport=tcp");
        let set = RouteSet::default();
        assert_eq!(set.apply(&target), (target.clone(), Vec::new()));
        assert_eq!(set.next_hop(&target).to_string(), "10.0.0.1:5070;transport=TCP");
    }
}
