//! A phone: offers, sends a tone and numbered pictures, keeps everything it gets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use media_codec::{AudioCodec, AudioDecoder, AudioEncoder, MAX_DECODED_SAMPLES, MAX_ENCODED_AUDIO};
use media_mixer::Datagram;
use rtp_session::rtcp::{self, Rtcp};
use rtp_session::vp8::{Descriptor, Packetizer, starts_key_frame};
use rtp_session::{
    AudioLevel, CsrcList, ExtensionBlock, PayloadType, RtpPacket, RtpTime, SendStream, Ssrc,
};
use sdp::SessionDescription;

/// A packet the phone got.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) at: Instant,
    /// Port of the mixer it came from.
    pub(crate) line: u16,
    pub(crate) packet: RtpPacket,
}

/// How a line is described.
#[derive(Debug, Clone)]
pub(crate) struct VideoOffer {
    pub(crate) profile: &'static str,
    pub(crate) direction: &'static str,
    pub(crate) feedback: &'static [&'static str],
}

pub(crate) const CAMERA: VideoOffer = VideoOffer {
    profile: "RTP/AVPF",
    direction: "sendrecv",
    feedback: &["nack", "nack pli", "ccm fir", "goog-remb"],
};

pub(crate) const TILE: VideoOffer = VideoOffer {
    profile: "RTP/AVPF",
    direction: "recvonly",
    feedback: &["nack", "nack pli", "ccm fir", "goog-remb"],
};

pub(crate) struct Phone {
    pub(crate) name: String,
    /// The first of its addresses; lines have the ports after it.
    pub(crate) address: SocketAddr,
    pub(crate) codec: AudioCodec,
    pub(crate) audio_direction: &'static str,
    /// Milliseconds of its packets, and what it asks for.
    pub(crate) ptime: u32,
    pub(crate) mux: bool,
    /// Offers levels as extensions 3 (its own, RFC 6464) and 4 (those of the mix, RFC 6465).
    pub(crate) levels: bool,
    /// Whether its voice detector hears speech.
    pub(crate) speech: bool,
    /// Offers retransmissions in streams of their own, as payload type 97.
    pub(crate) rtx: bool,
    /// Hertz; 0 is silent but sends.
    pub(crate) tone: f64,
    /// Sends no audio at all.
    pub(crate) mute: bool,
    /// Presses a key: telephone events instead of the tone.
    pub(crate) dtmf: bool,
    pub(crate) video: Vec<VideoOffer>,
    pub(crate) camera_on: bool,
    /// More attributes of its video lines, by their number among them.
    pub(crate) more: BTreeMap<usize, String>,
    /// Ports of the mixer by m-line.
    pub(crate) lines: Vec<u16>,
    pub(crate) answer: String,
    pub(crate) ssrc: Ssrc,
    pub(crate) video_ssrc: Ssrc,
    version: u32,
    encoder: Box<dyn AudioEncoder>,
    decoder: Box<dyn AudioDecoder>,
    stream: SendStream,
    samples: u64,
    ticks: u32,
    event: u16,
    video_stream: SendStream,
    packetizer: Packetizer,
    small: Option<SendStream>,
    frame: u32,
    pub(crate) want_key: bool,
    sent_voice: RtpTime,
    sent_picture: RtpTime,
    pub(crate) key_requests: Vec<Instant>,
    pub(crate) nacks: Vec<u16>,
    pub(crate) heard: Vec<i16>,
    pub(crate) got: Vec<Got>,
    pub(crate) csrcs: BTreeSet<u32>,
    pub(crate) reports: Vec<(u16, Rtcp)>,
    /// STUN messages: from which port of the mixer, to which of ours.
    pub(crate) stun: Vec<(u16, SocketAddr, Bytes)>,
}

/// Of the tones: low enough that seven of them together are not clipped.
const AMPLITUDE: f64 = 4000.0;

/// Payload type of Opus, VP8 and telephone events in our offers.
const OPUS: u8 = 111;
const VP8: u8 = 96;
const EVENTS: u8 = 101;

