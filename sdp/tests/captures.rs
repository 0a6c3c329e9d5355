//! Descriptions real clients sent (our own recordings, LF for CRLF): all parse, print as they came,
//! agree with another parser, and are negotiated as they must be.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test shall panic")]

use std::collections::BTreeMap;
use std::path::Path;

use sdp::attribute::extmap::SSRC_AUDIO_LEVEL;
use sdp::attribute::rtcp_fb::Feedback;
use sdp::negotiate::{
    Capabilities, LocalTransport, OfferLine, Refusal, WarningCode, accept, answer, offer,
};
use sdp::{CodecSet, Direction, MediaKind, Protocol, SessionDescription};

fn all() -> BTreeMap<String, String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let captures: BTreeMap<String, String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(captures.len() >= 56, "captures are missing: {:?}", captures.keys());
    captures
}

fn capture(name: &str) -> SessionDescription {
    SessionDescription::parse(&all()[name]).unwrap()
}

fn local(port: u16) -> LocalTransport {
    LocalTransport::pair(format!("127.0.0.1:{port}").parse().unwrap())
}

/// Our answer, once more through the parser.
fn answered(offer: &SessionDescription, video_lines: usize) -> (SessionDescription, String) {
    let answer = answer(offer, &Capabilities::standard(video_lines)).unwrap();
    let mut port = 20_000;
    let description = answer.describe(|_| {
        port += 2;
        local(port)
    });
    let text = description.to_string();
    assert_eq!(SessionDescription::parse(&text).unwrap(), description);
    (description, text)
}

#[test]
fn every_capture_prints_as_it_came() {
    for (name, text) in all() {
        for text in [text.clone(), text.replace('\n', "\r\n")] {
            let parsed = SessionDescription::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(
                parsed.to_string().replace("\r\n", "\n"),
                text.replace("\r\n", "\n"),
                "{name}"
            );
            assert_eq!(SessionDescription::from_bytes(text.as_bytes()), Ok(parsed));
        }
    }
}

/// webrtc-sdp (Mozilla) as an oracle for what the lines mean.
#[test]
fn another_parser_reads_the_same() {
    use webrtc_sdp::attribute_type::{SdpAttribute, SdpAttributeType};
    use webrtc_sdp::media_type::SdpFormatList;
    for (name, text) in all() {
        let ours = SessionDescription::parse(&text).unwrap();
        let theirs = webrtc_sdp::parse_sdp(&text.replace('\n', "\r\n"), false)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(theirs.origin.session_id, ours.origin.session_id, "{name}");
        assert_eq!(theirs.media.len(), ours.media.len(), "{name}");
        for (index, (theirs, ours_media)) in theirs.media.iter().zip(&ours.media).enumerate() {
            assert_eq!(theirs.get_type().to_string(), ours_media.kind.as_str(), "{name}");
            assert_eq!(theirs.get_port(), u32::from(ours_media.port), "{name}");
            assert_eq!(theirs.get_proto().to_string(), ours_media.protocol.as_str(), "{name}");
            let SdpFormatList::Integers(formats) = theirs.get_formats() else {
                panic!("{name}: formats are not numbers");
            };
            let codecs = CodecSet::of(ours_media);
            for attribute in theirs.get_attributes_of_type(SdpAttributeType::Rtpmap) {
                let SdpAttribute::Rtpmap(map) = attribute else { panic!("not an rtpmap") };
                assert!(formats.contains(&u32::from(map.payload_type)));
                let codec = codecs.by_payload_type(map.payload_type).unwrap();
                assert!(codec.is_named(&map.codec_name), "{name}");
                assert_eq!(codec.clock_rate, map.frequency, "{name}");
                let channels = map.channels.filter(|&channels| channels > 0).unwrap_or(1);
                assert_eq!(u32::from(codec.channels), channels, "{name}");
            }
            assert_eq!(
                sdp::negotiate::direction_of(&ours, index).sends(),
                theirs.get_attribute(SdpAttributeType::Recvonly).is_none()
                    && theirs.get_attribute(SdpAttributeType::Inactive).is_none(),
                "{name}"
            );
        }
    }
}

