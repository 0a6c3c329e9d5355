//! Keys pressed at a member's phone (RFC 4733).

use std::time::{Duration, Instant};

use rtp_session::dtmf::DtmfReceiver;
use rtp_session::{PayloadType, RtpPacket};
use sdp::negotiate::NegotiatedMedia;

/// Keys told at once at most; those of a number that a phone dials by itself.
const BURST: u32 = 32;

/// Least time between two keys in the long run: a tone and the pause after it are not shorter (Q.24). More is no
/// keying, and each one is a message to the focus.
const PACE: Duration = Duration::from_millis(80);

/// See the module's description.
#[derive(Debug, Default)]
pub struct Keys {
    /// Payload types of telephone events.
    types: Vec<PayloadType>,
    receiver: DtmfReceiver,
    /// Until when the keys told so far would take, one after the other.
    busy_until: Option<Instant>,
}

impl Keys {
    /// What was agreed on.
    pub fn agree(&mut self, media: &NegotiatedMedia) {
        let events = media.receive.iter().filter(|codec| codec.is_telephone_event());
        self.types = events.filter_map(|codec| PayloadType::new(codec.payload_type)).collect();
    }

    /// A packet came: the key, at the first packet of its event that gets here.
    pub fn packet(&mut self, now: Instant, packet: &RtpPacket) -> Option<char> {
        if !self.types.contains(&packet.payload_type()) {
            return None;
        }
        let key = self.receiver.receive(packet)?;
        let begins = self.busy_until.map_or(now, |until| until.max(now));
        if begins.saturating_duration_since(now) > PACE * BURST {
            return None;
        }
        self.busy_until = Some(begins + PACE);
        Some(key)
    }
}
