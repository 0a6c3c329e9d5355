//! The media of one call as one value: every line, who is there, which tile shows whom.

mod flow;
mod ice;
mod report;
mod types;

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use media_codec::AudioCodec;
use rtp_session::{PacketKind, RtpPacket, SessionConfig, Ssrc, classify, rtcp};
use sdp::MediaKind;
use sdp::negotiate::{NegotiatedLine, NegotiatedMedia};

use self::flow::Flow;
use self::ice::{LineIce, Sorted};
pub use self::types::{Decoded, MediaConfig, Order, Output};
use super::audio_line::{AudioFrame, AudioLine, AudioSending};
use super::ice::IceEvent;
use super::line::{Channel, News, Path};
use super::video_line::VideoLine;
use crate::core::participants::Participants;
use crate::core::tiles::{Own, Tile, Tiles};

/// Session bandwidth RTCP takes its 5 % of, in bit/s (RFC 3550 §6.2).
const AUDIO_BANDWIDTH: u32 = 64_000;
const VIDEO_BANDWIDTH: u32 = 800_000;

/// From this level on, in -dBov, nothing is heard of a source: 126 is the least sound there is, 127 digital silence.
const SILENT: u8 = 126;

/// One m= line.
#[derive(Debug)]
enum Line {
    Audio(Box<AudioLine>),
    Video { slot: usize, line: Box<VideoLine> },
}

/// The media of a call.
#[derive(Debug)]
pub struct MediaSession {
    config: MediaConfig,
    started: Instant,
    lines: Vec<Option<Line>>,
    participants: Participants,
    tiles: Tiles,
    outputs: VecDeque<Output>,
    last_heard: Instant,
    order: Option<Order>,
    ice: Vec<LineIce>,
    ice_events: VecDeque<IceEvent>,
    relay_deadline: Option<Instant>,
    /// The last moment we were told of.
    now: Instant,
    /// While media go directly to the other of two.
    flow: Option<Flow>,
}

impl MediaSession {
    /// A call that is just being answered; give it the agreement by [`apply`](Self::apply).
    #[must_use]
    pub fn new(now: Instant, config: MediaConfig) -> Self {
        Self {
            started: now,
            lines: Vec::new(),
            participants: Participants::default(),
            tiles: Tiles::new(config.slots),
            outputs: VecDeque::new(),
            last_heard: now,
            order: None,
            ice: Vec::new(),
            ice_events: VecDeque::new(),
            relay_deadline: None,
            now,
            flow: None,
            config,
        }
    }

    /// What was agreed, at first and after every re-INVITE. Running lines go on.
    pub fn apply(&mut self, now: Instant, agreed: &[NegotiatedLine]) {
        self.lines.resize_with(agreed.len().max(self.lines.len()), || None);
        let sip_host = self.config.sip_host;
        let mut slot = 0;
        for negotiated in agreed {
            let this_slot = slot;
            slot += usize::from(negotiated.kind == MediaKind::Video);
            let index = negotiated.index;
            let config = self.session_config(index, negotiated);
            let Some(place) = self.lines.get_mut(index) else { continue };
            let Some(media) = negotiated.accepted() else {
                *place = None;
                continue;
            };
            match place {
                Some(Line::Audio(line)) => line.apply(now, media),
                Some(Line::Video { line, .. }) => line.apply(now, media),
                None => *place = make(now, negotiated, media, this_slot, config, sip_host),
            }
        }
        for negotiated in agreed {
            self.apply_ice(now, negotiated.index, negotiated.accepted());
        }
        let own = self.lines.iter().flatten().map(|line| match line {
            Line::Audio(line) => line.ssrc().0,
            Line::Video { line, .. } => line.ssrc().0,
        });
        self.participants.set_own(own.collect());
        self.drain(now);
    }

    fn session_config(&self, index: usize, line: &NegotiatedLine) -> SessionConfig {
        let video = line.kind == MediaKind::Video;
        SessionConfig {
            cname: self.config.cname.clone(),
            name: self.config.name.clone(),
            clock: self.config.clock,
            bandwidth: if video { VIDEO_BANDWIDTH } else { AUDIO_BANDWIDTH },
            feedback: video,
            payload_types: Vec::new(),
            // another stream of random numbers for each line
            seed: self.config.seed ^ (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        }
    }

    /// The other side is a conference focus, not a person.
    pub fn set_focus(&mut self, focus: bool) {
        self.participants.set_focus(focus);
    }

    /// A datagram arrived on one of the two ports of a line.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        index: usize,
        channel: Channel,
        from: SocketAddr,
        bytes: Bytes,
    ) {
        self.receive(now, index, channel, from, bytes, false);
        while let Some((from, bytes)) = self.poll_relayed(index) {
            self.receive(now, index, Channel::Rtp, from, bytes, true);
        }
        self.drain(now);
    }