impl Phone {
    pub(crate) fn new(name: &str, number: u8, codec: AudioCodec, tone: f64) -> Self {
        let payload_type = match codec {
            AudioCodec::Opus => PayloadType::new(OPUS).unwrap(),
            AudioCodec::G722 => PayloadType::new(9).unwrap(),
            AudioCodec::Pcmu => PayloadType::PCMU,
            AudioCodec::Pcma => PayloadType::PCMA,
        };
        let ssrc = Ssrc(0x0a00_0000 + u32::from(number));
        let video_ssrc = Ssrc(0x0b00_0000 + u32::from(number));
        Self {
            name: name.to_owned(),
            address: SocketAddr::from(([10, 0, 0, number], 4000)),
            codec,
            audio_direction: "sendrecv",
            ptime: 20,
            mux: true,
            levels: false,
            speech: true,
            rtx: false,
            tone,
            mute: false,
            dtmf: false,
            video: Vec::new(),
            camera_on: true,
            more: BTreeMap::new(),
            lines: Vec::new(),
            answer: String::new(),
            ssrc,
            video_ssrc,
            version: 1,
            encoder: codec.encoder().unwrap(),
            decoder: codec.decoder().unwrap(),
            stream: SendStream::new(ssrc, payload_type, u64::from(number)),
            samples: 0,
            ticks: 0,
            event: 0,
            video_stream: SendStream::new(
                video_ssrc,
                PayloadType::new(VP8).unwrap(),
                u64::from(number) + 99,
            ),
            packetizer: Packetizer::new(400, u64::from(number)),
            small: None,
            frame: 0,
            want_key: true,
            sent_voice: RtpTime(0),
            sent_picture: RtpTime(0),
            key_requests: Vec::new(),
            nacks: Vec::new(),
            heard: Vec::new(),
            got: Vec::new(),
            csrcs: BTreeSet::new(),
            reports: Vec::new(),
            stun: Vec::new(),
        }
    }

    /// Sends its voice under its present SSRC from now on.
    pub(crate) fn restart_stream(&mut self) {
        self.stream = SendStream::new(self.ssrc, self.stream.payload_type(), 5);
    }

    pub(crate) fn with_video(mut self, tiles: usize) -> Self {
        self.video = vec![CAMERA];
        self.video.extend(std::iter::repeat_n(TILE, tiles));
        self
    }

    pub(crate) fn offer(&self) -> String {
        let mux = if self.mux { "a=rtcp-mux\r\n" } else { "" };
        let (formats, map) = match self.codec {
            AudioCodec::Opus => (OPUS, format!("a=rtpmap:{OPUS} opus/48000/2\r\n")),
            AudioCodec::G722 => (9, String::new()),
            AudioCodec::Pcmu => (0, String::new()),
            AudioCodec::Pcma => (8, String::new()),
        };
        let ip = self.address.ip();
        let address = format!("{} {ip}", if ip.is_ipv4() { "IP4" } else { "IP6" });
        let extensions = match self.levels {
            true => {
                "a=extmap:3 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
                 a=extmap:4 urn:ietf:params:rtp-hdrext:csrc-audio-level\r\n"
            }
            false => "",
        };
        let mut sdp = format!(
            "v=0\r\no=- 1 {} IN {address}\r\ns=-\r\nc=IN {address}\r\nt=0 0\r\n\
             m=audio {} RTP/AVP {formats} {EVENTS}\r\n{map}\
             a=rtpmap:{EVENTS} telephone-event/8000\r\na=ptime:{}\r\na={}\r\n{mux}{extensions}",
            self.version,
            self.port(0),
            self.ptime,
            self.audio_direction
        );
        for (index, line) in self.video.iter().enumerate() {
            let port = if line.direction == "off" { 0 } else { self.port(index + 1) };
            let (rtx, map) = match self.rtx {
                true => (" 97", "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"),
                false => ("", ""),
            };
            sdp += &format!(
                "m=video {port} {} {VP8}{rtx}\r\na=rtpmap:{VP8} VP8/90000\r\n{map}",
                line.profile
            );
            for feedback in line.feedback {
                sdp += &format!("a=rtcp-fb:{VP8} {feedback}\r\n");
            }
            if port != 0 {
                let more = self.more.get(&index).map_or("", String::as_str);
                sdp += &format!("a={}\r\n{mux}{more}", line.direction);
            }
        }
        sdp
    }

    pub(crate) fn take_answer(&mut self, answer: &str) {
        let parsed = SessionDescription::parse(answer).unwrap();
        self.lines = parsed.media.iter().map(|media| media.port).collect();
        self.answer = answer.to_owned();
        self.version += 1;
    }

    fn port(&self, line: usize) -> u16 {
        self.address.port() + 2 * line as u16
    }

    pub(crate) fn line_address(&self, line: usize) -> SocketAddr {
        SocketAddr::new(self.address.ip(), self.port(line))
    }

