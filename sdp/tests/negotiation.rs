//! Offer and answer, case by case (RFC 3264; addresses by RFC 3605 and RFC 5761).

#![allow(clippy::unwrap_used, reason = "a failing test shall panic")]

use sdp::attribute::rtcp_fb::Feedback;
use sdp::negotiate::{
    Answer, Capabilities, LocalTransport, NegotiatedMedia, OfferLine, Refusal, Reject, WarningCode,
    WrongPortCount, accept, answer, offer,
};
use sdp::{CodecSet, Direction, MediaKind, Protocol, SessionDescription};

const OPUS: &str = "a=rtpmap:111 opus/48000/2\n";
const VP8: &str = "m=video 5002 RTP/AVPF 97\na=rtpmap:97 VP8/90000\n";

fn parse(media: &str) -> SessionDescription {
    let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n{media}");
    SessionDescription::parse(&text).unwrap()
}

fn plan(media: &str) -> Result<Answer, Reject> {
    answer(&parse(media), &Capabilities::standard(2))
}

fn first(media: &str) -> NegotiatedMedia {
    plan(media).unwrap().lines()[0].accepted().unwrap().clone()
}

fn local(port: u16) -> LocalTransport {
    LocalTransport::pair(format!("192.0.2.9:{port}").parse().unwrap())
}

fn text_of(plan: &Answer) -> String {
    plan.describe(|line| local(20_000 + 2 * u16::try_from(line.index).unwrap()))
        .to_string()
        .replace("\r\n", "\n")
}

#[test]
fn opus_comes_first_then_the_order_of_the_offer() {
    for (formats, chosen) in
        [("8 0 111", "opus"), ("8 0", "PCMA"), ("0 8", "PCMU"), ("9 3 8", "PCMA")]
    {
        let media = first(&format!("m=audio 5000 RTP/AVP {formats}\n{OPUS}"));
        assert_eq!(media.codec.name, chosen, "{formats}");
        assert_eq!(media.receive.len(), 1);
    }
}

#[test]
fn g722_has_its_static_number_and_the_clock_of_a_mistake_and_goes_before_g711() {
    let capabilities = Capabilities::standard(0).with_g722();
    for (formats, chosen) in [("8 9 0", 9), ("8 9 111", 111), ("8 0", 8)] {
        let offered = parse(&format!("m=audio 5000 RTP/AVP {formats}\n{OPUS}"));
        let plan = answer(&offered, &capabilities).unwrap();
        assert_eq!(plan.lines()[0].accepted().unwrap().codec.payload_type, chosen, "{formats}");
    }
    // RFC 3551 §4.5.2: the RTP clock of G722 is 8000 Hz, though it samples at 16 000.
    let lines = [OfferLine::new(MediaKind::Audio, Direction::SendRecv, local(5000))];
    let text = offer(&lines, &capabilities).to_string();
    assert!(text.contains("m=audio 5000 RTP/AVPF 96 9 0 8 100 101\r\n"), "{text}");
    assert!(text.contains("a=rtpmap:9 G722/8000\r\n"), "{text}");
    let wrong = answer(&parse("m=audio 5000 RTP/AVP 96\na=rtpmap:96 G722/16000\n"), &capabilities);
    assert_eq!(wrong.unwrap_err().code, WarningCode::IncompatibleMediaFormat);
}

#[test]
fn dtmf_follows_the_clock_or_is_the_only_one() {
    let t48 = "a=rtpmap:110 telephone-event/48000\n";
    let t16 = "a=rtpmap:105 telephone-event/16000\n";
    let t8 = "a=rtpmap:126 telephone-event/8000\n";
    let all = format!("{OPUS}{t48}{t16}{t8}");
    for (formats, event) in [
        ("111 110 105 126", Some(110)),
        ("111 126", Some(126)),
        ("111 105 126", Some(126)),
        ("111 105", None),
        ("111", None),
        ("0 110 126", Some(126)),
        ("0 110", None),
    ] {
        let media = first(&format!("m=audio 5000 RTP/AVP {formats}\n{all}"));
        assert_eq!(media.telephone_event.map(|codec| codec.payload_type), event, "{formats}");
        assert_eq!(media.peer_codecs.len(), formats.split(' ').count());
    }
}

