//! Real sockets on 127.0.0.1, free ports.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

use bytes::Bytes;
use sip_net::{Config, Incoming, Transports, drive};
use sip_stack::endpoint::{Endpoint, EndpointConfig, Event, Failure, Output, Transmit};
use sip_stack::flow::{Flow, Hop, Target, Transport};
use sip_stack::message::{Host, Method, NameAddr, Uri};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
/// Longer than anything here takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

fn bind(config: Config) -> (Transports, SocketAddr) {
    let transports = Transports::bind(&[LOOPBACK], config).unwrap();
    let address = transports.local_addrs()[0];
    (transports, address)
}

fn endpoint(address: SocketAddr, seed: u8) -> Endpoint {
    Endpoint::new(EndpointConfig::new(Host::Ip(address.ip()), address.port()), [seed; 32])
}

fn hop(transport: Transport, address: SocketAddr) -> Target {
    let (host, port) = (Host::Ip(address.ip()), Some(address.port()));
    Target::Hop(Hop { host, port, transport: Some(transport) })
}

fn options(endpoint: &mut Endpoint, target: Target) {
    let uri = Uri::parse("sip:b@example.org").unwrap();
    let me = NameAddr::new(Uri::parse("sip:a@example.org").unwrap());
    let request = endpoint.new_request(Method::Options, uri.clone(), me, NameAddr::new(uri));
    endpoint.send_request(Instant::now(), request, target).unwrap();
}

/// An OPTIONS as the endpoint wants it sent, with `body`.
fn transmit(target: Target, body: usize) -> Transmit {
    let mut endpoint = endpoint("127.0.0.1:5060".parse().unwrap(), 9);
    let uri = Uri::parse("sip:b@example.org").unwrap();
    let me = NameAddr::new(uri.clone());
    let mut request = endpoint.new_request(Method::Options, uri, me.clone(), me);
    request.set_body("text/plain", vec![b'x'; body]);
    endpoint.send_request(Instant::now(), request, target).unwrap();
    match endpoint.poll_output() {
        Some(Output::Transmit(transmit)) => transmit,
        other => panic!("{other:?}"),
    }
}

async fn recv(transports: &mut Transports) -> Incoming {
    timeout(PATIENCE, transports.recv()).await.expect("something should come")
}

async fn message(transports: &mut Transports) -> (Flow, Bytes) {
    match recv(transports).await {
        Incoming::Message { flow, bytes } => (flow, bytes),
        other => panic!("{other:?}"),
    }
}

async fn text(stream: &mut TcpStream) -> String {
    let mut out = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut out)).await.unwrap().unwrap();
    out
}

/// Two endpoints over real sockets: a request, its answer, over both transports.
#[tokio::test]
async fn a_request_and_its_answer() {
    let (mut ours, here) = bind(Config::default());
    let (mut theirs, there) = bind(Config::default());
    let mut client = endpoint(here, 1);
    let mut server = endpoint(there, 2);
    let serve = async {
        loop {
            while let Some(event) = drive::next_event(&mut server, &mut theirs) {
                if let Event::Request { transaction, .. } = event {
                    server.respond_status(Instant::now(), transaction, 200, "").unwrap();
                }
            }
            drive::wait(&mut server, &mut theirs).await;
        }
    };
    let ask = async {
        for transport in [Transport::Udp, Transport::Tcp, Transport::Tcp] {
            options(&mut client, hop(transport, there));
            let response = loop {
                match drive::next_event(&mut client, &mut ours) {
                    Some(Event::Response { response, .. }) => break response,
                    Some(other) => panic!("{other:?}"),
                    None => drive::wait(&mut client, &mut ours).await,
                }
            };
            assert_eq!(response.status, 200);
            assert_eq!(response.headers.via_top().unwrap().transport, transport.as_str());
        }
    };
    tokio::select! {
        () = serve => {}
        done = timeout(PATIENCE, ask) => done.unwrap(),
    }
}

