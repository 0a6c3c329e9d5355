//! SIP messages in and out.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use sip_stack::endpoint::{Transmit, TransmitId};
use sip_stack::flow::{ConnectionId, Flow, Target, Transport};
use tokio::net::UdpSocket;

/// What arrives.
#[derive(Debug)]
pub enum SipInput {
    /// One message.
    Message {
        /// How it came.
        flow: Flow,
        /// The message.
        bytes: Bytes,
    },
    /// A connection is gone.
    Closed(ConnectionId),
    /// A message could not be sent.
    SendFailed(TransmitId),
}

/// The transports.
#[derive(Debug)]
pub struct Sip {
    udp: UdpSocket,
    local: SocketAddr,
    failed: Option<TransmitId>,
}

impl Sip {
    /// UDP and TCP on one address.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let udp = UdpSocket::bind(address).await?;
        let local = udp.local_addr()?;
        Ok(Self { udp, local, failed: None })
    }

    /// Where others reach us.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends a message.
    pub async fn send(&mut self, transmit: Transmit) {
        let to = match &transmit.target {
            Target::Flow(flow) => Some(flow.remote),
            Target::Hop(hop) => {
                hop.host.ip().map(|ip| SocketAddr::new(ip, hop.port.unwrap_or(5060)))
            }
        };
        let sent = match to {
            Some(to) => self.udp.send_to(&transmit.bytes, to).await.is_ok(),
            None => false,
        };
        if !sent {
            self.failed = Some(transmit.id);
        }
    }

    /// The next input.
    pub async fn recv(&mut self) -> SipInput {
        if let Some(id) = self.failed.take() {
            return SipInput::SendFailed(id);
        }
        let mut buffer = vec![0; 65_536];
        loop {
            if let Ok((length, remote)) = self.udp.recv_from(&mut buffer).await {
                let bytes = Bytes::copy_from_slice(&buffer[..length]);
                let local = self.local;
                let flow = Flow { transport: Transport::Udp, local, remote, connection: None };
                return SipInput::Message { flow, bytes };
            }
        }
    }
}