#[test]
fn directions_are_ours() {
    for (session, line, ours) in [
        ("", "", Direction::SendRecv),
        ("", "a=sendonly\n", Direction::RecvOnly),
        ("", "a=recvonly\n", Direction::SendOnly),
        ("", "a=inactive\n", Direction::Inactive),
        ("a=sendonly\n", "", Direction::RecvOnly),
        ("a=sendonly\n", "a=sendrecv\n", Direction::SendRecv),
        ("", "c=IN IP4 0.0.0.0\n", Direction::RecvOnly),
        ("", "c=IN IP4 0.0.0.0\na=recvonly\n", Direction::Inactive),
        ("", "c=IN IP4 0.0.0.0\na=ice-ufrag:abcd\n", Direction::SendRecv),
    ] {
        let media = first(&format!("{session}m=audio 5000 RTP/AVP 0\n{line}"));
        assert_eq!(media.direction, ours, "{session}{line}");
        assert_eq!(media.remote.rtp.is_none(), line.contains("0.0.0.0"));
    }
}

#[test]
fn what_we_do_not_want_to_do_is_not_done() {
    let offer = parse(&format!("m=audio 5000 RTP/AVP 0\n{VP8}"));
    let capabilities =
        Capabilities { video_direction: Direction::RecvOnly, ..Capabilities::standard(1) };
    let mut plan = answer(&offer, &capabilities).unwrap();
    plan.limit_direction(0, Direction::SendOnly);
    plan.limit_direction(9, Direction::SendOnly);
    let text = text_of(&plan);
    assert!(
        text.contains("m=audio 20000 RTP/AVP 0\na=rtpmap:0 PCMU/8000\na=ptime:20\na=sendonly\n")
    );
    assert!(text.ends_with("a=recvonly\n"), "{text}");
}

#[test]
fn media_goes_to_one_host_only() {
    for address in ["IP4 224.2.1.1/127", "IP4 255.255.255.255", "IP6 ff02::1"] {
        let media = first(&format!("m=audio 5000 RTP/AVP 0\nc=IN {address}\n"));
        assert_eq!((media.remote.rtp, media.remote.rtcp), (None, None), "{address}");
        let media = first(&format!("m=audio 5000 RTP/AVP 0\na=rtcp:6001 IN {address}\n"));
        assert_eq!(media.remote.rtcp, None, "{address}");
    }
}

#[test]
fn rtcp_has_its_own_address() {
    for (lines, rtcp) in [
        ("", Some("192.0.2.1:5001")),
        ("a=rtcp:6001\n", Some("192.0.2.1:6001")),
        ("a=rtcp:6001 IN IP4 192.0.2.5\n", Some("192.0.2.5:6001")),
        ("a=rtcp:6001 IN IP6 2001:db8::5\n", Some("[2001:db8::5]:6001")),
        ("a=rtcp:9 IN IP4 0.0.0.0\n", None),
        ("a=rtcp:6001\na=rtcp-mux\n", Some("192.0.2.1:5000")),
        ("c=IN IP4 host.example.com\n", None),
    ] {
        let media = first(&format!("m=audio 5000 RTP/AVP 0\n{lines}"));
        assert_eq!(media.remote.rtcp, rtcp.map(|address| address.parse().unwrap()), "{lines}");
        assert_eq!(media.rtcp_mux, lines.contains("mux"));
    }
    assert_eq!(first("m=audio 65535 RTP/AVP 0\n").remote.rtcp, None);
}

