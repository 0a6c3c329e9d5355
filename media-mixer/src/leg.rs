//! One person's media at the mixer.

mod agree;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use rtp_session::{Received, RtcpEvent, RtpPacket, Ssrc};
use sdp::negotiate::NegotiatedLine;
use sdp::{MediaKind, SessionDescription};

use crate::audio::claim::Claim;
use crate::audio::inlet::AudioInlet;
use crate::audio::keys::Keys;
use crate::audio::outlet::AudioOutlet;
use crate::audio::prompter::Prompter;
use crate::audio::speakers::Level;
use crate::conference::sources::Sources;
use crate::follow::{Follow, Followed};
use crate::ice::Credentials;
use crate::io::PortId;
use crate::meter::Meter;
use crate::output::Outbox;
use crate::transport::{Identity, PortGrant, Transport};
use crate::video::{SyncPoint, VideoLine};

pub(crate) use agree::Terms;

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
    /// When the log was last told that its media does not flow.
    pub(crate) told_of: Option<Instant>,
    /// By the focus.
    pub(crate) muted: bool,
    /// Apart from all others.
    pub(crate) lobby: bool,
    pub(crate) sources: Sources,
    /// Speaks to it, while there is something to be said.
    pub(crate) prompter: Option<Box<Prompter>>,
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
    pub(crate) meter: Meter,
}

#[derive(Debug)]
pub(crate) enum Medium {
    Audio(Box<AudioLine>),
    Video(Box<VideoLine>),
}

impl Medium {
    /// As SDP calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Audio(_) => "audio",
            Self::Video(_) => "video",
        }
    }
}

/// Both sides of an m=audio line.
#[derive(Debug)]
pub(crate) struct AudioLine {
    pub(crate) inlet: AudioInlet,
    pub(crate) outlet: AudioOutlet,
    /// The stream that is played.
    pub(crate) follow: Follow,
    /// What the member says about it.
    pub(crate) claim: Claim,
    /// What the member keys in.
    pub(crate) keys: Keys,
    /// How loud it was in the last tick.
    pub(crate) level: Level,
    /// The SSRC that others see as CSRC.
    pub(crate) public: Ssrc,
}

/// What it takes to send a leg its sound.
pub(crate) struct AudioSide<'a> {
    pub(crate) transport: &'a mut Transport,
    pub(crate) line: &'a mut AudioLine,
    pub(crate) prompter: &'a mut Option<Box<Prompter>>,
    pub(crate) lobby: bool,
}

/// An offer of ours that waits for its answer.
#[derive(Debug)]
pub(crate) struct PendingOffer {
    pub(crate) offer: SessionDescription,
    /// Ports of lines that are new in this offer, or RTCP ports of old ones.
    pub(crate) ports: BTreeMap<usize, PortGrant>,
    /// The credentials of ICE offered on lines that had none.
    pub(crate) credentials: BTreeMap<usize, Credentials>,
}

impl AudioLine {
    /// What the member says about how it receives us.
    pub(crate) fn feedback(&mut self, events: &[RtcpEvent]) {
        for event in events {
            if let RtcpEvent::Report { block, .. } = event {
                self.outlet.reported_loss(block.fraction_lost);
            }
        }
    }

    /// A media packet that counts. Returns whether it is the first of a stream we now follow.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        packet: &RtpPacket,
        received: &Received,
        wanted: bool,
    ) -> bool {
        if !self.inlet.takes(packet.payload_type()) || !wanted {
            return false;
        }
        let followed = self.follow.packet(now, received);
        match followed {
            Followed::Other => return false,
            Followed::Current => {}
            Followed::Restarted | Followed::Changed => self.inlet.restart(),
        }
        self.claim.packet(now, packet);
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
            Medium::Video(video) => video.slot.set_ssrc(ssrc, self.transport.rtx_ssrc()),
        }
    }

    /// What the member says about how it receives us.
    pub(crate) fn reported(&mut self, events: &[RtcpEvent]) {
        for event in events {
            if let RtcpEvent::Report { block, .. } = event
                && block.ssrc == self.transport.ssrc()
            {
                self.meter.reported(block.fraction_lost);
            }
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
    /// Whether the others may hear it.
    pub(crate) fn is_heard(&self) -> bool {
        !self.muted && !self.lobby
    }

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
    pub(crate) fn audio(&self) -> Option<&AudioLine> {
        self.live().find_map(|(_, line)| match &line.medium {
            Medium::Audio(audio) => Some(&**audio),
            Medium::Video(_) => None,
        })
    }

    /// The audio line in use; there is at most one.
    pub(crate) fn audio_mut(&mut self) -> Option<(&mut Transport, &mut AudioLine)> {
        self.lines.iter_mut().find_map(|line| line.live.as_mut()?.audio_mut())
    }

    /// The audio line in use, and who speaks to the member besides.
    pub(crate) fn audio_and_prompter(&mut self) -> Option<AudioSide<'_>> {
        let Self { lines, prompter, lobby, .. } = self;
        let (transport, line) =
            lines.iter_mut().find_map(|line| line.live.as_mut()?.audio_mut())?;
        Some(AudioSide { transport, line, prompter, lobby: *lobby })
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
}
