//! Retransmissions in streams of their own (RFC 4588 §8).

#![allow(clippy::unwrap_used, reason = "a failing test shall panic")]

use sdp::negotiate::{
    Capabilities, LocalTransport, OfferLine, Rtx, Source, WarningCode, accept, answer, offer,
};
use sdp::{Direction, MediaKind, SessionDescription};

const FEEDBACK: &str = "a=rtcp-fb:96 nack\n";
const CHROMIUM: &str = "m=video 5002 RTP/AVPF 96 97 98 99\na=rtpmap:96 VP8/90000\n\
    a=rtcp-fb:96 nack\na=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\na=rtpmap:98 VP9/90000\n\
    a=rtpmap:99 rtx/90000\na=fmtp:99 apt=98;rtx-time=200\na=ssrc-group:FID 7 8\n\
    a=ssrc:7 cname:c\na=ssrc:8 cname:c\n";

fn parse(media: &str) -> SessionDescription {
    let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n{media}");
    SessionDescription::parse(&text).unwrap()
}

fn local() -> LocalTransport {
    LocalTransport::pair("192.0.2.9:6000".parse().unwrap()).with_source(70, "h").with_rtx_source(80)
}

fn with_rtx() -> Capabilities {
    Capabilities::standard(2).with_rtx(1000)
}

fn answered(media: &str, capabilities: &Capabilities) -> (Option<Rtx>, String) {
    let plan = answer(&parse(media), capabilities).unwrap();
    let rtx = plan.lines()[0].accepted().unwrap().rtx;
    (rtx, plan.describe(|_| local()).to_string().replace("\r\n", "\n"))
}

#[test]
fn rtx_of_the_chosen_codec_is_answered() {
    let (rtx, text) = answered(CHROMIUM, &with_rtx());
    assert_eq!(rtx, Some(Rtx { send: 97, receive: 97, peer_time: None }));
    assert!(text.contains("m=video 6000 RTP/AVPF 96 97\n"), "{text}");
    assert!(text.contains("a=rtpmap:97 rtx/90000\na=fmtp:97 apt=96;rtx-time=1000\n"), "{text}");
    assert!(
        text.contains("a=ssrc-group:FID 70 80\na=ssrc:70 cname:h\na=ssrc:80 cname:h\n"),
        "{text}"
    );
}

#[test]
fn rtx_is_answered_only_if_offered_wanted_asked_by_nack_and_paired() {
    let none = [
        (CHROMIUM.to_owned(), Capabilities::standard(2)),
        (CHROMIUM.replace(FEEDBACK, ""), with_rtx()),
        (CHROMIUM.replace("a=fmtp:97 apt=96\n", ""), with_rtx()),
        (CHROMIUM.replace("apt=96", "apt=300"), with_rtx()),
        (format!("m=video 1 RTP/AVPF 96\na=rtpmap:96 VP8/90000\n{FEEDBACK}"), with_rtx()),
    ];
    for (media, capabilities) in none {
        let (rtx, text) = answered(&media, &capabilities);
        assert_eq!(rtx, None, "{media}");
        assert!(!text.contains("rtx") && !text.contains("ssrc-group"), "{text}");
    }
}

#[test]
fn rtx_alone_is_no_video() {
    let only = parse("m=video 5002 RTP/AVPF 97\na=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\n");
    let refused = answer(&only, &with_rtx()).unwrap_err();
    assert_eq!(refused.code, WarningCode::IncompatibleMediaFormat);
}

#[test]
fn a_source_that_repeats_another_is_part_of_it() {
    let plan = answer(&parse(CHROMIUM), &with_rtx()).unwrap();
    let sources = &plan.lines()[0].accepted().unwrap().sources;
    let cname = Some("c".to_owned());
    assert_eq!(*sources, [Source { ssrc: 7, cname, rtx: Some(8) }]);
}

#[test]
fn rtx_is_offered_taken_from_the_answer_and_offered_again_under_its_number() {
    let line = OfferLine::new(MediaKind::Video, Direction::SendRecv, local());
    let offered = offer(&[line], &with_rtx());
    let text = offered.to_string().replace("\r\n", "\n");
    assert!(text.contains("RTP/AVPF 98 99\n"), "{text}");
    assert!(text.contains("a=rtpmap:99 rtx/90000\na=fmtp:99 apt=98;rtx-time=1000\n"), "{text}");
    assert!(!text.contains("rtcp-fb:99"), "{text}");

    let taken = "m=video 5002 RTP/AVPF 98 99\na=rtpmap:98 VP8/90000\na=rtcp-fb:98 nack\n\
        a=rtpmap:99 rtx/90000\na=fmtp:99 apt=98;rtx-time=300\n";
    let lines = accept(&offered, &parse(taken)).unwrap();
    let media = lines[0].accepted().unwrap();
    assert_eq!(media.rtx, Some(Rtx { send: 99, receive: 99, peer_time: Some(300) }));
    assert!(media.receive.by_payload_type(99).is_none(), "what repeats is no codec to decode");
    let again = offer(&[OfferLine::again(&lines[0], Some(local()))], &with_rtx());
    assert_eq!(again.media[0].formats, ["98", "99"]);

    let renumbered = taken.replace("98", "110").replace("99", "111");
    let media = accept(&offered, &parse(&renumbered)).unwrap()[0].accepted().unwrap().clone();
    assert_eq!(media.rtx, Some(Rtx { send: 111, receive: 99, peer_time: Some(300) }));

    let without = "m=video 5002 RTP/AVPF 98\na=rtpmap:98 VP8/90000\n";
    assert_eq!(accept(&offered, &parse(without)).unwrap()[0].accepted().unwrap().rtx, None);
}

#[test]
fn the_numbers_64_to_95_rule_out_mux_for_rtx_too() {
    let media = CHROMIUM.replace("97", "72") + "a=rtcp-mux\n";
    let plan = answer(&parse(&media), &with_rtx()).unwrap();
    let media = plan.lines()[0].accepted().unwrap();
    assert_eq!((media.rtx.unwrap().send, media.rtcp_mux), (72, false));
}
