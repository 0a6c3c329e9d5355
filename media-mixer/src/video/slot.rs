//! A place where a member is shown a picture: one unbroken outgoing stream, whoever is in it.

use std::time::{Duration, Instant};

use rtp_session::{
    Contributor, CsrcList, History, Outbound, PayloadType, Rewrite, RewriteKind, RtpPacket,
    RtxPair, RtxSender, Seq, Ssrc,
};
use sdp::attribute::rtcp_fb::Feedback;
use sdp::negotiate::NegotiatedMedia;

use super::LineId;

/// See the module's description.
#[derive(Debug)]
pub struct Slot {
    rewrite: Rewrite,
    history: History,
    showing: Option<LineId>,
    /// Whether the receiver can ask for packets again.
    keep: bool,
    /// Where packets are sent again, when not in the stream itself (RFC 4588).
    rtx: Option<RtxSender>,
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
            rtx: None,
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

    /// From now on packets are sent again under this SSRC and payload type, or `None`: as they were.
    pub fn set_rtx(&mut self, rtx: Option<(Ssrc, RtxPair)>, seed: u64) {
        self.rtx = rtx.map(|(ssrc, pair)| match self.rtx.take() {
            Some(mut sender) if sender.ssrc() == ssrc => {
                sender.set_pairs(vec![pair]);
                sender
            }
            _ => RtxSender::new(ssrc, vec![pair], seed),
        });
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

    /// A packet of the key frame just begun that came before its first packet. Call after [`Self::forward`] until `None`.
    pub fn poll_held(&mut self, now: Instant) -> Option<Outbound> {
        let out = self.rewrite.poll_held(now)?;
        if self.keep {
            self.history.push(now, out.clone());
        }
        Some(out)
    }

    /// Goes on under other SSRCs (RFC 3550 §8.2), `rtx` being that of packets sent again.
    pub fn set_ssrc(&mut self, ssrc: Ssrc, rtx: Option<Ssrc>) {
        self.rewrite.set_ssrc(ssrc);
        if let (Some(sender), Some(ssrc)) = (&mut self.rtx, rtx) {
            sender.set_ssrc(ssrc);
        }
    }

    /// A packet the receiver lacks.
    pub fn resend(&mut self, now: Instant, seq: Seq, rtt: Duration) -> Option<Outbound> {
        let packet = self.history.resend(now, seq, rtt)?;
        let wrapped = self.rtx.as_mut().and_then(|sender| sender.wrap(&packet));
        Some(wrapped.unwrap_or(packet))
    }
}

/// The name under which a picture is shown.
pub fn contributor(ssrc: Ssrc, cname: &str, name: &str) -> Contributor {
    Contributor { ssrc, cname: cname.to_owned(), name: name.to_owned() }
}
