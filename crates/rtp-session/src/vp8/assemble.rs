//! Packets joined into frames, with an eye on what is missing (RFC 7741 §4.4).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Descriptor, is_key_frame};
use crate::{ExtSeq, RtpPacket, RtpTime};

/// How an assembler is to work.
#[derive(Clone, Copy, Debug)]
pub struct AssemblerConfig {
    /// How long a frame waits for a missing packet to be sent again, before everything up to the next key
    /// frame is dropped.
    pub max_wait: Duration,
    /// Packets kept at once.
    pub max_packets: usize,
}

impl Default for AssemblerConfig {
    fn default() -> Self {
        Self { max_wait: Duration::from_millis(250), max_packets: 1024 }
    }
}

/// A whole frame for the decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vp8Frame {
    /// The encoded picture.
    pub data: Bytes,
    /// Its media time (90 kHz).
    pub timestamp: RtpTime,
    /// It can be decoded without any other.
    pub key: bool,
}

#[derive(Clone, Debug)]
struct Piece {
    arrived: Instant,
    timestamp: RtpTime,
    marker: bool,
    /// First of a picture.
    start: bool,
    key: bool,
    /// Without descriptor.
    payload: Bytes,
}

/// Joins the packets of one stream.
#[derive(Clone, Debug)]
pub struct Assembler {
    config: AssemblerConfig,
    pieces: BTreeMap<ExtSeq, Piece>,
    /// The packet that must come next; `None` until a key frame starts.
    next: Option<ExtSeq>,
    /// Everything below was handed out or given up.
    floor: ExtSeq,
    want_key_frame: bool,
}

impl Assembler {
    /// Empty; the first frame it yields is a key frame.
    #[must_use]
    pub const fn new(config: AssemblerConfig) -> Self {
        Self { config, pieces: BTreeMap::new(), next: None, floor: ExtSeq(0), want_key_frame: true }
    }

    /// Takes a packet under the number [`crate::Source`] gave it. Duplicates are ignored.
    pub fn push(&mut self, now: Instant, seq: ExtSeq, packet: &RtpPacket) {
        if seq < self.floor || self.pieces.contains_key(&seq) {
            return;
        }
        // A packet without content (padding) takes its place in the row, nothing more.
        let (descriptor, len) = Descriptor::parse(packet.payload_ref()).unwrap_or_default();
        let payload = packet.payload().slice(len..);
        let start =
            descriptor.start_of_partition && descriptor.partition == 0 && !payload.is_empty();
        self.pieces.insert(
            seq,
            Piece {
                arrived: now,
                timestamp: packet.timestamp(),
                marker: packet.marker(),
                start,
                key: start && is_key_frame(&payload),
                payload,
            },
        );
        if self.pieces.len() > self.config.max_packets {
            self.give_up();
        }
    }

    /// The next frame in order, if it is whole. Call until `None`.
    pub fn pop(&mut self, now: Instant) -> Option<Vp8Frame> {
        if let Some(frame) = self.whole_frame() {
            return Some(frame);
        }
        // A whole key frame needs nothing from before it: no reason to wait for what is missing.
        if let Some(key) = self.newest_whole_key_frame() {
            self.jump_to(key);
            return self.whole_frame();
        }
        let waiting_since = self.pieces.values().map(|piece| piece.arrived).min();
        let overdue = waiting_since
            .is_some_and(|since| now.saturating_duration_since(since) >= self.config.max_wait);
        if overdue {
            self.give_up();
        }
        None
    }

