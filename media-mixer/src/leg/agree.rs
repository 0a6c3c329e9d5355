//! Taking over what offer and answer agreed on: lines begin, change and end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use media_codec::{AudioCodec, ExpectedLoss};
use mixer_control::MixerError;
use rtp_session::{LevelIds, PayloadType, Ssrc};
use sdp::MediaKind;
use sdp::attribute::rtcp_fb::Feedback;
use sdp::negotiate::{NegotiatedLine, NegotiatedMedia};

use super::{AudioLine, Leg, LegLine, Line, Medium};
use crate::audio::claim::Claim;
use crate::audio::inlet::AudioInlet;
use crate::audio::keys::Keys;
use crate::audio::outlet::{AudioOutlet, Coding, packet_time};
use crate::audio::speakers::Level;
use crate::follow::Follow;
use crate::ice::Credentials;
use crate::meter::Meter;
use crate::output::Outbox;
use crate::random::Random;
use crate::settings::Settings;
use crate::transport::{PortGrant, Transport};
use crate::video::slot::Slot;
use crate::video::source::VideoSource;
use crate::video::{VideoLine, VideoWishes};

/// What lines are given of us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// For new lines, and RTCP ports of old ones.
    pub(crate) ports: &'a BTreeMap<usize, PortGrant>,
    /// The credentials of ICE in our offer; empty when the offer was the member's.
    pub(crate) offered: &'a BTreeMap<usize, Credentials>,
}

impl Leg {
    /// Takes over what was agreed on. New lines get their port out of `ports`. All that can fail is done before
    /// anything is changed.
    ///
    /// # Errors
    /// When a codec cannot be set up or a port is missing.
    pub(crate) fn agree(
        &mut self,
        now: Instant,
        agreed: &[NegotiatedLine],
        terms: Terms<'_>,
        settings: &Settings,
        random: &mut Random,
        out: &mut Outbox,
    ) -> Result<(), MixerError> {
        let Terms { ports, offered } = terms;
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
                (Some(old), Some(_)) if old.goes_on(&line.kind, granted) => (Some(old), None),
                (old, _) => (None, old),
            };
            if let Some(mut ended) = ended {
                ended.close(now, out);
            }
            let Some(media) = line.accepted() else { continue };
            let credentials = match offered.get(&line.index) {
                Some(offered) => Some(offered.clone()),
                None => settings.ice_credentials(random),
            };
            slot.live = match reused {
                Some(old) => {
                    let agreed = Agreed { now, media, sip_source, granted, credentials, audio };
                    Some(old.agree_again(agreed, random, out))
                }
                None => granted.and_then(|granted| {
                    let seed = random.next_u64();
                    let transport =
                        Transport::new(now, &line.kind, media, granted, sip_source, identity, seed)
                            .with_ice(media, credentials);
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
        let granted = ports.get(&line.index).copied();
        let old = self.line(line.index).filter(|old| old.goes_on(&line.kind, granted));
        if old.is_none() && granted.is_none() {
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
        let fec = wish.as_ref().is_some_and(|wish| wish.use_inband_fec);
        let coding = Coding {
            codec,
            bitrate: wish
                .as_ref()
                .and_then(|wish| wish.max_average_bitrate)
                .map_or(settings.opus_bitrate, |most| most.min(settings.opus_bitrate)),
            complexity: settings.opus_complexity,
            fec,
            loss: if fec { ExpectedLoss::default().percent() } else { 0 },
            dtx: wish.as_ref().is_some_and(|wish| wish.use_dtx),
            playback_rate: wish.map_or(48_000, |wish| wish.max_playback_rate),
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
            let made = AudioInlet::new(codec, receive);
            Some(made.map_err(|error| MixerError::Unavailable(error.to_string()))?)
        };
        let packet_time = packet_time(media.ptime, media.maxptime);
        Ok(Self { coding, payload_type: send, packet_time, inlet })
    }

    fn outlet(&self, ssrc: Ssrc, media: &NegotiatedMedia, random: &mut Random) -> AudioOutlet {
        let seed = random.next_u64();
        let mut outlet =
            AudioOutlet::new(self.coding, self.payload_type, ssrc, self.packet_time, seed);
        outlet.set_mixer_level_id(media.sends_extension(LevelIds::MIXER_URI));
        outlet
    }
}

/// What was agreed on again for a line in use.
struct Agreed<'a> {
    now: Instant,
    media: &'a NegotiatedMedia,
    sip_source: Option<IpAddr>,
    granted: Option<PortGrant>,
    credentials: Option<Credentials>,
    audio: Option<PreparedAudio>,
}

impl Line {
    fn new(
        mut transport: Transport,
        media: &NegotiatedMedia,
        audio: Option<PreparedAudio>,
        random: &mut Random,
    ) -> Option<Self> {
        let ssrc = transport.ssrc();
        let medium = match audio {
            Some(mut audio) => {
                let outlet = audio.outlet(ssrc, media, random);
                let inlet = audio.inlet.take()?;
                let mut claim = Claim::default();
                claim.agree(media);
                let mut keys = Keys::default();
                keys.agree(media);
                Medium::Audio(Box::new(AudioLine {
                    inlet,
                    outlet,
                    follow: Follow::default(),
                    claim,
                    keys,
                    level: Level::SILENCE,
                    public: Ssrc(0),
                }))
            }
            None => {
                let mut slot = slot(ssrc, media, random)?;
                slot.set_rtx(transport.rtx(media), random.next_u64());
                let wishes = VideoWishes::of(media);
                let source = VideoSource::new(media);
                Medium::Video(Box::new(VideoLine { source, slot, wishes }))
            }
        };
        Some(Self { transport, medium, meter: Meter::default() })
    }

    fn agree_again(mut self, agreed: Agreed<'_>, random: &mut Random, out: &mut Outbox) -> Self {
        let Agreed { now, media, sip_source, granted, credentials, audio } = agreed;
        let rtcp = granted.and_then(|granted| granted.rtcp);
        if let Some(unused) = self.transport.renegotiated(now, media, sip_source, rtcp, credentials)
        {
            out.release(unused);
        }
        let ssrc = self.transport.ssrc();
        match (&mut self.medium, audio) {
            (Medium::Audio(line), Some(audio)) => {
                let outlet = audio.outlet(ssrc, media, random);
                let old = std::mem::replace(&mut line.outlet, outlet);
                line.outlet.continue_from(old);
                line.claim.agree(media);
                line.keys.agree(media);
                if let Some(inlet) = audio.inlet {
                    line.inlet = inlet;
                    line.follow = Follow::default();
                }
            }
            (Medium::Video(line), _) => {
                line.source.renegotiated(media);
                line.slot.renegotiated(media);
                line.wishes = VideoWishes::of(media);
                line.slot.set_rtx(self.transport.rtx(media), random.next_u64());
            }
            (Medium::Audio(_), None) => {}
        }
        self
    }

    /// Whether it stays in use: the medium is the same, and it was not given another port, as it is when the member
    /// moves to the other address family.
    fn goes_on(&self, kind: &MediaKind, granted: Option<PortGrant>) -> bool {
        let port = self.transport.ports().rtp;
        self.carries(kind) && granted.is_none_or(|granted| granted.rtp == port)
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
