//! A domain on a name server of the test's own, and two servers behind it (RFC 3263).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use sip_net::{Config, Transports, drive};
use sip_stack::endpoint::{Endpoint, EndpointConfig, Event};
use sip_stack::flow::{Hop, Target};
use sip_stack::message::{Host, Method, NameAddr, Response, Uri};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, UdpSocket};
use tokio::time::timeout;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// Longer than anything here takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A name server that knows `records` and counts the questions.
async fn name_server(records: Vec<(&str, RData)>) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
    let address = socket.local_addr().unwrap();
    let questions = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&questions);
    let records: Vec<(Name, RData)> =
        records.into_iter().map(|(name, data)| (name.parse().unwrap(), data)).collect();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (n, from) = socket.recv_from(&mut buffer).await.unwrap();
            let question = Message::from_vec(&buffer[..n]).unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            let query = question.queries[0].clone();
            let known = records.iter().filter(|(name, _)| name == query.name());
            let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
            answer.metadata.message_type = MessageType::Response;
            answer.metadata.authoritative = true;
            answer.metadata.recursion_available = true;
            if known.clone().next().is_none() {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            let of_type = known.filter(|(_, data)| data.record_type() == query.query_type());
            for (name, data) in of_type {
                answer.add_answer(Record::from_rdata(name.clone(), 300, data.clone()));
            }
            answer.add_query(query);
            socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        }
    });
    (address, questions)
}

fn srv(priority: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, 10, port, target.parse().unwrap()))
}

fn naptr(order: u16, service: &str, replacement: &str) -> RData {
    let bytes = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
    let replacement = replacement.parse().unwrap();
    RData::NAPTR(NAPTR::new(order, 1, bytes("s"), bytes(service), bytes(""), replacement))
}

fn host() -> RData {
    RData::A(A(Ipv4Addr::LOCALHOST))
}

fn host6() -> RData {
    RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))
}

fn bind(name_servers: &[SocketAddr]) -> (Transports, SocketAddr) {
    let config = Config { name_servers: name_servers.to_vec(), ..Config::default() };
    let transports = Transports::bind(&[LOOPBACK], config).unwrap();
    let address = transports.local_addrs()[0];
    (transports, address)
}

fn endpoint(address: SocketAddr, seed: u8) -> Endpoint {
    Endpoint::new(EndpointConfig::new(Host::Ip(address.ip()), address.port()), [seed; 32])
}

/// Asks `uri` for OPTIONS, while servers answer with their status; gives the answer, if one comes.
async fn ask(uri: &str, dns: SocketAddr, servers: Vec<(Transports, u16)>) -> Option<Response> {
    for (mut transports, status) in servers {
        let mut server = endpoint(transports.local_addrs()[0], 2);
        tokio::spawn(async move {
            loop {
                while let Some(event) = drive::next_event(&mut server, &mut transports) {
                    if let Event::Request { transaction, .. } = event {
                        server.respond_status(Instant::now(), transaction, status, "").unwrap();
                    }
                }
                drive::wait(&mut server, &mut transports).await;
            }
        });
    }
    let (mut transports, here) = bind(&[dns]);
    let mut client = endpoint(here, 1);
    let uri = Uri::parse(uri).unwrap();
    let me = NameAddr::new(Uri::parse("sip:a@example.org").unwrap());
    let request = client.new_request(Method::Options, uri.clone(), me, NameAddr::new(uri.clone()));
    let target = Target::Hop(Hop::from_uri(&uri));
    client.send_request(Instant::now(), request, target).unwrap();
    let outcome = async {
        loop {
            match drive::next_event(&mut client, &mut transports) {
                Some(Event::Response { response, .. }) => break Some(response),
                Some(Event::RequestFailed { .. }) => break None,
                Some(other) => panic!("{other:?}"),
                None => drive::wait(&mut client, &mut transports).await,
            }
        }
    };
    timeout(PATIENCE, outcome).await.unwrap()
}

async fn closed_port() -> u16 {
    TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_domain_leads_to_its_server_by_naptr_and_srv() {
    let (transports, there) = bind(&[]);
    let (dns, _) = name_server(vec![
        ("meet.example.org.", naptr(10, "SIPS+D2T", "_sips._tcp.example.org.")),
        ("meet.example.org.", naptr(20, "SIP+D2T", "_sip._tcp.example.org.")),
        ("_sip._tcp.example.org.", srv(1, there.port(), "a.example.org.")),
        ("a.example.org.", host()),
    ])
    .await;
    let response = ask("sip:meet.example.org", dns, vec![(transports, 200)]).await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.headers.via_top().unwrap().transport, "TCP");
}

#[tokio::test]
async fn a_dead_server_and_a_busy_one_are_passed_by() {
    let (busy, busy_at) = bind(&[]);
    let (good, good_at) = bind(&[]);
    let (dns, _) = name_server(vec![
        ("_sip._tcp.example.org.", srv(1, closed_port().await, "a.example.org.")),
        ("_sip._tcp.example.org.", srv(2, busy_at.port(), "a.example.org.")),
        ("_sip._tcp.example.org.", srv(3, good_at.port(), "a.example.org.")),
        ("a.example.org.", host()),
    ])
    .await;
    let servers = vec![(busy, 503), (good, 200)];
    let response = ask("sip:example.org;transport=tcp", dns, servers).await.unwrap();
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn a_name_that_is_not_there_fails_at_once() {
    let (dns, _) = name_server(Vec::new()).await;
    assert!(ask("sip:nobody.example.org", dns, Vec::new()).await.is_none());
}

#[tokio::test]
async fn answers_are_remembered() {
    let (mut transports, here) = bind(&[]);
    let records = vec![("a.example.org.", host()), ("a.example.org.", host6())];
    let (dns, questions) = name_server(records).await;
    let (mut ours, at) = bind(&[dns]);
    let mut client = endpoint(at, 1);
    let uri = Uri::parse(&format!("sip:a.example.org:{}", here.port())).unwrap();
    for _ in 0..3 {
        let me = NameAddr::new(uri.clone());
        let request = client.new_request(Method::Options, uri.clone(), me.clone(), me);
        let target = Target::Hop(Hop::from_uri(&uri));
        client.send_request(Instant::now(), request, target).unwrap();
        let arrived = async {
            tokio::select! {
                _ = transports.recv() => {}
                () = async { loop {
                    while drive::next_event(&mut client, &mut ours).is_some() {}
                    drive::wait(&mut client, &mut ours).await;
                } } => {}
            }
        };
        timeout(PATIENCE, arrived).await.unwrap();
    }
    assert_eq!(questions.load(Ordering::Relaxed), 2, "A and AAAA once");
}