    pub(crate) fn owns(&self, address: SocketAddr) -> bool {
        address.ip() == self.address.ip()
            && (self.address.port()..self.address.port() + 64).contains(&address.port())
    }

    /// What is sent at the beginning of a tick: (port of the mixer, from, datagram).
    pub(crate) fn speak(&mut self, now: Instant) -> Vec<(u16, SocketAddr, Bytes)> {
        let mut out = Vec::new();
        let due = (self.ticks + 1) * 20 / self.ptime - self.ticks * 20 / self.ptime;
        for _ in 0..due {
            let bytes = self.voice();
            if !self.mute && !self.lines.is_empty() && self.audio_direction.starts_with("send") {
                out.push((self.lines[0], self.line_address(0), bytes));
            }
        }
        self.ticks += 1;
        let sends = self.video.first().is_some_and(|line| line.direction.starts_with("send"));
        if sends && self.camera_on && self.ticks.is_multiple_of(2) {
            for bytes in self.picture(now) {
                out.push((self.lines[1], self.line_address(1), bytes));
            }
        }
        out
    }

    fn voice(&mut self) -> Bytes {
        let rate = self.codec.sample_rate();
        let samples = (rate * self.ptime / 1000) as usize;
        // G.722 has two samples in a unit of the clock (RFC 3551 §4.5.2).
        let ticks = (self.samples * u64::from(self.codec.clock_rate()) / u64::from(rate)) as u32;
        if self.dtmf {
            self.event += samples as u16;
            let payload =
                Bytes::copy_from_slice(&[5, 10, (self.event >> 8) as u8, self.event as u8]);
            self.samples += samples as u64;
            let payload_type = PayloadType::new(EVENTS).unwrap();
            return self.stream.packet_of_type(payload_type, false, 0, payload).to_bytes();
        }
        let pcm: Vec<i16> = (0..samples)
            .map(|n| {
                let t = (self.samples + n as u64) as f64 / f64::from(rate);
                (AMPLITUDE * (t * self.tone * std::f64::consts::TAU).sin()) as i16
            })
            .collect();
        self.samples += samples as u64;
        let mut payload = [0; MAX_ENCODED_AUDIO];
        let length = self.encoder.encode(&pcm, &mut payload).unwrap();
        let payload = Bytes::copy_from_slice(&payload[..length]);
        let mut extensions = ExtensionBlock::EMPTY;
        if self.levels {
            let level = AudioLevel { voice: self.speech, level: 20 };
            extensions.push(3, &[level.to_octet()]);
        }
        let nobody = CsrcList::EMPTY;
        let packet =
            self.stream.packet_with_extensions(false, ticks, payload, &nobody, &extensions);
        self.sent_voice = packet.timestamp();
        packet.to_bytes()
    }

    /// A packet about a pressed key that went down at media time `at` (RFC 4733).
    pub(crate) fn key(&mut self, event: u8, at: u32, duration: u16, end: bool) -> Bytes {
        let [high, low] = duration.to_be_bytes();
        let payload = Bytes::copy_from_slice(&[event, u8::from(end) << 7 | 10, high, low]);
        let payload_type = PayloadType::new(EVENTS).unwrap();
        self.stream.packet_of_type(payload_type, false, at, payload).to_bytes()
    }

    /// One frame: what looks like VP8 to whoever forwards it. Its content is the phone's name and the frame number.
    fn picture(&mut self, _now: Instant) -> Vec<Bytes> {
        let key = std::mem::take(&mut self.want_key);
        let mut frame = vec![u8::from(!key), 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00];
        frame.extend(format!("{}:{};", self.name, self.frame).bytes());
        frame.resize(if key { 1500 } else { 700 }, 0x55);
        let ticks = self.frame * 3600;
        self.frame += 1;
        let parts: Vec<_> = self.packetizer.split(&Bytes::from(frame)).collect();
        parts
            .into_iter()
            .map(|part| {
                let packet = self.video_stream.packet_with_descriptor(
                    part.last,
                    ticks,
                    part.descriptor(),
                    part.payload.clone(),
                    &CsrcList::EMPTY,
                );
                self.sent_picture = packet.timestamp();
                packet.to_bytes()
            })
            .collect()
    }