#[test]
fn baresip_gets_opus_its_dtmf_and_vp8() {
    let offer = capture("baresip-video-invite");
    let plan = answer(&offer, &Capabilities::standard(4)).unwrap();
    let audio = plan.lines()[0].accepted().unwrap();
    assert_eq!((audio.codec.name.as_str(), audio.codec.payload_type), ("opus", 96));
    let wishes = audio.codec.opus().unwrap();
    assert!(wishes.stereo && !wishes.use_inband_fec);
    assert_eq!(wishes.max_average_bitrate, Some(28_000));
    // It offers only the 8000 Hz events with its 48 kHz codec.
    assert_eq!(audio.telephone_event.as_ref().unwrap().payload_type, 101);
    assert_eq!(audio.profile, Protocol::RtpAvp);
    assert!(!audio.rtcp_mux);
    assert_eq!(audio.remote.rtp, Some("192.0.2.2:10198".parse().unwrap()));
    assert_eq!(audio.remote.rtcp, Some("192.0.2.2:10199".parse().unwrap()));
    assert_eq!(audio.ptime, Some(20));
    assert_eq!(audio.sources[0].ssrc, 2_415_106_750);
    assert_eq!(audio.sources[0].cname.as_deref(), Some("sip:alice@127.0.0.1:5110"));
    let video = plan.lines()[1].accepted().unwrap();
    assert_eq!(video.codec.fmtp.get("max-fs"), Some("3600"));
    assert_eq!(video.feedback, [Feedback::NackPli]);

    let (_, text) = answered(&offer, 4);
    assert_eq!(
        text.replace("\r\n", "\n"),
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n\
         m=audio 20002 RTP/AVP 96 101\na=rtpmap:96 opus/48000/2\na=fmtp:96 useinbandfec=1\n\
         a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=ptime:20\na=label:1\na=sendrecv\n\
         m=video 20004 RTP/AVP 96\na=rtpmap:96 VP8/90000\na=rtcp-fb:* nack pli\n\
         a=label:2\na=content:main\na=sendrecv\n"
    );
}

#[test]
fn linphone_gets_the_dtmf_of_its_clock() {
    let offer = capture("linphonec-avpf-invite");
    let plan = answer(&offer, &Capabilities::standard(1)).unwrap();
    let audio = plan.lines()[0].accepted().unwrap();
    assert_eq!(audio.telephone_event.as_ref().unwrap().payload_type, 99);
    assert_eq!(audio.profile, Protocol::RtpAvpf);
    // Everything it listed stays known.
    assert_eq!(audio.peer_codecs.len(), 9);
    let video = plan.lines()[1].accepted().unwrap();
    assert_eq!(video.codec.payload_type, 96);
    assert_eq!(video.feedback, [Feedback::NackPli, Feedback::CcmFir]);
}

#[test]
fn hold_is_answered_recvonly_and_resume_sendrecv() {
    for name in ["baresip-hold-reinvite", "linphonec-hold-reinvite"] {
        let plan = answer(&capture(name), &Capabilities::standard(1)).unwrap();
        assert_eq!(plan.lines()[0].accepted().unwrap().direction, Direction::RecvOnly, "{name}");
    }
    let resumed =
        answer(&capture("linphonec-resume-reinvite"), &Capabilities::standard(1)).unwrap();
    assert_eq!(resumed.lines()[0].accepted().unwrap().direction, Direction::SendRecv);
}

#[test]
fn ipv6_addresses_are_read() {
    let plan = answer(&capture("linphonec-ice-invite"), &Capabilities::standard(1)).unwrap();
    let remote = plan.lines()[0].accepted().unwrap().remote;
    assert_eq!(remote.rtp, Some("[fd00::2]:7080".parse().unwrap()));
}

#[test]
fn secure_only_offers_are_refused_for_their_profile() {
    for name in ["linphonec-srtp-invite", "baresip-dtls-invite", "chromium-jssip-multivideo-invite"]
    {
        let reject = answer(&capture(name), &Capabilities::standard(4)).unwrap_err();
        assert_eq!(reject.code, WarningCode::IncompatibleTransportProtocol, "{name}");
        assert!(reject.to_string().starts_with("302 "), "{reject}");
    }
}

