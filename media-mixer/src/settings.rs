//! What a conference is told about the mixer it lives in.

use std::time::Duration;

use crate::address::Addresses;
use crate::audio::prompts::Prompts;
use crate::ice::{Credentials, IceSecret};
use crate::random::Random;

/// The most voices one packet can name as contributing sources (RFC 3550 §5.1), so the most we mix.
pub const MAX_VOICES: usize = 15;

/// Limits and choices, the same for all conferences of a mixer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The addresses written into descriptions.
    pub addresses: Addresses,
    /// Legs in one conference.
    pub max_legs: usize,
    /// `m=video` lines of one leg.
    pub max_video_lines: usize,
    /// Voices mixed at the same time, 1 to [`MAX_VOICES`].
    pub voices: usize,
    /// Bits per second of an Opus stream.
    pub opus_bitrate: u32,
    /// 0 to 10.
    pub opus_complexity: u8,
    /// How long a leg may send neither RTP nor RTCP until it is reported.
    pub silence: Duration,
    /// What passwords of ICE are made from; `None`: no ICE.
    pub ice: Option<IceSecret>,
    /// What is spoken to single legs.
    pub prompts: Prompts,
}

impl Settings {
    /// New credentials for a line, if we do ICE.
    pub(crate) fn ice_credentials(&self, random: &mut Random) -> Option<Credentials> {
        self.ice.as_ref().map(|secret| Credentials::new(secret, random))
    }
}