    fn receive(
        &mut self,
        now: Instant,
        index: usize,
        channel: Channel,
        from: SocketAddr,
        bytes: Bytes,
        relayed: bool,
    ) {
        let accepted = match self.sort_out(now, index, channel, from, &bytes, relayed) {
            Sorted::Plain => self.path(index).is_some_and(|path| path.accepts(from)),
            Sorted::Media => true,
            Sorted::Relayed | Sorted::Done => {
                self.drain_ice(now, index);
                false
            }
        };
        if !accepted {
            return;
        }
        let counted = match classify(&bytes) {
            PacketKind::Rtp => self.handle_rtp(now, index, bytes),
            PacketKind::Rtcp => self.handle_rtcp(now, index, &bytes),
            _ => false,
        };
        if counted {
            self.last_heard = now;
            let current = self.path(index).is_none_or(|path| path.is_current(from));
            if let Some(flow) = self.flow.as_mut().filter(|_| current) {
                flow.heard(now);
            }
            if let Some(path) = self.path(index) {
                path.heard(channel, from);
            }
        }
    }

    fn path(&mut self, index: usize) -> Option<&mut Path> {
        path_of(&mut self.lines, index)
    }

    /// Returns whether the packet counts.
    fn handle_rtp(&mut self, now: Instant, index: usize, bytes: Bytes) -> bool {
        let Ok(packet) = RtpPacket::parse(bytes) else { return false };
        match self.lines.get_mut(index) {
            Some(Some(Line::Audio(line))) => {
                let Some(heard) = line.handle_rtp(now, packet) else { return false };
                let levels = line.levels(&heard.packet);
                // A mixer may name those who are silent too, to tell that they are (RFC 6465).
                let silent = |ssrc: &Ssrc| levels.iter().any(|(s, l)| s == ssrc && *l >= SILENT);
                let csrcs: Vec<u32> =
                    heard.packet.csrcs().filter(|ssrc| !silent(ssrc)).map(|ssrc| ssrc.0).collect();
                if !csrcs.is_empty() || heard.packet.csrcs().next().is_none() {
                    self.participants.audio_packet(now, heard.packet.ssrc().0, &csrcs);
                }
                for (ssrc, level) in levels {
                    self.participants.audio_level(now, ssrc.0, level);
                }
                self.outputs.push_back(Output::Play(heard));
            }
            Some(Some(Line::Video { slot, line })) => {
                let Some(counted) = line.handle_rtp(now, packet) else { return false };
                self.participants.video_packet(
                    now,
                    *slot,
                    counted.ssrc.0,
                    counted.csrc.map(|ssrc| ssrc.0),
                    counted.lost,
                    counted.jitter.as_secs_f64() * 1000.0,
                );
            }
            _ => return false,
        }
        true
    }

    fn handle_rtcp(&mut self, now: Instant, index: usize, bytes: &Bytes) -> bool {
        if rtcp::parse(bytes).is_empty() {
            return false;
        }
        let mut news = Vec::new();
        match self.lines.get_mut(index) {
            Some(Some(Line::Audio(line))) => {
                if line.handle_rtcp(now, bytes, &mut news)
                    && let Some(flow) = &mut self.flow
                {
                    flow.acknowledged(now);
                }
            }
            Some(Some(Line::Video { line, .. })) => {
                let again = line.handle_rtcp(now, bytes, &mut news);
                self.outputs.extend(again.into_iter().map(Output::Send));
            }
            _ => return false,
        }
        for item in news {
            match item {
                News::Named { ssrc, cname, name } => {
                    self.participants.describe(now, ssrc.0, cname.as_deref(), name.as_deref());
                }
                News::Gone(ssrc) => self.participants.bye(ssrc.0),
            }
        }
        true
    }

