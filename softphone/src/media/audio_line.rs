//! The audio line of a call.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use media_codec::{AudioCodec, ExpectedLoss};
use rtp_session::dtmf::EventPacket;
use rtp_session::{
    Arrival, AudioLevel, CsrcLevels, CsrcList, Dropped, ExtensionBlock, LevelIds, Outbound,
    PayloadType, RtcpEvent, RtpPacket, RtpSession, SendStream, SessionConfig, Ssrc,
};
use sdp::negotiate::NegotiatedMedia;

use super::keypad::Keypad;
use super::line::{self, Datagram, News, Path, Sent, Tally};
use crate::core::report::{ReceivedReport, SentReport};

/// Frames of our microphone in a second.
const FRAMES_PER_SECOND: u32 = 50;

/// One encoded 20 ms frame of our microphone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioFrame {
    /// Media time of its first sample, in units of the codec's clock since the stream began.
    pub ticks: u32,
    /// First after a pause (RFC 3551 §4.1).
    pub marker: bool,
    /// How loud it is (RFC 6464).
    pub level: AudioLevel,
    /// The payload.
    pub payload: Bytes,
}

/// A packet to be played.
#[derive(Debug, Clone)]
pub struct Heard {
    /// How to decode it.
    pub codec: AudioCodec,
    /// The packet.
    pub packet: RtpPacket,
    /// The first since the line was agreed on with another peer.
    pub anew: bool,
}

/// How our voice is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioSending {
    /// Codec the answerer chose.
    pub codec: AudioCodec,
    /// The peer wants in-band error correction (RFC 7587 §6.1).
    pub fec: bool,
    /// The loss to prepare for, in percent, as the peer reports it (RFC 7587 §3.3).
    pub expected_loss: u8,
    /// The peer wants silence not to be sent (RFC 7587 §6.1).
    pub dtx: bool,
    /// The most bits per second the peer wants.
    pub max_bitrate: Option<u32>,
    /// The highest rate at which the peer plays, in Hz.
    pub max_playback_rate: u32,
    /// Nothing may be sent while the peer holds us.
    pub allowed: bool,
}

/// The audio line.
#[derive(Debug)]
pub struct AudioLine {
    path: Path,
    session: RtpSession,
    stream: SendStream,
    sending: AudioSending,
    loss: ExpectedLoss,
    receive: Vec<(PayloadType, AudioCodec)>,
    /// Header extensions we write, and those that come.
    levels_out: LevelIds,
    levels_in: LevelIds,
    keypad: Keypad,
    /// What telephone events go out as (RFC 4733), when the peer takes them.
    event_type: Option<PayloadType>,
    sent: Sent,
    came: Tally,
    /// Agreed on with another peer, of which nothing was heard yet.
    anew: bool,
}

impl AudioLine {
    /// The line at `index` as first agreed. None when the agreed codec is none of ours.
    #[must_use]
    pub fn new(
        now: Instant,
        index: usize,
        media: &NegotiatedMedia,
        config: SessionConfig,
        sip_host: Option<IpAddr>,
    ) -> Option<Self> {
        let seed = config.seed;
        let sending = sending(media)?;
        let mut session = RtpSession::new(config, now);
        let ssrc = session.add_sender(sending.codec.clock_rate());
        let stream = SendStream::new(ssrc, PayloadType::new(media.codec.payload_type)?, seed);
        let mut line = Self {
            path: Path::new(index, media, sip_host),
            session,
            stream,
            sending,
            loss: ExpectedLoss::default(),
            receive: Vec::new(),
            levels_out: LevelIds::default(),
            levels_in: LevelIds::default(),
            keypad: Keypad::default(),
            event_type: None,
            sent: Sent::default(),
            came: Tally::default(),
            anew: false,
        };
        line.apply(now, media);
        Some(line)
    }

    /// A new agreement about a running line. The stream goes on under its SSRC, unless the clock rate changes with the
    /// codec (RFC 7160 §4.1).
    pub fn apply(&mut self, now: Instant, media: &NegotiatedMedia) {
        let (Some(sending), Some(number)) =
            (sending(media), PayloadType::new(media.codec.payload_type))
        else {
            return;
        };
        let before = self.path;
        self.path = self.path.again(media);
        if self.path.has_moved(&before) {
            self.session.expect_another(now);
            self.anew = true;
        }
        self.sending = sending;
        let rate = sending.codec.clock_rate();
        let ssrc = self.session.change_clock_rate(now, self.stream.ssrc(), rate);
        if ssrc != self.stream.ssrc() {
            self.stream = SendStream::new(ssrc, number, u64::from(ssrc.0));
        }
        self.stream.set_payload_type(number);
        self.session.set_auxiliary_types(line::auxiliary(media));
        let event = media.telephone_event.as_ref();
        self.event_type = event.and_then(|event| PayloadType::new(event.payload_type));
        self.levels_out =
            LevelIds { client: media.sends_extension(LevelIds::CLIENT_URI), mixer: None };
        self.levels_in = LevelIds {
            client: media.receives_extension(LevelIds::CLIENT_URI),
            mixer: media.receives_extension(LevelIds::MIXER_URI),
        };
        self.session.set_payload_types(line::receivable(media));
        let audio = |codec: &sdp::Codec| {
            let kind = AudioCodec::from_encoding_name(&codec.name)?;
            Some((PayloadType::new(codec.payload_type)?, kind))
        };
        self.receive = media.receive.iter().filter_map(audio).collect();
    }

    /// How our voice is to be sent.
    #[must_use]
    pub fn sending(&self) -> AudioSending {
        let expected_loss = if self.sending.fec { self.loss.percent() } else { 0 };
        AudioSending { expected_loss, ..self.sending }
    }