#[test]
fn mux_is_answered_only_if_offered_wanted_and_safe() {
    let offered = "m=audio 5000 RTP/AVP 0\na=rtcp-mux\n";
    assert!(text_of(&plan(offered).unwrap()).contains("a=rtcp-mux\n"));
    let unwilling = Capabilities { rtcp_mux: false, ..Capabilities::standard(1) };
    let plan = answer(&parse(offered), &unwilling).unwrap();
    assert!(!text_of(&plan).contains("a=rtcp-mux\n"));
    // RFC 5761 §4: payload type 72 with the marker bit is RTCP type 200.
    let clash = first("m=audio 5000 RTP/AVP 72\na=rtpmap:72 opus/48000/2\na=rtcp-mux\n");
    assert!(!clash.rtcp_mux);
}

#[test]
fn our_rtcp_port_is_told_unless_it_is_the_next_or_muxed() {
    let rtp = "192.0.2.9:7000".parse().unwrap();
    let far =
        LocalTransport { rtcp: "192.0.2.9:7777".parse().unwrap(), ..LocalTransport::pair(rtp) };
    for (offered, local, told) in [
        ("", LocalTransport::pair(rtp), false),
        ("", far.clone(), true),
        ("a=rtcp-mux\n", far, false),
        ("a=rtcp-mux\n", LocalTransport::single(rtp), false),
    ] {
        let plan = plan(&format!("m=audio 5000 RTP/AVP 0\n{offered}")).unwrap();
        let text = plan.into_description(&[local]).unwrap().to_string();
        assert_eq!(text.contains("a=rtcp:7777"), told, "{text}");
    }
    let far = LocalTransport { rtcp: "[::1]:7001".parse().unwrap(), ..LocalTransport::pair(rtp) };
    let plan = plan("m=audio 5000 RTP/AVP 0\n").unwrap();
    let text = plan.into_description(&[far]).unwrap().to_string();
    assert!(text.contains("a=rtcp:7001 IN IP6 ::1\r\n"), "{text}");
}

#[test]
fn a_line_of_another_address_has_its_own_connection() {
    let plan = plan(&format!("m=audio 5000 RTP/AVP 0\n{VP8}")).unwrap();
    let six = LocalTransport::pair("[2001:db8::9]:7000".parse().unwrap()).with_source(7, "me@x");
    let text = plan.into_description(&[local(6000), six]).unwrap().to_string();
    assert!(text.contains("s=-\r\nc=IN IP4 192.0.2.9\r\n"), "{text}");
    assert!(text.contains("m=video 7000 RTP/AVPF 97\r\nc=IN IP6 2001:db8::9\r\n"), "{text}");
    assert!(text.ends_with("a=ssrc:7 cname:me@x\r\n"), "{text}");
}

#[test]
fn feedback_is_what_both_know_in_the_form_offered() {
    let media = first(
        "m=video 5002 RTP/AVP 97 98\na=rtpmap:97 VP8/90000\na=rtpmap:98 H264/90000\n\
         a=rtcp-fb:97 nack\na=rtcp-fb:* ccm fir\na=rtcp-fb:98 nack pli\na=rtcp-fb:97 nack sli\n",
    );
    assert_eq!(media.feedback, [Feedback::Nack, Feedback::CcmFir]);
    assert!(media.supports(&Feedback::CcmFir) && !media.supports(&Feedback::NackPli));
}

