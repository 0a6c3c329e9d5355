//! Whether media of a conference may go directly, and why not.

use std::net::IpAddr;

use sdp::negotiate::direction_of;
use sdp::{CodecSet, Connection, Direction, MediaDescription, MediaKind, SessionDescription};
use sip_stack::endpoint::CallId;

use super::describe::live;
use super::{MAX_FAILURES, PathPolicy};
use crate::core::conference::door::Place;
use crate::core::conference::{Focus, Member, Session};

/// One of two, as far as it matters here.
struct Side {
    description: SessionDescription,
    /// Where its SIP comes from.
    source: IpAddr,
    /// The address of ours it reaches.
    reached: IpAddr,
    reports: bool,
}

impl Side {
    fn of(member: &Member) -> Option<Self> {
        Some(Side {
            description: SessionDescription::parse(member.agreed.as_deref()?).ok()?,
            source: member.provenance.source().ip().to_canonical(),
            reached: member.provenance.local().to_canonical(),
            reports: member.reports,
        })
    }

    fn offers_ice(&self) -> bool {
        live(&self.description, &MediaKind::Audio)
            .is_some_and(|(_, line)| does_ice(&self.description, line))
    }

    /// Whether it shows people on lines of their own, which it asks for by labels of the mixer (RFC 4575 §5.9, RFC 4796).
    /// A label of what a client sends is its own affair, and `main` says nothing: baresip numbers its lines, and calls its
    /// camera that. Our own client repeats the labels of the mixer's offers and does not go by them.
    fn goes_by_labels(&self) -> bool {
        let mut lines = self.description.media.iter().enumerate().filter(|_| !self.reports);
        lines.any(|(index, line)| {
            let only_receives = direction_of(&self.description, index) == Direction::RecvOnly;
            let content = line.attributes.get("content").is_some_and(|content| content != "main");
            content || only_receives && line.attributes.has("label")
        })
    }

    /// Where its voice is received.
    fn voice(&self) -> Option<IpAddr> {
        let (index, _) = live(&self.description, &MediaKind::Audio)?;
        Some(self.description.connection_of(index).and_then(Connection::to_ip)?.to_canonical())
    }
}

/// Whether somebody does ICE on a line: then nothing is sent there but by consent (RFC 7675).
fn does_ice(description: &SessionDescription, line: &MediaDescription) -> bool {
    let named = |name| line.attributes.has(name) || description.attributes.has(name);
    named("ice-ufrag") && named("ice-pwd") && line.attributes.has("candidate")
}

impl Member {
    /// Whether the places that a description of it names are its own, as far as can be told. Nobody must have others send
    /// their media to a stranger, who never asked for them and could not make them stop.
    pub(super) fn may_be_at(&self, description: &SessionDescription) -> bool {
        let source = self.provenance.source().ip().to_canonical();
        let here = self.provenance.local().to_canonical().is_loopback();
        let lines = description.media.iter().enumerate();
        let mut media = lines.filter(|(_, line)| line.is_live() && line.kind != MediaKind::Message);
        media.all(|(index, line)| {
            let at = description.connection_of(index).and_then(Connection::to_ip);
            let at = at.map(|at| at.to_canonical());
            here || does_ice(description, line)
                // No address is hold (RFC 3264 §8.4).
                || at.is_none_or(|at| at == source || at.is_unspecified())
        })
    }
}

