//! The real program: started on ports of its own, asked over gRPC, heard over UDP.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests, and they run in real time"
)]

mod program;

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use media_codec::{AudioCodec, AudioDecoder, AudioEncoder, MAX_ENCODED_AUDIO};
use mixer_control::proto::mixer_client::MixerClient;
use mixer_control::{
    Flow, JoinRequest, LegRef, MixerError, MixerEvent, MixerRequest, Prompt, call, doctor, proto,
    stats,
};
use program::Program;
use rtp_session::{CsrcList, PayloadType, RtpPacket, SendStream, Ssrc};
use sdp::{Connection, SessionDescription};
use tonic::transport::Channel;

const DEADLINE: Duration = Duration::from_secs(10);

async fn client(program: &Program) -> MixerClient<Channel> {
    MixerClient::connect(format!("http://{}", program.control)).await.unwrap()
}

fn leg(conference: &str, leg: &str) -> LegRef {
    LegRef { conference: conference.to_owned(), leg: leg.to_owned() }
}

/// A PCMU phone on a real socket.
struct Phone {
    socket: UdpSocket,
    to: SocketAddr,
    tone: f64,
    stream: SendStream,
    encoder: Box<dyn AudioEncoder>,
    decoder: Box<dyn AudioDecoder>,
    clock: u32,
    heard: Vec<i16>,
}

impl Phone {
    async fn join(client: &MixerClient<Channel>, conference: &str, n: u8, tone: f64) -> Self {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self::join_from(here, client, conference, n, tone).await
    }

    async fn join_from(
        here: IpAddr,
        client: &MixerClient<Channel>,
        conference: &str,
        n: u8,
        tone: f64,
    ) -> Self {
        let socket = UdpSocket::bind((here, 0)).unwrap();
        let address = format!("{} {here}", if here.is_ipv4() { "IP4" } else { "IP6" });
        socket.set_nonblocking(true).unwrap();
        let port = socket.local_addr().unwrap().port();
        let offer = format!(
            "v=0\r\no=- 1 1 IN {address}\r\ns=-\r\nc=IN {address}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0\r\na=rtcp-mux\r\n"
        );
        let join = MixerRequest::Join(JoinRequest {
            focus: "test".to_owned(),
            leg: leg(conference, &format!("leg{n}")),
            display_name: format!("Person {n}"),
            offer: Some(offer),
            signalled_from: None,
            lobby: false,
        });
        let answer = call(client.clone(), join, DEADLINE).await.unwrap().unwrap();
        let answer = SessionDescription::parse(&answer).unwrap();
        Self {
            socket,
            to: SocketAddr::new(
                answer.connection_of(0).and_then(Connection::to_ip).unwrap(),
                answer.media[0].port,
            ),
            tone,
            stream: SendStream::new(Ssrc(u32::from(n)), PayloadType::PCMU, u64::from(n)),
            encoder: AudioCodec::Pcmu.encoder().unwrap(),
            decoder: AudioCodec::Pcmu.decoder().unwrap(),
            clock: 0,
            heard: Vec::new(),
        }
    }

    fn tick(&mut self) {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            assert_eq!(from, self.to, "symmetric RTP");
            if (192..=223).contains(&buffer[1]) {
                continue;
            }
            let packet = RtpPacket::parse(buffer[..length].to_vec().into()).unwrap();
            let mut pcm = [0; 960];
            let made = self.decoder.decode(packet.payload_ref(), &mut pcm).unwrap();
            self.heard.extend_from_slice(&pcm[..made]);
        }
        let pcm: Vec<i16> = (0..160)
            .map(|n| {
                let t = f64::from(self.clock + n) / 8000.0;
                (6000.0 * (t * self.tone * std::f64::consts::TAU).sin()) as i16
            })
            .collect();
        let mut payload = [0; MAX_ENCODED_AUDIO];
        let length = self.encoder.encode(&pcm, &mut payload).unwrap();
        let payload = payload[..length].to_vec().into();
        let packet = self.stream.packet(false, self.clock, payload, &CsrcList::EMPTY);
        self.clock += 160;
        self.socket.send_to(&packet.to_bytes(), self.to).unwrap();
    }

    /// Whether a tone is there: its share of the power.
    fn hears(&self, hertz: f64) -> bool {
        let from = self.heard.len().saturating_sub(12_000);
        let sound = &self.heard[from..];
        let (mut re, mut im, mut all) = (0.0, 0.0, 1.0);
        for (n, sample) in sound.iter().enumerate() {
            let angle = n as f64 * hertz / 8000.0 * std::f64::consts::TAU;
            re += f64::from(*sample) * angle.cos();
            im += f64::from(*sample) * angle.sin();
            all += f64::from(*sample).powi(2);
        }
        2.0 * (re * re + im * im) / sound.len().max(1) as f64 / all > 0.02
    }
}

