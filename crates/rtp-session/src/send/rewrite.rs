//! Forwarded media as one unbroken stream, across changes of its source (RFC 7667 §3.7).

use std::collections::VecDeque;
use std::time::Instant;

use super::shift::{Shift, unwrap_near};
use crate::clock::ticks_between;
use crate::random::Random;
use crate::vp8::{Descriptor, PictureId, starts_key_frame};
use crate::{CsrcList, ExtSeq, Outbound, PayloadType, RtpHeader, RtpPacket, RtpTime, Seq, Ssrc};

/// A jump of the sequence numbers above this is a restart of the source (RFC 3550 §A.1 `MAX_DROPOUT`).
const MAX_JUMP: u64 = 3000;
/// Pictures of a source without picture ids that are remembered for late packets.
const PICTURES: usize = 32;
/// Picture ids go out with 15 bits.
const PICTURE_MODULUS: u64 = 1 << 15;

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
        let pictures = Pictures::new(first(PICTURE_MODULUS));
        let base_layers = Shift::new(first(1 << 8));
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
        }
    }

    /// From now on only packets of `source` are forwarded; for VP8 from its next key frame on. A switch to
    /// the present source changes nothing.
    pub fn switch_to(&mut self, source: Ssrc) {
        if self.source != Some(source) {
            self.source = Some(source);
            self.joined = false;
        }
    }

    /// Forwards nothing until the next [`Rewrite::switch_to`].
    pub fn stop(&mut self) {
        self.source = None;
        self.joined = false;
    }

    /// The packet as the receiver is to see it, or `None`: not the present source, older than the switch,
    /// without content, or (VP8) before the first key frame. `csrcs` names who is in it.
    pub fn forward(
        &mut self,
        now: Instant,
        packet: &RtpPacket,
        csrcs: &CsrcList,
    ) -> Option<Outbound> {
        let input = self.admit(now, packet)?;
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
        }
        .to_bytes();
        header.push(descriptor.0.get(..descriptor.1).unwrap_or_default());
        Some(Outbound { header, payload })
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
        }
    }

    fn rewrite_descriptor(
        &mut self,
        mut descriptor: Descriptor,
        timestamp: RtpTime,
    ) -> Option<Descriptor> {
        let picture = self.pictures.map(descriptor.picture_id, timestamp)?;
        // Always 15 bits, also when the source has seven or none: a receiver must never see them shrink.
        descriptor.picture_id = Some(PictureId::Long((picture % PICTURE_MODULUS) as u16));
        if let Some(index) = descriptor.tl0_pic_idx {
            let input = unwrap_near(self.base_layer_in, u64::from(index), 256);
            self.base_layer_in = self.base_layer_in.max(input);
            descriptor.tl0_pic_idx = Some(self.base_layers.map(input)? as u8);
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

/// Picture numbers; sources without any are counted by their timestamps.
#[derive(Clone, Debug)]
struct Pictures {
    shift: Shift,
    highest_in: u64,
    /// (timestamp, number) of the latest pictures, for sources without picture ids.
    counted: VecDeque<(RtpTime, u64)>,
}

impl Pictures {
    const fn new(first_out: u64) -> Self {
        Self { shift: Shift::new(first_out), highest_in: 0, counted: VecDeque::new() }
    }

    fn join(&mut self, id: Option<PictureId>, timestamp: RtpTime) {
        self.counted.clear();
        self.highest_in = PICTURE_MODULUS
            + match id {
                Some(PictureId::Short(id)) => u64::from(id),
                Some(PictureId::Long(id)) => u64::from(id),
                None => 0,
            };
        if id.is_none() {
            self.counted.push_back((timestamp, self.highest_in));
        }
        self.shift.sync(self.highest_in);
    }

    fn input(&mut self, id: Option<PictureId>, timestamp: RtpTime) -> Option<u64> {
        let input = match id {
            Some(PictureId::Short(id)) => unwrap_near(self.highest_in, u64::from(id), 128),
            Some(PictureId::Long(id)) => {
                unwrap_near(self.highest_in, u64::from(id), PICTURE_MODULUS)
            }
            None => return self.count(timestamp),
        };
        self.highest_in = self.highest_in.max(input);
        Some(input)
    }

    /// The number of the picture with this timestamp: known, or the next one if it is newer than all.
    fn count(&mut self, timestamp: RtpTime) -> Option<u64> {
        if let Some((_, number)) = self.counted.iter().find(|(known, _)| *known == timestamp) {
            return Some(*number);
        }
        if let Some((newest, _)) = self.counted.back()
            && timestamp.distance_from(*newest) < 0
        {
            return None;
        }
        if self.counted.len() >= PICTURES {
            self.counted.pop_front();
        }
        self.highest_in += 1;
        self.counted.push_back((timestamp, self.highest_in));
        Some(self.highest_in)
    }

    fn map(&mut self, id: Option<PictureId>, timestamp: RtpTime) -> Option<u64> {
        let input = self.input(id, timestamp)?;
        self.shift.map(input)
    }

    fn omit(&mut self, id: Option<PictureId>, timestamp: RtpTime) {
        if let Some(input) = self.input(id, timestamp) {
            self.shift.omit(input);
        }
    }
}
