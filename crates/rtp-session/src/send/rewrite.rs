//! Forwarded media as one unbroken stream, across changes of its source (RFC 7667 §3.7).

use std::collections::VecDeque;
use std::time::Instant;

use super::shift::{Shift, unwrap_near};
use crate::clock::ticks_between;
use crate::random::Random;
use crate::vp8::{Descriptor, PictureId, starts_key_frame};
use crate::{
    CsrcList, ExtSeq, ExtensionBlock, Outbound, PayloadType, RtpHeader, RtpPacket, RtpTime, Seq,
    Ssrc,
};

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
            extensions: ExtensionBlock::EMPTY,
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

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use super::*;
    use crate::testing::{marked, packet};
    use proptest::prelude::*;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    fn rewrite(kind: RewriteKind) -> Rewrite {
        let payload_type = PayloadType::new(100).unwrap();
        Rewrite::new(Ssrc(9), payload_type, kind, 90_000, 77)
    }

    fn read(outbound: &Outbound) -> (RtpPacket, Descriptor, Vec<u8>) {
        let packet = RtpPacket::parse(outbound.to_bytes()).unwrap();
        let (descriptor, len) = Descriptor::parse(packet.payload_ref()).unwrap();
        let rest = packet.payload_ref()[len..].to_vec();
        (packet, descriptor, rest)
    }

    /// One VP8 packet: key or not, first of its picture or not.
    fn vp8(id: Option<PictureId>, tl0: Option<u8>, start: bool, key: bool) -> Vec<u8> {
        let mut octets = [0; 6];
        let len = Descriptor {
            start_of_partition: start,
            picture_id: id,
            tl0_pic_idx: tl0,
            temporal: tl0.map(|_| (0, false)),
            ..Descriptor::default()
        }
        .write(&mut octets);
        let mut payload = octets[..len].to_vec();
        payload.extend_from_slice(&[u8::from(!key), 2, 3]);
        payload
    }

    #[test]
    fn opaque_media_switches_at_once() {
        let t = Instant::now();
        let mut rewrite = rewrite(RewriteKind::Opaque);
        assert!(rewrite.forward(t, &packet(1, 5, 0, b"a"), &CsrcList::EMPTY).is_none());
        rewrite.switch_to(Ssrc(1));
        assert!(!rewrite.is_waiting());
        let a = rewrite.forward(t, &marked(1, 5, 0, b"a", true), &CsrcList::EMPTY).unwrap();
        let b = rewrite.forward(t + 20 * MS, &packet(1, 6, 1800, b"b"), &CsrcList::EMPTY).unwrap();
        rewrite.switch_to(Ssrc(2));
        assert!(rewrite.forward(t, &packet(1, 7, 3600, b"x"), &CsrcList::EMPTY).is_none());
        let csrcs: CsrcList = [Ssrc(2)].into_iter().collect();
        let c = rewrite.forward(t + 60 * MS, &packet(2, 60000, 7, b"c"), &csrcs).unwrap();
        assert!(rewrite.forward(t + 61 * MS, &packet(2, 59999, 6, b"x"), &csrcs).is_none());
        let [a, b, c] = [a, b, c].map(|out| RtpPacket::parse(out.to_bytes()).unwrap());
        assert!(a.marker() && !b.marker());
        assert_eq!(b.seq(), a.seq().next());
        assert_eq!(c.seq(), b.seq().next());
        assert_eq!(b.timestamp().distance_from(a.timestamp()), 1800);
        assert_eq!(c.timestamp().distance_from(b.timestamp()), 3600);
        assert_eq!(c.csrcs().collect::<Vec<_>>(), [Ssrc(2)]);
        assert_eq!((c.ssrc(), c.payload_type().get()), (Ssrc(9), 100));
        assert_eq!(c.payload_ref(), b"c");
    }

    #[test]
    fn the_payload_is_shared() {
        let mut rewrite = rewrite(RewriteKind::Vp8);
        rewrite.switch_to(Ssrc(1));
        let input = packet(1, 5, 0, &vp8(None, None, true, true));
        let output = rewrite.forward(Instant::now(), &input, &CsrcList::EMPTY).unwrap();
        assert_eq!(output.payload.as_ptr(), input.payload_ref()[1..].as_ptr());
    }

    #[test]
    fn pictures_wait_for_a_key_frame() {
        let t = Instant::now();
        let mut rewrite = rewrite(RewriteKind::Vp8);
        let send = |rewrite: &mut Rewrite, seq, start, key| {
            let payload = vp8(Some(PictureId::Short(1)), None, start, key);
            rewrite.forward(t, &packet(1, seq, 0, &payload), &CsrcList::EMPTY).is_some()
        };
        rewrite.switch_to(Ssrc(1));
        assert!(rewrite.is_waiting());
        assert!(!send(&mut rewrite, 1, true, false));
        assert!(!send(&mut rewrite, 2, false, true));
        assert!(rewrite.is_waiting());
        assert!(send(&mut rewrite, 3, true, true));
        assert!(!rewrite.is_waiting());
        assert!(send(&mut rewrite, 4, true, false));
        rewrite.switch_to(Ssrc(1));
        assert!(send(&mut rewrite, 5, true, false), "no switch, no wait");
        rewrite.stop();
        assert!(!rewrite.is_waiting());
        assert!(!send(&mut rewrite, 6, true, true));
    }

    /// Rows of (source, sequence number, picture id, TL0PICIDX, key), and what they become relative to the
    /// first that came out: (sequence number, picture, TL0PICIDX).
    #[test]
    fn picture_numbers_follow_each_other_across_sources() {
        use PictureId::{Long, Short};
        type Row = (u32, u16, Option<PictureId>, Option<u8>, bool, Option<(u16, u16, Option<u8>)>);
        let rows: &[Row] = &[
            (1, 10, Some(Short(126)), Some(254), true, Some((0, 0, Some(0)))),
            (1, 11, Some(Short(127)), Some(255), false, Some((1, 1, Some(1)))),
            (1, 13, Some(Short(1)), Some(1), false, Some((3, 3, Some(3)))),
            (1, 12, Some(Short(0)), Some(0), false, Some((2, 2, Some(2)))),
            // Another source with 15 bits.
            (2, 500, Some(Long(32766)), Some(7), false, None),
            (2, 501, Some(Long(32767)), Some(8), true, Some((4, 4, Some(4)))),
            (2, 502, Some(Long(0)), Some(9), false, Some((5, 5, Some(5)))),
            (2, 500, Some(Long(32766)), Some(7), false, None),
            // One without any numbers: counted by timestamp (the row index here).
            (3, 65535, None, None, true, Some((6, 6, None))),
            (3, 0, None, None, false, Some((7, 7, None))),
            (3, 1, None, None, false, Some((8, 8, None))),
            // And back, where the numbers have gone on meanwhile.
            (1, 900, Some(Short(50)), Some(100), true, Some((9, 9, Some(6)))),
            (1, 901, Some(Short(51)), Some(100), false, Some((10, 10, Some(6)))),
            // A source that restarts its sequence numbers is a new one.
            (1, 40000, Some(Short(90)), Some(1), false, None),
            (1, 40001, Some(Short(91)), Some(2), true, Some((11, 11, Some(7)))),
        ];
        let t = Instant::now();
        let mut rewrite = rewrite(RewriteKind::Vp8);
        let mut first: Option<(u16, u16, u8)> = None;
        for (i, &(source, seq, id, tl0, key, expected)) in rows.iter().enumerate() {
            rewrite.switch_to(Ssrc(source));
            let input = packet(source, seq, i as u32, &vp8(id, tl0, true, key));
            let output = rewrite.forward(t, &input, &CsrcList::EMPTY);
            let got = output.map(|output| {
                let (packet, descriptor, rest) = read(&output);
                assert_eq!(rest, [u8::from(!key), 2, 3]);
                let Some(Long(picture)) = descriptor.picture_id else {
                    panic!("row {i}: {descriptor:?}");
                };
                let tl0 = descriptor.tl0_pic_idx;
                let base = *first.get_or_insert((packet.seq().0, picture, tl0.unwrap_or(0)));
                (
                    packet.seq().0.wrapping_sub(base.0),
                    picture.wrapping_sub(base.1) & 0x7fff,
                    tl0.map(|tl0| tl0.wrapping_sub(base.2)),
                )
            });
            assert_eq!(got, expected, "row {i}");
        }
    }

    #[test]
    fn what_is_skipped_leaves_no_hole() {
        let t = Instant::now();
        let mut rewrite = rewrite(RewriteKind::Vp8);
        rewrite.switch_to(Ssrc(1));
        let mut last = None;
        for i in 0..50u16 {
            let id = Some(PictureId::Short((i % 128) as u8));
            let input = packet(1, 100 + i, u32::from(i) * 3000, &vp8(id, None, true, i == 0));
            // Padding to probe for bandwidth, and whole pictures on purpose.
            if i % 5 == 4 {
                let padding = packet(1, 100 + i, u32::from(i) * 3000, &[]);
                assert!(rewrite.forward(t, &padding, &CsrcList::EMPTY).is_none());
                continue;
            }
            if i % 3 == 2 {
                rewrite.skip(t, &input);
                continue;
            }
            let (packet, _, _) = read(&rewrite.forward(t, &input, &CsrcList::EMPTY).unwrap());
            if let Some(last) = last.replace(packet.seq()) {
                assert_eq!(packet.seq(), last.next(), "packet {i}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Any packets of any sources: no panic, only the chosen source, always the outgoing identity.
        #[test]
        fn any_packets(packets in prop::collection::vec(
            (0u32..3, any::<u16>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..10), 0u8..8), 0..30), vp8: bool)
        {
            let t = Instant::now();
            let mut rewrite = rewrite(if vp8 { RewriteKind::Vp8 } else { RewriteKind::Opaque });
            for (source, seq, timestamp, payload, action) in packets {
                let input = packet(source, seq, timestamp, &payload);
                match action {
                    0 => rewrite.switch_to(Ssrc(source)),
                    1 => rewrite.skip(t, &input),
                    _ => {
                        let chosen = rewrite.source();
                        if let Some(output) = rewrite.forward(t, &input, &CsrcList::EMPTY) {
                            prop_assert_eq!(chosen, Some(Ssrc(source)));
                            prop_assert_eq!(output.ssrc(), Ssrc(9));
                            prop_assert!(RtpPacket::parse(output.to_bytes()).is_ok());
                        }
                    }
                }
            }
        }
    }
}
