//! The rules of offer and answer, one test each (RFC 3264, RFC 6337, and what hangs on them).

#![allow(clippy::unwrap_used, reason = "a failing test shall panic")]

use sdp::negotiate::{
    Answer, Capabilities, LocalTransport, NegotiatedMedia, OfferLine, Refusal, accept, answer,
    offer,
};
use sdp::{DialogSdp, Direction, MediaKind, Protocol, SessionDescription};

const AUDIO: &str = "m=audio 5000 RTP/AVP 0\n";
const VIDEO: &str = "m=video 5002 RTP/AVPF 97\na=rtpmap:97 VP8/90000\n";

fn parse(session: &str, media: &str) -> SessionDescription {
    let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\n{session}t=0 0\n{media}");
    SessionDescription::parse(&text).unwrap()
}

fn offered(media: &str) -> SessionDescription {
    parse("c=IN IP4 192.0.2.1\n", media)
}

fn plan(offer: &SessionDescription) -> Answer {
    answer(offer, &Capabilities::standard(2)).unwrap()
}

fn first(media: &str) -> NegotiatedMedia {
    plan(&offered(media)).lines()[0].accepted().unwrap().clone()
}

fn at(port: u16) -> LocalTransport {
    LocalTransport::pair(([192, 0, 2, 9], port).into())
}

fn described(plan: &Answer) -> SessionDescription {
    plan.describe(|line| at(20_000 + 2 * u16::try_from(line.index).unwrap()))
}

fn dialog() -> DialogSdp {
    DialogSdp::new("-", 1, "192.0.2.9".parse().unwrap())
}

fn new_lines() -> [OfferLine; 2] {
    [
        OfferLine::new(MediaKind::Audio, Direction::SendRecv, at(6000)),
        OfferLine::new(MediaKind::Video, Direction::SendRecv, at(6002)),
    ]
}

/// RFC 3264 §8.4, RFC 6337 §5.3; the last two are how RFC 2543 held, by itself and with today's way.
#[test]
fn every_way_to_hold_is_understood() {
    for (session, media, ours) in [
        ("c=IN IP4 192.0.2.1\n", "a=sendonly\n", Direction::RecvOnly),
        ("c=IN IP4 192.0.2.1\n", "a=inactive\n", Direction::Inactive),
        ("c=IN IP4 192.0.2.1\na=sendonly\n", "", Direction::RecvOnly),
        ("c=IN IP4 192.0.2.1\na=inactive\n", "", Direction::Inactive),
        ("c=IN IP4 192.0.2.1\na=inactive\n", "a=sendrecv\n", Direction::SendRecv),
        ("c=IN IP4 0.0.0.0\n", "", Direction::RecvOnly),
        ("c=IN IP6 ::\n", "", Direction::RecvOnly),
        ("c=IN IP4 192.0.2.1\n", "c=IN IP4 0.0.0.0\n", Direction::RecvOnly),
        ("c=IN IP4 0.0.0.0\n", "a=recvonly\n", Direction::Inactive),
        ("c=IN IP4 0.0.0.0\n", "a=sendonly\n", Direction::RecvOnly),
        ("c=IN IP4 0.0.0.0\n", "a=inactive\n", Direction::Inactive),
    ] {
        let plan = plan(&parse(session, &format!("{AUDIO}{media}")));
        let audio = plan.lines()[0].accepted().unwrap();
        assert_eq!(audio.direction, ours, "{session}{media}");
        assert_eq!(
            audio.remote.rtp.is_none(),
            session.contains("0.0.0.0") || session.contains("::") || media.contains("0.0.0.0"),
            "nothing is sent to nowhere"
        );
        assert_eq!(
            described(&plan).media[0].direction(),
            ours,
            "RFC 3264 §6.1: stated in the answer"
        );
    }
}