    /// A frame of our microphone.
    pub fn send_audio(&mut self, now: Instant, frame: AudioFrame) {
        let line = self.lines.iter_mut().flatten().find_map(|line| match line {
            Line::Audio(line) => Some(line),
            Line::Video { .. } => None,
        });
        let sent = line.map(|line| line.send(now, frame)).unwrap_or_default();
        self.outputs.extend(sent.into_iter().map(Output::Send));
    }

    /// A key of the telephone is pressed (RFC 4733); false when the other side takes none.
    pub fn press(&mut self, key: char) -> bool {
        self.lines.iter_mut().flatten().any(|line| match line {
            Line::Audio(line) => line.press(key),
            Line::Video { .. } => false,
        })
    }

    /// A picture of our camera, encoded; `ticks` is its media time in 1/90 000 s.
    pub fn send_video(&mut self, now: Instant, ticks: u32, key: bool, picture: &Bytes) {
        let mut packets = Vec::new();
        if let Some(line) = video(&mut self.lines, 0) {
            line.send(now, ticks, key, picture, &mut packets);
        }
        self.outputs.extend(packets.into_iter().map(Output::Send));
    }

    /// What the decoder made of a picture.
    pub fn decoded(&mut self, now: Instant, decoded: Decoded) {
        if let Some(line) = video(&mut self.lines, decoded.slot) {
            line.decoded(decoded.broken);
        }
        if let Some((width, height)) = decoded.size {
            self.participants.frame_decoded(now, decoded.source.0, width, height);
            self.tiles.picture(now, decoded.slot, decoded.source.0);
        }
        self.drain(now);
    }

