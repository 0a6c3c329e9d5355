//! Keep-alives on real sockets (RFC 5626 §3.5), and closing on request.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::time::Duration;

use sip_net::{Config, Incoming, Transports};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn bind() -> Transports {
    Transports::bind(&["127.0.0.1:0".parse().unwrap()], Config::default()).unwrap()
}

#[tokio::test]
async fn a_stun_binding_request_on_the_sip_port_is_answered() {
    let transports = bind();
    let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    request.extend([7; 12]);
    phone.send_to(&request, transports.local_addrs()[0]).await.unwrap();
    let mut answer = [0; 100];
    let n = timeout(PATIENCE, phone.recv(&mut answer)).await.unwrap().unwrap();
    assert_eq!((n, &answer[..2], &answer[4..20]), (32, &[1, 1][..], &request[4..]));
    let port = phone.local_addr().unwrap().port() ^ 0x2112;
    assert_eq!(answer[26..28], port.to_be_bytes());
}

#[tokio::test]
async fn a_double_crlf_is_answered_by_one_and_a_connection_can_be_closed() {
    let mut transports = bind();
    let mut phone = TcpStream::connect(transports.local_addrs()[0]).await.unwrap();
    phone.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0; 2];
    timeout(PATIENCE, phone.read_exact(&mut pong)).await.unwrap().unwrap();
    assert_eq!(&pong, b"\r\n");
    let message = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n";
    phone.write_all(message).await.unwrap();
    let Incoming::Message { flow, .. } = timeout(PATIENCE, transports.recv()).await.unwrap() else {
        unreachable!("the message comes first")
    };
    transports.close_connection(flow.connection.unwrap());
    assert_eq!(timeout(PATIENCE, phone.read(&mut pong)).await.unwrap().unwrap(), 0);
    let told = timeout(PATIENCE, transports.recv()).await.unwrap();
    assert!(matches!(told, Incoming::Closed(id) if Some(id) == flow.connection), "{told:?}");
}