#[test]
fn each_refused_line_knows_why_and_stays() {
    let plan = plan(&format!(
        "m=audio 0 RTP/AVP 0\nm=audio 5000 RTP/SAVP 0\nm=audio 5000 RTP/AVP 18\n\
         m=audio 5000 RTP/AVP 0\nm=audio 5010 RTP/AVP 0\nm=message 5020 TCP/MSRP *\na=mid:chat\n\
         m=image 5030 udptl t38\n{VP8}"
    ))
    .unwrap();
    let refusals: Vec<_> =
        plan.lines().iter().map(|line| line.media.as_ref().err().copied()).collect();
    assert_eq!(
        refusals,
        [
            Some(Refusal::Disabled),
            Some(Refusal::Profile),
            Some(Refusal::Codec),
            None,
            Some(Refusal::TooMany),
            Some(Refusal::MediaType),
            Some(Refusal::MediaType),
            None,
        ]
    );
    let text = text_of(&plan);
    assert!(text.contains("m=message 0 TCP/MSRP *\na=mid:chat\nm=image 0 udptl t38\n"), "{text}");
    assert!(text.contains("m=audio 0 RTP/SAVP 0\nm=audio 0 RTP/AVP 18\n"), "{text}");
}

#[test]
fn nothing_in_common_is_a_warning() {
    for (media, code) in [
        ("m=message 5020 TCP/MSRP *\n", WarningCode::MediaTypeNotAvailable),
        ("m=text 5020 RTP/AVP 98\nm=audio 0 RTP/AVP 0\n", WarningCode::MediaTypeNotAvailable),
        ("m=audio 5000 RTP/AVP 18\n", WarningCode::IncompatibleMediaFormat),
        (
            "m=audio 5000 RTP/AVP 101\na=rtpmap:101 telephone-event/8000\n",
            WarningCode::IncompatibleMediaFormat,
        ),
        ("m=audio 5000 RTP/SAVP 0\n", WarningCode::IncompatibleTransportProtocol),
    ] {
        assert_eq!(plan(media).unwrap_err().code, code, "{media}");
    }
}

#[test]
fn ports_can_run_out_after_the_plan() {
    let mut plan = plan(&format!("m=audio 5000 RTP/AVP 0\n{VP8}a=mid:v\n")).unwrap();
    assert_eq!(
        plan.clone().into_description(&[local(6000)]),
        Err(WrongPortCount { needed: 2, given: 1 })
    );
    plan.refuse(1);
    plan.refuse(7);
    assert_eq!(plan.lines()[1].media, Err(Refusal::Application));
    let description = plan.into_description(&[local(6000)]).unwrap();
    assert_eq!(description.media[1].port, 0);
    assert_eq!(description.media[1].attributes.get("mid"), Some("v"));
}

#[test]
fn the_house_offer() {
    let lines = [
        OfferLine::new(MediaKind::Audio, Direction::SendRecv, local(6000).with_source(1, "c")),
        OfferLine::new(MediaKind::Video, Direction::RecvOnly, local(6002)),
    ];
    assert_eq!(
        offer(&lines, &Capabilities::standard(4)).to_string().replace("\r\n", "\n"),
        "v=0\no=- 0 0 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n\
         m=audio 6000 RTP/AVPF 96 0 8 100 101\na=rtpmap:96 opus/48000/2\n\
         a=fmtp:96 useinbandfec=1\na=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\n\
         a=rtpmap:100 telephone-event/48000\na=fmtp:100 0-15\n\
         a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=ptime:20\na=rtcp-mux\n\
         a=sendrecv\na=ssrc:1 cname:c\n\
         m=video 6002 RTP/AVPF 98\na=rtpmap:98 VP8/90000\na=rtcp-fb:98 nack\n\
         a=rtcp-fb:98 nack pli\na=rtcp-fb:98 ccm fir\na=rtcp-fb:98 goog-remb\na=rtcp-mux\n\
         a=recvonly\n"
    );
}