/// RFC 3264 §5: streams may come later; §5.1: a disabled one in a first offer has no use but is allowed.
#[test]
fn an_offer_without_streams_is_answered_in_kind() {
    let disabled = "m=audio 0 RTP/AVP 0\nm=video 0 RTP/AVPF 97\na=rtpmap:97 VP8/90000\n";
    for (media, count) in [("", 0), (disabled, 2)] {
        let offer = offered(media);
        let description = described(&plan(&offer));
        assert_eq!(description.media.len(), count);
        assert!(!description.media.iter().any(sdp::MediaDescription::is_live));
        assert!(accept(&offer, &description).unwrap().iter().all(|line| line.accepted().is_none()));
    }
}

/// RFC 3264 §6: the answer has the lines of the offer; a rejected one has port 0.
#[test]
fn a_rejected_line_keeps_its_place() {
    let media = format!("m=image 5010 udptl t38\n{AUDIO}m=video 5002 RTP/AVP 31\n");
    let description = described(&plan(&offered(&media)));
    let lines: Vec<_> = description.media.iter().map(|m| (m.kind.as_str(), m.port)).collect();
    assert_eq!(lines, [("image", 0), ("audio", 20_002), ("video", 0)]);
}

/// RFC 3264 §8.1, §8.2: lines are added at the end and disabled in place; a place is used again.
#[test]
fn lines_come_and_go_and_their_number_never_shrinks() {
    let capabilities = Capabilities::standard(2);
    let mut ours = dialog();
    let count = |ours: &mut DialogSdp, lines: &[OfferLine]| {
        let ports: Vec<u16> =
            ours.fit(&offer(lines, &capabilities)).media.iter().map(|media| media.port).collect();
        ports
    };
    let [audio, video] = new_lines();
    assert_eq!(count(&mut ours, std::slice::from_ref(&audio)), [6000]);
    assert_eq!(count(&mut ours, &[audio.clone(), video.clone()]), [6000, 6002]);
    assert_eq!(count(&mut ours, std::slice::from_ref(&audio)), [6000, 0]);
    assert_eq!(count(&mut ours, &[audio, video]), [6000, 6002]);
    // The peer adds one, too.
    let theirs = format!("{AUDIO}{VIDEO}{VIDEO}");
    let answered = ours.answer(&offered(&theirs), &described(&plan(&offered(&theirs))));
    assert_eq!(answered.media.len(), 3);
    assert_eq!(count(&mut ours, &new_lines()), [6000, 6002, 0]);
}

/// RFC 3264 §8: the version rises by one exactly when the description changes.
#[test]
fn the_version_rises_by_one_only_when_something_changed() {
    let capabilities = Capabilities::standard(1);
    let mut ours = dialog();
    let [audio, video] = new_lines();
    let held = audio.clone().with_direction(Direction::SendOnly);
    let offers = [vec![audio.clone()], vec![audio.clone()], vec![held], vec![audio.clone(), video]];
    let versions =
        offers.map(|lines| ours.fit(&offer(&lines, &capabilities)).origin.session_version);
    assert_eq!(versions, [1, 1, 2, 3]);
}

/// RFC 3264 §8.3.2: a number keeps its meaning, also over offers that did not use it, and the peer's
/// numbers win over ours.
#[test]
fn a_number_keeps_its_meaning_from_offer_to_offer() {
    let capabilities = Capabilities::standard(1).with_g722();
    let theirs = "m=audio 5000 RTP/AVP 107 98\na=rtpmap:107 opus/48000/2\na=rtpmap:98 iLBC/8000\n";
    let lines = plan(&offered(theirs)).lines().to_vec();
    let again = offer(&[OfferLine::again(&lines[0], Some(at(6000)))], &capabilities);
    assert_eq!(again.media[0].formats[0], "107");
    assert!(!again.media[0].formats.contains(&"98".to_owned()), "98 stays iLBC");
    assert!(!again.media[0].formats.contains(&"96".to_owned()), "opus has a number");
}