async fn talk(phones: &mut [Phone], time: Duration) {
    let start = Instant::now();
    let mut due = start;
    while due < start + time {
        phones.iter_mut().for_each(Phone::tick);
        due += Duration::from_millis(20);
        tokio::time::sleep_until(due.into()).await;
    }
}

/// With the default configuration.
#[tokio::test(flavor = "multi_thread")]
async fn ipv4_and_ipv6_meet() {
    let program = Program::start("");
    let client = client(&program).await;
    let (four, six) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    let mut phones = vec![
        Phone::join_from(four, &client, "one", 1, 440.0).await,
        Phone::join_from(six, &client, "one", 2, 620.0).await,
    ];
    assert_eq!((phones[0].to.ip(), phones[1].to.ip()), (four, six));
    talk(&mut phones, Duration::from_secs(3)).await;
    assert!(phones[0].hears(620.0) && !phones[0].hears(440.0));
    assert!(phones[1].hears(440.0) && !phones[1].hears(620.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leg_is_muted_sent_to_the_lobby_and_spoken_to() {
    let program = Program::start("");
    let client = client(&program).await;
    let mut phones = Vec::new();
    for (n, tone) in [(1, 440.0), (2, 620.0)] {
        phones.push(Phone::join(&client, "one", n, tone).await);
    }
    talk(&mut phones, Duration::from_secs(3)).await;
    let seen = stats(client.clone(), "one", DEADLINE).await.unwrap();
    let names: Vec<&str> = seen.iter().map(|leg| leg.display_name.as_str()).collect();
    assert_eq!(names, ["Person 1", "Person 2"]);
    for leg in &seen {
        assert!(leg.speaking && (-25..-10).contains(&leg.level_dbov), "{leg:?}");
        assert!((50.0..90.0).contains(&leg.lines[0].kbit_in), "{leg:?}");
        assert_eq!((leg.lines[0].codec.as_str(), leg.lines.len()), ("PCMU", 1));
    }
    let ask = |request| call(client.clone(), request, DEADLINE);
    let control = |n: u8, muted, lobby| {
        ask(MixerRequest::Control { leg: leg("one", &format!("leg{n}")), muted, lobby })
    };
    assert_eq!(control(1, true, false).await, Ok(None));
    assert_eq!(control(2, false, true).await, Ok(None));
    let play = MixerRequest::Play { leg: leg("one", "leg2"), prompts: vec![Prompt::EnterPin] };
    assert_eq!(ask(play).await, Ok(None));
    talk(&mut phones, Duration::from_millis(300)).await;
    phones.iter_mut().for_each(|phone| phone.heard.clear());
    talk(&mut phones, Duration::from_secs(2)).await;
    let power = |phone: &Phone| {
        phone.heard.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>()
            / phone.heard.len().max(1) as f64
    };
    assert!(!phones[0].hears(620.0) && power(&phones[0]) < 10_000.0, "alone in the conference");
    assert!(!phones[1].hears(440.0) && power(&phones[1]) > 100_000.0, "hears the prompt");
    let seen = stats(client.clone(), "one", DEADLINE).await.unwrap();
    let states: Vec<_> = seen.iter().map(|leg| (leg.muted, leg.lobby, leg.speaking)).collect();
    assert_eq!(states, [(true, false, false), (false, true, false)]);
    let nobody = MixerRequest::Control { leg: leg("one", "x"), muted: true, lobby: false };
    assert_eq!(ask(nobody).await, Err(MixerError::NotFound));
    assert_eq!(stats(client.clone(), "none", DEADLINE).await, Err(MixerError::NotFound));
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn metric(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_people_meet_and_the_program_ends_when_told() {
    let program = Program::start("");
    let client = client(&program).await;
    let mut events = client
        .clone()
        .events(proto::EventsRequest { focus: "test".to_owned() })
        .await
        .unwrap()
        .into_inner();
    let hello = MixerEvent::try_from(events.message().await.unwrap().unwrap()).unwrap();
    assert!(matches!(&hello, MixerEvent::Hello { mixer } if mixer.len() == 16), "{hello:?}");

    let tones = [440.0, 620.0, 850.0];
    let mut phones = Vec::new();
    for (n, tone) in tones.into_iter().enumerate() {
        phones.push(Phone::join(&client, "one", n as u8 + 1, tone).await);
    }
    // Another meeting at the same time, which must not be heard.
    let mut others = vec![
        Phone::join(&client, "two", 1, 1100.0).await,
        Phone::join(&client, "two", 2, 1300.0).await,
    ];
    let (ours, theirs) =
        (talk(&mut phones, Duration::from_secs(3)), talk(&mut others, Duration::from_secs(3)));
    tokio::join!(ours, theirs);
    for (listener, phone) in phones.iter().enumerate() {
        for (speaker, tone) in tones.into_iter().enumerate() {
            assert_eq!(phone.hears(tone), listener != speaker, "{listener} hears {speaker}");
        }
        assert!(!phone.hears(1100.0) && !phone.hears(1300.0), "the other meeting");
    }
    assert!(others[0].hears(1300.0) && !others[0].hears(1100.0) && !others[0].hears(440.0));
    let (mut speaker, mut sources) = (false, 0);
    while !speaker || sources < 5 {
        match MixerEvent::try_from(events.message().await.unwrap().unwrap()).unwrap() {
            MixerEvent::ActiveSpeaker(_) => speaker = true,
            MixerEvent::Sources { lines, .. } => sources += lines.len(),
            other => panic!("{other:?}"),
        }
    }

    // A focus that lost its stream has missed some: it is told all again.
    let again = proto::EventsRequest { focus: "test".to_owned() };
    let mut events = client.clone().events(again).await.unwrap().into_inner();
    let mut told = std::collections::BTreeSet::new();
    while told.len() < 5 {
        let event = events.message().await.unwrap().unwrap();
        if let Ok(MixerEvent::Sources { leg, lines }) = event.try_into() {
            assert!(lines[0].ssrc.is_some(), "{lines:?}");
            told.insert(leg);
        }
    }

    assert!(get(program.http, "/healthz").starts_with("HTTP/1.1 200"));
    let metrics = get(program.http, "/metrics");
    assert_eq!(metric(&metrics, "parley_mixer_conferences"), Some(2.0), "{metrics}");
    assert_eq!(metric(&metrics, "parley_mixer_conference_legs{conference=\"one\"}"), Some(3.0));
    let sent = "parley_mixer_conference_packets_out_total{conference=\"one\"}";
    assert!(metric(&metrics, sent).unwrap() > 300.0);
    let leg1 = "parley_mixer_leg_packets_in_total{conference=\"one\",leg=\"leg1\",line=\"0\",media=\"audio\"}";
    assert!(metric(&metrics, leg1).unwrap() > 100.0);

    for n in 1..=3 {
        let leave = MixerRequest::Leave(leg("one", &format!("leg{n}")));
        call(client.clone(), leave.clone(), DEADLINE).await.unwrap();
        call(client.clone(), leave, DEADLINE).await.expect("leaving twice is no error");
    }
    let metrics = get(program.http, "/metrics");
    assert_eq!(metric(&metrics, "parley_mixer_conferences"), Some(1.0), "{metrics}");
    assert_eq!(metric(&metrics, "parley_mixer_port_pairs_used"), Some(2.0));

    let log = program.terminate();
    assert!(log.contains("joined") && log.contains("left"), "{log}");
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_is_asked_by_grpc_and_http_and_speaks_up_once() {
    let program = Program::start("");
    let client = client(&program).await;
    let _events =
        client.clone().events(proto::EventsRequest { focus: "test".to_owned() }).await.unwrap();
    let gone = Phone::join(&client, "one", 1, 440.0).await;
    let nobody = gone.socket.local_addr().unwrap();
    drop(gone);
    let begin = Instant::now();
    let line = loop {
        let legs = doctor(client.clone(), "one", Some("leg1"), DEADLINE).await.unwrap();
        assert_eq!((legs.len(), legs[0].leg.as_str()), (1, "leg1"));
        let line = legs[0].lines[0].clone();
        if line.flow == Flow::Broken {
            break line;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{line:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(line.findings[0], format!("SDP says {nobody}, nothing comes from there"));
    let unreachable = format!("what we send to {nobody} does not arrive: nobody listens there");
    assert!(line.findings.iter().any(|text| text.starts_with(&unreachable)), "{line:?}");
    for path in ["/doctor", "/doctor/one", "/doctor/one/leg1"] {
        let page = get(program.http, path);
        assert!(page.starts_with("HTTP/1.1 200") && page.contains(&unreachable), "{path}: {page}");
        assert!(
            page.contains("\"flow\":\"broken\"") && page.contains("\"leg\":\"leg1\""),
            "{page}"
        );
    }
    assert!(get(program.http, "/doctor/two").starts_with("HTTP/1.1 404"));
    let unknown = doctor(client.clone(), "two", None, DEADLINE).await;
    assert!(matches!(unknown, Err(MixerError::NotFound)), "{unknown:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let log = program.terminate();
    assert_eq!(log.matches("media does not flow").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_statuses_the_focus_can_translate() {
    let program = Program::start("[conference]\nmax_members = 1\n");
    let client = client(&program).await;
    let head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
    let join = |conference: &str, name: &str, sdp: String| {
        let request = MixerRequest::Join(JoinRequest {
            focus: "test".to_owned(),
            leg: leg(conference, name),
            display_name: String::new(),
            offer: Some(sdp),
            signalled_from: None,
            lobby: false,
        });
        call(client.clone(), request, DEADLINE)
    };
    let good = format!("{head}m=audio 9 RTP/AVP 0\r\n");
    assert!(matches!(join("c", "1", "nonsense".to_owned()).await, Err(MixerError::Invalid(_))));
    let refused = join("c", "1", format!("{head}m=audio 9 RTP/AVP 18\r\n")).await;
    assert!(matches!(refused, Err(MixerError::NoCommonMedia(_))), "{refused:?}");
    let metrics = get(program.http, "/metrics");
    assert_eq!(metric(&metrics, "parley_mixer_conferences"), Some(0.0), "nothing is left open");
    join("c", "1", good.clone()).await.unwrap();
    let full = join("c", "2", good.clone()).await;
    assert!(matches!(full, Err(MixerError::Exhausted(_))), "{full:?}");
    for (conference, name) in [("c", "9"), ("d", "1")] {
        let requests = [
            MixerRequest::Offer(leg(conference, name)),
            MixerRequest::RefreshVideo(leg(conference, name)),
        ];
        for request in requests {
            let gone = call(client.clone(), request, DEADLINE).await;
            assert!(matches!(gone, Err(MixerError::NotFound)), "{gone:?}");
        }
    }
    call(client.clone(), MixerRequest::End("c".to_owned()), DEADLINE).await.unwrap();
    call(client.clone(), MixerRequest::End("c".to_owned()), DEADLINE).await.unwrap();
    join("c", "1", good).await.expect("a new meeting of the same name");
    program.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn conferences_of_a_focus_that_is_gone_are_ended() {
    let program = Program::start("[control]\ngrace = 1\n");
    let first = client(&program).await;
    let events =
        first.clone().events(proto::EventsRequest { focus: "test".to_owned() }).await.unwrap();
    let _phone = Phone::join(&first, "one", 1, 440.0).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let metrics = get(program.http, "/metrics");
    assert_eq!(metric(&metrics, "parley_mixer_conferences"), Some(1.0), "it listens, so it lives");
    drop(events);
    drop(first);
    let begin = Instant::now();
    while metric(&get(program.http, "/metrics"), "parley_mixer_conferences") != Some(0.0) {
        assert!(begin.elapsed() < Duration::from_secs(10), "{}", program.terminate());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    program.terminate();
}

#[test]
fn the_printed_configuration_can_be_read_back_and_wrong_keys_are_named() {
    let printed = Program::output(&["--print-config"]);
    assert!(printed.status.success());
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(text.contains("listen = \"127.0.0.1:7050\""), "{text}");
    let file = program::temporary_file("printed", &text);
    let wrong = program::temporary_file("wrong", "[media]\nprots = \"1-2\"\n");
    let refused = Program::output(&["--config", wrong.to_str().unwrap()]);
    assert!(!refused.status.success());
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(why.contains("prots") && why.contains("line 2"), "{why}");
    let missing = Program::output(&["--config", "/nonexistent.toml"]);
    assert!(String::from_utf8(missing.stderr).unwrap().contains("/nonexistent.toml"));
    std::fs::remove_file(file).unwrap();
    std::fs::remove_file(wrong).unwrap();
}
