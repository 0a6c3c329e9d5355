//! Where a request goes: (method, request URI) → handler.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use sip_stack::endpoint::{CallId, ServerTransactionId};
use sip_stack::flow::{Flow, Transport};
use sip_stack::message::{Host, Method, NameAddr, Request, Uri};

use super::call::is_relayed;
use super::conference::{ConferenceName, Reference};
use super::identity::Identity;
use super::register::bad_request;
use super::registrar::{Registrar, Role};
use super::reject::Reject;

/// What a request URI names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    /// The server itself: no user part.
    Server,
    /// The conference factory (RFC 4579 §5.4).
    Factory,
    /// The list of conferences (RFC 4662).
    Meetings,
    /// An account.
    Account(String),
    /// A conference, open or to be opened by the first INVITE.
    Conference(ConferenceName),
}

impl Registrar {
    /// A new INVITE.
    pub(crate) fn on_invite(
        &mut self,
        now: Instant,
        call: CallId,
        request: &Request,
        flow: &Flow,
    ) -> Result<(), Reject> {
        if self.stopping {
            return Err(Reject::busy("the server is shutting down"));
        }
        let resource = self.resource(&request.uri, flow)?;
        let from = request.headers.from().map_err(bad_request)?;
        let identity = self.identify(now, request, &from, flow)?;
        match self.reference(&request.headers, &identity)? {
            None => self.dial(now, call, request, &from, flow, identity, resource),
            Some(reference) => {
                self.on_reference(now, call, request, &from, flow, identity, resource, &reference)
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "all that an INVITE is")]
    fn dial(
        &mut self,
        now: Instant,
        call: CallId,
        request: &Request,
        from: &NameAddr,
        flow: &Flow,
        identity: Identity,
        resource: Resource,
    ) -> Result<(), Reject> {
        match resource {
            Resource::Server => Err(Reject::new(404).because("call a user or a conference")),
            Resource::Meetings => Err(Reject::new(403).because("this is a list: subscribe to it")),
            Resource::Factory => self.on_factory(now, call, request, from, flow, identity),
            Resource::Conference(name) => {
                self.join(now, call, request, from, flow, identity, name, None)
            }
            Resource::Account(user) => {
                self.call_account(now, call, request, from, flow, &identity, &user)
            }
        }
    }

    /// An INVITE with Replaces or Join.
    #[allow(clippy::too_many_arguments, reason = "all that an INVITE is")]
    fn on_reference(
        &mut self,
        now: Instant,
        call: CallId,
        request: &Request,
        from: &NameAddr,
        flow: &Flow,
        identity: Identity,
        resource: Resource,
        reference: &Reference,
    ) -> Result<(), Reject> {
        let (named, replaces) = match reference {
            Reference::Replaces(named) => (*named, Some(*named)),
            Reference::Join(named) => (*named, None),
        };
        match self.roles.get(&named).cloned() {
            // The conference must be the one that is called: a dialog of another is none of it.
            Some(Role::Member(name)) if resource == Resource::Conference(name.clone()) => {
                self.join(now, call, request, from, flow, identity, name, replaces)
            }
            Some(Role::Caller | Role::Callee(_)) if replaces.is_some() => {
                self.replace_side(now, call, request, flow, &identity, named)
            }
            // Media of a two-party call flow directly: there is nothing to mix another one into
            // (RFC 3911 §4).
            Some(Role::Caller | Role::Callee(_)) => Err(Reject::new(488)),
            _ => Err(Reject::new(481)),
        }
    }

    /// A request outside of any dialog, INVITE excepted.
    pub(crate) fn on_request(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
        flow: &Flow,
    ) {
        let done = match request.method {
            Method::Register => self.register(now, transaction, request, flow),
            Method::Options => self.options(now, transaction, request, flow),
            // In our Allow, but meaningless without a dialog (RFC 3261 §12.2.2).
            Method::Bye | Method::Update | Method::Info | Method::Prack | Method::Notify => {
                Err(Reject::new(481))
            }
            Method::Subscribe => self.on_subscribe(now, transaction, request, flow, None),
            Method::Refer => self.refer_outside(now, transaction, request, flow),
            Method::Message => self.message_outside(now, transaction, request, flow),
            // RFC 3261 §8.2.1; the stack adds Allow.
            _ => Err(Reject::new(405)),
        };
        if let Err(reject) = done {
            self.respond_reject(now, transaction, &reject);
        }
    }

    /// A request in the dialog of a call that is no change of the session.
    pub(crate) fn on_in_dialog(
        &mut self,
        now: Instant,
        call: CallId,
        transaction: ServerTransactionId,
        request: &Request,
    ) {
        let role = self.roles.get(&call).cloned();
        let done = match (&request.method, role) {
            (_, None) => Err(Reject::new(481)),
            (Method::Options, Some(_)) => {
                // Without isfocus Linphone would take the conference for ended.
                let contact = self.member_mut(call).map(|member| member.contact.clone());
                self.tell_capabilities(now, transaction, contact);
                Ok(())
            }
            (Method::Info, Some(Role::Member(_))) => {
                self.on_member_info(now, call, transaction, request)
            }
            (Method::Message, Some(Role::Member(_))) => {
                self.message_inside(now, call, transaction, request)
            }
            (Method::Refer, Some(Role::Member(_))) => self.refer(now, call, transaction, request),
            (Method::Subscribe, Some(Role::Member(_))) => match self.endpoint.flow_of(call) {
                Some(flow) => self.on_subscribe(now, transaction, request, &flow, Some(call)),
                None => Err(Reject::new(481)),
            },
            (method, Some(Role::Caller | Role::Callee(_))) if is_relayed(method) => {
                self.relay_in_dialog(now, call, transaction, request)
            }
            (_, Some(_)) => Err(Reject::new(405)),
        };
        if let Err(reject) = done {
            self.respond_reject(now, transaction, &reject);
        }
    }

    /// OPTIONS: answered as an INVITE would be (RFC 3261 §11.2). Only who may call is told who has an
    /// account and is there, and which conferences are going on.
    fn options(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        request: &Request,
        flow: &Flow,
    ) -> Result<(), Reject> {
        let resource = self.resource(&request.uri, flow)?;
        let tells = matches!(resource, Resource::Account(_) | Resource::Conference(_));
        if tells && !self.settings.guests.allow(flow.local.ip()) {
            let from = request.headers.from().map_err(bad_request)?;
            self.identify(now, request, &from, flow)?;
        }
        let contact = match resource {
            Resource::Server | Resource::Factory | Resource::Meetings => None,
            Resource::Account(user) => {
                if self.location.bindings(now, &user).next().is_none() {
                    return Err(Reject::new(480));
                }
                None
            }
            Resource::Conference(name) => match self.running(now, &name) {
                Ok(_) => Some(self.conference_contact(&name, &request.uri, flow)),
                Err(denied) if denied.status == 410 => return Err(denied.into()),
                // Whoever dials it opens it.
                Err(_) => None,
            },
        };
        self.tell_capabilities(now, transaction, contact);
        Ok(())
    }

    /// 200 to OPTIONS.
    fn tell_capabilities(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        contact: Option<NameAddr>,
    ) {
        let Ok(mut response) = self.endpoint.response(transaction, 200, "") else { return };
        self.endpoint.describe_capabilities(&mut response.headers);
        if let Some(contact) = contact {
            response.headers.push("Contact", contact);
        }
        let _ = self.endpoint.respond(now, transaction, response);
    }

    /// What a request URI names, or why it names nothing.
    pub(crate) fn resource(&self, uri: &Uri, flow: &Flow) -> Result<Resource, Reject> {
        if !uri.is_sip() {
            return Err(Reject::new(416));
        }
        if !self.is_ours(uri, flow) {
            return Err(Reject::new(404).because("this host is not served here"));
        }
        let Some(user) = uri.user_text().filter(|user| !user.is_empty()) else {
            return Ok(Resource::Server);
        };
        if user == self.settings.factory {
            return Ok(Resource::Factory);
        }
        if user == self.settings.list {
            return Ok(Resource::Meetings);
        }
        if self.settings.accounts.contains(&user) {
            return Ok(Resource::Account(user));
        }
        ConferenceName::parse(&user).map(Resource::Conference).ok_or_else(|| {
            Reject::new(404).because("a conference name has 1 to 64 printable characters")
        })
    }

    /// Whether a URI is in our domain.
    pub(crate) fn is_ours(&self, uri: &Uri, flow: &Flow) -> bool {
        self.settings.is_our_host(&uri.host, flow.local.ip())
    }

    /// The Contact of a conference in a dialog that began over `flow` (RFC 4579 §4.1): the address
    /// the request arrived on, for that is one the peer can reach.
    pub(crate) fn conference_contact(
        &self,
        name: &ConferenceName,
        request_uri: &Uri,
        flow: &Flow,
    ) -> NameAddr {
        self.contact(Some(name.as_str()), request_uri, flow).with_flag("isfocus")
    }

    /// How we are called ourselves, when no request tells: `sip:user@host`.
    pub(crate) fn home(&self, user: Option<&str>) -> Uri {
        let domain = self.settings.domains.iter().find_map(|domain| Host::parse(domain));
        let listen = self.settings.listen.first();
        let host = domain
            .or_else(|| self.settings.advertise.clone())
            .or(listen.map(|listen| Host::Ip(listen.ip())))
            .unwrap_or(Host::Name("localhost".to_owned()));
        Uri::sip(user, host, listen.map(|listen| listen.port()).filter(|port| *port != 5060))
    }

    /// The way of something that no message has asked for.
    pub(crate) fn home_flow(&self) -> Flow {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
        let local = self.settings.listen.first().copied().unwrap_or(any);
        Flow { transport: Transport::Udp, local, remote: local, connection: None }
    }

    /// A Contact of ours toward the peer of `flow`.
    pub(crate) fn contact(&self, user: Option<&str>, request_uri: &Uri, flow: &Flow) -> NameAddr {
        let local = flow.local.ip();
        let (host, port) = match &self.settings.advertise {
            _ if local.is_loopback() => (Host::Ip(local), Some(flow.local.port())),
            Some(host) => (host.clone(), Some(flow.local.port())),
            // A socket bound to every address cannot tell on which one a datagram came; then the
            // peer knows it best.
            None if local.is_unspecified() => {
                (request_uri.host.clone(), request_uri.port.or(Some(flow.local.port())))
            }
            None => (Host::Ip(local), Some(flow.local.port())),
        };
        let uri = Uri::sip(user, host, port);
        NameAddr::new(match flow.transport {
            Transport::Udp => uri,
            Transport::Tcp => uri.with_param("transport", "tcp"),
        })
    }

    pub(crate) fn respond_reject(
        &mut self,
        now: Instant,
        transaction: ServerTransactionId,
        reject: &Reject,
    ) {
        if reject.headers.is_empty() {
            let _ = self.endpoint.respond_status(now, transaction, reject.status, "");
            return;
        }
        if let Ok(mut response) = self.endpoint.response(transaction, reject.status, "") {
            for (name, value) in &reject.headers {
                response.headers.push(name, value);
            }
            let _ = self.endpoint.respond(now, transaction, response);
        }
    }
}
