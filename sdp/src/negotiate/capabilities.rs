//! What one side of a call can do.

use std::net::IpAddr;

use crate::attribute::direction::Direction;
use crate::attribute::rtcp_fb::Feedback;
use crate::codec::{Codec, CodecSet};
use crate::media::MediaKind;

use super::extension::SupportedExtension;

/// What we can do, in answers and in offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Audio codecs, in the order they are offered. Empty = no audio.
    pub audio: Vec<SupportedCodec>,
    /// Video codecs, in the order they are offered. Empty = no video.
    pub video: Vec<SupportedCodec>,
    /// Clock rates of DTMF with the payload types they are offered by. Empty = no DTMF.
    pub telephone_events: CodecSet,
    /// How many m=audio lines are taken.
    pub max_audio_lines: usize,
    /// How many m=video lines are taken.
    pub max_video_lines: usize,
    /// The most that is done on an m=audio line.
    pub audio_direction: Direction,
    /// The most that is done on an m=video line.
    pub video_direction: Direction,
    /// Feedback understood for audio.
    pub audio_feedback: Vec<Feedback>,
    /// Feedback understood for video.
    pub video_feedback: Vec<Feedback>,
    /// Whether we have an IPv4 address for media.
    pub ip4: bool,
    /// Whether we have an IPv6 address for media.
    pub ip6: bool,
    /// Whether RTP and RTCP may share a port.
    pub rtcp_mux: bool,
    /// For how long we can repeat a video packet in a stream of its own, milliseconds (RFC 4588).
    /// `None` = we repeat packets only as they were.
    pub rtx_time: Option<u32>,
    /// RTP header extensions understood, in the order they are offered.
    pub extensions: Vec<SupportedExtension>,
    /// How long an audio packet we like to receive, milliseconds.
    pub ptime: Option<u32>,
}

/// A codec with its place in our preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportedCodec {
    /// Its parameters are what we wish to be sent, its payload type what we offer.
    pub codec: Codec,
    /// Lower is better. Among codecs of one rank the offerer's order decides (RFC 3264 §6.1).
    pub rank: u8,
}

impl Capabilities {
    /// What the mixer and the softphone of this house do: Opus before PCMU and PCMA, DTMF, and VP8 on
    /// up to `max_video_lines` lines with NACK, PLI, FIR and REMB.
    pub fn standard(max_video_lines: usize) -> Self {
        let supported = |rank, codec| SupportedCodec { codec, rank };
        let opus = Codec::new(96, "opus", 48_000, 2).with_fmtp("useinbandfec=1");
        let g711 = [0, 8].into_iter().filter_map(Codec::from_static);
        let mut audio = vec![supported(0, opus)];
        audio.extend(g711.map(|codec| supported(2, codec)));
        Self {
            audio,
            video: vec![supported(0, Codec::new(98, "VP8", 90_000, 1))],
            telephone_events: [(100, 48_000), (101, 8_000)]
                .into_iter()
                .map(|(payload_type, rate)| Codec::telephone_event(payload_type, rate))
                .collect(),
            max_audio_lines: 1,
            max_video_lines,
            audio_direction: Direction::SendRecv,
            video_direction: Direction::SendRecv,
            audio_feedback: Vec::new(),
            video_feedback: vec![
                Feedback::Nack,
                Feedback::NackPli,
                Feedback::CcmFir,
                Feedback::GoogRemb,
            ],
            ip4: true,
            ip6: true,
            rtcp_mux: true,
            rtx_time: None,
            extensions: Vec::new(),
            ptime: Some(20),
        }
    }

    /// The same with G.722 (RFC 3551 §4.5.2), between Opus and G.711.
    #[must_use]
    pub fn with_g722(mut self) -> Self {
        const RANK: u8 = 1;
        let at = self.audio.iter().position(|other| other.rank > RANK).unwrap_or(self.audio.len());
        let g722 = Codec::from_static(9).map(|codec| SupportedCodec { codec, rank: RANK });
        self.audio.splice(at..at, g722);
        self
    }

    /// The same with retransmissions of video in streams of their own (RFC 4588), for `time`
    /// milliseconds after a packet was first sent.
    #[must_use]
    pub fn with_rtx(mut self, time: u32) -> Self {
        self.rtx_time = Some(time);
        self
    }

    /// The same with a header extension.
    #[must_use]
    pub fn with_extension(mut self, kind: MediaKind, uri: &str, direction: Direction) -> Self {
        self.extensions.push(SupportedExtension { kind, uri: uri.to_owned(), direction });
        self
    }

    /// Whether media can be sent to where the peer receives it. That it says nothing about it, or gives a name or the
    /// address of hold, is no obstacle: its packets will tell.
    pub(super) fn reaches(&self, peer: Option<IpAddr>) -> bool {
        match peer.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(_)) => self.ip4,
            Some(IpAddr::V6(_)) => self.ip6,
            None => true,
        }
    }

    pub(super) fn codecs(&self, kind: &MediaKind) -> &[SupportedCodec] {
        match kind {
            MediaKind::Audio => &self.audio,
            MediaKind::Video => &self.video,
            _ => &[],
        }
    }

    pub(super) fn feedback(&self, kind: &MediaKind) -> &[Feedback] {
        match kind {
            MediaKind::Audio => &self.audio_feedback,
            MediaKind::Video => &self.video_feedback,
            _ => &[],
        }
    }

    pub(super) fn direction(&self, kind: &MediaKind) -> Direction {
        match kind {
            MediaKind::Audio => self.audio_direction,
            MediaKind::Video => self.video_direction,
            _ => Direction::Inactive,
        }
    }

    pub(super) fn max_lines(&self, kind: &MediaKind) -> usize {
        match kind {
            MediaKind::Audio if !self.audio.is_empty() => self.max_audio_lines,
            MediaKind::Video if !self.video.is_empty() => self.max_video_lines,
            _ => 0,
        }
    }
}