#[tokio::test]
async fn one_connection_is_used_again_and_for_the_way_back() {
    let (mut a, _) = bind(Config::default());
    let (mut b, there) = bind(Config::default());
    for _ in 0..3 {
        a.send(transmit(hop(Transport::Tcp, there), 0));
    }
    let (flow, _) = message(&mut b).await;
    assert_eq!(message(&mut b).await.0, flow);
    assert_eq!(message(&mut b).await.0, flow);
    b.send(transmit(Target::Flow(flow), 0));
    // and by address, as a request to the Contact of a phone behind NAT
    b.send(transmit(hop(Transport::Tcp, flow.remote), 0));
    let (back, _) = message(&mut a).await;
    assert_eq!((back.remote, back.local), (there, flow.remote));
    assert_eq!(message(&mut a).await.0, back);
    // when it is gone both hear of it, and of the requests nobody will answer any more
    a.close(PATIENCE).await;
    let mut lost = 0;
    let closed = loop {
        match recv(&mut b).await {
            Incoming::SendFailed(_) => lost += 1,
            Incoming::Closed(id) => break id,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((Some(closed), lost), (flow.connection, 2));
}

#[tokio::test]
async fn udp_keeps_datagrams_apart_and_drops_keep_alives() {
    let (mut a, here) = bind(Config::default());
    let phone = UdpSocket::bind(LOOPBACK).await.unwrap();
    for datagram in [b"\r\n\r\n".as_ref(), b"\0\0\0\0", b"", b"first", b"second"] {
        phone.send_to(datagram, here).await.unwrap();
    }
    let (flow, bytes) = message(&mut a).await;
    assert_eq!((&bytes[..], flow.remote), (b"first".as_ref(), phone.local_addr().unwrap()));
    assert_eq!(&message(&mut a).await.1[..], b"second");
    a.send(transmit(Target::Flow(flow), 0));
    let mut buffer = [0; 2000];
    let (n, from) = timeout(PATIENCE, phone.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert!(n > 100 && from == here, "the answer comes from the port that was asked");
}

#[tokio::test]
async fn what_cannot_be_sent_is_reported() {
    let (mut a, _) = bind(Config::default());
    let nobody = TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap();
    let no_name = Hop { host: Host::Name("a".repeat(70)), port: None, transport: None };
    let v6 = "[::1]:5060".parse().unwrap();
    for target in [
        hop(Transport::Tcp, nobody),
        Target::Hop(no_name),
        hop(Transport::Udp, v6), // no socket of that family is bound
    ] {
        let transmit = transmit(target.clone(), 0);
        let id = transmit.id;
        a.send(transmit);
        loop {
            match recv(&mut a).await {
                Incoming::SendFailed(failed) => break assert_eq!(failed, id, "{target:?}"),
                Incoming::Closed(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    // larger than a datagram can be
    a.send(transmit(hop(Transport::Udp, nobody), 66_000));
    while !matches!(recv(&mut a).await, Incoming::SendFailed(_)) {}
}

/// RFC 3261 §18.4: what ICMP says about a datagram is told of the request it was.
#[tokio::test]
async fn an_unreachable_port_is_reported_for_each_request() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let address: SocketAddr = address.parse().unwrap();
        let Ok(gone) = std::net::UdpSocket::bind(address) else { continue };
        let nobody = gone.local_addr().unwrap();
        drop(gone);
        let mut a = Transports::bind(&[address], Config::default()).unwrap();
        let mut b = Transports::bind(&[address], Config::default()).unwrap();
        let there = b.local_addrs()[0];
        let [first, alive, second] =
            [nobody, there, nobody].map(|to| transmit(hop(Transport::Udp, to), 0));
        let mut expected = vec![first.id, second.id];
        for transmit in [first, alive, second] {
            a.send(transmit);
        }
        message(&mut b).await;
        for _ in 0..2 {
            let Incoming::SendFailed(id) = recv(&mut a).await else { panic!() };
            let at = expected.iter().position(|expected| *expected == id);
            expected.remove(at.expect("a request to nobody"));
        }
        // the socket still works
        b.send(transmit(hop(Transport::Udp, a.local_addrs()[0]), 0));
        message(&mut a).await;
    }
}

/// A request that waits for its answer on a connection hears of its end, and is tried elsewhere.
#[tokio::test]
async fn the_end_of_a_connection_is_told_to_the_requests_on_it() {
    let (mut a, here) = bind(Config::default());
    let peer = TcpListener::bind(LOOPBACK).await.unwrap();
    let mut client = endpoint(here, 1);
    options(&mut client, hop(Transport::Tcp, peer.local_addr().unwrap()));
    let hears = async {
        loop {
            match drive::next_event(&mut client, &mut a) {
                Some(event) => break event,
                None => drive::wait(&mut client, &mut a).await,
            }
        }
    };
    let hangs_up = async {
        let (mut stream, _) = peer.accept().await.unwrap();
        let mut buffer = [0; 100];
        stream.read_exact(&mut buffer).await.unwrap();
    };
    let (event, ()) = timeout(PATIENCE, async { tokio::join!(hears, hangs_up) }).await.unwrap();
    let Event::RequestFailed { failure, .. } = event else { panic!("{event:?}") };
    assert_eq!(failure, Failure::Transport);
}

/// RFC 5626 §4.4.1: who opened a connection asks whether the other is there, and lets go of one that
/// answered once and does not any more.
#[tokio::test]
async fn a_connection_of_ours_is_kept_alive_until_the_peer_is_gone() {
    let quiet = Duration::from_millis(50);
    // long enough for this test to answer, however busy the machine is
    let pong_timeout = Duration::from_secs(3);
    let config = Config { keep_alive: Some(quiet), pong_timeout, ..Config::default() };
    let (mut a, _) = bind(config);
    let peer = TcpListener::bind(LOOPBACK).await.unwrap();
    a.send(transmit(hop(Transport::Tcp, peer.local_addr().unwrap()), 0));
    let (mut stream, _) = timeout(PATIENCE, peer.accept()).await.unwrap().unwrap();
    let mut buffer = vec![0; 2000];
    let n = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
    assert!(n > 100, "the request");
    for _ in 0..3 {
        let n = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert_eq!(&buffer[..n], b"\r\n\r\n");
        stream.write_all(b"\r\n").await.unwrap();
    }
    assert!(a.try_recv().is_none());
    while !matches!(recv(&mut a).await, Incoming::Closed(_)) {}
}

/// RFC 3261 §18.2.2: a response whose connection is gone opens one to where the sender listens.
#[tokio::test]
async fn a_response_finds_another_way_when_its_connection_is_gone() {
    let (mut a, here) = bind(Config::default());
    let mut server = endpoint(here, 1);
    let phone = TcpListener::bind(LOOPBACK).await.unwrap();
    let port = phone.local_addr().unwrap().port();
    let request = format!(
        "OPTIONS sip:b@example.org SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:{port};branch=z9hG4bKx\r\n\
         From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    let mut stream = TcpStream::connect(here).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let transaction = loop {
        match drive::next_event(&mut server, &mut a) {
            Some(Event::Request { transaction, .. }) => break transaction,
            Some(other) => panic!("{other:?}"),
            None => timeout(PATIENCE, drive::wait(&mut server, &mut a)).await.unwrap(),
        }
    };
    drop(stream);
    assert!(matches!(recv(&mut a).await, Incoming::Closed(_)));
    server.respond_status(Instant::now(), transaction, 200, "").unwrap();
    assert!(drive::next_event(&mut server, &mut a).is_none());
    let (mut again, _) = timeout(PATIENCE, phone.accept()).await.unwrap().unwrap();
    let mut buffer = [0; 15];
    timeout(PATIENCE, again.read_exact(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(&buffer, b"SIP/2.0 200 OK\r");
}

#[tokio::test]
async fn names_are_resolved() {
    let (mut a, _) = bind(Config::default());
    let (mut b, there) = bind(Config::default());
    let host = Host::Name("localhost".into());
    for transport in [Transport::Udp, Transport::Tcp] {
        let hop = Hop { host: host.clone(), port: Some(there.port()), transport: Some(transport) };
        a.send(transmit(Target::Hop(hop), 0));
        let Incoming::Resolved { id, hops, bytes } = recv(&mut a).await else { panic!() };
        let near = hops.into_iter().find(|hop| hop.host.ip() == Some(LOOPBACK.ip())).unwrap();
        assert_eq!((near.port, near.transport), (Some(there.port()), Some(transport)));
        a.send(Transmit { id, target: Target::Hop(near), bytes });
        assert_eq!(message(&mut b).await.0.transport, transport);
    }
}

#[tokio::test]
async fn a_slow_peer_hurts_only_itself() {
    let (mut a, _) = bind(Config { write_queue: 8, ..Config::default() });
    let deaf = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = deaf.local_addr().unwrap();
    a.send(transmit(hop(Transport::Tcp, address), 60_000));
    let (_held, _) = timeout(PATIENCE, deaf.accept()).await.unwrap().unwrap();
    // fill what the system buffers, and then our queue
    let mut failed = false;
    for _ in 0..2000 {
        a.send(transmit(hop(Transport::Tcp, address), 60_000));
        tokio::task::yield_now().await;
        if let Some(Incoming::SendFailed(_)) = a.try_recv() {
            failed = true;
            break;
        }
    }
    assert!(failed, "the queue of a deaf peer is bounded");
    let (mut b, there) = bind(Config::default());
    for transport in [Transport::Tcp, Transport::Udp] {
        a.send(transmit(hop(transport, there), 10));
        message(&mut b).await;
    }
}

#[tokio::test]
async fn a_peer_that_never_reads_is_given_up() {
    let config = Config { write_timeout: Duration::from_millis(50), ..Config::default() };
    let (mut a, _) = bind(config);
    let deaf = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = deaf.local_addr().unwrap();
    let mut sent = 0;
    let ended = async {
        loop {
            a.send(transmit(hop(Transport::Tcp, address), 60_000));
            sent += 1;
            while let Some(incoming) = a.try_recv() {
                if let Incoming::Closed(_) = incoming {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, ended).await.unwrap();
    assert!(sent > 1);
}

#[tokio::test]
async fn streams_with_keep_alives_pieces_and_garbage() {
    let (mut a, here) = bind(Config::default());
    let mut phone = TcpStream::connect(here).await.unwrap();
    phone.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0; 2];
    timeout(PATIENCE, phone.read_exact(&mut pong)).await.unwrap().unwrap();
    assert_eq!(&pong, b"\r\n");
    let request = transmit(hop(Transport::Tcp, here), 50_000).bytes;
    for piece in request.chunks(20_000) {
        phone.write_all(piece).await.unwrap();
    }
    let (flow, bytes) = message(&mut a).await;
    assert_eq!(bytes, request);
    phone.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert!(matches!(recv(&mut a).await, Incoming::Closed(id) if Some(id) == flow.connection));
    assert_eq!(text(&mut phone).await, "", "closed");
}

#[tokio::test]
async fn silent_connections_end() {
    let short = Duration::from_millis(30);
    let (mut a, here) =
        bind(Config { first_message_timeout: short, idle_timeout: short, ..Config::default() });
    let mut silent = TcpStream::connect(here).await.unwrap();
    assert_eq!(text(&mut silent).await, "");
    assert!(matches!(recv(&mut a).await, Incoming::Closed(_)));
    let mut idle = TcpStream::connect(here).await.unwrap();
    idle.write_all(&transmit(hop(Transport::Tcp, here), 0).bytes).await.unwrap();
    assert_eq!(text(&mut idle).await, "");
}

#[tokio::test]
async fn connections_are_bounded_and_the_unproven_go_first() {
    let (mut a, here) = bind(Config { max_connections: 2, ..Config::default() });
    let mut phone = TcpStream::connect(here).await.unwrap();
    let request = transmit(hop(Transport::Tcp, here), 0).bytes;
    phone.write_all(&request).await.unwrap();
    let (flow, _) = message(&mut a).await;
    for _ in 0..3 {
        // each pushes out the one before, which said nothing
        let mut stranger = TcpStream::connect(here).await.unwrap();
        let next = TcpStream::connect(here).await.unwrap();
        assert_eq!(text(&mut stranger).await, "");
        drop(next);
    }
    phone.write_all(&request).await.unwrap();
    loop {
        match recv(&mut a).await {
            Incoming::Message { flow: again, .. } => break assert_eq!(again, flow),
            Incoming::Closed(id) => assert_ne!(Some(id), flow.connection),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn closing_writes_what_is_queued() {
    let (mut a, _) = bind(Config::default());
    let peer = TcpListener::bind(LOOPBACK).await.unwrap();
    let first = transmit(hop(Transport::Tcp, peer.local_addr().unwrap()), 30_000);
    let length = first.bytes.len();
    a.send(first.clone());
    let (mut stream, _) = timeout(PATIENCE, peer.accept()).await.unwrap().unwrap();
    let mut buffer = vec![0; length];
    timeout(PATIENCE, stream.read_exact(&mut buffer)).await.unwrap().unwrap();
    for _ in 0..10 {
        a.send(first.clone());
    }
    let (_, rest) = tokio::join!(a.close(PATIENCE), text(&mut stream));
    assert_eq!(rest.len(), 10 * length);
}

#[tokio::test]
async fn ports_are_free_again_after_closing() {
    let (a, here) = bind(Config::default());
    assert!(Transports::bind(&[here], Config::default()).is_err(), "one process per port");
    a.close(PATIENCE).await;
    Transports::bind(&[here], Config::default()).unwrap().close(PATIENCE).await;
    assert!(Transports::bind(&[], Config::default()).is_err());
}

#[tokio::test]
async fn ipv6_beside_ipv4() {
    let v6: SocketAddr = "[::1]:0".parse().unwrap();
    let both = Transports::bind(&[LOOPBACK, v6], Config::default());
    if std::net::UdpSocket::bind(v6).is_err() {
        assert!(both.is_err(), "this machine has no IPv6 and must say so");
        return;
    }
    let mut both = both.unwrap();
    let (here4, here6) = (both.local_addrs()[0], both.local_addrs()[1]);
    for (transport, address) in [
        (Transport::Udp, here4),
        (Transport::Udp, here6),
        (Transport::Tcp, here4),
        (Transport::Tcp, here6),
    ] {
        both.send(transmit(hop(transport, address), 0));
        assert_eq!(message(&mut both).await.0.local, address);
    }
}

#[tokio::test]
async fn a_message_too_large_for_us_is_answered_before_the_end() {
    let (mut transports, here) = bind(Config::default());
    let mut server = endpoint(here, 3);
    let ask = async {
        let mut stream = TcpStream::connect(here).await.unwrap();
        let head = "MESSAGE sip:b@h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nf: <sip:a@h>;tag=1\r\n\
                    t: <sip:b@h>\r\ni: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 1000000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        // a client that writes on without looking must still get the answer
        let _ = stream.write_all(&[b'x'; 100_000]).await;
        text(&mut stream).await
    };
    let serve = async {
        loop {
            while drive::next_event(&mut server, &mut transports).is_some() {}
            drive::wait(&mut server, &mut transports).await;
        }
    };
    tokio::select! {
        () = serve => {}
        answer = ask => assert!(answer.starts_with("SIP/2.0 513 "), "{answer}"),
    }
}
