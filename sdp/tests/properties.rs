//! What must hold for every description.

#![allow(clippy::unwrap_used, reason = "a failing test shall panic")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use sdp::attribute::{Attribute, Attributes};
use sdp::negotiate::{Capabilities, LocalTransport, accept, answer};
use sdp::{
    Bandwidth, CodecSet, Connection, DialogSdp, MediaDescription, MediaKind, Origin, Protocol,
    SessionDescription, Time,
};

fn address() -> impl Strategy<Value = Connection> {
    prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|ip| Connection::ip(ip.into())),
        any::<std::net::Ipv6Addr>().prop_map(|ip| Connection::ip(ip.into())),
    ]
}

fn text() -> impl Strategy<Value = String> {
    "[!-~\u{e4}\u{4e2d}][ -~\u{e4}\u{4e2d}]{0,12}"
}

fn attribute() -> impl Strategy<Value = Attribute> {
    let random = ("[a-z][a-z-]{0,8}", option::of(text()))
        .prop_map(|(name, value)| Attribute::new(&name, value.as_deref()));
    let values = vec![
        ("sendonly", None),
        ("recvonly", None),
        ("inactive", None),
        ("rtcp-mux", None),
        ("rtpmap", Some("96 opus/48000/2")),
        ("rtpmap", Some("97 VP8/90000")),
        ("rtpmap", Some("101 telephone-event/8000")),
        ("fmtp", Some("96 useinbandfec=1")),
        ("rtcp-fb", Some("* nack pli")),
        ("rtcp", Some("5001")),
        ("mid", Some("m1")),
        ("group", Some("BUNDLE m1")),
    ];
    let known =
        proptest::sample::select(values).prop_map(|(name, value)| Attribute::new(name, value));
    prop_oneof![random, known.clone(), known]
}

fn attributes() -> impl Strategy<Value = Attributes> {
    vec(attribute(), 0..10).prop_map(|list| list.into_iter().collect())
}

fn bandwidth() -> impl Strategy<Value = Bandwidth> {
    ("AS|TIAS|CT", 0..10_000_000_u64).prop_map(|(kind, value)| Bandwidth { kind, value })
}

fn media() -> impl Strategy<Value = MediaDescription> {
    let kind = prop_oneof![
        4 => Just(MediaKind::Audio),
        4 => Just(MediaKind::Video),
        1 => Just(MediaKind::Message),
        1 => Just(MediaKind::Other("image".to_owned())),
    ];
    let protocol = prop_oneof![
        4 => Just(Protocol::RtpAvp),
        4 => Just(Protocol::RtpAvpf),
        1 => Just(Protocol::UdpTlsRtpSavpf),
        1 => Just(Protocol::Other("TCP/MSRP".to_owned())),
    ];
    let formats = vec(proptest::sample::select(vec!["0", "8", "96", "97", "101"]), 1..6);
    let port = prop_oneof![1 => Just(0_u16), 4 => 1_024..65_000_u16];
    let rest = (option::of(text()), vec(address(), 0..2), vec(bandwidth(), 0..2));
    (kind, port, protocol, formats, rest, attributes()).prop_map(
        |(kind, port, protocol, formats, (information, connections, bandwidths), attributes)| {
            let formats = formats.into_iter().map(str::to_owned).collect();
            MediaDescription {
                information,
                connections,
                bandwidths,
                attributes,
                ..MediaDescription::new(kind, port, protocol, formats)
            }
        },
    )
}

prop_compose! {
    fn description()(
        (username, id, version, origin) in ("[a-z]{1,6}|-", any::<u64>(), any::<u64>(), address()),
        (session_name, information) in (text(), option::of(text())),
        connection in option::of(address()),
        bandwidths in vec(bandwidth(), 0..2),
        times in vec((any::<u64>(), any::<u64>(), vec(text(), 0..2)), 1..3),
        attributes in attributes(),
        media in vec(media(), 0..7),
    ) -> SessionDescription {
        let origin = Origin {
            username,
            session_id: id,
            session_version: version,
            address: origin,
        };
        SessionDescription {
            session_name,
            information,
            connection,
            bandwidths,
            times: times
                .into_iter()
                .map(|(start, stop, repeats)| Time { start, stop, repeats })
                .collect(),
            attributes,
            media,
            ..SessionDescription::new(origin)
        }
    }
}

fn kinds(description: &SessionDescription) -> Vec<MediaKind> {
    description.media.iter().map(|media| media.kind.clone()).collect()
}

fn dialog() -> DialogSdp {
    DialogSdp::new("focus", 7, "192.0.2.9".parse().unwrap())
}

