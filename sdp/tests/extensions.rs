//! RTP header extensions in offer and answer (RFC 8285 §5–§7, RFC 6464 §4, RFC 6465 §4).

#![allow(clippy::unwrap_used, reason = "a failing test shall panic")]

use sdp::attribute::extmap::{CSRC_AUDIO_LEVEL, SSRC_AUDIO_LEVEL};
use sdp::negotiate::{
    Capabilities, LocalTransport, NegotiatedMedia, OfferLine, accept, answer, offer,
};
use sdp::{Direction, MediaKind, SessionDescription};

fn parse(session: &str, media: &str) -> SessionDescription {
    let text = format!(
        "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n{session}\
         m=audio 5000 RTP/AVP 0\n{media}"
    );
    let text = text.replace("SSRC", SSRC_AUDIO_LEVEL).replace("CSRC", CSRC_AUDIO_LEVEL);
    SessionDescription::parse(&text).unwrap()
}

fn local() -> LocalTransport {
    LocalTransport::pair("192.0.2.9:6000".parse().unwrap())
}

/// What a mixer does with levels: it hears those of its members and tells them those of others.
fn mixer() -> Capabilities {
    Capabilities::standard(1)
        .with_extension(MediaKind::Audio, SSRC_AUDIO_LEVEL, Direction::RecvOnly)
        .with_extension(MediaKind::Audio, CSRC_AUDIO_LEVEL, Direction::SendOnly)
}

fn phone() -> Capabilities {
    Capabilities::standard(1)
        .with_extension(MediaKind::Audio, SSRC_AUDIO_LEVEL, Direction::SendOnly)
        .with_extension(MediaKind::Audio, CSRC_AUDIO_LEVEL, Direction::RecvOnly)
}

fn answered(offered: &SessionDescription) -> (NegotiatedMedia, Vec<String>) {
    let plan = answer(offered, &mixer()).unwrap();
    let lines = extension_lines(&plan.describe(|_| local()));
    (plan.lines()[0].accepted().unwrap().clone(), lines)
}

fn extension_lines(description: &SessionDescription) -> Vec<String> {
    let attributes = description.media[0].attributes.iter();
    let extmap = attributes.filter(|attribute| attribute.name().starts_with("extmap"));
    let line =
        |text: String| text.replace(SSRC_AUDIO_LEVEL, "SSRC").replace(CSRC_AUDIO_LEVEL, "CSRC");
    extmap.map(|attribute| line(attribute.to_string())).collect()
}

#[test]
fn the_answer_keeps_ids_and_turns_directions() {
    let (media, lines) = answered(&parse(
        "",
        "a=extmap:5/sendonly SSRC\na=extmap:6 urn:example:x\na=extmap:3/sendrecv CSRC\n",
    ));
    assert_eq!(lines, ["extmap:5/recvonly SSRC", "extmap:3/sendonly CSRC"]);
    assert_eq!(media.receives_extension(SSRC_AUDIO_LEVEL), Some(5));
    assert_eq!(media.sends_extension(SSRC_AUDIO_LEVEL), None);
    assert_eq!(media.sends_extension(CSRC_AUDIO_LEVEL), Some(3));
    assert_eq!(media.receives_extension("urn:example:x"), None);
}

#[test]
fn an_offer_without_directions_is_answered_without() {
    let (media, lines) = answered(&parse("", "a=extmap:1 SSRC vad=off\n"));
    assert_eq!(lines, ["extmap:1 SSRC vad=off"]);
    assert!(media.extensions[0].has_attribute("vad=off"));
    assert_eq!(media.sends_extension(SSRC_AUDIO_LEVEL), None, "we would not, whatever is stated");
    assert!(!answered(&parse("", "a=extmap:1 SSRC\n")).0.extensions[0].has_attribute("vad=off"));
}

#[test]
fn an_extension_of_the_session_is_one_of_each_line() {
    let (_, lines) = answered(&parse("a=extmap:2 SSRC\na=extmap-allow-mixed\n", ""));
    assert_eq!(lines, ["extmap:2 SSRC", "extmap-allow-mixed"]);
    let video = parse("", "").to_string() + "m=video 5002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
    let video = video.replace("t=0 0\r\n", &format!("t=0 0\r\na=extmap:2 {SSRC_AUDIO_LEVEL}\r\n"));
    let plan = answer(&SessionDescription::parse(&video).unwrap(), &mixer()).unwrap();
    assert_eq!(plan.lines()[0].accepted().unwrap().extensions.len(), 1);
    assert!(plan.lines()[1].accepted().unwrap().extensions.is_empty(), "levels are of audio");
}

