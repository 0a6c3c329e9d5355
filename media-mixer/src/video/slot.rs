//! A place where a member is shown a picture: one unbroken outgoing stream, whoever is in it.

use std::time::{Duration, Instant};

use rtp_session::{
    Contributor, CsrcList, History, Outbound, PayloadType, Rewrite, RewriteKind, RtpPacket, Seq,
    Ssrc,
};
use sdp::attribute::rtcp_fb::Feedback;
use sdp::negotiate::NegotiatedMedia;

use super::LineId;

/// How long a receiver's estimate counts. Who estimates says so with every report, at least every 5 s; one that has
/// fallen silent, or left the REMB out after a change of network, must not slow a sender down for ever.
const LIMIT_LIFE: Duration = Duration::from_secs(15);

/// See the module's description.
#[derive(Debug)]
pub struct Slot {
    rewrite: Rewrite,
    history: History,
    showing: Option<LineId>,
    /// Whether the receiver can ask for packets again.
    keep: bool,
    /// What the receiver believed it could take, bit/s (REMB), and when.
    limit: Option<(Instant, u64)>,
}

impl Slot {
    /// An empty slot that will send with `ssrc`.
    ///
    /// With `keep`, packets are kept to be sent again when asked for (NACK was agreed on).
    pub fn new(
        ssrc: Ssrc,
        payload_type: PayloadType,
        clock_rate: u32,
        keep: bool,
        seed: u64,
    ) -> Self {
        Self {
            keep,
            rewrite: Rewrite::new(ssrc, payload_type, RewriteKind::Vp8, clock_rate, seed),
            history: History::default(),
            showing: None,
            limit: None,
        }
    }

    /// A new offer and answer for the line: the stream goes on, its numbers too.
    pub fn renegotiated(&mut self, media: &NegotiatedMedia) {
        if let Some(payload_type) = PayloadType::new(media.codec.payload_type) {
            self.rewrite.set_payload_type(payload_type);
        }
        self.keep = media.supports(&Feedback::Nack);
        if !self.keep {
            self.history.clear();
        }
    }

    /// Whose picture it shows.
    pub fn showing(&self) -> Option<LineId> {
        self.showing
    }

    /// Shows somebody's picture, from its next key frame on, or nobody's. `ssrc` is the one its packets carry.
    pub fn show(&mut self, source: Option<(LineId, Ssrc)>) {
        let line = source.map(|(line, _)| line);
        if self.showing != line {
            // Two members may use the same SSRC; the change must be seen all the same.
            self.rewrite.stop();
        }
        self.showing = line;
        if let Some((_, ssrc)) = source {
            self.rewrite.switch_to(ssrc);
        }
    }

    /// Whether nothing can be shown before a key frame.
    pub fn is_waiting(&self) -> bool {
        self.showing.is_some() && self.rewrite.is_waiting()
    }

    /// The packet as the receiver is to see it, unless it has to wait for a key frame.
    pub fn forward(
        &mut self,
        now: Instant,
        packet: &RtpPacket,
        csrcs: &CsrcList,
    ) -> Option<Outbound> {
        let out = self.rewrite.forward(now, packet, csrcs)?;
        if self.keep {
            self.history.push(now, out.clone());
        }
        Some(out)
    }

    /// Goes on under another SSRC (RFC 3550 §8.2).
    pub fn set_ssrc(&mut self, ssrc: Ssrc) {
        self.rewrite.set_ssrc(ssrc);
    }

    /// A packet the receiver lacks.
    pub fn resend(&mut self, now: Instant, seq: Seq, rtt: Duration) -> Option<Outbound> {
        self.history.resend(now, seq, rtt)
    }

    /// Takes note of the receiver's estimate.
    pub fn set_limit(&mut self, now: Instant, bitrate: u64) {
        self.limit = Some((now, bitrate));
    }

    /// The receiver's estimate, while it is fresh.
    pub fn limit(&self, now: Instant) -> Option<u64> {
        let (_, limit) =
            self.limit.filter(|(at, _)| now.saturating_duration_since(*at) < LIMIT_LIFE)?;
        Some(limit)
    }
}

/// The name under which a picture is shown.
pub fn contributor(ssrc: Ssrc, cname: &str, name: &str) -> Contributor {
    Contributor { ssrc, cname: cname.to_owned(), name: name.to_owned() }
}