/// RFC 4585 §4.2 and practice: the profile offered is answered; feedback listed is used in both.
#[test]
fn feedback_works_in_both_profiles() {
    for profile in [Protocol::RtpAvp, Protocol::RtpAvpf] {
        let media = format!(
            "m=video 5002 {profile} 97\na=rtpmap:97 VP8/90000\na=rtcp-fb:* nack\n\
             a=rtcp-fb:97 ccm fir\na=rtcp-fb:* trr-int 100\n"
        );
        let plan = plan(&offered(&media));
        let description = described(&plan);
        assert_eq!(description.media[0].protocol, profile);
        assert_eq!(plan.lines()[0].accepted().unwrap().feedback.len(), 2);
        let text = description.to_string();
        assert!(text.contains("a=rtcp-fb:* nack\r\na=rtcp-fb:97 ccm fir\r\n"), "{text}");
        assert!(!text.contains("trr-int"), "{text}");
        assert_eq!(accept(&offered(&media), &description).unwrap().len(), 1);
    }
    // Our AVPF answered in AVP, as phones do that know no AVPF.
    let ours = offer(&new_lines(), &Capabilities::standard(1));
    let theirs = format!("{AUDIO}{}a=rtcp-fb:97 nack pli\n", VIDEO.replace("AVPF", "AVP"));
    let lines = accept(&ours, &offered(&theirs)).unwrap();
    let video = lines[1].accepted().unwrap();
    assert_eq!((&video.profile, video.feedback.len()), (&Protocol::RtpAvp, 1));
}

/// RFC 8866 §6.4, §6.5: what the peer says bounds what we send, not what we say.
#[test]
fn packet_times_are_the_wishes_of_whoever_states_them() {
    let media = first(&format!("{AUDIO}a=ptime:30\na=maxptime:60\n"));
    assert_eq!((media.ptime, media.maxptime), (Some(30), Some(60)));
    let plan = plan(&offered(&format!("{AUDIO}a=ptime:30\n")));
    assert_eq!(described(&plan).media[0].attributes.get("ptime"), Some("20"));
    assert_eq!(first(&format!("{AUDIO}a=ptime:0\na=maxptime:x\n")).ptime, None);
}

/// RFC 8866 §5.8, RFC 3890.
#[test]
fn bandwidth_is_read_in_bits_per_second() {
    for (lines, bits) in [
        ("", None),
        ("b=AS:512\n", Some(512_000)),
        ("b=AS:512\nb=TIAS:500000\n", Some(500_000)),
        ("b=CT:128\nb=X-YZ:1\n", None),
        ("b=AS:99999999999999999999\n", Some(u64::MAX)),
    ] {
        assert_eq!(first(&format!("{AUDIO}{lines}")).bandwidth, bits, "{lines}");
    }
}

/// RFC 7587 §7: `/2` always; §6.1: parameters say what their side would like to be sent, so that those
/// of offer and answer may differ.
#[test]
fn opus_parameters_are_those_of_the_receiver() {
    let plan = plan(&offered(
        "m=audio 5000 RTP/AVP 109\na=rtpmap:109 opus/48000/2\n\
         a=fmtp:109 maxplaybackrate=16000;stereo=1;maxaveragebitrate=20000;usedtx=1\n",
    ));
    let media = plan.lines()[0].accepted().unwrap();
    let wish = media.codec.opus().unwrap();
    assert_eq!((wish.max_playback_rate, wish.max_average_bitrate), (16_000, Some(20_000)));
    assert!(wish.use_dtx && wish.stereo && !wish.use_inband_fec);
    let text = described(&plan).to_string();
    assert!(text.contains("a=rtpmap:109 opus/48000/2\r\na=fmtp:109 useinbandfec=1\r\n"), "{text}");
}

/// RFC 7741 §6.1.
#[test]
fn vp8_parameters_bound_what_we_send() {
    let media = first(&format!("{VIDEO}a=fmtp:97 max-fr=15; max-fs=1200\n"));
    let limits = media.codec.vp8().unwrap();
    assert_eq!(limits.max_frame_rate, Some(15));
    assert!(limits.allows(640, 480) && !limits.allows(1280, 720));
}

