//! The examples of RFC 3264 §10 as known answers, with addresses in place of its host names.

#![allow(clippy::unwrap_used, reason = "a failing test shall panic")]

use sdp::negotiate::{
    Capabilities, LocalTransport, OfferLine, Refusal, SupportedCodec, accept, answer, offer,
};
use sdp::{Codec, DialogSdp, Direction, MediaKind, Protocol, SessionDescription};

const ALICE: &str = "192.0.2.1";
const BOB: &str = "192.0.2.2";

fn description(origin: &str, address: &str, media: &str) -> SessionDescription {
    let text = format!("v=0\no={origin} IN IP4 {address}\ns=\nc=IN IP4 {address}\nt=0 0\n{media}");
    SessionDescription::parse(&text).unwrap()
}

fn media_of(description: &SessionDescription) -> String {
    let text = description.to_string().replace("\r\n", "\n");
    text[text.find("m=").unwrap()..].to_owned()
}

fn supported(codecs: &[u8]) -> Vec<SupportedCodec> {
    let codec =
        |&number: &u8| SupportedCodec { codec: Codec::from_static(number).unwrap(), rank: 0 };
    codecs.iter().map(codec).collect()
}

fn capabilities(audio: &[u8], video: &[u8]) -> Capabilities {
    Capabilities {
        audio: supported(audio),
        video: supported(video),
        ptime: None,
        rtcp_mux: false,
        video_feedback: Vec::new(),
        ..Capabilities::standard(2)
    }
}

fn at(host: &str, port: u16) -> LocalTransport {
    LocalTransport::pair(format!("{host}:{port}").parse().unwrap())
}

/// §10.1
#[test]
fn basic_exchange() {
    let offered = description(
        "alice 2890844526 2890844526",
        ALICE,
        "m=audio 49170 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n\
         m=video 51372 RTP/AVP 31\na=rtpmap:31 H261/90000\n\
         m=video 53000 RTP/AVP 32\na=rtpmap:32 MPV/90000\n",
    );
    // Bob does MPEG only.
    let plan = answer(&offered, &capabilities(&[0], &[32])).unwrap();
    assert_eq!(plan.lines()[1].media, Err(Refusal::Codec));
    let made = plan.into_description(&[at(BOB, 49_920), at(BOB, 53_000)]).unwrap();
    let mut bob = DialogSdp::new("bob", 2_890_844_730, BOB.parse().unwrap());
    let answered = bob.answer(&offered, &made);
    assert_eq!(answered.origin.to_string_line(), "bob 2890844730 1 IN IP4 192.0.2.2");
    assert_eq!(
        media_of(&answered),
        "m=audio 49920 RTP/AVP 0\na=rtpmap:0 PCMU/8000\na=sendrecv\n\
         m=video 0 RTP/AVP 31\n\
         m=video 53000 RTP/AVP 32\na=rtpmap:32 MPV/90000\na=sendrecv\n"
    );

    let lines = accept(&offered, &answered).unwrap();
    assert_eq!(lines[0].accepted().unwrap().remote.rtp, Some("192.0.2.2:49920".parse().unwrap()));
    assert_eq!(lines[1].media, Err(Refusal::Disabled));
    assert_eq!(lines[2].accepted().unwrap().codec.name, "MPV");

    // Bob moves his audio port and adds a stream at the end.
    let caps = capabilities(&[0], &[32]);
    let negotiated = answer(&offered, &caps).unwrap();
    let again = [
        OfferLine::again(&negotiated.lines()[0], Some(at(BOB, 65_422))),
        OfferLine::again(&negotiated.lines()[1], None),
        OfferLine::again(&negotiated.lines()[2], Some(at(BOB, 53_000))),
        OfferLine::new(MediaKind::Audio, Direction::RecvOnly, at(BOB, 51_434)),
    ];
    let second = bob.fit(&offer(&again, &caps));
    assert_eq!(second.origin.session_version, answered.origin.session_version + 1);
    let lines: Vec<_> = second.media.iter().map(|m| (m.kind.to_string(), m.port)).collect();
    let expected = [("audio", 65_422), ("video", 0), ("video", 53_000), ("audio", 51_434)];
    assert_eq!(lines, expected.map(|(kind, port)| (kind.to_owned(), port)));
    assert_eq!(second.media[0].protocol, Protocol::RtpAvp, "the profile of a line stays");

    // Alice accepts the additional stream.
    let alice_caps = Capabilities { max_audio_lines: 2, ..capabilities(&[0], &[32]) };
    let plan = answer(&second, &alice_caps).unwrap();
    assert_eq!(plan.lines()[3].accepted().unwrap().direction, Direction::SendOnly);
}

/// §10.2: one of N codecs; a stream offered as inactive is answered inactive, then opened.
#[test]
fn one_of_n_codecs() {
    let offered = description(
        "alice 2890844526 2890844526",
        ALICE,
        "m=audio 62986 RTP/AVP 0 4 18\na=rtpmap:0 PCMU/8000\na=rtpmap:4 G723/8000\n\
         a=rtpmap:18 G729/8000\na=inactive\n",
    );
    let caps = capabilities(&[4, 0], &[]);
    let plan = answer(&offered, &caps).unwrap();
    let answered = plan.into_description(&[at(BOB, 54_344)]).unwrap();
    // Bob could do both; we answer one of N, the first of the offer.
    assert_eq!(media_of(&answered), "m=audio 54344 RTP/AVP 0\na=rtpmap:0 PCMU/8000\na=inactive\n");
    // What Bob answers in the RFC is taken, too.
    let both = description(
        "bob 2890844730 2890844731",
        BOB,
        "m=audio 54344 RTP/AVP 0 4\na=rtpmap:0 PCMU/8000\na=rtpmap:4 G723/8000\na=inactive\n",
    );
    let lines = accept(&offered, &both).unwrap();
    let audio = lines[0].accepted().unwrap();
    assert_eq!(audio.direction, Direction::Inactive);
    assert_eq!(audio.receive.len(), 2);

    let locked = description(
        "alice 2890844526 2890844527",
        ALICE,
        "m=audio 62986 RTP/AVP 4\na=rtpmap:4 G723/8000\na=sendrecv\n",
    );
    let answered = answer(&locked, &caps).unwrap().into_description(&[at(BOB, 54_344)]).unwrap();
    assert_eq!(media_of(&answered), "m=audio 54344 RTP/AVP 4\na=rtpmap:4 G723/8000\na=sendrecv\n");
}

trait OriginLine {
    fn to_string_line(&self) -> String;
}

impl OriginLine for sdp::Origin {
    fn to_string_line(&self) -> String {
        format!("{} {} {} {}", self.username, self.session_id, self.session_version, self.address)
    }
}