impl Focus {
    /// The two whose media may go directly; else why the conference is mixed.
    pub(super) fn direct_pair(&self) -> Result<[CallId; 2], &'static str> {
        let policy = self.meeting().media_path;
        if policy == PathPolicy::Mixed {
            return Err("this conference is always mixed");
        }
        // Who waits in the lobby or is only being called has no media with the others.
        let here = self.members().filter(|(_, m)| m.place == Place::Inside && m.dial.is_none());
        let here: Vec<(CallId, &Member)> = here.take(3).collect();
        let [(a, first), (b, second)] = here[..] else {
            return Err(if here.len() > 2 {
                "more than two are there"
            } else {
                "nobody else is there"
            });
        };
        let both = [first, second];
        if both.iter().any(|member| !member.joined) {
            return Err("somebody is just coming in");
        }
        if both.iter().any(|member| member.farewell.is_some()) {
            return Err("somebody is just leaving");
        }
        if both.iter().any(|member| member.muted) {
            return Err("somebody is muted by a moderator");
        }
        if both.iter().any(|member| member.chat_only) {
            return Err("somebody is there for the chat alone");
        }
        let pair = [a, b];
        if self.path.failures_of(pair) >= MAX_FAILURES {
            return Err("it was tried twice and did not work");
        }
        Ok(pair)
    }

    /// Whether these two can begin to talk directly now.
    pub(super) fn may_begin(&self, pair: [CallId; 2]) -> Result<(), &'static str> {
        let members = pair.map(|call| self.member(call));
        let [Some(first), Some(second)] = members else { return Err("somebody has left") };
        if [first, second].iter().any(|member| member.session != Session::Stable) {
            return Err("somebody is just changing its media");
        }
        let (Some(a), Some(b)) = (Side::of(first), Side::of(second)) else {
            return Err("a client has not said what it can do");
        };
        fit_each_other(&a, &b)?;
        if self.meeting().media_path == PathPolicy::Automatic && !a.reports && !b.reports {
            return Err("neither client tells whether media arrive");
        }
        Ok(())
    }
}

/// Codecs, security and reachability (STANDARDS: a B2BUA sees no media, so it must be careful).
fn fit_each_other(a: &Side, b: &Side) -> Result<(), &'static str> {
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let lines = (live(&a.description, &kind), live(&b.description, &kind));
        let (Some((first, one)), Some((second, other))) = lines else {
            if kind == MediaKind::Audio {
                return Err("somebody has no voice");
            }
            continue;
        };
        let theirs = CodecSet::of(other);
        let known = CodecSet::of(one);
        if !known.iter().any(|codec| !codec.is_auxiliary() && theirs.matching(codec).is_some()) {
            return Err("the two have no codec in common");
        }
        if one.protocol.is_plain_rtp() != other.protocol.is_plain_rtp() {
            return Err("only one of the two encrypts");
        }
        if kind == MediaKind::Audio {
            let held = [(a, first), (b, second)].iter().any(|(side, index)| {
                direction_of(&side.description, *index) != Direction::SendRecv
            });
            if held {
                return Err("somebody has put the other on hold");
            }
        }
    }
    if a.goes_by_labels() || b.goes_by_labels() {
        return Err("a client shows people by their labels at the mixer");
    }
    reach_each_other(a, b)
}

fn reach_each_other(a: &Side, b: &Side) -> Result<(), &'static str> {
    if a.offers_ice() && b.offers_ice() {
        // They find out themselves (RFC 8445), and tell.
        return Ok(());
    }
    if a.reached.is_loopback() && b.reached.is_loopback() {
        // Both are programs of this machine.
        return Ok(());
    }
    let (Some(one), Some(other)) = (a.voice(), b.voice()) else {
        return Err("a client has named no address");
    };
    if one != a.source || other != b.source {
        return Err("somebody is behind a NAT, and not both know ICE");
    }
    if is_public(one) && is_public(other) && one.is_ipv4() == other.is_ipv4() {
        return Ok(());
    }
    if same_network(one, other) {
        return Ok(());
    }
    Err("the two are not in one network, and not both know ICE")
}

/// Whether two hosts of private addresses have one network in common, as far as addresses tell.
fn same_network(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            a.is_loopback() && b.is_loopback() || a.octets()[..3] == b.octets()[..3]
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => a.segments()[..4] == b.segments()[..4],
        _ => false,
    }
}