    /// The frame that starts at `next`, or at the first key frame when nothing came yet.
    fn whole_frame(&mut self) -> Option<Vp8Frame> {
        let first = self.next?;
        let last = self.end_of_frame(first)?;
        if self.is_cut_off(last) {
            self.jump_to(last.next());
            return self.whole_frame();
        }
        let mut data = Vec::new();
        let mut timestamp = None;
        let mut key = false;
        let mut started = false;
        for seq in first.0..=last.0 {
            let Some(piece) = self.pieces.remove(&ExtSeq(seq)) else {
                continue;
            };
            if piece.payload.is_empty() {
                continue;
            }
            started |= piece.start;
            key |= piece.key;
            timestamp.get_or_insert(piece.timestamp);
            data.extend_from_slice(&piece.payload);
        }
        self.next = Some(last.next());
        self.floor = last.next();
        let Some(timestamp) = timestamp else {
            // Padding only.
            return self.whole_frame();
        };
        if !started {
            // Its beginning is missing though no packet is: the sender left it out. The decoder cannot go on.
            self.give_up();
            return None;
        }
        self.want_key_frame = false;
        Some(Vp8Frame { data: data.into(), timestamp, key })
    }

    /// The last packet of the frame whose packets follow each other from `first` on; `None` while one is
    /// missing. A frame ends at its marker, or, when the sender forgot that, before another timestamp.
    fn end_of_frame(&self, first: ExtSeq) -> Option<ExtSeq> {
        let mut timestamp = None;
        let mut seq = first;
        loop {
            let piece = self.pieces.get(&seq)?;
            if piece.payload.is_empty() && timestamp.is_none() {
                return Some(seq);
            }
            if *timestamp.get_or_insert(piece.timestamp) != piece.timestamp {
                return Some(ExtSeq(seq.0 - 1));
            }
            if piece.marker {
                return Some(seq);
            }
            seq = seq.next();
        }
    }

    /// A frame without marker right before a key frame: a mixer has switched in the middle of it.
    fn is_cut_off(&self, last: ExtSeq) -> bool {
        let marked = self.pieces.get(&last).is_none_or(|piece| piece.marker);
        !marked && self.pieces.get(&last.next()).is_some_and(|next| next.key)
    }

    fn newest_whole_key_frame(&self) -> Option<ExtSeq> {
        let starts = self.pieces.iter().rev();
        starts
            .filter(|(_, piece)| piece.key)
            .map(|(seq, _)| *seq)
            .find(|seq| self.end_of_frame(*seq).is_some())
    }

    fn jump_to(&mut self, seq: ExtSeq) {
        self.pieces = self.pieces.split_off(&seq);
        self.next = Some(seq);
        self.floor = seq;
    }

    /// What is missing will not come: drops everything up to the newest start of a key frame, if there is one.
    fn give_up(&mut self) {
        let newest = self.pieces.iter().rev().find(|(_, piece)| piece.key);
        match newest.map(|(seq, _)| *seq) {
            // The frame that is being waited for is itself that key frame: it is the one with the hole.
            Some(seq) if self.next != Some(seq) => self.jump_to(seq),
            _ => {
                if let Some((&last, _)) = self.pieces.last_key_value() {
                    self.floor = last.next();
                }
                self.pieces.clear();
                self.next = None;
                self.want_key_frame = true;
            }
        }
    }

    /// Nothing can be decoded until a key frame comes: ask for one (PLI), and again from time to time.
    #[must_use]
    pub const fn want_key_frame(&self) -> bool {
        self.want_key_frame
    }

