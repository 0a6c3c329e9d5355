//! Forwarded media as one unbroken stream, across changes of its source (RFC 7667 §3.7).

mod layers;
mod pictures;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use self::layers::LayerFilter;
use self::pictures::{LONG, Pictures};
use super::shift::{Shift, unwrap_near};
use crate::clock::ticks_between;
use crate::random::Random;
use crate::vp8::{Descriptor, starts_key_frame};
use crate::{
    CsrcList, ExtSeq, ExtensionBlock, Outbound, PayloadType, RtpHeader, RtpPacket, RtpTime, Seq,
    Ssrc,
};

/// A jump of the sequence numbers above this is a restart of the source (RFC 3550 §A.1 `MAX_DROPOUT`).
const MAX_JUMP: u64 = 3000;
/// Packets of one picture that are held until its first comes: a key frame of VGA size has fewer.
const MAX_HELD: usize = 64;
/// How long they are held: reordering takes less, and the first packet sent again a round trip or two.
const HOLD_TIME: Duration = Duration::from_millis(300);

/// A packet that came before its picture could be begun.
#[derive(Clone, Debug)]
struct Held {
    at: Instant,
    packet: RtpPacket,
    csrcs: CsrcList,
}

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
    payload_type: PayloadType,
    kind: RewriteKind,
    clock_rate: u32,
    source: Option<Ssrc>,
    /// The present source has been joined to the outgoing stream.
    joined: bool,
    seq: Shift,
    highest_in: ExtSeq,
    timestamp_offset: u32,
    /// When the newest timestamp went out, and which.
    newest: Option<(Instant, RtpTime)>,
    first_timestamp: RtpTime,
    pictures: Pictures,
    base_layers: Shift,
    base_layer_in: u64,
    key_frames: Shift,
    key_frame_in: u64,
    layers: LayerFilter,
    /// Packets of the newest picture while a key frame is waited for, of which the first may have been overtaken.
    held: VecDeque<Held>,
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
        let mut random = Random::new(seed ^ u64::from(ssrc.0));
        // One cycle up, so that there is something below the first.
        let mut first = |modulus: u64| modulus + random.next_u64() % modulus;
        let seq = Shift::new(first(1 << 16));
        let pictures = Pictures::new(first(LONG));
        let base_layers = Shift::new(first(1 << 8));
        let key_frames = Shift::new(first(1 << 5));
        Self {
            ssrc,
            payload_type,
            kind,
            clock_rate,
            source: None,
            joined: false,
            seq,
            highest_in: ExtSeq::default(),
            timestamp_offset: 0,
            newest: None,
            first_timestamp: RtpTime(random.next_u64() as u32),
            pictures,
            base_layers,
            base_layer_in: 0,
            key_frames,
            key_frame_in: 0,
            layers: LayerFilter::default(),
            held: VecDeque::new(),
        }
    }

    /// From now on only packets of `source` are forwarded; for VP8 from its next key frame on. A switch to
    /// the present source changes nothing.
    pub fn switch_to(&mut self, source: Ssrc) {
        if self.source != Some(source) {
            self.source = Some(source);
            self.joined = false;
            self.held.clear();
        }
    }

    /// VP8: forwards temporal layers up to this one, 0 (the base layer) to 3 (all). Layers are left out from the next
    /// picture on, and come back at one that can be decoded without those left out (RFC 7741 §4.2, Y).
    pub fn set_max_temporal_layer(&mut self, layer: u8) {
        self.layers.set_target(layer);
    }

    /// Forwards nothing until the next [`Rewrite::switch_to`].
    pub fn stop(&mut self) {
        self.source = None;
        self.joined = false;
        self.held.clear();
    }

    /// The packet as the receiver is to see it, or `None`: not the present source, older than the switch,
    /// without content, or (VP8) before the first key frame. `csrcs` names who is in it. Afterwards
    /// [`Rewrite::poll_held`] has those that came before the one that began the picture.
    pub fn forward(
        &mut self,
        now: Instant,
        packet: &RtpPacket,
        csrcs: &CsrcList,
    ) -> Option<Outbound> {
        let Some(input) = self.admit(now, packet) else {
            self.hold(now, packet, csrcs);
            return None;
        };
        if packet.payload_ref().is_empty() {
            // Mere padding, to probe for bandwidth: the receiver has no use for it.
            self.seq.omit(input.0);
            return None;
        }
        let (descriptor, payload) = match self.kind {
            RewriteKind::Opaque => (([0; 6], 0), packet.payload()),
            RewriteKind::Vp8 => {
                let Some((descriptor, len)) = Descriptor::parse(packet.payload_ref()) else {
                    self.seq.omit(input.0);
                    return None;
                };
                if !self.layers.keeps(&descriptor, packet.timestamp()) {
                    self.seq.omit(input.0);
                    self.pictures.omit(descriptor.picture_id, packet.timestamp());
                    return None;
                }
                let rewritten = self.rewrite_descriptor(descriptor, packet.timestamp())?;
                let mut octets = [0; 6];
                let written = rewritten.write(&mut octets);
                ((octets, written), packet.payload().slice(len..))
            }
        };
        let output = self.seq.map(input.0)?;
        let timestamp = packet.timestamp().plus(self.timestamp_offset);
        if self.newest.is_none_or(|(_, newest)| timestamp.distance_from(newest) > 0) {
            self.newest = Some((now, timestamp));
        }
        let mut header = RtpHeader {
            marker: packet.marker(),
            payload_type: self.payload_type,
            seq: Seq(output as u16),
            timestamp,
            ssrc: self.ssrc,
            csrcs: *csrcs,
            extensions: ExtensionBlock::EMPTY,
        }
        .to_bytes();
        header.push(descriptor.0.get(..descriptor.1).unwrap_or_default());
        Some(Outbound { header, payload })
    }

    /// A packet of the picture just begun that came before its first packet. Call until `None`.
    pub fn poll_held(&mut self, now: Instant) -> Option<Outbound> {
        while self.joined {
            let held = self.held.pop_front()?;
            if now.saturating_duration_since(held.at) <= HOLD_TIME
                && let Some(out) = self.forward(now, &held.packet, &held.csrcs)
            {
                return Some(out);
            }
        }
        None
    }

    /// Keeps a packet that could belong to a key frame whose first packet is late: of the newest picture only.
    fn hold(&mut self, now: Instant, packet: &RtpPacket, csrcs: &CsrcList) {
        if !self.is_waiting() || self.source != Some(packet.ssrc()) {
            return;
        }
        if let Some(held) = self.held.back() {
            let newer = packet.timestamp().distance_from(held.packet.timestamp());
            if newer < 0 {
                return;
            }
            if newer > 0 {
                self.held.clear();
            }
        }
        if self.held.len() < MAX_HELD {
            self.held.push_back(Held { at: now, packet: packet.clone(), csrcs: *csrcs });
        }
    }

    /// The packet is left out on purpose (a layer, a probe): the receiver must not see a hole.
    pub fn skip(&mut self, now: Instant, packet: &RtpPacket) {
        if let Some(input) = self.admit(now, packet) {
            self.seq.omit(input.0);
            if let Some((descriptor, _)) = Descriptor::parse(packet.payload_ref())
                && self.kind == RewriteKind::Vp8
            {
                self.pictures.omit(descriptor.picture_id, packet.timestamp());
            }
        }
    }

    /// The packet's number within its source, once that is joined; joins it when this packet can start it.
    fn admit(&mut self, now: Instant, packet: &RtpPacket) -> Option<ExtSeq> {
        if self.source != Some(packet.ssrc()) {
            return None;
        }
        if self.joined {
            let input = self.highest_in.nearest(packet.seq());
            if input.0.abs_diff(self.highest_in.0) < MAX_JUMP {
                self.highest_in = self.highest_in.max(input);
                return Some(input);
            }
            self.joined = false;
        }
        if self.kind == RewriteKind::Vp8 && !starts_key_frame(packet.payload_ref()) {
            return None;
        }
        self.join(now, packet);
        Some(self.highest_in)
    }

    fn join(&mut self, now: Instant, packet: &RtpPacket) {
        self.joined = true;
        self.highest_in = ExtSeq::first(packet.seq());
        self.seq.sync(self.highest_in.0);
        // The time that passed between the sources passes in the outgoing stream too, and at least one unit.
        let timestamp = match self.newest {
            Some((at, newest)) => {
                let passed = ticks_between(at, now, self.clock_rate).clamp(1, i64::from(i32::MAX));
                newest.plus(passed as u32)
            }
            None => self.first_timestamp,
        };
        self.timestamp_offset = timestamp.0.wrapping_sub(packet.timestamp().0);
        if let Some((descriptor, _)) = Descriptor::parse(packet.payload_ref())
            && self.kind == RewriteKind::Vp8
        {
            self.pictures.join(descriptor.picture_id, packet.timestamp());
            self.base_layer_in = 256 + u64::from(descriptor.tl0_pic_idx.unwrap_or(0));
            self.base_layers.sync(self.base_layer_in);
            self.key_frame_in = 32 + u64::from(descriptor.key_idx.unwrap_or(0));
            self.key_frames.sync(self.key_frame_in);
            self.layers.join();
        }
    }

    fn rewrite_descriptor(
        &mut self,
        mut descriptor: Descriptor,
        timestamp: RtpTime,
    ) -> Option<Descriptor> {
        descriptor.picture_id = self.pictures.map(descriptor.picture_id, timestamp)?;
        if let Some(index) = descriptor.tl0_pic_idx {
            let input = unwrap_near(self.base_layer_in, u64::from(index), 256);
            self.base_layer_in = self.base_layer_in.max(input);
            descriptor.tl0_pic_idx = Some(self.base_layers.map(input)? as u8);
        }
        if let Some(index) = descriptor.key_idx {
            let input = unwrap_near(self.key_frame_in, u64::from(index), 32);
            self.key_frame_in = self.key_frame_in.max(input);
            descriptor.key_idx = Some((self.key_frames.map(input)? % 32) as u8);
        }
        Some(descriptor)
    }

    /// VP8 only: the present source is not forwarded until its next key frame starts. Ask for one.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.kind == RewriteKind::Vp8 && self.source.is_some() && !self.joined
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

    /// The payload type changes, after a new answer.
    pub const fn set_payload_type(&mut self, payload_type: PayloadType) {
        self.payload_type = payload_type;
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests;