    /// A frame of its second camera line, of another SSRC: always a key frame.
    pub(crate) fn thumbnail(&mut self) -> Vec<Bytes> {
        let ssrc = Ssrc(self.video_ssrc.0 + 0x1_0000);
        let small = self
            .small
            .get_or_insert_with(|| SendStream::new(ssrc, PayloadType::new(VP8).unwrap(), 7));
        let mut frame = vec![0, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00];
        frame.extend(format!("{}:{};", self.name, self.frame).bytes());
        frame.resize(300, 0x55);
        let parts: Vec<_> = self.packetizer.split(&Bytes::from(frame)).collect();
        let ticks = self.ticks * 1800;
        parts
            .into_iter()
            .map(|part| {
                let (last, descriptor) = (part.last, part.descriptor());
                let nobody = CsrcList::EMPTY;
                small
                    .packet_with_descriptor(last, ticks, descriptor, part.payload.clone(), &nobody)
                    .to_bytes()
            })
            .collect()
    }

    pub(crate) fn receive(&mut self, now: Instant, line: u16, to: SocketAddr, datagram: &Datagram) {
        let bytes = datagram.to_bytes();
        match datagram {
            Datagram::Rtcp(_) => {
                for packet in rtcp::parse(&bytes) {
                    match &packet {
                        Rtcp::Pli(_) | Rtcp::Fir(_) => {
                            self.key_requests.push(now);
                            self.want_key = true;
                        }
                        Rtcp::Nack(nack) => self.nacks.extend(nack.seqs.iter().map(|seq| seq.0)),
                        _ => {}
                    }
                    self.reports.push((line, packet));
                }
            }
            Datagram::Stun(_) => self.stun.push((line, to, bytes)),
            Datagram::Rtp(_) => {
                let packet = RtpPacket::parse(bytes).unwrap();
                self.csrcs.extend(packet.csrcs().map(|csrc| csrc.0));
                if to == self.line_address(0) {
                    let mut pcm = [0; MAX_DECODED_SAMPLES];
                    let made = self.decoder.decode(packet.payload_ref(), &mut pcm).unwrap();
                    self.heard.extend_from_slice(&pcm[..made]);
                }
                self.got.push(Got { at: now, line, packet });
            }
        }
    }

    /// Timestamp of the last voice packet sent.
    pub(crate) fn last_voice(&self) -> RtpTime {
        self.sent_voice
    }

    /// Timestamp of the last picture sent.
    pub(crate) fn last_picture(&self) -> RtpTime {
        self.sent_picture
    }

    /// Forgets what it heard and got so far.
    pub(crate) fn listen_anew(&mut self) {
        self.heard.clear();
        self.got.clear();
        self.csrcs.clear();
    }

    /// Amplitude of a tone in what was heard, in thousandths of what phones send.
    pub(crate) fn hears(&self, hertz: f64) -> f64 {
        let rate = f64::from(self.codec.sample_rate());
        // A whole number of tenths of a second, so that tones at multiples of 10 Hz do not leak into each other.
        let length = self.heard.len() / (rate as usize / 10) * (rate as usize / 10);
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in self.heard[self.heard.len() - length..].iter().enumerate() {
            let angle = n as f64 * hertz / rate * std::f64::consts::TAU;
            re += f64::from(*sample) * angle.cos();
            im += f64::from(*sample) * angle.sin();
        }
        1000.0 * 2.0 * (re * re + im * im).sqrt() / length.max(1) as f64 / AMPLITUDE
    }

    /// Root mean square of what was heard, in thousandths of that of a tone.
    pub(crate) fn loudness(&self) -> f64 {
        let energy: f64 = self.heard.iter().map(|s| f64::from(*s).powi(2)).sum();
        1000.0 * (2.0 * energy / self.heard.len().max(1) as f64).sqrt() / AMPLITUDE
    }

    /// The pictures that came in on a line, as (sender, frame number, began with a key frame).
    pub(crate) fn pictures(&self, line: usize) -> Vec<(String, u32, bool)> {
        self.video_packets(line)
            .iter()
            .filter_map(|got| {
                let payload = got.packet.payload_ref();
                let (descriptor, length) = Descriptor::parse(payload)?;
                if !descriptor.start_of_partition {
                    return None;
                }
                let text = String::from_utf8_lossy(&payload[length + 10..]).into_owned();
                let (name, rest) = text.split_once(':')?;
                let number = rest.split(';').next()?.parse().ok()?;
                Some((name.to_owned(), number, starts_key_frame(payload)))
            })
            .collect()
    }

    pub(crate) fn video_packets(&self, line: usize) -> Vec<&Got> {
        self.got.iter().filter(|got| got.line == self.lines[line]).collect()
    }
}
