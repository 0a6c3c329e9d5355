//! ICE in descriptions (RFC 8839): what is read, what is answered, what is offered.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test shall panic")]

use std::net::SocketAddr;

use sdp::attribute::candidate::Candidate;
use sdp::negotiate::{
    Capabilities, LocalIce, LocalTransport, MAX_CANDIDATES, NegotiatedMedia, OfferLine, accept,
    answer, offer,
};
use sdp::{Direction, MediaKind, SessionDescription};

/// The offer of RFC 8839 §4.6 (IPv4 host and server reflexive candidate), with the codec put where the form needs it.
const RFC_OFFER: &str = "v=0\r\n\
    o=jdoe 2890844526 2890842807 IN IP4 203.0.113.141\r\n\
    s=\r\n\
    c=IN IP4 192.0.2.3\r\n\
    t=0 0\r\n\
    a=ice-options:ice2\r\n\
    a=ice-pacing:50\r\n\
    a=ice-pwd:asd88fgpdd777uzjYhagZg\r\n\
    a=ice-ufrag:8hhY\r\n\
    m=audio 45664 RTP/AVP 0\r\n\
    b=RS:0\r\n\
    b=RR:0\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=candidate:1 1 UDP 2130706431 203.0.113.141 8998 typ host\r\n\
    a=candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998\r\n";

fn parse(text: &str) -> SessionDescription {
    SessionDescription::parse(text).unwrap()
}

fn first(text: &str) -> NegotiatedMedia {
    let answer = answer(&parse(text), &Capabilities::standard(1)).unwrap();
    answer.lines()[0].accepted().unwrap().clone()
}

fn at(port: u16, lite: bool) -> LocalTransport {
    let rtp: SocketAddr = format!("192.0.2.9:{port}").parse().unwrap();
    let rtcp = SocketAddr::new(rtp.ip(), port + 1);
    let candidates = vec![Candidate::host(rtp, 1, u16::MAX), Candidate::host(rtcp, 2, u16::MAX)];
    let pwd = "9abcdefghijklmnopqrstu".to_owned();
    LocalTransport::pair(rtp).with_ice(LocalIce { ufrag: "Ouri".to_owned(), pwd, lite, candidates })
}

#[test]
fn the_example_of_the_rfc_is_read() {
    let media = first(RFC_OFFER);
    let ice = media.ice.unwrap();
    assert_eq!((ice.ufrag.as_str(), ice.pwd.as_str()), ("8hhY", "asd88fgpdd777uzjYhagZg"));
    assert!(!ice.lite);
    let at: Vec<SocketAddr> = ice.candidates.iter().filter_map(Candidate::socket_addr).collect();
    assert_eq!(at, ["203.0.113.141:8998".parse().unwrap(), "192.0.2.3:45664".parse().unwrap()]);
    assert_eq!(format!("{ice:?}").find("asd88"), None, "the password is not for logs");
}

#[test]
fn an_answer_has_ice_exactly_where_the_offer_has() {
    let with = answer(&parse(RFC_OFFER), &Capabilities::standard(1)).unwrap();
    let text = with.describe(|_| at(30_000, true)).to_string();
    for line in [
        "a=ice-lite",
        "a=ice-options:ice2",
        "a=ice-ufrag:Ouri",
        "a=candidate:1 1 udp 2130706431 192.0.2.9 30000 typ host",
        "a=candidate:1 2 udp 2130706430 192.0.2.9 30001 typ host",
        "a=end-of-candidates",
    ] {
        assert!(text.contains(&format!("{line}\r\n")), "{line} is not in {text}");
    }
    let plain: String = RFC_OFFER.split_inclusive("\r\n").filter(|l| !l.contains("ice-")).collect();
    let without = answer(&parse(&plain), &Capabilities::standard(1)).unwrap();
    let text = without.describe(|_| at(30_000, true)).to_string();
    assert!(!text.contains("ice-") && !text.contains("candidate"), "{text}");
}

/// RFC 8839 §4.2.2: somebody on the way has put in his own address.
#[test]
fn a_changed_address_rules_ice_out_and_is_told() {
    let changed = RFC_OFFER.replace("m=audio 45664", "m=audio 5000");
    let media = first(&changed);
    assert_eq!(media.ice, None);
    assert!(media.ice_mismatch);
    assert_eq!(media.remote.rtp, Some("192.0.2.3:5000".parse().unwrap()));
    let answer = answer(&parse(&changed), &Capabilities::standard(1)).unwrap();
    let text = answer.describe(|_| at(30_000, false)).to_string();
    assert!(text.contains("a=ice-mismatch\r\n") && !text.contains("a=candidate"), "{text}");
}

#[test]
fn a_mismatch_of_rtcp_counts_only_when_it_has_a_port_of_its_own() {
    let two = format!(
        "{RFC_OFFER}a=candidate:2 2 UDP 1694498814 192.0.2.3 45665 typ srflx raddr 203.0.113.141 rport 8999\r\n"
    );
    assert!(first(&two).ice.is_some());
    assert!(first(&format!("{two}a=rtcp:7000\r\n")).ice_mismatch);
    assert!(first(&format!("{two}a=rtcp:7000\r\na=rtcp-mux\r\n")).ice.is_some());
}