proptest! {
    #[test]
    fn printing_and_parsing_are_inverse(description in description()) {
        let text = description.to_string();
        let parsed = SessionDescription::parse(&text).unwrap();
        prop_assert_eq!(&parsed, &description);
        prop_assert_eq!(parsed.to_string(), text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(v=0\r?\n)?(o=- 1 1 IN IP4 1\\.2\\.3\\.4\n)?([vosctmabikr]=[ -~]{0,30}\r?\n){0,12}") {
        if let Ok(description) = SessionDescription::parse(&text) {
            let printed = description.to_string();
            prop_assert_eq!(SessionDescription::parse(&printed).unwrap().to_string(), printed);
            let _ = answer(&description, &Capabilities::standard(4));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = SessionDescription::from_bytes(&bytes);
    }

    /// A value cannot smuggle lines into what is printed.
    #[test]
    fn no_value_breaks_out_of_its_line(value in "\\PC{0,5}[\r\n\0]{1,3}m=audio 1 RTP/AVP 0") {
        let mut description = SessionDescription::new(Origin::new("-", 1, 1, "::1".parse().unwrap()));
        description.session_name.clone_from(&value);
        description.attributes.push_value("x", &value);
        let parsed = SessionDescription::parse(&description.to_string()).unwrap();
        prop_assert!(parsed.media.is_empty());
    }

    /// RFC 3264 §6: as many lines, in the same order, of the same kind and profile; RTP formats are
    /// a subset of the offered ones; audio has one codec.
    #[test]
    fn answers_mirror_offers(offer in description()) {
        let Ok(answer) = answer(&offer, &Capabilities::standard(2)) else { return Ok(()) };
        let mut port = 20_000;
        let described = answer.describe(|_| {
            port += 2;
            LocalTransport::pair(([192, 0, 2, 1], port).into())
        });
        prop_assert_eq!(kinds(&described), kinds(&offer));
        for (ours, theirs) in described.media.iter().zip(&offer.media) {
            prop_assert_eq!(&ours.protocol, &theirs.protocol);
            prop_assert!(ours.formats.iter().all(|format| theirs.formats.contains(format)));
            if ours.is_live() {
                prop_assert!(theirs.is_live());
                let codecs = CodecSet::of(ours);
                prop_assert_eq!(codecs.iter().filter(|codec| !codec.is_auxiliary()).count(), 1);
            }
        }
        // Both sides come to the same end.
        let accepted = accept(&offer, &described).unwrap();
        for (theirs, ours) in accepted.iter().zip(answer.lines()) {
            prop_assert_eq!(theirs.media.is_ok(), ours.media.is_ok());
            if let (Ok(theirs), Ok(ours)) = (&theirs.media, &ours.media) {
                prop_assert_eq!(theirs.direction, ours.direction.reversed());
                prop_assert!(theirs.codec.matches(&ours.codec));
                prop_assert_eq!(theirs.codec.payload_type, ours.codec.payload_type);
                prop_assert_eq!(theirs.rtcp_mux, ours.rtcp_mux);
                prop_assert_eq!(&theirs.feedback.len(), &ours.feedback.len());
            }
        }
    }

    /// RFC 3264 §8: lines never get fewer nor change kind; the version rises by one exactly with a
    /// change; the rest of `o=` stays.
    #[test]
    fn a_dialog_never_shrinks(foreign in vec(description(), 1..6)) {
        let mut dialog = dialog();
        let mut last: Option<SessionDescription> = None;
        for foreign in &foreign {
            let (fitted, map) = dialog.fit_mapped(foreign);
            prop_assert_eq!(fitted.media.len(), dialog.line_count());
            for (index, media) in foreign.media.iter().enumerate() {
                match map.get(index) {
                    Some(place) => prop_assert_eq!(&fitted.media[place], media),
                    None => prop_assert!(false, "{media:?} was left out"),
                }
            }
            if let Some(last) = last {
                prop_assert!(kinds(&fitted).starts_with(&kinds(&last)));
                let mut same = fitted.clone();
                same.origin = last.origin.clone();
                let step = u64::from(same != last);
                prop_assert_eq!(
                    fitted.origin.session_version,
                    last.origin.session_version + step
                );
                same.origin.session_version = fitted.origin.session_version;
                prop_assert_eq!(&same.origin, &fitted.origin);
            }
            let again = dialog.fit(foreign);
            prop_assert_eq!(&again, &fitted, "the same again is no change");
            last = Some(fitted);
        }
    }

    /// An answer has exactly the lines of the peer's offer, whatever was there before.
    #[test]
    fn an_answer_has_the_lines_of_the_offer(
        before in description(),
        offer in description(),
        foreign in description(),
    ) {
        let mut dialog = dialog();
        dialog.fit(&before);
        let answered = dialog.answer(&offer, &foreign);
        prop_assert_eq!(kinds(&answered), kinds(&offer));
        prop_assert_eq!(&answered.times, &offer.times);
    }

    /// A's offer fitted into B's dialog and B's answer brought back: every line of A is answered by
    /// the line of B it was offered on, or by port 0.
    #[test]
    fn a_relayed_answer_comes_back_to_its_line(
        before in description(),
        offer in description(),
        ports in vec(1_024..65_000_u16, 16),
    ) {
        let (mut a, mut b) = (dialog(), dialog());
        b.fit(&before);
        let (offered_to_b, map) = b.fit_mapped(&offer);
        let mut answer_of_b = offered_to_b.clone();
        for (media, port) in answer_of_b.media.iter_mut().zip(&ports) {
            media.port = if media.is_live() { *port } else { 0 };
        }
        let answer_to_a = a.answer_mapped(&offer, &answer_of_b, &map);
        prop_assert_eq!(kinds(&answer_to_a), kinds(&offer));
        for (index, media) in answer_to_a.media.iter().enumerate() {
            let expected = map.get(index).map_or(0, |there| answer_of_b.media[there].port);
            prop_assert_eq!(media.port, expected);
        }
    }
}
