//! Addresses: ours into a description, the peer's out of one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::attribute::direction::Direction;
use crate::attribute::flag::RTCP_MUX;
use crate::attribute::rtcp::Rtcp;
use crate::attribute::ssrc::SsrcAttribute;
use crate::attribute::ssrc_group::SsrcGroup;
use crate::codec::CodecSet;
use crate::media::MediaDescription;
use crate::session::{Connection, Origin, SessionDescription};

use super::ice::{self, LocalIce};
use super::line::Source;

/// Where we receive one m= line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalTransport {
    /// Address and port for RTP, as the peer shall see it: never the unspecified address, which
    /// means hold.
    pub rtp: SocketAddr,
    /// Address and port for RTCP while it is not multiplexed.
    pub rtcp: SocketAddr,
    /// The source we send with, announced by `a=ssrc`.
    pub source: Option<Source>,
    /// Our side of ICE; an answer has it only on lines where the offer had ICE.
    pub ice: Option<LocalIce>,
}

impl LocalTransport {
    /// RTCP on the port above RTP (RFC 3550 §11); `rtp` must not be port 65535.
    pub fn pair(rtp: SocketAddr) -> Self {
        let rtcp = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
        Self { rtp, rtcp, source: None, ice: None }
    }

    /// RTP and RTCP on the same port.
    pub fn single(rtp: SocketAddr) -> Self {
        Self { rtp, rtcp: rtp, source: None, ice: None }
    }

    /// The same with the source we send with.
    #[must_use]
    pub fn with_source(mut self, ssrc: u32, cname: &str) -> Self {
        self.source = Some(Source { ssrc, cname: Some(cname.to_owned()), rtx: None });
        self
    }

    /// The same with the source that repeats the packets of ours (RFC 4588); announced only on lines
    /// with retransmissions. Does nothing without a source.
    #[must_use]
    pub fn with_rtx_source(mut self, ssrc: u32) -> Self {
        if let Some(source) = &mut self.source {
            source.rtx = Some(ssrc);
        }
        self
    }

    /// The same with our side of ICE.
    #[must_use]
    pub fn with_ice(mut self, ice: LocalIce) -> Self {
        self.ice = Some(ice);
        self
    }

    /// Fills port, `c=`, `a=rtcp`, ICE and `a=ssrc` of a line. `mux_answered`: we are the answerer and
    /// accept multiplexing, so that there is no other RTCP port to tell.
    pub(super) fn write(&self, media: &mut MediaDescription, mux_answered: bool) {
        media.port = self.rtp.port();
        media.connections = vec![Connection::ip(self.rtp.ip())];
        let same_host = self.rtcp.ip() == self.rtp.ip();
        let port_above = Some(self.rtcp.port()) == self.rtp.port().checked_add(1);
        let follows_rtp = mux_answered || same_host && port_above;
        if !follows_rtp {
            let connection = (!same_host).then(|| Connection::ip(self.rtcp.ip()));
            media.attributes.push_typed(&Rtcp { port: self.rtcp.port(), connection });
        }
        if let Some(ice) = &self.ice {
            ice.write(&mut media.attributes, mux_answered);
        }
        if let Some(Source { ssrc, cname, rtx }) = &self.source {
            let repeats = CodecSet::of(media).iter().any(|codec| codec.retransmits().is_some());
            let rtx = rtx.filter(|_| repeats);
            if let Some(rtx) = rtx {
                media.attributes.push_typed(&SsrcGroup::retransmission(*ssrc, rtx));
            }
            for ssrc in [Some(*ssrc), rtx].into_iter().flatten() {
                media.attributes.push_typed(&match cname {
                    Some(cname) => SsrcAttribute::cname(ssrc, cname),
                    None => SsrcAttribute { ssrc, attribute: String::new(), value: None },
                });
            }
        }
    }
}

/// Puts lines together; the address of the first becomes that of the session, and the `o=` line is a
/// placeholder with it.
pub(super) fn place<'a>(
    mut media: Vec<MediaDescription>,
    mut local: impl Iterator<Item = &'a LocalTransport> + Clone,
) -> SessionDescription {
    let unplaced = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let all = local.clone();
    let address = local.next().map_or(unplaced, |local| local.rtp.ip());
    let connection = Connection::ip(address);
    for line in &mut media {
        line.connections.retain(|own| *own != connection);
    }
    let mut description = SessionDescription::new(Origin::new("-", 0, 0, address));
    description.connection = Some(connection);
    ice::write_session(&mut description.attributes, all);
    description.media = media;
    description
}

/// Where the peer receives one m= line.
///
/// An address is `None` when there is none to send to: the peer is on hold by `c=0.0.0.0`, or gave
/// a host name (then learn the address from its packets, RFC 4961).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoteTransport {
    /// For RTP.
    pub rtp: Option<SocketAddr>,
    /// For RTCP: `a=rtcp` (RFC 3605), the RTP port when multiplexed, else the port above.
    pub rtcp: Option<SocketAddr>,
}

/// The peer's addresses on the line at `index`.
pub(super) fn remote_of(session: &SessionDescription, index: usize, mux: bool) -> RemoteTransport {
    let Some(media) = session.media.get(index) else { return RemoteTransport::default() };
    let host = session.connection_of(index).and_then(Connection::to_ip).filter(is_unicast);
    let rtp = host.filter(|_| media.port != 0).map(|ip| SocketAddr::new(ip, media.port));
    let rtcp = match media.attributes.typed::<Rtcp>() {
        _ if mux => rtp,
        Some(rtcp) => {
            let host = match &rtcp.connection {
                Some(connection) => connection.to_ip().filter(is_unicast),
                None => host,
            };
            host.filter(|_| rtcp.port != 0).map(|ip| SocketAddr::new(ip, rtcp.port))
        }
        None => rtp.and_then(|rtp| Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?))),
    };
    RemoteTransport { rtp, rtcp }
}

/// Whether it is the address of one host. Calls have no other (RFC 3264 §5): to send media to a group because a
/// stranger names it would flood whoever is in it.
fn is_unicast(ip: &IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !(ip.is_unspecified() || ip.is_multicast() || broadcast)
}

/// Whether a line says that RTP and RTCP share its port.
pub(super) fn muxes(media: &MediaDescription) -> bool {
    media.attributes.has(RTCP_MUX)
}

/// The direction of the line at `index` seen from the side that wrote the description: its own, else
/// the session's (RFC 8866 §6.7), else sendrecv. `c=0.0.0.0` takes away receiving: it is how RFC 2543
/// put a stream on hold (RFC 3264 §8.4); with ICE it only means "no candidate yet" (RFC 8839 §4.2.5).
pub fn direction_of(session: &SessionDescription, index: usize) -> Direction {
    let Some(media) = session.media.get(index) else { return Direction::Inactive };
    let stated = media.attributes.direction().or(session.attributes.direction());
    let stated = stated.unwrap_or_default();
    let has_ice = media.attributes.has("ice-ufrag") || session.attributes.has("ice-ufrag");
    let held = session.connection_of(index).is_some_and(Connection::is_unspecified) && !has_ice;
    if held { stated.and(Direction::SendOnly) } else { stated }
}
