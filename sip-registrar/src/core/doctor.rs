//! What signalling knows about the members of a conference, for whoever looks for lost media.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;
use sip_stack::endpoint::CallId;
use sip_stack::flow::Flow;
use sip_stack::message::{Headers, Request};

use super::conference::{ConferenceName, Focus, Member, Session};
use super::registrar::Registrar;

/// Longer product names say nothing more.
const MAX_USER_AGENT: usize = 120;

/// Where a member's INVITE came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Provenance {
    call_id: String,
    source: SocketAddr,
    local: IpAddr,
    transport: &'static str,
    user_agent: String,
}

impl Provenance {
    pub(crate) fn of(request: &Request, flow: &Flow) -> Self {
        let user_agent = request.headers.get("User-Agent").unwrap_or_default();
        let printable = user_agent.chars().filter(|c| !c.is_control());
        Provenance {
            call_id: request.headers.call_id().unwrap_or_default().to_owned(),
            source: flow.remote,
            local: flow.local.ip(),
            transport: if flow.connection.is_some() { "TCP" } else { "UDP" },
            user_agent: printable.take(MAX_USER_AGENT).collect(),
        }
    }

    /// Of somebody who is called along `flow` and has not answered yet.
    pub(crate) fn dialled(flow: &Flow) -> Self {
        Provenance {
            call_id: String::new(),
            source: flow.remote,
            local: flow.local.ip(),
            transport: if flow.connection.is_some() { "TCP" } else { "UDP" },
            user_agent: String::new(),
        }
    }

    /// Where its SIP comes from.
    pub(crate) fn source(&self) -> SocketAddr {
        self.source
    }

    /// The address of ours that it reaches.
    pub(crate) fn local(&self) -> IpAddr {
        self.local
    }

    /// The program that the member uses, as it calls itself.
    pub(crate) fn user_agent(&self) -> &str {
        &self.user_agent
    }

    /// Takes what the answer of such a one tells.
    pub(crate) fn note_answer(&mut self, headers: &Headers) {
        let printable = headers.get("Server").or(headers.get("User-Agent")).unwrap_or_default();
        let printable = printable.chars().filter(|c| !c.is_control());
        self.user_agent = printable.take(MAX_USER_AGENT).collect();
        headers.call_id().unwrap_or_default().clone_into(&mut self.call_id);
    }
}

/// One member as signalling sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chart {
    /// What the others are shown.
    pub display_name: String,
    /// Name of its media at the mixer.
    pub leg: String,
    /// Call-ID of its dialog.
    pub call_id: String,
    /// What is wrong, in plain sentences; empty when nothing is.
    pub findings: Vec<String>,
    /// Its media go directly to the other of two: the mixer knows nothing of them.
    pub direct: bool,
    /// What is known: who it is, from where, with what.
    pub facts: Vec<String>,
}

/// A conference, or one member of it, as signalling sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// Its name.
    pub name: String,
    /// What the mixer calls it.
    pub conference: String,
    /// Which way its media go, and why.
    pub media_path: String,
    /// Its members, or the one that was asked for.
    pub members: Vec<Chart>,
}

impl Registrar {
    /// What signalling knows about a conference, by its name or by what the mixer calls it, or about one member, by
    /// Call-ID or by its leg. `None` when there is no such thing.
    #[must_use]
    pub fn examine(&self, patient: &str) -> Option<Examination> {
        let found = ConferenceName::parse(patient).and_then(|name| self.directory.get(&name));
        if let Some(focus) = found.or_else(|| self.directory.by_id(patient)) {
            return Some(self.examination(focus, focus.members().map(|(call, _)| call)));
        }
        self.directory.iter().find_map(|focus| {
            let is_meant = |m: &Member| m.provenance.call_id == patient || m.leg == patient;
            let (call, _) = focus.members().find(|(_, member)| is_meant(member))?;
            Some(self.examination(focus, std::iter::once(call)))
        })
    }

    fn examination(&self, focus: &Focus, calls: impl Iterator<Item = CallId>) -> Examination {
        let name = self.directory.name_of(focus.id()).map(ToString::to_string);
        let members = calls.filter_map(|call| focus.member(call)).map(chart).collect();
        let media_path = format!("{}: {}", focus.path.as_str(), focus.path.why);
        let (name, conference) = (name.unwrap_or_default(), focus.id().to_owned());
        Examination { name, conference, media_path, members }
    }
}

fn chart(member: &Member) -> Chart {
    let Provenance { call_id, source, local: _, transport, user_agent } = &member.provenance;
    let mut findings = Vec::new();
    let waits = match member.session {
        Session::Joining => Some("the INVITE waits for the media mixer"),
        Session::AwaitAck => Some(
            "no ACK has come for our 200: the member does not get it, or its ACK does not get here (Contact, Record-Route, NAT)",
        ),
        Session::Dialling => Some("it is called and has not answered yet"),
        Session::AwaitAnswer => Some("no ACK has come that answers our offer"),
        Session::Stable => None,
        Session::Reoffering | Session::Offering | Session::Accepting => {
            Some("a change of the session is under way")
        }
        Session::Switching => Some("its media are just going another way"),
    };
    findings.extend(waits.map(str::to_owned));
    let mut facts = vec![format!("{}, SIP from {source} by {transport}", member.identity)];
    if !user_agent.is_empty() {
        facts.push(format!("user agent: {user_agent}"));
    }
    if !member.at_mixer {
        facts.push("its media go directly to the other member, not through the mixer".to_owned());
    }
    if member.refuses_key_frame {
        facts.push("refuses to make key frames when asked by INFO".to_owned());
    }
    Chart {
        display_name: member.display_name.clone(),
        leg: member.leg.clone(),
        call_id: call_id.clone(),
        findings,
        direct: !member.at_mixer,
        facts,
    }
}