#[test]
fn only_the_ids_of_the_one_byte_form_are_used() {
    for id in ["0", "15", "16", "255", "256", "4095", "4352", "70000"] {
        let (media, lines) = answered(&parse("", &format!("a=extmap:{id} SSRC\n")));
        assert_eq!((media.extensions.len(), lines.len()), (0, 0), "{id}");
    }
    let (media, _) = answered(&parse("", "a=extmap:14 SSRC\n"));
    assert_eq!(media.receives_extension(SSRC_AUDIO_LEVEL), Some(14));
}

#[test]
fn what_came_under_a_negotiation_id_gets_a_free_one() {
    let media = "a=extmap:4096 SSRC\na=extmap:4096 CSRC\na=extmap:1 urn:example:x\n";
    assert_eq!(answered(&parse("", media)).1, ["extmap:2 SSRC"], "one of the alternatives");
    let media = "a=extmap:4096 SSRC\na=extmap:4097 CSRC\na=extmap:1 urn:example:x\n";
    assert_eq!(answered(&parse("", media)).1, ["extmap:2 SSRC", "extmap:3 CSRC"]);
}

#[test]
fn an_id_and_an_extension_are_used_once() {
    let media = "a=extmap:1 SSRC\na=extmap:1 CSRC\na=extmap:2 SSRC vad=off\n";
    assert_eq!(answered(&parse("", media)).1, ["extmap:1 SSRC"]);
}

#[test]
fn mixed_forms_are_agreed_only_if_offered_and_of_use() {
    assert!(!answered(&parse("", "a=extmap:1 SSRC\n")).0.extmap_allow_mixed);
    let (_, lines) = answered(&parse("", "a=extmap-allow-mixed\n"));
    assert!(lines.is_empty());
}

#[test]
fn an_extension_goes_with_the_direction_of_its_line() {
    let media = "a=extmap:1/sendonly SSRC\na=extmap:2/recvonly CSRC\n";
    let line = |direction| parse("", &format!("{media}a={direction}\n"));
    assert_eq!(answered(&line("sendonly")).1, ["extmap:1/recvonly SSRC"]);
    assert_eq!(answered(&line("recvonly")).1, ["extmap:2/sendonly CSRC"]);
    assert_eq!(answered(&line("inactive")).1.len(), 2);
    // A plan may be narrowed after the fact.
    let mut plan = answer(&line("sendrecv"), &mixer()).unwrap();
    plan.limit_direction(0, Direction::SendOnly);
    assert_eq!(extension_lines(&plan.describe(|_| local())), ["extmap:2/sendonly CSRC"]);
}

#[test]
fn both_sides_come_to_the_same() {
    let line = OfferLine::new(MediaKind::Audio, Direction::SendRecv, local());
    let offered = offer(&[line], &phone());
    assert_eq!(extension_lines(&offered), ["extmap:1/sendonly SSRC", "extmap:2/recvonly CSRC"]);
    let plan = answer(&offered, &mixer()).unwrap();
    let back = plan.describe(|_| local());
    assert_eq!(extension_lines(&back), ["extmap:1/recvonly SSRC", "extmap:2/sendonly CSRC"]);
    let lines = accept(&offered, &back).unwrap();
    let media = lines[0].accepted().unwrap();
    assert_eq!(media.sends_extension(SSRC_AUDIO_LEVEL), Some(1));
    assert_eq!(media.receives_extension(CSRC_AUDIO_LEVEL), Some(2));

    // The other side offers again: the same ids, whatever its own order.
    let again = [OfferLine::again(&plan.lines()[0], Some(local()))];
    let mut capabilities = mixer();
    capabilities.extensions.reverse();
    let again = extension_lines(&offer(&again, &capabilities));
    assert_eq!(again, ["extmap:2/sendonly CSRC", "extmap:1/recvonly SSRC"]);
}

#[test]
fn an_answer_with_other_ids_is_about_something_else() {
    let line = OfferLine::new(MediaKind::Audio, Direction::SendRecv, local());
    let offered = offer(&[line], &phone());
    for media in ["a=extmap:7 SSRC\n", "a=extmap:2 SSRC\n", "a=extmap:1/inactive SSRC\n", ""] {
        let lines = accept(&offered, &parse("", media)).unwrap();
        assert!(lines[0].accepted().unwrap().extensions.is_empty(), "{media}");
    }
    let lines = accept(&offered, &parse("", "a=extmap:1 SSRC\n")).unwrap();
    assert_eq!(lines[0].accepted().unwrap().sends_extension(SSRC_AUDIO_LEVEL), Some(1));
}
