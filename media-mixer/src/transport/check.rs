//! ICE on a line: checks come in, and say where the member is.

use std::net::SocketAddr;

use bytes::Bytes;
use sdp::attribute::candidate::Candidate;
use sdp::negotiate::{LocalIce, LocalTransport, NegotiatedMedia};

use super::{Incoming, Transport};
use crate::ice::{Check, Credentials, LiteAgent};

impl Transport {
    /// The same with what was agreed on about ICE.
    pub(crate) fn with_ice(
        mut self,
        media: &NegotiatedMedia,
        credentials: Option<Credentials>,
    ) -> Self {
        self.agree_on_ice(media, credentials);
        self
    }

    /// What was agreed on about ICE. `fresh` are credentials not yet used on this line, or those of our offer; none when
    /// we do no ICE.
    pub(super) fn agree_on_ice(&mut self, media: &NegotiatedMedia, fresh: Option<Credentials>) {
        let before = self.ice.take();
        if let (Some(peer), Some(fresh)) = (&media.ice, fresh) {
            // A restart changes both sides' credentials (RFC 8445 §9); the places known go on until the member has
            // chosen anew.
            let local = match before {
                Some(before) if before.is_with(peer) => before.credentials().clone(),
                _ => fresh,
            };
            self.ice = Some(LiteAgent::new(local, peer, media.rtcp_mux));
        }
        let checks = |rtcp| self.ice.as_ref().is_some_and(|ice| ice.checks(rtcp));
        let (rtp, rtcp) = (checks(false), checks(true));
        self.rtp_gate.require_checks(rtp);
        self.rtcp_gate.require_checks(rtcp);
    }

    /// A STUN message on a port where checks are made. Who makes none that are good is a stranger (RFC 7362 has no say).
    pub(super) fn handle_check(
        &mut self,
        from: SocketAddr,
        bytes: &Bytes,
        rtcp_port: bool,
    ) -> Option<Incoming> {
        let agent = self.ice.as_ref().filter(|agent| agent.checks(rtcp_port))?;
        let Some(Check { response, nominated }) = agent.check(from, bytes) else {
            // An indication keeps the way open and proves nothing (RFC 8445 §11).
            let gate = if rtcp_port { &self.rtcp_gate } else { &self.rtp_gate };
            let known = gate.is_checked(from);
            return Some(if known { Incoming::Life } else { Incoming::Nothing });
        };
        let gate = if rtcp_port { &mut self.rtcp_gate } else { &mut self.rtp_gate };
        gate.checked(from, nominated);
        Some(Incoming::Check(response))
    }

    /// The credentials in use, when the member does ICE.
    pub(crate) fn ice_credentials(&self) -> Option<&Credentials> {
        self.ice.as_ref().map(LiteAgent::credentials)
    }
}

/// Adds our side of ICE to what the member is told about a port. RTCP has a candidate too; who multiplexes does not look
/// at it.
pub(crate) fn with_ice(local: LocalTransport, credentials: Option<&Credentials>) -> LocalTransport {
    let Some(Credentials { ufrag, pwd }) = credentials.cloned() else { return local };
    let candidates =
        vec![Candidate::host(local.rtp, 1, u16::MAX), Candidate::host(local.rtcp, 2, u16::MAX)];
    local.with_ice(LocalIce { ufrag, pwd, lite: true, candidates })
}
