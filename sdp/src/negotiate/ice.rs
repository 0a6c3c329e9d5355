//! What a description says about ICE (RFC 8839), ours and the peer's.

use std::net::SocketAddr;

use super::transport::LocalTransport;
use crate::attribute::Attributes;
use crate::attribute::candidate::Candidate;
use crate::attribute::flag::RTCP_MUX;
use crate::attribute::ice::{
    END_OF_CANDIDATES, ICE_LITE, ICE_MISMATCH, IceOptions, IcePwd, IceUfrag,
};
use crate::attribute::rtcp::Rtcp;
use crate::media::MediaDescription;
use crate::session::SessionDescription;

/// More candidates than any client lists for one line; the rest is not looked at, so that nobody can make us check
/// the addresses of half the world (RFC 8445 §19.5.1).
pub const MAX_CANDIDATES: usize = 32;

/// Our side of ICE on one m= line.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalIce {
    /// `a=ice-ufrag`
    pub ufrag: String,
    /// `a=ice-pwd`
    pub pwd: String,
    /// We make no checks (RFC 8445 §2.5).
    pub lite: bool,
    /// Where we may be reached; the default destination must be among them.
    pub candidates: Vec<Candidate>,
}

/// The peer's side of ICE on one m= line.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteIce {
    /// `a=ice-ufrag`
    pub ufrag: String,
    /// `a=ice-pwd`
    pub pwd: String,
    /// The peer makes no checks (RFC 8445 §2.5).
    pub lite: bool,
    /// Where the peer may be reached, at most [`MAX_CANDIDATES`].
    pub candidates: Vec<Candidate>,
}

/// What the peer says about ICE on one line.
#[derive(Debug)]
pub(super) struct Stated {
    /// `None`: nothing, or nothing to be used.
    pub ice: Option<RemoteIce>,
    /// It said something, but somebody on the way has changed its addresses (RFC 8839 §4.2.2), or it says that this
    /// happened to us.
    pub mismatch: bool,
}

macro_rules! hide_password {
    ($name:ident) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("ufrag", &self.ufrag)
                    .field("lite", &self.lite)
                    .field("candidates", &self.candidates)
                    .finish_non_exhaustive()
            }
        }
    };
}

hide_password!(LocalIce);
hide_password!(RemoteIce);

impl LocalIce {
    /// Puts it on a line. `multiplexed`: there is no second component.
    pub(super) fn write(&self, attributes: &mut Attributes, multiplexed: bool) {
        attributes.push_typed(&IceUfrag(self.ufrag.clone()));
        attributes.push_typed(&IcePwd(self.pwd.clone()));
        for candidate in &self.candidates {
            if candidate.component == 1 || !multiplexed {
                attributes.push_typed(candidate);
            }
        }
        attributes.push_flag(END_OF_CANDIDATES);
    }
}

/// Puts on the session what holds for all its lines.
pub(super) fn write_session<'a>(
    attributes: &mut Attributes,
    local: impl Iterator<Item = &'a LocalTransport>,
) {
    let ice: Vec<&LocalIce> = local.filter_map(|local| local.ice.as_ref()).collect();
    if ice.iter().any(|ice| ice.lite) {
        attributes.push_flag(ICE_LITE);
    }
    if !ice.is_empty() {
        // RFC 8839 §5.6: we know RFC 8445, so we do no aggressive nomination.
        attributes.push_typed(&IceOptions(vec!["ice2".to_owned()]));
    }
}

/// What the peer says about ICE on the line at `index` of its description.
pub(super) fn stated(peer: &SessionDescription, index: usize) -> Stated {
    let nothing = Stated { ice: None, mismatch: false };
    let Some(media) = peer.media.get(index) else { return nothing };
    if media.attributes.has(ICE_MISMATCH) {
        return Stated { ice: None, mismatch: true };
    }
    let (own, shared) = (&media.attributes, &peer.attributes);
    let ufrag = own.typed::<IceUfrag>().or_else(|| shared.typed());
    let pwd = own.typed::<IcePwd>().or_else(|| shared.typed());
    let (Some(IceUfrag(ufrag)), Some(IcePwd(pwd))) = (ufrag, pwd) else { return nothing };
    let candidates: Vec<Candidate> = own.all().take(MAX_CANDIDATES).collect();
    if is_mismatch(peer, index, media, &candidates) {
        return Stated { ice: None, mismatch: true };
    }
    let lite = shared.has(ICE_LITE);
    Stated { ice: Some(RemoteIce { ufrag, pwd, lite, candidates }), mismatch: false }
}

/// RFC 8839 §4.2.2: the default destination of each component must be among the candidates; otherwise somebody who
/// does not know ICE has put another one in. A description that has no address yet (trickle) or only a name says
/// nothing about that.
fn is_mismatch(
    peer: &SessionDescription,
    index: usize,
    media: &MediaDescription,
    candidates: &[Candidate],
) -> bool {
    let Some(ip) = peer.connection_of(index).and_then(|connection| connection.to_ip()) else {
        return false;
    };
    if ip.is_unspecified() {
        return false;
    }
    let listed = |component: u16, wanted: SocketAddr| {
        let of = candidates.iter().filter(|candidate| candidate.component == component);
        of.clone().count() > 0 && !of.clone().any(|own| own.socket_addr() == Some(wanted))
    };
    // No candidates at all for RTP: nobody to check, which is a mismatch as well.
    if !candidates.iter().any(|candidate| candidate.component == 1) {
        return true;
    }
    let rtcp = match media.attributes.typed::<Rtcp>() {
        _ if media.attributes.has(RTCP_MUX) => None,
        Some(Rtcp { port, connection: None }) => Some(SocketAddr::new(ip, port)),
        Some(Rtcp { port, connection: Some(connection) }) => {
            connection.to_ip().map(|ip| SocketAddr::new(ip, port))
        }
        None => media.port.checked_add(1).map(|port| SocketAddr::new(ip, port)),
    };
    listed(1, SocketAddr::new(ip, media.port)) || rtcp.is_some_and(|rtcp| listed(2, rtcp))
}
