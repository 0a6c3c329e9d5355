//! Feedback: send it again, send a key frame, send less (RFC 4585 §6, RFC 5104 §4.3.1).

use rtc_shared::marshal::Unmarshal;
use rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtcp::transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack};

use super::Rtcp;
use crate::{Seq, Ssrc};

/// Packets to send again (RFC 4585 §6.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nack {
    /// Who asks.
    pub sender: Ssrc,
    /// Whose packets.
    pub media: Ssrc,
    /// Their numbers.
    pub seqs: Vec<Seq>,
}

/// A picture was lost (RFC 4585 §6.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pli {
    /// Who asks.
    pub sender: Ssrc,
    /// Whose picture.
    pub media: Ssrc,
}

/// A key frame is needed (RFC 5104 §4.3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fir {
    /// Who asks.
    pub sender: Ssrc,
    /// Whose key frame, and the number of the command: one higher for a new one, the same for a repetition.
    pub entries: Vec<(Ssrc, u8)>,
}

/// The most the receiver believes it can get (draft-alvestrand-rmcat-remb).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remb {
    /// Who says so.
    pub sender: Ssrc,
    /// Bit per second, for all `media` together.
    pub bitrate: u64,
    /// Whose streams.
    pub media: Vec<Ssrc>,
}

/// Numbers the FIR commands to one source (RFC 5104 §4.3.1.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct FirSender {
    command: u8,
}

impl FirSender {
    /// The number of a new command.
    pub const fn new_command(&mut self) -> u8 {
        self.command = self.command.wrapping_add(1);
        self.command
    }

    /// The number of the last command, to repeat it.
    #[must_use]
    pub const fn repeat(&self) -> u8 {
        self.command
    }
}

pub(super) fn read_nack(mut wire: &[u8]) -> Option<Rtcp> {
    let nack = TransportLayerNack::unmarshal(&mut wire).ok()?;
    Some(Rtcp::Nack(Nack {
        sender: Ssrc(nack.sender_ssrc),
        media: Ssrc(nack.media_ssrc),
        seqs: nack.nacks.into_iter().flatten().map(Seq).collect(),
    }))
}

pub(super) fn nack(nack: &Nack) -> TransportLayerNack {
    TransportLayerNack {
        sender_ssrc: nack.sender.0,
        media_ssrc: nack.media.0,
        nacks: nack_pairs(&nack.seqs),
    }
}

/// Numbers as pairs of one number and a mask of the 16 after it (RFC 4585 §6.2.1), also across the wrap.
fn nack_pairs(seqs: &[Seq]) -> Vec<NackPair> {
    let mut pairs: Vec<NackPair> = Vec::new();
    for seq in seqs {
        if let Some(pair) = pairs.last_mut() {
            match seq.distance_from(Seq(pair.packet_id)) {
                0 => continue,
                after @ 1..=16 => {
                    pair.lost_packets |= 1 << (after - 1);
                    continue;
                }
                _ => {}
            }
        }
        pairs.push(NackPair::new(seq.0));
    }
    pairs
}

pub(super) fn read_pli(mut wire: &[u8]) -> Option<Rtcp> {
    let pli = PictureLossIndication::unmarshal(&mut wire).ok()?;
    Some(Rtcp::Pli(Pli { sender: Ssrc(pli.sender_ssrc), media: Ssrc(pli.media_ssrc) }))
}

pub(super) fn pli(pli: &Pli) -> PictureLossIndication {
    PictureLossIndication { sender_ssrc: pli.sender.0, media_ssrc: pli.media.0 }
}

pub(super) fn read_fir(mut wire: &[u8]) -> Option<Rtcp> {
    let fir = FullIntraRequest::unmarshal(&mut wire).ok()?;
    Some(Rtcp::Fir(Fir {
        sender: Ssrc(fir.sender_ssrc),
        entries: fir.fir.iter().map(|entry| (Ssrc(entry.ssrc), entry.sequence_number)).collect(),
    }))
}

pub(super) fn fir(fir: &Fir) -> FullIntraRequest {
    FullIntraRequest {
        sender_ssrc: fir.sender.0,
        // "SSRC of media source" is not used and zero (RFC 5104 §4.3.1.2).
        media_ssrc: 0,
        fir: fir
            .entries
            .iter()
            .map(|&(ssrc, sequence_number)| FirEntry { ssrc: ssrc.0, sequence_number })
            .collect(),
    }
}

pub(super) fn read_remb(mut wire: &[u8]) -> Option<Rtcp> {
    let remb = ReceiverEstimatedMaximumBitrate::unmarshal(&mut wire).ok()?;
    Some(Rtcp::Remb(Remb {
        sender: Ssrc(remb.sender_ssrc),
        bitrate: remb.bitrate as u64,
        media: remb.ssrcs.into_iter().map(Ssrc).collect(),
    }))
}

pub(super) fn remb(remb: &Remb) -> ReceiverEstimatedMaximumBitrate {
    ReceiverEstimatedMaximumBitrate {
        sender_ssrc: remb.sender.0,
        bitrate: remb.bitrate as f32,
        ssrcs: remb.media.iter().take(255).map(|ssrc| ssrc.0).collect(),
    }
}