    /// When [`Assembler::pop`] should be called even if no packet comes.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let first = self.pieces.values().map(|piece| piece.arrived).min()?;
        Some(first + self.config.max_wait)
    }

    /// Starts afresh: the source restarted or is another one.
    pub fn reset(&mut self) {
        self.pieces.clear();
        self.next = None;
        self.floor = ExtSeq(0);
        self.want_key_frame = true;
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
mod tests {
    use super::*;
    use crate::testing::marked;
    use crate::vp8::Packetizer;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    /// Frames of the given sizes as packets; the first octet says whether it is a key frame.
    fn packets(frames: &[(bool, usize)]) -> Vec<(ExtSeq, RtpPacket)> {
        let mut packetizer = Packetizer::new(100, 1);
        let mut out = Vec::new();
        for (i, &(key, size)) in frames.iter().enumerate() {
            let mut frame = vec![i as u8; size.max(1)];
            frame[0] = u8::from(!key);
            for part in packetizer.split(&frame.into()) {
                let payload = [part.descriptor(), &part.payload].concat();
                let seq = ExtSeq(0x1_fffe + out.len() as u64);
                let packet = marked(1, seq.wire().0, i as u32 * 3000, &payload, part.last);
                out.push((seq, packet));
            }
        }
        out
    }

    fn drain(assembler: &mut Assembler, now: Instant) -> Vec<(bool, usize)> {
        std::iter::from_fn(|| assembler.pop(now))
            .map(|frame| (frame.key, frame.data.len()))
            .collect()
    }

    fn default() -> Assembler {
        Assembler::new(AssemblerConfig::default())
    }

    #[test]
    fn frames_come_out_as_they_went_in() {
        let t = Instant::now();
        let frames = [(true, 1000), (false, 1), (false, 96), (false, 97), (true, 500)];
        let mut assembler = default();
        let mut got = Vec::new();
        for (seq, packet) in packets(&frames) {
            assembler.push(t, seq, &packet);
            got.extend(drain(&mut assembler, t));
        }
        assert_eq!(got, frames);
        assert!(!assembler.want_key_frame());
    }

    #[test]
    fn payloads_keep_their_limit_and_are_even() {
        let mut packetizer = Packetizer::new(1200, 1);
        let frame = Bytes::from(vec![0; 1300]);
        let parts: Vec<_> = packetizer.split(&frame).collect();
        let sizes: Vec<_> = parts.iter().map(|part| part.payload.len()).collect();
        assert_eq!(sizes, [650, 650]);
        assert_eq!(parts[1].payload.as_ptr(), frame[650..].as_ptr(), "shared");
        assert_eq!(packetizer.split(&Bytes::new()).count(), 0);
        for part in packetizer.split(&Bytes::from(vec![0; 12_345])) {
            assert!(part.payload.len() + part.descriptor().len() <= 1200);
        }
    }

    #[test]
    fn a_packet_sent_again_fills_the_hole() {
        let t = Instant::now();
        let all = packets(&[(true, 300), (false, 300), (false, 50)]);
        let mut assembler = default();
        for (seq, packet) in all.iter().filter(|(seq, _)| *seq != all[5].0) {
            assembler.push(t, *seq, packet);
        }
        assert_eq!(drain(&mut assembler, t + 100 * MS), [(true, 300)]);
        assembler.push(t + 100 * MS, all[5].0, &all[5].1);
        assert_eq!(drain(&mut assembler, t + 100 * MS), [(false, 300), (false, 50)]);
        // What is over is ignored.
        assembler.push(t, all[5].0, &all[5].1);
        assert_eq!(drain(&mut assembler, t + 1000 * MS), []);
        assert!(!assembler.want_key_frame());
    }

    #[test]
    fn a_hole_that_stays_costs_everything_until_a_key_frame() {
        let t = Instant::now();
        let all = packets(&[
            (true, 300),
            (false, 300),
            (false, 50),
            (false, 50),
            (true, 200),
            (false, 10),
        ]);
        let mut assembler = default();
        let lost = all[5].0;
        let (before, after) =
            all.split_at(all.iter().position(|(_, p)| p.timestamp().0 == 9000).unwrap());
        for (seq, packet) in before.iter().filter(|(seq, _)| *seq != lost) {
            assembler.push(t, *seq, packet);
        }
        assert_eq!(drain(&mut assembler, t), [(true, 300)]);
        assert!(!assembler.want_key_frame(), "it may still come");
        assert_eq!(assembler.poll_timeout(), Some(t + 250 * MS));
        assert_eq!(drain(&mut assembler, t + 250 * MS), []);
        assert!(assembler.want_key_frame());
        for (seq, packet) in after {
            assembler.push(t + 300 * MS, *seq, packet);
        }
        assert_eq!(drain(&mut assembler, t + 300 * MS), [(true, 200), (false, 10)]);
        assert!(!assembler.want_key_frame());
    }

    #[test]
    fn a_key_frame_ends_the_wait() {
        let t = Instant::now();
        let all = packets(&[(true, 300), (false, 300), (true, 200)]);
        let mut assembler = default();
        let mut got = Vec::new();
        for (seq, packet) in all.iter().filter(|(seq, _)| *seq != all[5].0) {
            assembler.push(t, *seq, packet);
            got.extend(drain(&mut assembler, t));
        }
        assert_eq!(got, [(true, 300), (true, 200)]);
        assert!(!assembler.want_key_frame());
    }

    #[test]
    fn a_frame_cut_off_by_a_switch_is_not_shown() {
        let t = Instant::now();
        let mut assembler = default();
        let input = [
            (0, [0x10, 0, 0], true),
            (1, [0x10, 1, 1], false),
            (2, [0x10, 0, 2], true),
            // A sender that forgets its markers is not taken for one that was cut off.
            (3, [0x10, 1, 3], false),
            (4, [0x10, 1, 4], true),
        ];
        let mut shown = Vec::new();
        for (at, payload, marker) in input {
            let packet = marked(1, at, u32::from(at) * 3000, &payload, marker);
            assembler.push(t, ExtSeq(u64::from(at)), &packet);
            shown.extend(std::iter::from_fn(|| assembler.pop(t)).map(|frame| frame.data[1]));
        }
        assert_eq!(shown, [0, 2, 3, 4]);
    }

    #[test]
    fn nothing_is_shown_before_the_first_key_frame() {
        let t = Instant::now();
        let mut assembler = default();
        for (seq, packet) in packets(&[(false, 300), (false, 20), (true, 20)]) {
            assert!(assembler.want_key_frame());
            assembler.push(t, seq, &packet);
        }
        assert_eq!(drain(&mut assembler, t), [(true, 20)]);
    }

    #[test]
    fn memory_is_bounded() {
        let t = Instant::now();
        let mut assembler =
            Assembler::new(AssemblerConfig { max_packets: 50, ..AssemblerConfig::default() });
        let all = packets(&[(false, 96 * 500)]);
        for (seq, packet) in &all {
            assembler.push(t, *seq, packet);
            assert!(assembler.pieces.len() <= 50);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Any packets in any order: no panic, and every frame starts where a frame starts.
        #[test]
        fn any_packets(input in prop::collection::vec((0u64..40, 0u32..8, any::<bool>(),
            prop::collection::vec(any::<u8>(), 0..6)), 0..60))
        {
            let t = Instant::now();
            let mut assembler = default();
            let mut first = true;
            for (i, (seq, timestamp, marker, payload)) in input.into_iter().enumerate() {
                let now = t + i as u32 * 10 * MS;
                assembler.push(now, ExtSeq(70_000 + seq), &marked(1, seq as u16, timestamp, &payload, marker));
                while let Some(frame) = assembler.pop(now) {
                    prop_assert!(!frame.data.is_empty());
                    prop_assert!(frame.key || !first);
                    first = false;
                }
            }
        }

        /// Packets shuffled within a short distance and doubled make the same frames.
        #[test]
        fn order_does_not_matter(swaps in prop::collection::vec(0usize..100, 0..40), sizes in prop::collection::vec(1usize..500, 1..20)) {
            let t = Instant::now();
            let frames: Vec<_> = sizes.iter().enumerate().map(|(i, size)| (i == 0, *size)).collect();
            let mut all = packets(&frames);
            for at in swaps {
                if at + 1 < all.len() && at > 3 {
                    all.swap(at, at + 1);
                }
            }
            let mut assembler = default();
            let mut got = Vec::new();
            for (seq, packet) in &all {
                assembler.push(t, *seq, packet);
                assembler.push(t, *seq, packet);
                got.extend(drain(&mut assembler, t));
            }
            prop_assert_eq!(got, frames);
        }
    }
}