#[test]
fn no_address_yet_and_names_are_no_mismatch() {
    let trickled = RFC_OFFER.replace("IN IP4 192.0.2.3", "IN IP4 0.0.0.0");
    assert!(first(&trickled.replace("m=audio 45664", "m=audio 9")).ice.is_some());
    assert!(first(&RFC_OFFER.replace("IN IP4 192.0.2.3", "IN IP4 host.example")).ice.is_some());
}

#[test]
fn media_level_credentials_win_and_half_of_them_are_none() {
    let own = format!("{RFC_OFFER}a=ice-ufrag:mine\r\n");
    let ice = first(&own).ice.unwrap();
    assert_eq!((ice.ufrag.as_str(), ice.pwd.as_str()), ("mine", "asd88fgpdd777uzjYhagZg"));
    let half = RFC_OFFER.replace("a=ice-pwd:asd88fgpdd777uzjYhagZg\r\n", "");
    assert_eq!((first(&half).ice, first(&half).ice_mismatch), (None, false));
}

#[test]
fn candidates_beyond_the_bound_are_not_looked_at() {
    let more = "a=candidate:9 1 UDP 1 192.0.2.77 9000 typ host\r\n".repeat(200);
    let ice = first(&format!("{RFC_OFFER}{more}")).ice.unwrap();
    assert_eq!(ice.candidates.len(), MAX_CANDIDATES);
}

#[test]
fn an_offer_has_both_components_and_the_answer_is_read() {
    let lines = [OfferLine::new(MediaKind::Audio, Direction::SendRecv, at(30_000, false))];
    let offered = offer(&lines, &Capabilities::standard(1));
    let text = offered.to_string();
    assert!(text.contains(" 1 udp ") && text.contains(" 2 udp "), "{text}");
    assert!(!text.contains("ice-lite"));
    let plan = answer(&parse(&text), &Capabilities::standard(1)).unwrap();
    let answered = plan.describe(|_| at(40_000, true));
    let media = accept(&offered, &answered).unwrap().remove(0).media.unwrap();
    let ice = media.ice.unwrap();
    assert!(ice.lite);
    assert!(media.rtcp_mux);
    assert_eq!(ice.candidates.len(), 1, "multiplexed: one component");
}

/// An answer that says our addresses were changed is taken as one without ICE (RFC 8839 §4.2.4).
#[test]
fn a_mismatch_seen_by_the_answerer_is_noticed() {
    let lines = [OfferLine::new(MediaKind::Audio, Direction::SendRecv, at(30_000, false))];
    let offered = offer(&lines, &Capabilities::standard(1));
    let plan = answer(&parse(&offered.to_string()), &Capabilities::standard(1)).unwrap();
    let mut answered = plan.describe(|_| at(40_000, false));
    answered.media[0].attributes.push_flag("ice-mismatch");
    let media = accept(&offered, &answered).unwrap().remove(0).media.unwrap();
    assert_eq!((media.ice, media.ice_mismatch), (None, true));
}

/// A description with ICE lists places of both families, and one of ours will do.
#[test]
fn a_default_of_the_other_family_is_no_hindrance_with_candidates_of_ours() {
    let mut capabilities = Capabilities::standard(1);
    capabilities.ip6 = false;
    let linphone = include_str!("captures/linphonec-ice-invite.sdp");
    assert!(answer(&parse(linphone), &capabilities).is_ok());
    let plain: String = linphone.split_inclusive('\n').filter(|l| !l.contains("a=ice-")).collect();
    assert!(answer(&parse(&plain), &capabilities).is_err());
}

/// What baresip, Linphone and Chromium sent.
#[test]
fn real_clients_are_understood() {
    for (capture, candidates) in [
        (include_str!("captures/baresip-ice-invite.sdp"), 2),
        (include_str!("captures/baresip-ice-answer.sdp"), 2),
        (include_str!("captures/linphonec-ice-invite.sdp"), 4),
        (include_str!("captures/linphonec-ice-answer.sdp"), 4),
    ] {
        let media = first(capture);
        assert!(!media.ice_mismatch, "{capture}");
        assert_eq!(media.ice.unwrap().candidates.len(), candidates, "{capture}");
    }
    // These want DTLS-SRTP besides; their ICE is that of any other profile.
    for capture in [
        include_str!("captures/chromium-jssip-av-invite.sdp"),
        include_str!("captures/chromium-jssip-av-answer.sdp"),
        include_str!("captures/linphonec-ice-dtls-avpf-invite.sdp"),
        include_str!("captures/baresip-ice-dtls-mux-invite.sdp"),
    ] {
        let plain =
            capture.replace("UDP/TLS/RTP/SAVPF", "RTP/AVPF").replace("UDP/TLS/RTP/SAVP", "RTP/AVP");
        let media = first(&plain);
        assert!(media.ice.is_some_and(|ice| !ice.candidates.is_empty()), "{capture}");
    }
}
