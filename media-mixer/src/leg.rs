//! One person's media at the mixer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use media_codec::AudioCodec;
use mixer_control::MixerError;
use rtp_session::{PayloadType, Received, RtpPacket, Ssrc};
use sdp::attribute::rtcp_fb::Feedback;
use sdp::negotiate::{NegotiatedLine, NegotiatedMedia};
use sdp::{MediaKind, SessionDescription};

use crate::audio::inlet::AudioInlet;
use crate::audio::outlet::{AudioOutlet, Coding, packet_time};
use crate::follow::{Follow, Followed};
use crate::io::PortId;
use crate::output::Outbox;
use crate::random::Random;
use crate::settings::Settings;
use crate::transport::{Identity, PortGrant, Transport};
use crate::video::slot::Slot;
use crate::video::source::VideoSource;
use crate::video::{SyncPoint, VideoLine};

/// A leg inside its conference: in order of joining, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u32);

/// The state of one leg.
#[derive(Debug)]
pub(crate) struct Leg {
    /// As the focus names it.
    pub(crate) name: String,
    /// What others are shown.
    pub(crate) display_name: String,
    /// Ties the member's voice and picture together for the others (SDES CNAME).
    pub(crate) cname: String,
    /// Who we are toward this member.
    pub(crate) identity: Identity,
    /// Where its SIP requests come from.
    pub(crate) sip_source: Option<IpAddr>,
    pub(crate) last_heard: Instant,
    /// When it was last told that nothing comes any more.
    pub(crate) silence_told: Option<Instant>,
    /// By m-line.
    pub(crate) lines: Vec<LegLine>,
    pub(crate) pending: Option<PendingOffer>,
    /// The member's clock against ours, as its voice shows it.
    pub(crate) sync: Option<SyncPoint>,
}

/// An m-line, in use or not.
#[derive(Debug)]
pub(crate) struct LegLine {
    pub(crate) negotiated: NegotiatedLine,
    pub(crate) live: Option<Line>,
}

impl LegLine {
    /// Whether media of the member should come in here.
    pub(crate) fn is_awaited(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.transport.may_receive())
    }
}

/// An m-line in use.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) transport: Transport,
    pub(crate) medium: Medium,
}

#[derive(Debug)]
pub(crate) enum Medium {
    Audio(Box<AudioLine>),
    Video(Box<VideoLine>),
}

/// Both sides of an m=audio line.
#[derive(Debug)]
pub(crate) struct AudioLine {
    pub(crate) inlet: AudioInlet,
    pub(crate) outlet: AudioOutlet,
    /// The stream that is played.
    pub(crate) follow: Follow,
    /// The SSRC that others see as CSRC.
    pub(crate) public: Ssrc,
}

/// An offer of ours that waits for its answer.
#[derive(Debug)]
pub(crate) struct PendingOffer {
    pub(crate) offer: SessionDescription,
    /// Ports of lines that are new in this offer, or RTCP ports of old ones.
    pub(crate) ports: BTreeMap<usize, PortGrant>,
}

impl AudioLine {
    /// A media packet that counts. Returns whether it is the first of a stream we now follow.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        packet: &RtpPacket,
        received: &Received,
        wanted: bool,
    ) -> bool {
        // Telephone events and comfort noise are no sound to be mixed.
        if packet.payload_type() != self.inlet.payload_type() || !wanted {
            return false;
        }
        let followed = self.follow.packet(now, received);
        match followed {
            Followed::Other => return false,
            Followed::Current => {}
            Followed::Restarted | Followed::Changed => self.inlet.restart(),
        }
        self.inlet.insert(now, packet);
        followed == Followed::Changed
    }
}

impl Line {
    /// Takes over the SSRC of the transport after a collision (RFC 3550 §8.2).
    pub(crate) fn change_ssrc(&mut self) {
        let ssrc = self.transport.ssrc();
        match &mut self.medium {
            Medium::Audio(audio) => audio.outlet.set_ssrc(ssrc),
            Medium::Video(video) => video.slot.set_ssrc(ssrc),
        }
    }

    /// Whether it carries this kind of medium.
    pub(crate) fn carries(&self, kind: &MediaKind) -> bool {
        match &self.medium {
            Medium::Audio(_) => *kind == MediaKind::Audio,
            Medium::Video(_) => *kind == MediaKind::Video,
        }
    }

    pub(crate) fn audio_mut(&mut self) -> Option<(&mut Transport, &mut AudioLine)> {
        match &mut self.medium {
            Medium::Audio(audio) => Some((&mut self.transport, audio)),
            Medium::Video(_) => None,
        }
    }

    pub(crate) fn video_mut(&mut self) -> Option<(&mut Transport, &mut VideoLine)> {
        match &mut self.medium {
            Medium::Video(video) => Some((&mut self.transport, video)),
            Medium::Audio(_) => None,
        }
    }