/// RFC 3264 §8.3.2: a payload type never changes its meaning on a line.
#[test]
fn a_new_offer_keeps_the_numbers_of_the_line() {
    // The peer has its own numbers, and ours for opus and for DTMF mean something else there.
    let plan = plan(
        "m=audio 5000 RTP/AVP 8 96 101 99\na=rtpmap:96 speex/16000\na=rtpmap:101 speex/8000\n\
         a=rtpmap:99 telephone-event/8000\na=label:7\n\
         m=message 5020 TCP/MSRP *\n",
    )
    .unwrap();
    let lines: Vec<OfferLine> = plan
        .lines()
        .iter()
        .map(|line| OfferLine::again(line, Some(local(6000))).with_direction(Direction::SendOnly))
        .collect();
    let again = offer(&lines, &Capabilities::standard(1));
    let audio = &again.media[0];
    assert_eq!(audio.protocol, Protocol::RtpAvp);
    assert_eq!(audio.attributes.get("label"), Some("7"));
    let codecs: Vec<_> = CodecSet::of(audio)
        .iter()
        .map(|codec| (codec.payload_type, codec.name.clone(), codec.clock_rate))
        .collect();
    assert_eq!(codecs[0], (8, "PCMA".to_owned(), 8_000), "the codec in use comes first");
    assert!(codecs.contains(&(99, "telephone-event".to_owned(), 8_000)));
    let opus = codecs.iter().find(|(_, name, _)| name == "opus").unwrap().0;
    assert!(![96, 99, 101].contains(&opus));
    assert_eq!((again.media[1].kind.as_str(), again.media[1].port), ("message", 0));
}

#[test]
fn sloppy_answers_are_taken() {
    let lines = [
        OfferLine::new(MediaKind::Audio, Direction::SendRecv, local(6000)),
        OfferLine::new(MediaKind::Video, Direction::RecvOnly, local(6002)),
        OfferLine::new(MediaKind::Video, Direction::RecvOnly, local(6004)),
    ];
    let ours = offer(&lines, &Capabilities::standard(2));
    // Another profile, no rtpmap for our number, a direction beyond the offer, a line too few.
    let theirs = parse(
        "m=audio 5000 RTP/AVP 96 101\na=sendonly\na=rtcp-mux\n\
         m=video 5002 RTP/AVP 120\na=rtpmap:120 vp8/90000\na=sendrecv\n",
    );
    let lines = accept(&ours, &theirs).unwrap();
    let audio = lines[0].accepted().unwrap();
    assert!(audio.codec.is_named("opus") && audio.rtcp_mux);
    assert_eq!(audio.direction, Direction::RecvOnly);
    assert_eq!(audio.remote.rtcp, audio.remote.rtp);
    assert_eq!(audio.telephone_event.as_ref().unwrap().payload_type, 101);
    let video = lines[1].accepted().unwrap();
    assert_eq!(video.codec.payload_type, 120);
    assert_eq!(video.receive.first().unwrap().payload_type, 98);
    assert_eq!(video.direction, Direction::RecvOnly);
    assert!(video.feedback.is_empty() && !video.rtcp_mux);
    assert_eq!(lines[2].media, Err(Refusal::Disabled));
}

#[test]
fn answers_to_something_else_are_not_taken() {
    let ours = offer(
        &[OfferLine::new(MediaKind::Audio, Direction::SendRecv, local(6000))],
        &Capabilities::standard(0),
    );
    for (answered, refusal) in [
        ("m=audio 0 RTP/AVPF 96\n", Refusal::Disabled),
        ("m=video 5000 RTP/AVPF 96\n", Refusal::MediaType),
        ("m=audio 5000 RTP/SAVPF 96\n", Refusal::Profile),
        ("m=audio 5000 RTP/AVPF 18\n", Refusal::Codec),
        ("m=audio 5000 RTP/AVPF 100\n", Refusal::Codec),
    ] {
        let with_a_good_line = format!("{answered}m=audio 5000 RTP/AVPF 0\n");
        let both = SessionDescription {
            media: vec![ours.media[0].clone(), ours.media[0].clone()],
            ..ours.clone()
        };
        let lines = accept(&both, &parse(&with_a_good_line)).unwrap();
        assert_eq!(lines[0].media, Err(refusal), "{answered}");
        assert!(lines[1].media.is_ok());
        assert!(accept(&ours, &parse(answered)).is_err(), "{answered}");
    }
}