/// RFC 4733 §2.4.1: the list of events is the receiver's; §2.1: the clock is that of the audio.
#[test]
fn telephone_events_are_those_the_peer_lists() {
    let media = first(
        "m=audio 5000 RTP/AVP 109 110 101\na=rtpmap:109 opus/48000/2\n\
         a=rtpmap:110 telephone-event/48000\na=fmtp:110 0-11\n\
         a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15,32\n",
    );
    let event = media.telephone_event.unwrap();
    assert_eq!((event.payload_type, event.clock_rate), (110, 48_000));
    let events = event.events().unwrap();
    assert!(events.contains(11) && !events.contains(12));
}

/// RFC 8866 §5.7 and multi-homed hosts: a medium has its own address, else the session's.
#[test]
fn each_medium_may_have_its_own_address() {
    let media = format!("{AUDIO}c=IN IP6 2001:db8::7\na=rtcp:7001 IN IP4 192.0.2.77\n{VIDEO}");
    let plan = plan(&offered(&media));
    let remote = |index: usize| plan.lines()[index].accepted().unwrap().remote;
    assert_eq!(remote(0).rtp, Some("[2001:db8::7]:5000".parse().unwrap()));
    assert_eq!(remote(0).rtcp, Some("192.0.2.77:7001".parse().unwrap()));
    assert_eq!(remote(1).rtp, Some("192.0.2.1:5002".parse().unwrap()));
    assert_eq!(remote(1).rtcp, Some("192.0.2.1:5003".parse().unwrap()));
}

/// RFC 8866 §5.7, RFC 3605: our own addresses may be of either family.
#[test]
fn an_answer_may_be_of_the_other_address_family() {
    let plan = plan(&offered(AUDIO));
    let local = LocalTransport::pair("[::1]:6000".parse().unwrap());
    let text = plan.describe(|_| local.clone()).to_string();
    assert!(text.contains("o=- 0 0 IN IP6 ::1\r\n") && text.contains("c=IN IP6 ::1\r\n"), "{text}");
}

/// RFC 4574, RFC 4796: names of the line are answered, so that a roster can refer to them.
#[test]
fn labels_and_contents_are_kept() {
    let media = format!("{AUDIO}{VIDEO}a=label:slides-1\na=content:slides,main\n");
    let plan = plan(&offered(&media));
    let video = plan.lines()[1].accepted().unwrap();
    assert_eq!(video.label.as_deref(), Some("slides-1"));
    assert_eq!(video.content.as_deref(), Some("slides,main"));
    let text = described(&plan).to_string();
    assert!(text.contains("a=label:slides-1\r\na=content:slides,main\r\n"), "{text}");
    let bad = first(&format!("{AUDIO}a=label:two words\na=content:\n"));
    assert_eq!((bad.label, bad.content), (None, None));
}

/// RFC 3264 §6: the times of an answer are those of the offer.
#[test]
fn times_are_those_of_the_offer() {
    let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=5 6\n{AUDIO}");
    let offer = SessionDescription::parse(&text).unwrap();
    assert_eq!(dialog().answer(&offer, &described(&plan(&offer))).times, offer.times);
}

/// RFC 3264 §6: what nobody knows is left out of the answer, and harms nothing.
#[test]
fn unknown_attributes_are_not_answered() {
    let media = format!("{AUDIO}a=x-unknown:1\na=ice-ufrag:abcd\na=zrtp-hash:1.10 0f\n");
    let text = described(&plan(&offered(&media))).to_string();
    assert!(
        !text.contains("x-unknown") && !text.contains("ice-") && !text.contains("zrtp"),
        "{text}"
    );
}

/// RFC 9143 §7.2: a bundle-only line has port 0 on purpose; who does not bundle refuses it.
#[test]
fn a_bundle_only_line_is_refused() {
    let media = format!("{AUDIO}a=mid:a\nm=video 0 RTP/AVPF 97\na=bundle-only\na=mid:v\n");
    let plan = plan(&offered(&media));
    assert_eq!(plan.lines()[1].media, Err(Refusal::Disabled));
    assert!(described(&plan).to_string().contains("m=video 0 RTP/AVPF 97\r\na=mid:v\r\n"));
}