/// Whether an address is reached from everywhere: none of RFC 6890's that are not.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let reserved = a == 0 || a >= 240;
            let local = ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared;
            !(local || reserved || ip.is_multicast())
        }
        // Global unicast; documentation addresses are among them, for laboratories.
        IpAddr::V6(ip) => ip.segments()[0] & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(source: &str, media: &str, lines: &str) -> Side {
        let text = format!("v=0\no=a 1 1 IN IP4 {media}\ns=-\nc=IN IP4 {media}\nt=0 0\n{lines}");
        Side {
            description: SessionDescription::parse(&text).unwrap(),
            source: source.parse().unwrap(),
            reached: "192.0.2.1".parse().unwrap(),
            reports: true,
        }
    }

    const AUDIO: &str = "m=audio 4000 RTP/AVP 0\n";

    #[test]
    fn who_may_reach_whom() {
        let plain = |source, media| side(source, media, AUDIO);
        for (a, b, good) in [
            (("198.51.100.7", "198.51.100.7"), ("203.0.113.9", "203.0.113.9"), true),
            (("10.0.0.5", "10.0.0.5"), ("10.0.0.9", "10.0.0.9"), true),
            (("10.0.0.5", "10.0.0.5"), ("10.0.1.9", "10.0.1.9"), false),
            (("198.51.100.7", "10.0.0.5"), ("203.0.113.9", "203.0.113.9"), false),
            (("198.51.100.7", "10.0.0.5"), ("198.51.100.7", "10.0.0.6"), false),
            (("100.64.0.1", "100.64.0.1"), ("203.0.113.9", "203.0.113.9"), false),
            (("127.0.0.1", "127.0.0.1"), ("127.0.0.3", "127.0.0.3"), true),
        ] {
            let reached = reach_each_other(&plain(a.0, a.1), &plain(b.0, b.1));
            assert_eq!(reached.is_ok(), good, "{a:?} {b:?}: {reached:?}");
        }
        let ice = "a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\n\
                   m=audio 4000 RTP/AVP 0\na=candidate:1 1 UDP 1 10.0.0.5 4000 typ host\n";
        let (a, b) = (side("198.51.100.7", "10.0.0.5", ice), side("203.0.113.9", "10.0.0.5", ice));
        assert_eq!(reach_each_other(&a, &b), Ok(()));
        let c = side("203.0.113.9", "10.0.0.5", AUDIO);
        assert!(reach_each_other(&a, &c).is_err());
    }

    #[test]
    fn what_two_must_have_in_common() {
        let here = "198.51.100.7";
        let like = |lines: &str| side(here, here, lines);
        let foreign = |lines: &str| Side { reports: false, ..like(lines) };
        let two = |a: &str, b: &str| fit_each_other(&foreign(a), &foreign(b));
        let video = "m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVPF 96\na=rtpmap:96 VP8/90000\n";
        let h264 = "m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVP 96\na=rtpmap:96 H264/90000\n";
        assert_eq!(two(AUDIO, AUDIO), Ok(()));
        assert_eq!(two(AUDIO, video), Ok(()), "one without a picture is no hindrance");
        assert_eq!(two(video, video), Ok(()));
        let baresip = "m=audio 4000 RTP/AVP 0\na=label:1\nm=video 4002 RTP/AVP 96\na=rtpmap:96 VP8/90000\n\
                       a=label:2\na=content:main\n";
        assert_eq!(two(baresip, video), Ok(()));
        for (a, b) in [
            (video, h264),
            (AUDIO, "m=audio 4000 RTP/AVP 8\n"),
            (AUDIO, "m=audio 4000 RTP/SAVP 0\n"),
            (AUDIO, "m=audio 4000 RTP/AVP 0\na=sendonly\n"),
            (AUDIO, "m=audio 0 RTP/AVP 0\n"),
            (AUDIO, "m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVP 96\na=label:x\na=recvonly\n"),
            (AUDIO, "m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVP 96\na=content:speaker\n"),
            (
                "m=audio 4000 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\n",
                "m=audio 4000 RTP/AVP 8 101\na=rtpmap:101 telephone-event/8000\n",
            ),
        ] {
            assert!(two(a, b).is_err() && two(b, a).is_err(), "{a} {b}");
        }
    }
}
