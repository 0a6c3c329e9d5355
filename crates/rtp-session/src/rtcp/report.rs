//! Reports, names and good-byes (RFC 3550 §6.4 to 6.6).

use crate::{NtpTime, RtpTime, Ssrc};

/// What a sender says about its stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wall clock when the report was sent.
    pub ntp: NtpTime,
    /// The same moment on the media clock.
    pub rtp: RtpTime,
    /// Packets sent so far.
    pub packets: u32,
    /// Payload octets sent so far.
    pub octets: u32,
}

/// What a receiver says about one source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: Ssrc,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning, -2^23 to 2^23 - 1.
    pub lost: i32,
    /// Highest sequence number, with cycles in the upper half.
    pub highest_seq: u32,
    /// Interarrival jitter in clock units.
    pub jitter: u32,
    /// Middle bits of the NTP time of the source's last report; 0 before the first.
    pub last_sr: u32,
    /// Since then, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// Who is behind a source (RFC 3550 §6.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SdesChunk {
    /// The source.
    pub ssrc: Ssrc,
    /// Ties the sources of one person together.
    pub cname: Option<String>,
    /// What to show.
    pub name: Option<String>,
}

/// Sources that leave (RFC 3550 §6.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bye {
    /// The sources.
    pub ssrcs: Vec<Ssrc>,
    /// Why, if they say.
    pub reason: Option<String>,
}