    /// SIP INFO asked for a key frame (RFC 5168).
    pub fn want_key_frame(&mut self, now: Instant) {
        if let Some(line) = video(&mut self.lines, 0) {
            line.want_key_frame();
        }
        self.drain(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        self.now = now;
        self.ice_timeout(now);
        for line in self.lines.iter_mut().flatten() {
            match line {
                Line::Audio(line) => {
                    while let Some(datagram) = line.poll_rtcp(now) {
                        self.outputs.push_back(Output::Send(datagram));
                    }
                }
                Line::Video { slot, line } => {
                    while let Some(picture) = line.poll_picture(now) {
                        tracing::trace!(
                            slot,
                            source = %picture.source,
                            key = picture.frame.key,
                            bytes = picture.frame.data.len(),
                            "picture"
                        );
                        self.outputs.push_back(Output::Decode { slot: *slot, picture });
                    }
                    while let Some(datagram) = line.poll_rtcp(now) {
                        self.outputs.push_back(Output::Send(datagram));
                    }
                }
            }
        }
        if let Some(line) = video(&mut self.lines, 0) {
            let order =
                Order { key_frame: line.take_key_frame(now), bitrate: line.target_rate(now) };
            if order.key_frame || self.order != Some(order) {
                // the key frame is told once, the rate stays
                self.order = Some(Order { key_frame: false, ..order });
                self.outputs.push_back(Output::Encode(order));
            }
        }
    }

    /// The next thing to do. Call until `None` after every call of another verb.
    pub fn poll_output(&mut self) -> Option<Output> {
        while let Some(output) = self.outputs.pop_front() {
            match output {
                Output::Send(datagram) => {
                    if let Some(datagram) = self.relay_instead(datagram) {
                        return Some(Output::Send(datagram));
                    }
                }
                other => return Some(other),
            }
        }
        self.note_relay_deadline();
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let lines = self.lines.iter().flatten().filter_map(|line| match line {
            Line::Audio(line) => line.poll_timeout(),
            Line::Video { line, .. } => line.poll_timeout(),
        });
        lines.chain(self.ice_deadline()).min()
    }

    /// Says good-bye on every line (RFC 3550 §6.6).
    pub fn bye(&mut self, now: Instant) {
        for line in self.lines.iter_mut().flatten() {
            let datagram = match line {
                Line::Audio(line) => line.bye(now),
                Line::Video { line, .. } => line.bye(now),
            };
            self.outputs.extend(datagram.map(Output::Send));
        }
        let waiting = std::mem::take(&mut self.outputs);
        for output in waiting {
            // before the relay is told that it is not needed any more
            match output {
                Output::Send(datagram) => {
                    let direct = self.relay_instead(datagram);
                    self.outputs.extend(direct.map(Output::Send));
                }
                other => self.outputs.push_back(other),
            }
        }
        self.close_relays(now);
    }

    /// How our voice is to be sent; none without an audio line.
    #[must_use]
    pub fn audio_sending(&self) -> Option<AudioSending> {
        self.audio().map(AudioLine::sending)
    }

    /// Whether our picture may go out.
    #[must_use]
    pub fn may_send_video(&self) -> bool {
        let first = self.lines.iter().flatten().find_map(|line| match line {
            Line::Video { slot: 0, line } => Some(line.may_send()),
            _ => None,
        });
        first.unwrap_or(false)
    }

    /// When the last packet of the peer came on any line.
    #[must_use]
    pub fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// The grid as it is now.
    pub fn layout(&mut self, now: Instant, own: &Own) -> Vec<Tile> {
        self.tiles.layout(now, &self.participants, own)
    }

    /// How many others are there now.
    #[must_use]
    pub fn others(&self, now: Instant) -> usize {
        self.participants.list(now).iter().filter(|person| person.present).count()
    }

    /// The sources of those who are heard now.
    #[must_use]
    pub fn speaking(&self, now: Instant) -> BTreeSet<u32> {
        let people = self.participants.list(now).into_iter();
        people.filter(|person| person.speaking).flat_map(|person| person.sources).collect()
    }

    fn audio(&self) -> Option<&AudioLine> {
        self.lines.iter().flatten().find_map(|line| match line {
            Line::Audio(line) => Some(&**line),
            Line::Video { .. } => None,
        })
    }

    /// Codec of the audio line.
    #[must_use]
    pub fn audio_codec(&self) -> Option<AudioCodec> {
        self.audio_sending().map(|sending| sending.codec)
    }
}

fn path_of(lines: &mut [Option<Line>], index: usize) -> Option<&mut Path> {
    match lines.get_mut(index)?.as_mut()? {
        Line::Audio(line) => Some(line.path()),
        Line::Video { line, .. } => Some(line.path()),
    }
}

fn make(
    now: Instant,
    negotiated: &NegotiatedLine,
    media: &NegotiatedMedia,
    slot: usize,
    config: SessionConfig,
    sip_host: Option<IpAddr>,
) -> Option<Line> {
    let index = negotiated.index;
    match negotiated.kind {
        MediaKind::Audio => AudioLine::new(now, index, media, config, sip_host)
            .map(|line| Line::Audio(Box::new(line))),
        MediaKind::Video => VideoLine::new(now, index, media, config, sip_host)
            .map(|line| Line::Video { slot, line: Box::new(line) }),
        _ => None,
    }
}

fn video(lines: &mut [Option<Line>], wanted: usize) -> Option<&mut VideoLine> {
    lines.iter_mut().flatten().find_map(|line| match line {
        Line::Video { slot, line } if *slot == wanted => Some(&mut **line),
        _ => None,
    })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests {
    use std::net::Ipv4Addr;

    use rtp_session::{AudioLevel, NtpClock};
    use sdp::negotiate::LocalTransport;

    use std::time::Duration;

    use audio_playout::PlayoutStats;

    use super::*;
    use crate::core::call::{Call, LocalPorts};
    use crate::core::report::Report;
    use crate::media::line::Datagram;

    const TICK: Duration = Duration::from_millis(20);
    const LEVEL: AudioLevel = AudioLevel { voice: true, level: 30 };

    /// Two phones that call each other directly, without SIP, over a link that may lose packets.
    struct World {
        now: Instant,
        start: Instant,
        ends: [MediaSession; 2],
        played: [usize; 2],
        decoded: [usize; 2],
        key_frames_ordered: [usize; 2],
        /// Packets of end 0 to lose: line, place in the stream from 0, how many copies.
        lose: Vec<(usize, u16, usize)>,
        first_seq: [Option<u16>; 2],
        waiting: Vec<(Instant, usize, usize, SocketAddr, Bytes)>,
    }

    fn ports(first: u16, slots: u16) -> LocalPorts {
        let at = |line: u16| {
            LocalTransport::pair(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), first + 2 * line))
        };
        LocalPorts { audio: at(0), video: (1..=slots).map(at).collect() }
    }

