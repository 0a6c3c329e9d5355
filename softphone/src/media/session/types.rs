//! What goes into the media of a call and what comes out of it.

use std::net::IpAddr;

use rtp_session::{NtpClock, Ssrc};

use crate::media::audio_line::Heard;
use crate::media::line::Datagram;
use crate::media::video_line::Picture;

/// What a call's media is told at its start.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    /// SDES CNAME of ours: random, the same on every line (RFC 7022).
    pub cname: String,
    /// SDES NAME of ours.
    pub name: String,
    /// Wall clock for reports.
    pub clock: NtpClock,
    /// For SSRCs, sequence numbers and report intervals.
    pub seed: u64,
    /// How many video lines we have.
    pub slots: usize,
    /// The host we talk SIP with.
    pub sip_host: Option<IpAddr>,
}

/// Something for the shell.
#[derive(Debug)]
pub enum Output {
    /// To be sent.
    Send(Datagram),
    /// For the speaker.
    Play(Heard),
    /// For the decoder of this slot.
    Decode {
        /// Slot, from 0.
        slot: usize,
        /// The picture.
        picture: Picture,
    },
    /// For our encoder.
    Encode(Order),
}

/// How our picture is to be encoded from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The next picture must be a key frame.
    pub key_frame: bool,
    /// Bits per second.
    pub bitrate: u32,
}

/// A picture that came out of the decoder, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Slot, from 0.
    pub slot: usize,
    /// Whose picture.
    pub source: Ssrc,
    /// Size in pixels; none when nothing could be decoded.
    pub size: Option<(u32, u32)>,
    /// The decoder needs a key frame.
    pub broken: bool,
}