    /// Where the peer is.
    pub fn path(&mut self) -> &mut Path {
        &mut self.path
    }

    /// Where the description says that the peer is, or where its packets came from since.
    #[must_use]
    pub fn remote(&self) -> Option<SocketAddr> {
        self.path.signalled().0
    }

    /// The source we send with.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        self.stream.ssrc()
    }

    /// A media packet arrived. `None` when it is not to be played.
    pub fn handle_rtp(&mut self, now: Instant, packet: RtpPacket) -> Option<Heard> {
        let received = match self.session.handle_rtp(now, &packet) {
            Arrival::Received(received) => received,
            // No retransmission of sound is ever agreed on.
            Arrival::Restored { .. } => return None,
            Arrival::Dropped(Dropped::Collision { new, .. }) => {
                self.stream.set_ssrc(new);
                return None;
            }
            Arrival::Dropped(_) => return None,
        };
        if let Some(source) = self.session.source(received.ssrc) {
            self.came.packet(&received, source, packet.payload_ref().len());
        }
        let number = packet.payload_type();
        // telephone events are no sound
        let (_, codec) = *self.receive.iter().find(|(known, _)| *known == number)?;
        Some(Heard { codec, packet, anew: std::mem::take(&mut self.anew) })
    }

    /// How loud everybody in a packet is, as it says itself, in -dBov: those mixed into it (RFC 6465), or else its
    /// sender (RFC 6464).
    #[must_use]
    pub fn levels(&self, packet: &RtpPacket) -> Vec<(Ssrc, u8)> {
        if let Some(id) = self.levels_in.mixer
            && packet.csrcs().next().is_some()
        {
            return packet.csrc_levels(id).collect();
        }
        let level = self.levels_in.client.and_then(|id| packet.audio_level(id));
        level.into_iter().map(|level| (packet.ssrc(), level.level)).collect()
    }

    /// A control packet arrived. Returns whether it tells how our voice arrives.
    pub fn handle_rtcp(&mut self, now: Instant, datagram: &Bytes, news: &mut Vec<News>) -> bool {
        let mut reported = false;
        for event in line::handle_rtcp(&mut self.session, now, datagram, news) {
            match event {
                RtcpEvent::Report { block, rtt, .. } => {
                    reported |= block.ssrc == self.stream.ssrc();
                    self.sent.report(block, rtt);
                    self.loss.report(block.fraction_lost);
                }
                RtcpEvent::Collision { new, .. } => self.stream.set_ssrc(new),
                _ => {}
            }
        }
        reported
    }

    /// A key is pressed; false when there is no such key, or the peer takes none.
    pub fn press(&mut self, key: char) -> bool {
        self.event_type.is_some() && self.sending.allowed && self.keypad.press(key)
    }

    /// A frame of our microphone goes out, unless the peer holds us; while a key is down, that instead.
    pub fn send(&mut self, now: Instant, frame: AudioFrame) -> Vec<Datagram> {
        if !self.sending.allowed {
            return Vec::new();
        }
        let rate = self.sending.codec.clock_rate();
        if let Some(event_type) = self.event_type
            && let Some(events) = self.keypad.poll(frame.ticks, rate / FRAMES_PER_SECOND, rate)
        {
            let send = |event: EventPacket| {
                let payload = Bytes::copy_from_slice(&event.payload.to_payload());
                let packet =
                    self.stream.packet_of_type(event_type, event.marker, event.ticks, payload);
                self.dispatch(now, &packet)
            };
            return events.into_iter().filter_map(send).collect();
        }
        let mut extensions = ExtensionBlock::EMPTY;
        self.levels_out.write(&mut extensions, Some(frame.level), &CsrcLevels::EMPTY);
        let packet = self.stream.packet_with_extensions(
            frame.marker,
            frame.ticks,
            frame.payload,
            &CsrcList::EMPTY,
            &extensions,
        );
        self.dispatch(now, &packet).into_iter().collect()
    }

    fn dispatch(&mut self, now: Instant, packet: &Outbound) -> Option<Datagram> {
        let datagram = self.path.rtp(packet)?;
        self.session.sent(now, packet);
        self.sent.packet(packet);
        Some(datagram)
    }

    /// A control packet that is due. Call until `None`.
    pub fn poll_rtcp(&mut self, now: Instant) -> Option<Datagram> {
        let bytes = self.session.poll_rtcp(now)?;
        self.path.rtcp(bytes)
    }

    /// When [`poll_rtcp`](Self::poll_rtcp) has something.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.session.poll_timeout()
    }

    /// The last control packet.
    pub fn bye(&mut self, now: Instant) -> Option<Datagram> {
        let bytes = self.session.bye(now, "")?;
        self.path.rtcp(bytes)
    }

    /// Round-trip time, once known.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.sent.rtt()
    }

    /// Fraction of our packets the peer lost in its last interval, in percent.
    #[must_use]
    pub fn sent_report(&self) -> SentReport {
        self.sent.to_report(self.sending.codec.clock_rate())
    }

    /// What came in.
    #[must_use]
    pub fn received_report(&self) -> ReceivedReport {
        self.came.to_report()
    }
}

fn sending(media: &NegotiatedMedia) -> Option<AudioSending> {
    let codec = AudioCodec::from_encoding_name(&media.codec.name)?;
    let wish = media.codec.opus();
    Some(AudioSending {
        codec,
        fec: wish.as_ref().is_some_and(|wish| wish.use_inband_fec),
        expected_loss: 0,
        dtx: wish.as_ref().is_some_and(|wish| wish.use_dtx),
        max_bitrate: wish.as_ref().and_then(|wish| wish.max_average_bitrate),
        max_playback_rate: wish.map_or(48_000, |wish| wish.max_playback_rate),
        allowed: media.direction.sends(),
    })
}