    fn session(now: Instant, name: &str, seed: u64) -> MediaSession {
        let clock = NtpClock::new(now, Duration::from_secs(1_700_000_000));
        let config = MediaConfig {
            cname: format!("{name}@test"),
            name: name.to_owned(),
            clock,
            seed,
            slots: 1,
            sip_host: None,
        };
        MediaSession::new(now, config)
    }

    impl World {
        fn new(lose: Vec<(usize, u16, usize)>) -> Self {
            let now = Instant::now();
            let localhost = Ipv4Addr::LOCALHOST.into();
            let mut caller = Call::new(1, localhost, ports(40_000, 1), true);
            let mut callee = Call::new(2, localhost, ports(50_000, 1), true);
            let answer = callee.answer(&caller.offer()).unwrap();
            caller.answered(&answer).unwrap();
            let mut ends = [session(now, "Ann", 1), session(now, "Bob", 2)];
            ends[0].apply(now, caller.lines());
            ends[1].apply(now, callee.lines());
            Self {
                now,
                start: now,
                ends,
                played: [0; 2],
                decoded: [0; 2],
                key_frames_ordered: [0; 2],
                lose,
                first_seq: [None; 2],
                waiting: Vec::new(),
            }
        }

        fn drain(&mut self, end: usize) {
            while let Some(output) = self.ends[end].poll_output() {
                match output {
                    Output::Send(datagram) => {
                        if end == 0 && self.is_lost(&datagram) {
                            continue;
                        }
                        let port = if end == 0 { 40_000 } else { 50_000 };
                        let from = SocketAddr::from(([127, 0, 0, 1], port));
                        let at = self.now + Duration::from_millis(10);
                        self.waiting.push((at, 1 - end, datagram.line, from, datagram.bytes));
                    }
                    Output::Play(_) => self.played[end] += 1,
                    Output::Decode { slot, picture } => {
                        self.decoded[end] += 1;
                        let source = picture.source;
                        let size = Some((640, 360));
                        let decoded = Decoded { slot, source, size, broken: false };
                        self.ends[end].decoded(self.now, decoded);
                    }
                    Output::Encode(order) => {
                        self.key_frames_ordered[end] += usize::from(order.key_frame);
                    }
                }
            }
        }

        fn is_lost(&mut self, datagram: &Datagram) -> bool {
            if classify(&datagram.bytes) != PacketKind::Rtp {
                return false;
            }
            // A retransmission (RFC 4588) counts as the packet in it.
            let at = if datagram.bytes[1] & 0x7f == 99 { 12 } else { 2 };
            let seq = u16::from_be_bytes([datagram.bytes[at], datagram.bytes[at + 1]]);
            let place = seq.wrapping_sub(*self.first_seq[datagram.line].get_or_insert(seq));
            let planned = self
                .lose
                .iter_mut()
                .find(|(line, at, copies)| (*line, *at) == (datagram.line, place) && *copies > 0);
            planned.is_some_and(|(_, _, copies)| {
                *copies -= 1;
                true
            })
        }

        /// Lets 20 ms pass in steps of 1 ms.
        fn tick(&mut self) {
            for _ in 0..20 {
                self.now += Duration::from_millis(1);
                let now = self.now;
                let due = |entry: &(Instant, usize, usize, SocketAddr, Bytes)| entry.0 <= now;
                let (arrived, waiting) =
                    std::mem::take(&mut self.waiting).into_iter().partition(due);
                self.waiting = waiting;
                let arrived: Vec<_> = arrived;
                for (_, end, line, from, bytes) in arrived {
                    self.ends[end].handle_datagram(now, line, Channel::Rtp, from, bytes);
                    self.drain(end);
                }
                for end in 0..2 {
                    self.ends[end].handle_timeout(now);
                    self.drain(end);
                }
            }
        }

        /// Both send a frame of sound, and a picture every second tick.
        fn talk(&mut self, ticks: usize, first: usize) {
            for tick in first..first + ticks {
                for end in 0..2 {
                    let payload = Bytes::from(vec![0xfc; 60]);
                    let frame = AudioFrame {
                        ticks: tick as u32 * 960,
                        marker: false,
                        level: LEVEL,
                        payload,
                    };
                    self.ends[end].send_audio(self.now, frame);
                    if tick % 2 == 0 {
                        let key = tick == 0;
                        let head = [u8::from(!key), 0, 0, 0x9d, 0x01, 0x2a, 128, 2, 104, 1];
                        let mut picture = head.to_vec();
                        picture.resize(3000, 7);
                        let ticks = tick as u32 * 1800;
                        self.ends[end].send_video(self.now, ticks, key, &Bytes::from(picture));
                    }
                    self.drain(end);
                }
                self.tick();
            }
        }