    pub(crate) fn video(&self) -> Option<&VideoLine> {
        match &self.medium {
            Medium::Video(video) => Some(video),
            Medium::Audio(_) => None,
        }
    }
}

impl Leg {
    /// The line in use at this index.
    pub(crate) fn line(&self, index: usize) -> Option<&Line> {
        self.lines.get(index)?.live.as_ref()
    }

    /// The line in use at this index.
    pub(crate) fn line_mut(&mut self, index: usize) -> Option<&mut Line> {
        self.lines.get_mut(index)?.live.as_mut()
    }

    /// The lines in use.
    pub(crate) fn live(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.lines.iter().enumerate().filter_map(|(index, line)| Some((index, line.live.as_ref()?)))
    }

    /// The lines in use.
    pub(crate) fn live_mut(&mut self) -> impl Iterator<Item = (usize, &mut Line)> {
        self.lines
            .iter_mut()
            .enumerate()
            .filter_map(|(index, line)| Some((index, line.live.as_mut()?)))
    }

    /// The audio line in use; there is at most one.
    pub(crate) fn audio_mut(&mut self) -> Option<(&mut Transport, &mut AudioLine)> {
        self.lines.iter_mut().find_map(|line| line.live.as_mut()?.audio_mut())
    }

    /// Whether an open offer of ours holds a port for the RTCP of this line.
    pub(crate) fn has_spare_rtcp(&self, index: usize) -> bool {
        self.pending
            .as_ref()
            .and_then(|pending| pending.ports.get(&index))
            .is_some_and(|grant| grant.rtcp.is_some())
    }

    /// All ports of its lines in use.
    pub(crate) fn ports(&self) -> Vec<PortId> {
        self.live()
            .flat_map(|(_, line)| {
                let ports = line.transport.ports();
                [Some(ports.rtp), ports.rtcp]
            })
            .flatten()
            .collect()
    }

    /// Ends an open offer of ours: its ports that no line took over are given back.
    pub(crate) fn drop_offer(&mut self, out: &mut Outbox) {
        let Some(pending) = self.pending.take() else { return };
        let used = self.ports();
        for grant in pending.ports.values() {
            for port in [Some(grant.rtp), grant.rtcp].into_iter().flatten() {
                if !used.contains(&port) {
                    out.release(port);
                }
            }
        }
    }

    /// Takes over what was agreed on. New lines get their port out of `ports`. All that can fail is done before
    /// anything is changed.
    ///
    /// # Errors
    /// When a codec cannot be set up or a port is missing.
    pub(crate) fn agree(
        &mut self,
        now: Instant,
        agreed: &[NegotiatedLine],
        ports: &BTreeMap<usize, PortGrant>,
        settings: &Settings,
        random: &mut Random,
        out: &mut Outbox,
    ) -> Result<(), MixerError> {
        let mut made = Vec::with_capacity(agreed.len());
        for line in agreed {
            made.push(self.prepare(line, ports, settings)?);
        }
        for (line, audio) in agreed.iter().zip(made) {
            while self.lines.len() <= line.index {
                self.lines.push(LegLine { negotiated: line.clone(), live: None });
            }
            let granted = ports.get(&line.index).copied();
            let identity = &self.identity;
            let sip_source = self.sip_source;
            let Some(slot) = self.lines.get_mut(line.index) else { continue };
            slot.negotiated = line.clone();
            let old = slot.live.take();
            let (reused, ended) = match (old, line.accepted()) {
                (Some(old), Some(_)) if old.carries(&line.kind) => (Some(old), None),
                (old, _) => (None, old),
            };
            if let Some(mut ended) = ended {
                ended.close(now, out);
            }
            let Some(media) = line.accepted() else { continue };
            slot.live = match reused {
                Some(old) => Some(old.agree_again(media, sip_source, granted, audio, random, out)),
                None => granted.and_then(|granted| {
                    let seed = random.next_u64();
                    let transport =
                        Transport::new(now, &line.kind, media, granted, sip_source, identity, seed);
                    Line::new(transport, media, audio, random)
                }),
            };
        }
        // Lines the member does not know of (RFC 3264 §8): an offer of ours that never got there had added them, or a
        // client counts wrongly. They are what a line of port 0 is, and there is no place for them in the answer.
        while self.lines.len() > agreed.len() {
            if let Some(mut ended) = self.lines.pop().and_then(|line| line.live) {
                ended.close(now, out);
            }
        }
        Ok(())
    }

    /// The codec for a line that is new or whose codec changes.
    fn prepare(
        &self,
        line: &NegotiatedLine,
        ports: &BTreeMap<usize, PortGrant>,
        settings: &Settings,
    ) -> Result<Option<PreparedAudio>, MixerError> {
        let Some(media) = line.accepted() else { return Ok(None) };
        let old = self.line(line.index).filter(|old| old.carries(&line.kind));
        if old.is_none() && !ports.contains_key(&line.index) {
            return Err(MixerError::Unavailable(format!("no port for m-line {}", line.index)));
        }
        if line.kind != MediaKind::Audio {
            return Ok(None);
        }
        PreparedAudio::new(media, old, settings).map(Some)
    }
}

