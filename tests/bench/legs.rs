//! Legs at the mixer, joined over its control service, with plain sockets as their media.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use mixer_control::proto::mixer_client::MixerClient;
use mixer_control::{JoinRequest, LegRef, MixerRequest, call};
use system_tests::services::Services;
use tokio::runtime::Runtime;
use tonic::transport::Channel;

/// The control connection of the benchmark, which plays the focus.
pub struct Control {
    runtime: Runtime,
    client: MixerClient<Channel>,
}

impl Control {
    pub fn connect(services: &Services) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let client = runtime.block_on(MixerClient::connect(services.mixer_control()))?;
        Ok(Self { runtime, client })
    }

    pub fn request(&self, request: MixerRequest) -> Result<Option<String>> {
        self.runtime
            .block_on(call(self.client.clone(), request, Duration::from_secs(10)))
            .map_err(|error| anyhow!("{error}"))
    }

    pub fn end(&self, conference: &str) -> Result<()> {
        self.request(MixerRequest::End(conference.to_owned())).map(drop)
    }
}

/// One medium of a leg: our socket and where the mixer wants it.
#[derive(Debug)]
pub struct Line {
    pub socket: UdpSocket,
    pub mixer: SocketAddr,
}

impl Line {
    /// Reads and counts everything that has come.
    pub fn drain(&self) -> u64 {
        let mut buffer = [0; 2048];
        let mut count = 0;
        while self.socket.recv(&mut buffer).is_ok() {
            count += 1;
        }
        count
    }
}

/// Joins a leg with these media lines (without port) and what follows each; the sockets do not block.
pub fn join(
    control: &Control,
    conference: &str,
    leg: &str,
    media: &[(&str, &str, &str)],
) -> Result<Vec<Line>> {
    let mut sdp =
        "v=0\r\no=bench 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n".to_owned();
    let mut sockets = Vec::new();
    for (kind, formats, attributes) in media {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        sdp += &format!("m={kind} {port} {formats}\r\n{attributes}a=rtcp-mux\r\n");
        sockets.push(socket);
    }
    let answer = control
        .request(MixerRequest::Join(JoinRequest {
            focus: "bench".to_owned(),
            leg: LegRef { conference: conference.to_owned(), leg: leg.to_owned() },
            display_name: leg.to_owned(),
            offer: Some(sdp),
            signalled_from: Some([127, 0, 0, 1].into()),
            lobby: false,
        }))?
        .context("an answer")?;
    let ports = answer
        .lines()
        .filter_map(|line| line.strip_prefix("m=")?.split(' ').nth(1)?.parse::<u16>().ok());
    sockets
        .into_iter()
        .zip(ports)
        .map(|(socket, port)| Ok(Line { socket, mixer: SocketAddr::from(([127, 0, 0, 1], port)) }))
        .collect()
}

/// An RTP header without CSRC or extension (RFC 3550 §5.1).
pub fn header(payload_type: u8, marker: bool, seq: u16, timestamp: u32, ssrc: u32) -> [u8; 12] {
    let mut header = [0; 12];
    header[0] = 0x80;
    header[1] = payload_type | if marker { 0x80 } else { 0 };
    header[2..4].copy_from_slice(&seq.to_be_bytes());
    header[4..8].copy_from_slice(&timestamp.to_be_bytes());
    header[8..].copy_from_slice(&ssrc.to_be_bytes());
    header
}