        fn report(&self, end: usize) -> Report {
            let mut report = Report::default();
            self.ends[end].report(self.now, &PlayoutStats::default(), &mut report);
            report
        }
    }

    #[test]
    fn two_phones_hear_see_and_know_each_other() {
        let mut world = World::new(Vec::new());
        world.talk(500, 0);
        assert!(world.played[0] >= 490 && world.played[1] >= 490, "{:?}", world.played);
        assert!(world.decoded[0] >= 240 && world.decoded[1] >= 240, "{:?}", world.decoded);
        let report = world.report(0);
        assert_eq!(report.participants.len(), 1);
        let bob = &report.participants[0];
        assert_eq!((bob.name.as_str(), bob.cname.as_deref()), ("Bob", Some("Bob@test")));
        assert!(bob.audio.packets >= 490 && bob.present);
        let seen = bob.video.as_ref().unwrap();
        assert_eq!((seen.width, seen.height, seen.lost), (640, 360, 0));
        assert!(seen.longest_freeze_ms <= 60.0, "{}", seen.longest_freeze_ms);
        assert!(report.audio.received.jitter_ms < 1.0);
        assert!(report.audio.sent.rtt_ms.is_some_and(|rtt| (18.0..30.0).contains(&rtt)));
        assert!(report.audio.delay_ms.is_some());
        assert_eq!(report.audio.sent.packets, 500);
        assert_eq!(report.video.frames_sent, 250);
        assert_eq!(world.ends[0].others(world.now), 1);
        let layout = world.ends[0].layout(world.now, &Own::default());
        assert_eq!(layout.len(), 2);
        assert!(layout[0].speaking && layout[0].name == "Bob");
    }

    #[test]
    fn a_lost_video_packet_is_asked_for_and_no_picture_is_missing() {
        let mut world = World::new(vec![(1, 20, 1), (1, 33, 1)]);
        world.talk(100, 0);
        let (sender, receiver) = (world.report(0), world.report(1));
        assert_eq!(sender.video.retransmitted, 2);
        assert_eq!(receiver.video.slots[0].nacked, 2);
        assert_eq!(receiver.video.slots[0].frames_decoded, 50);
        let seen = receiver.participants[0].video.as_ref().unwrap();
        assert_eq!(seen.lost, 0, "repaired packets are not lost");
    }

    #[test]
    fn a_picture_that_cannot_be_repaired_makes_the_sender_order_a_key_frame() {
        // one packet, and every copy of it that NACKs bring back
        let mut world = World::new(vec![(1, 30, usize::MAX)]);
        world.talk(80, 0);
        let report = world.report(1);
        assert!(report.video.slots[0].key_frames_asked > 0);
        let seen = report.participants[0].video.as_ref().unwrap();
        assert!(seen.lost == 1 && seen.frames_decoded < 20, "no key frame came in this world");
        // one for the start, at least one for the PLI, but not more than two a second
        let ordered = world.key_frames_ordered[0];
        let seconds = (world.now - world.start).as_secs_f64();
        assert!(ordered >= 2 && ordered as f64 <= 1.0 + 2.0 * seconds, "{ordered}");
    }

    #[test]
    fn our_packets_go_where_the_peer_really_sends_from() {
        let mut world = World::new(Vec::new());
        let mut ports = Vec::new();
        for _ in 0..2 {
            let picture = Bytes::from(vec![0; 20]);
            world.ends[0].send_video(world.now, 0, true, &picture);
            while let Some(output) = world.ends[0].poll_output() {
                if let Output::Send(datagram) = output
                    && classify(&datagram.bytes) == PacketKind::Rtp
                {
                    ports.push(datagram.to.port());
                }
            }
            world.talk(4, 0);
        }
        // as described at first, then where this world sends everything from
        assert_eq!(ports, [50_002, 50_000]);
    }

