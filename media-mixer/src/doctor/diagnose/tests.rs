use super::*;

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn seen<K>(what: K, count: u64) -> Vec<Seen<K>> {
    vec![Seen { what, count, ago: Duration::from_millis(20) }]
}

/// A line that was agreed on 20 s ago, and on which nothing has happened.
fn line() -> LineFacts {
    LineFacts {
        codec: "opus".to_owned(),
        payload_types: vec![96, 0],
        signalled: Some(at("10.1.2.3:4000")),
        destination: Some(at("10.1.2.3:4000")),
        port: 20_002,
        awaited: Some(Duration::from_secs(20)),
        ..LineFacts::default()
    }
}

/// A line that flows.
fn flowing() -> LineFacts {
    LineFacts {
        latched: Some(at("10.1.2.3:4000")),
        media: Some(Duration::from_millis(20)),
        control: Some(Duration::from_secs(2)),
        life: Some(Duration::from_millis(20)),
        packets_in: 1000,
        packets_out: 1000,
        ..line()
    }
}

#[test]
fn what_is_wrong_is_said_in_plain_sentences() {
    let rows: Vec<(LineFacts, Flow, &[&str])> = vec![
        (flowing(), Flow::Flows, &[]),
        (
            line(),
            Flow::Broken,
            &["SDP says 10.1.2.3:4000, nothing comes from there", "no RTCP either"],
        ),
        (
            LineFacts { refused: seen(at("192.0.2.7:4000"), 214), ..line() },
            Flow::Broken,
            &[
                "SDP says 10.1.2.3:4000, nothing comes from there",
                "214 packets from 192.0.2.7:4000 refused by the gate (neither the address of the SDP nor that of the SIP request)",
                "no RTCP either",
            ],
        ),
        (
            LineFacts { awaited: Some(Duration::from_secs(2)), ..line() },
            Flow::Waits,
            &["waiting for the first packet since 2 s", "no RTCP either"],
        ),
        (
            LineFacts { direction: Direction::Inactive, awaited: None, ..line() },
            Flow::Held,
            &["audio is on hold by the peer (a=inactive)"],
        ),
        (
            LineFacts { direction: Direction::SendOnly, awaited: None, video: true, ..line() },
            Flow::Held,
            &["no video is expected: the peer only listens (a=recvonly)"],
        ),
        (
            LineFacts {
                odd: seen(Oddity::PayloadType(111), 50),
                life: Some(Duration::from_millis(20)),
                ..line()
            },
            Flow::Broken,
            &[
                "SDP says 10.1.2.3:4000, nothing comes from there",
                "packets come with payload type 111 but the answer allows 96 and 0",
            ],
        ),
        (
            LineFacts {
                media: Some(Duration::from_secs(40)),
                refused: seen(at("10.1.2.3:61000"), 2000),
                ..flowing()
            },
            Flow::Broken,
            &[
                "audio came from 10.1.2.3:4000 until 40 s ago, and nothing since",
                "2000 packets from 10.1.2.3:61000 refused by the gate (the line belongs to 10.1.2.3:4000 until an offer names another address)",
                "the peer is there: RTCP came 2 s ago; muted, or it sends media elsewhere",
            ],
        ),
        (
            LineFacts { undecodable: 900, ..flowing() },
            Flow::Broken,
            &["900 of 1000 packets cannot be decoded as opus"],
        ),
        (
            LineFacts {
                unreachable: Some(Seen {
                    what: (at("10.1.2.3:4000"), 111),
                    count: 14,
                    ago: Duration::from_secs(1),
                }),
                ..flowing()
            },
            Flow::Flows,
            &[
                "what we send to 10.1.2.3:4000 does not arrive: nobody listens there (port unreachable), told 14 times, last 1 s ago",
            ],
        ),
        (
            LineFacts { signalled: None, destination: None, ..line() },
            Flow::Broken,
            &[
                "SDP names no address, and nothing comes from where SIP comes from",
                "no RTCP either",
                "we send no audio: we know no address to send to",
            ],
        ),
        (
            LineFacts { sip_source: Some("198.51.100.7".parse().unwrap()), ..line() },
            Flow::Broken,
            &[
                "SDP says 10.1.2.3:4000, nothing comes from there",
                "no RTCP either",
                "SDP names the private address 10.1.2.3 while SIP comes from 198.51.100.7: behind a NAT, and its first packet must come from 198.51.100.7",
            ],
        ),
    ];
    for (line, flow, findings) in rows {
        let health = diagnose(0, &line);
        assert_eq!(health.findings, findings, "{line:?}");
        assert_eq!(health.flow, flow, "{line:?}");
    }
}

#[test]
fn who_is_muted_or_has_no_camera_on_alarms_nobody() {
    let reports = Some(Duration::from_secs(3));
    let muted = LineFacts { control: reports, life: reports, ..line() };
    let went_silent = LineFacts { media: Some(Duration::from_secs(60)), ..flowing() };
    let camera_off = LineFacts { video: true, ..line() };
    let held = LineFacts { awaited: None, direction: Direction::Inactive, ..line() };
    let new = LineFacts { awaited: Some(Duration::from_secs(4)), ..line() };
    for quiet in [muted, went_silent, camera_off, held, new, flowing()] {
        assert!(!is_alarming(&quiet), "{quiet:?}");
    }
    let dead = line();
    let refused_camera =
        LineFacts { video: true, refused: seen(at("192.0.2.7:4000"), 9), ..line() };
    for alarming in [dead, refused_camera] {
        assert!(is_alarming(&alarming), "{alarming:?}");
    }
}

#[test]
fn single_stray_packets_are_no_finding_while_media_flows() {
    let line = LineFacts {
        refused: seen(at("192.0.2.7:4000"), 5),
        odd: seen(Oddity::Malformed, 7),
        undecodable: 3,
        ..flowing()
    };
    assert_eq!(diagnose(0, &line).findings, [""; 0]);
    let line = LineFacts { refused: seen(at("192.0.2.7:4000"), 500), ..flowing() };
    assert!(diagnose(0, &line).findings[0].starts_with("500 packets from 192.0.2.7:4000 refused"));
}

#[test]
fn facts_tell_addresses_and_ages() {
    assert_eq!(
        diagnose(0, &flowing()).facts,
        [
            "opus sendrecv, payload types 96 0",
            "SDP address 10.1.2.3:4000, SIP from unknown, taken 10.1.2.3:4000",
            "port 20002: 1000 packets in, last 20 ms ago; RTCP 2 s ago; anything 20 ms ago",
            "1000 packets out to 10.1.2.3:4000",
        ]
    );
}
