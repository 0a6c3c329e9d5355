//! Forwarded media as one unbroken stream, across changes of its source (RFC 7667 §3.7).

use std::time::Instant;

use crate::{CsrcList, Outbound, PayloadType, RtpPacket, Ssrc};

/// What must be made continuous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewriteKind {
    /// Sequence numbers and timestamps only.
    Opaque,
    /// Also picture ids and TL0PICIDX of the VP8 payload descriptor; a switch takes place at a key frame
    /// (RFC 7741 §4.2).
    Vp8,
}

/// Rewrites forwarded packets into one outgoing stream.
#[derive(Clone, Debug)]
pub struct Rewrite {
    ssrc: Ssrc,
    source: Option<Ssrc>,
}

impl Rewrite {
    /// An outgoing stream whose first numbers come out of `seed`; it forwards nothing until
    /// [`Rewrite::switch_to`]. `clock_rate` is in Hz.
    #[must_use]
    pub fn new(
        ssrc: Ssrc,
        payload_type: PayloadType,
        kind: RewriteKind,
        clock_rate: u32,
        seed: u64,
    ) -> Self {
        let _ = (payload_type, kind, clock_rate, seed);
        Self { ssrc, source: None }
    }

    /// From now on only packets of `source` are forwarded; for VP8 from its next key frame on. A switch to
    /// the present source changes nothing.
    pub fn switch_to(&mut self, source: Ssrc) {
        self.source = Some(source);
    }

    /// Forwards nothing until the next [`Rewrite::switch_to`].
    pub fn stop(&mut self) {
        self.source = None;
    }

    /// The packet as the receiver is to see it, or `None`: not the present source, older than the switch, or
    /// (VP8) before the first key frame.
    pub fn forward(
        &mut self,
        now: Instant,
        packet: &RtpPacket,
        csrcs: &CsrcList,
    ) -> Option<Outbound> {
        let _ = (now, packet, csrcs);
        None
    }

    /// The packet is left out on purpose: the receiver must not see a hole.
    pub fn skip(&mut self, packet: &RtpPacket) {
        let _ = packet;
    }

    /// VP8 only: a key frame of the present source is needed before anything can be forwarded.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.source.is_some()
    }

    /// Whose packets are forwarded.
    #[must_use]
    pub const fn source(&self) -> Option<Ssrc> {
        self.source
    }

    /// The outgoing stream.
    #[must_use]
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Goes on under another SSRC, after a collision (RFC 3550 §8.2).
    pub const fn set_ssrc(&mut self, ssrc: Ssrc) {
        self.ssrc = ssrc;
    }
}