    #[test]
    fn noise_that_only_begins_like_rtcp_does_not_draw_our_packets() {
        let mut world = World::new(Vec::new());
        let other = SocketAddr::from(([127, 0, 0, 1], 61_000));
        let noise = Bytes::from_static(&[0x80, 200]);
        world.ends[1].handle_datagram(world.now, 0, Channel::Rtp, other, noise);
        world.talk(20, 0);
        let Some(Line::Audio(line)) = &mut world.ends[1].lines[0] else { panic!("no audio") };
        let frame = AudioFrame {
            ticks: 0,
            marker: false,
            level: LEVEL,
            payload: Bytes::from_static(&[0xfc]),
        };
        assert_eq!(line.send(world.now, frame)[0].to.port(), 40_000);
    }

    #[test]
    fn a_key_goes_out_as_events_in_the_stream_of_the_voice() {
        let mut world = World::new(Vec::new());
        world.talk(5, 0);
        assert!(world.ends[0].press('7') && !world.ends[0].press('z'));
        let mut keys = String::new();
        let mut receiver = rtp_session::dtmf::DtmfReceiver::new();
        for tick in 5..20 {
            let payload = Bytes::from_static(&[0xfc]);
            let frame = AudioFrame { ticks: tick * 960, marker: false, level: LEVEL, payload };
            world.ends[0].send_audio(world.now, frame);
            while let Some(output) = world.ends[0].poll_output() {
                let Output::Send(datagram) = output else { continue };
                let Ok(packet) = RtpPacket::parse(datagram.bytes) else { continue };
                // As offered: events at the rate of Opus.
                if packet.payload_type().get() == 100 {
                    keys.extend(receiver.receive(&packet));
                }
            }
        }
        assert_eq!(keys, "7");
    }

    #[test]
    fn good_bye_makes_the_other_leave_the_grid() {
        let mut world = World::new(Vec::new());
        world.talk(20, 0);
        assert_eq!(world.ends[1].others(world.now), 1);
        let before = world.report(1);
        assert_eq!(before.audio.received.packets, 20);
        world.ends[0].bye(world.now);
        world.drain(0);
        world.tick();
        assert_eq!(world.ends[1].others(world.now), 0);
        let after = world.report(1);
        assert_eq!(after.audio.received, before.audio.received, "what came has come");
        assert_eq!(after.video.slots, before.video.slots);
    }

    #[test]
    fn strangers_and_noise_are_dropped() {
        let mut world = World::new(Vec::new());
        let stranger = SocketAddr::from(([192, 0, 2, 1], 5000));
        let mut packet = vec![0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
        packet.extend([0; 60]);
        let packet = Bytes::from(packet);
        let peer = SocketAddr::from(([127, 0, 0, 1], 50_000));
        for _ in 0..3 {
            world.ends[0].handle_datagram(world.now, 0, Channel::Rtp, stranger, packet.clone());
            world.ends[0].handle_datagram(world.now, 9, Channel::Rtp, peer, packet.clone());
            world.ends[0].handle_datagram(
                world.now,
                0,
                Channel::Rtp,
                peer,
                Bytes::from_static(b"x"),
            );
        }
        world.drain(0);
        assert_eq!(world.played, [0, 0]);
        assert_eq!(world.ends[0].others(world.now), 0);
        assert!(world.start + TICK > world.now);
    }

    proptest::proptest! {
        #[test]
        fn nothing_a_peer_sends_makes_it_panic(
            datagrams in proptest::collection::vec(
                (0_usize..2, 0_u8..4, proptest::collection::vec(proptest::num::u8::ANY, 0..200)),
                0..40,
            ),
        ) {
            let mut world = World::new(Vec::new());
            world.talk(4, 0);
            let peer = SocketAddr::from(([127, 0, 0, 1], 50_000));
            for (line, shape, mut bytes) in datagrams {
                // mostly packets that look right at first: our payload types, RTCP reports and feedback
                if let [first, second, ..] = bytes.as_mut_slice() {
                    match shape {
                        0 => (*first, *second) = (0x80 | *first & 0x0f, if line == 0 { 96 } else { 98 }),
                        1 => (*first, *second) = (0x80 | *first & 0x1f, 200 + *second % 7),
                        _ => {}
                    }
                }
                let bytes = Bytes::from(bytes);
                world.ends[0].handle_datagram(world.now, line, Channel::Rtp, peer, bytes);
                world.drain(0);
                world.tick();
            }
            world.report(0);
        }
    }
}
