//! Reports, names and good-byes (RFC 3550 §6.4 to 6.6).

use bytes::Bytes;
use rtc_shared::marshal::Unmarshal;
use rtcp::goodbye::Goodbye;
use rtcp::receiver_report::ReceiverReport;
use rtcp::reception_report::ReceptionReport;
use rtcp::sender_report::SenderReport;

use super::Rtcp;
use crate::packet::read_u32;
use crate::{NtpTime, RtpTime, Ssrc};

/// Packet type of source descriptions (RFC 3550 §12.1).
const SDES: u8 = 202;
/// Items of a source description (RFC 3550 §12.2).
const CNAME: u8 = 1;
const NAME: u8 = 2;

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

impl SdesChunk {
    /// Octets it takes in a packet.
    pub(crate) fn wire_size(&self) -> usize {
        let item = |text: &Option<String>| text.as_deref().map_or(0, |text| 2 + clip(text).len());
        (4 + item(&self.cname) + item(&self.name) + 1).next_multiple_of(4)
    }
}

impl ReportBlock {
    fn from_wire(wire: &ReceptionReport) -> Self {
        Self {
            ssrc: Ssrc(wire.ssrc),
            fraction_lost: wire.fraction_lost,
            // 24 bits with a sign (RFC 3550 §6.4.1); the crate reads them without.
            lost: (wire.total_lost << 8).cast_signed() >> 8,
            highest_seq: wire.last_sequence_number,
            jitter: wire.jitter,
            last_sr: wire.last_sender_report,
            delay_since_last_sr: wire.delay,
        }
    }

    fn to_wire(self) -> ReceptionReport {
        ReceptionReport {
            ssrc: self.ssrc.0,
            fraction_lost: self.fraction_lost,
            total_lost: self.lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff,
            last_sequence_number: self.highest_seq,
            jitter: self.jitter,
            last_sender_report: self.last_sr,
            delay: self.delay_since_last_sr,
        }
    }
}

pub(super) fn read_sender_report(mut wire: &[u8]) -> Option<Rtcp> {
    let report = SenderReport::unmarshal(&mut wire).ok()?;
    Some(Rtcp::SenderReport {
        ssrc: Ssrc(report.ssrc),
        info: SenderInfo {
            ntp: NtpTime(report.ntp_time),
            rtp: RtpTime(report.rtp_time),
            packets: report.packet_count,
            octets: report.octet_count,
        },
        blocks: report.reports.iter().map(ReportBlock::from_wire).collect(),
    })
}

pub(super) fn sender_report(ssrc: Ssrc, info: &SenderInfo, blocks: &[ReportBlock]) -> SenderReport {
    SenderReport {
        ssrc: ssrc.0,
        ntp_time: info.ntp.0,
        rtp_time: info.rtp.0,
        packet_count: info.packets,
        octet_count: info.octets,
        reports: blocks.iter().copied().map(ReportBlock::to_wire).collect(),
        profile_extensions: Bytes::new(),
    }
}

pub(super) fn read_receiver_report(mut wire: &[u8]) -> Option<Rtcp> {
    let report = ReceiverReport::unmarshal(&mut wire).ok()?;
    Some(Rtcp::ReceiverReport {
        ssrc: Ssrc(report.ssrc),
        blocks: report.reports.iter().map(ReportBlock::from_wire).collect(),
    })
}

pub(super) fn receiver_report(ssrc: Ssrc, blocks: &[ReportBlock]) -> ReceiverReport {
    ReceiverReport {
        ssrc: ssrc.0,
        reports: blocks.iter().copied().map(ReportBlock::to_wire).collect(),
        profile_extensions: Bytes::new(),
    }
}

pub(super) fn read_bye(mut wire: &[u8]) -> Option<Rtcp> {
    let bye = Goodbye::unmarshal(&mut wire).ok()?;
    let reason = String::from_utf8_lossy(&bye.reason).into_owned();
    Some(Rtcp::Bye(Bye {
        ssrcs: bye.sources.into_iter().map(Ssrc).collect(),
        reason: (!reason.is_empty()).then_some(reason),
    }))
}

pub(super) fn goodbye(bye: &Bye) -> Goodbye {
    Goodbye {
        sources: bye.ssrcs.iter().map(|ssrc| ssrc.0).collect(),
        reason: Bytes::copy_from_slice(clip(bye.reason.as_deref().unwrap_or_default()).as_bytes()),
    }
}

/// Source descriptions are read and written here: `rtcp` fills the end of a chunk with non-zero octets where
/// RFC 3550 §6.5 wants null ones, and refuses packets whose count of chunks is off.
pub(super) fn read_sdes(wire: &[u8]) -> Option<Rtcp> {
    let count = usize::from(wire.first()? & 0x1f);
    let mut rest = wire.get(4..)?;
    let mut chunks = Vec::new();
    while chunks.len() < count {
        let Some(ssrc) = read_u32(rest, 0) else {
            break;
        };
        let mut chunk = SdesChunk { ssrc: Ssrc(ssrc), ..SdesChunk::default() };
        let mut at = 4;
        while let Some(&kind) = rest.get(at).filter(|&&kind| kind != 0) {
            let len = rest.get(at + 1).copied().map(usize::from);
            let Some(text) = len.and_then(|len| rest.get(at + 2..at + 2 + len)) else {
                return (!chunks.is_empty()).then_some(Rtcp::Sdes(chunks));
            };
            let value = || Some(String::from_utf8_lossy(text).into_owned());
            match kind {
                CNAME => chunk.cname = value(),
                NAME => chunk.name = value(),
                _ => {}
            }
            at += 2 + text.len();
        }
        chunks.push(chunk);
        rest = rest.get((at + 4) & !3..).unwrap_or_default();
    }
    Some(Rtcp::Sdes(chunks))
}

/// Writes a source description; at most 31 chunks.
pub(super) fn write_sdes(chunks: &[SdesChunk], out: &mut Vec<u8>) {
    let start = out.len();
    let chunks = chunks.get(..31).unwrap_or(chunks);
    out.extend_from_slice(&[0x80 | chunks.len() as u8, SDES, 0, 0]);
    for chunk in chunks {
        out.extend_from_slice(&chunk.ssrc.0.to_be_bytes());
        for (kind, text) in [(CNAME, &chunk.cname), (NAME, &chunk.name)] {
            if let Some(text) = text.as_deref().map(clip) {
                out.extend_from_slice(&[kind, text.len() as u8]);
                out.extend_from_slice(text.as_bytes());
            }
        }
        // At least one null octet ends the items, more fill up the word (RFC 3550 §6.5).
        out.push(0);
        while !(out.len() - start).is_multiple_of(4) {
            out.push(0);
        }
    }
    let words = ((out.len() - start) / 4 - 1) as u16;
    if let Some(length) = out.get_mut(start + 2..start + 4) {
        length.copy_from_slice(&words.to_be_bytes());
    }
}

/// The longest front of `text` that has at most 255 octets and ends between two characters.
fn clip(text: &str) -> &str {
    let end = (0..=text.len().min(255)).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}