/// The codec side of an audio line, made before anything is changed.
struct PreparedAudio {
    coding: Coding,
    payload_type: PayloadType,
    packet_time: u32,
    /// `None`: the one in use goes on.
    inlet: Option<AudioInlet>,
}

impl PreparedAudio {
    fn new(
        media: &NegotiatedMedia,
        old: Option<&Line>,
        settings: &Settings,
    ) -> Result<Self, MixerError> {
        let unusable =
            || MixerError::NoCommonMedia(format!("305 codec {} cannot be used", media.codec.name));
        let codec = AudioCodec::from_encoding_name(&media.codec.name).ok_or_else(unusable)?;
        let send = PayloadType::new(media.codec.payload_type).ok_or_else(unusable)?;
        let receive = media
            .receive
            .matching(&media.codec)
            .and_then(|codec| PayloadType::new(codec.payload_type))
            .unwrap_or(send);
        let wish = media.codec.opus();
        let coding = Coding {
            codec,
            bitrate: wish
                .as_ref()
                .and_then(|wish| wish.max_average_bitrate)
                .map_or(settings.opus_bitrate, |most| most.min(settings.opus_bitrate)),
            complexity: settings.opus_complexity,
            fec: wish.is_some_and(|wish| wish.use_inband_fec),
        };
        let goes_on = old.is_some_and(|old| match &old.medium {
            Medium::Audio(audio) => {
                audio.inlet.codec() == codec && audio.inlet.payload_type() == receive
            }
            Medium::Video(_) => false,
        });
        let inlet = if goes_on {
            None
        } else {
            let made = AudioInlet::new(codec, receive, None);
            Some(made.map_err(|error| MixerError::Unavailable(error.to_string()))?)
        };
        let packet_time = packet_time(media.ptime, media.maxptime);
        Ok(Self { coding, payload_type: send, packet_time, inlet })
    }

    fn outlet(&self, ssrc: Ssrc, random: &mut Random) -> AudioOutlet {
        AudioOutlet::new(self.coding, self.payload_type, ssrc, self.packet_time, random.next_u64())
    }
}

impl Line {
    fn new(
        transport: Transport,
        media: &NegotiatedMedia,
        audio: Option<PreparedAudio>,
        random: &mut Random,
    ) -> Option<Self> {
        let ssrc = transport.ssrc();
        let medium = match audio {
            Some(mut audio) => {
                let outlet = audio.outlet(ssrc, random);
                let inlet = audio.inlet.take()?;
                Medium::Audio(Box::new(AudioLine {
                    inlet,
                    outlet,
                    follow: Follow::default(),
                    public: Ssrc(0),
                }))
            }
            None => Medium::Video(Box::new(VideoLine {
                source: VideoSource::new(media),
                slot: slot(ssrc, media, random)?,
            })),
        };
        Some(Self { transport, medium })
    }

    fn agree_again(
        mut self,
        media: &NegotiatedMedia,
        sip_source: Option<IpAddr>,
        granted: Option<PortGrant>,
        audio: Option<PreparedAudio>,
        random: &mut Random,
        out: &mut Outbox,
    ) -> Self {
        let rtcp = granted.and_then(|granted| granted.rtcp);
        if let Some(unused) = self.transport.renegotiated(media, sip_source, rtcp) {
            out.release(unused);
        }
        let ssrc = self.transport.ssrc();
        match (&mut self.medium, audio) {
            (Medium::Audio(line), Some(audio)) => {
                let outlet = audio.outlet(ssrc, random);
                let old = std::mem::replace(&mut line.outlet, outlet);
                line.outlet.continue_from(old);
                if let Some(inlet) = audio.inlet {
                    line.inlet = inlet;
                    line.follow = Follow::default();
                }
            }
            (Medium::Video(line), _) => {
                line.source.renegotiated(media);
                line.slot.renegotiated(media);
            }
            (Medium::Audio(_), None) => {}
        }
        self
    }

    /// Says good-bye and gives the ports back.
    pub(crate) fn close(&mut self, now: Instant, out: &mut Outbox) {
        self.transport.bye(now, out);
        let ports = self.transport.ports();
        out.release(ports.rtp);
        if let Some(rtcp) = ports.rtcp {
            out.release(rtcp);
        }
    }
}

fn slot(ssrc: Ssrc, media: &NegotiatedMedia, random: &mut Random) -> Option<Slot> {
    let payload_type = PayloadType::new(media.codec.payload_type)?;
    let keep = media.supports(&Feedback::Nack);
    Some(Slot::new(ssrc, payload_type, media.codec.clock_rate, keep, random.next_u64()))
}