/// As Chromium offers it, but in the clear: one camera and four tiles.
#[test]
fn five_video_lines_are_five_tiles() {
    let text = all()["chromium-jssip-multivideo-invite"].replace("UDP/TLS/RTP/SAVPF", "RTP/AVPF");
    let offer = SessionDescription::parse(&text).unwrap();
    let plan = answer(&offer, &Capabilities::standard(4)).unwrap();
    let directions: Vec<_> =
        plan.lines().iter().map(|line| line.accepted().map(|media| media.direction)).collect();
    let send = Some(Direction::SendOnly);
    let both = Some(Direction::SendRecv);
    assert_eq!(directions, [both, both, send, send, send, None]);
    assert_eq!(plan.lines()[5].media, Err(Refusal::TooMany));
    assert!(plan.accepted().all(|(_, media)| media.rtcp_mux));
    let (description, text) = answered(&offer, 4);
    assert_eq!(description.media.len(), 6);
    assert_eq!(description.media[5].port, 0);
    assert_eq!(text.matches("a=mid:").count(), 6);
    assert!(!text.contains("BUNDLE"), "{text}");
}

/// Chromium's audio levels and retransmissions, once a mixer knows them.
#[test]
fn chromium_gets_its_header_extensions_and_retransmissions() {
    let text = all()["chromium-jssip-av-invite"].replace("UDP/TLS/RTP/SAVPF", "RTP/AVPF");
    let offer = SessionDescription::parse(&text).unwrap();
    let capabilities = Capabilities::standard(1).with_g722().with_rtx(1000).with_extension(
        MediaKind::Audio,
        SSRC_AUDIO_LEVEL,
        Direction::RecvOnly,
    );
    let plan = answer(&offer, &capabilities).unwrap();
    let audio = plan.lines()[0].accepted().unwrap();
    assert_eq!(audio.receives_extension(SSRC_AUDIO_LEVEL), Some(1));
    assert!(audio.extmap_allow_mixed);
    let video = plan.lines()[1].accepted().unwrap();
    let rtx = video.rtx.unwrap();
    assert_eq!((video.codec.payload_type, rtx.send, rtx.receive), (96, 97, 97));
    assert!(video.sources[0].rtx.is_some(), "{:?}", video.sources);
    assert_eq!(video.sources.len(), 1);
}

/// RFC 8643 §3.1: keys in RTP/AVP are a wish; an answer without them means plain RTP.
#[test]
fn opportunistic_srtp_is_answered_as_plain_rtp() {
    for name in ["baresip-srtp-invite", "linphonec-zrtp-invite"] {
        let (description, text) = answered(&capture(name), 1);
        assert!(description.media[0].is_live() && description.media[0].protocol.is_plain_rtp());
        for secret in ["crypto", "fingerprint", "setup", "zrtp-hash"] {
            assert!(!text.contains(secret), "{name}: {text}");
        }
    }
}

/// Our offer as the softphone makes it, answered by what Linphone and baresip answered to a like one.
#[test]
fn answers_with_many_codecs_are_taken() {
    let lines = [
        OfferLine::new(MediaKind::Audio, Direction::SendRecv, local(7_000)),
        OfferLine::new(MediaKind::Video, Direction::SendRecv, local(7_002)),
        OfferLine::new(MediaKind::Video, Direction::RecvOnly, local(7_004)),
    ];
    let ours = offer(&lines, &Capabilities::standard(2));
    for (name, dtmf, feedback) in [
        ("linphonec-video-answer", 99, vec![Feedback::NackPli, Feedback::CcmFir]),
        ("baresip-video-answer", 101, vec![Feedback::NackPli]),
    ] {
        let lines = accept(&ours, &capture(name)).unwrap();
        assert_eq!(lines.len(), 3);
        let audio = lines[0].accepted().unwrap();
        assert!(audio.codec.is_named("opus"), "{name}");
        assert_eq!(audio.telephone_event.as_ref().unwrap().payload_type, dtmf, "{name}");
        assert!(audio.receive.iter().any(|codec| codec.is_named("PCMA")), "{name}");
        assert_eq!(audio.profile, Protocol::RtpAvp);
        let video = lines[1].accepted().unwrap();
        // It sends with its number, we receive by ours.
        assert_eq!(video.codec.payload_type, 96);
        assert_eq!(video.receive.first().unwrap().payload_type, 98);
        assert_eq!(video.feedback, feedback, "{name}");
        assert_eq!(lines[2].media, Err(Refusal::Disabled));
    }
}
