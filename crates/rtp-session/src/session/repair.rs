//! Retransmissions on their way in: whose packet is it (RFC 4588 §5.3).

use std::collections::VecDeque;
use std::time::Instant;

use super::{Arrival, Dropped, Received, RtpSession};
use crate::send::rtx::{original_seq, restore};
use crate::{PayloadType, RtpPacket, RtxPair, Seq, Ssrc};

/// Requests remembered to tell whose packet a retransmission is; as many as a source may lack at once.
const MAX_REQUESTED: usize = 256;
/// Retransmission streams known at once; a peer has one for each of its streams.
const MAX_ASSOCIATIONS: usize = 16;

/// Which retransmission stream belongs to which stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Repair {
    pairs: Vec<RtxPair>,
    /// (retransmissions, original).
    associations: VecDeque<(Ssrc, Ssrc)>,
    /// Asked for and not yet restored, by streams whose retransmission stream is not known: the newest last.
    requested: VecDeque<(Ssrc, Seq)>,
}

impl Repair {
    /// The original payload type, when this one is for retransmissions.
    pub(super) fn apt(&self, payload_type: PayloadType) -> Option<PayloadType> {
        self.pairs.iter().find(|pair| pair.rtx == payload_type).map(|pair| pair.apt)
    }

    fn original_of(&self, repair: Ssrc) -> Option<Ssrc> {
        self.associations.iter().find(|(known, _)| *known == repair).map(|(_, media)| *media)
    }

    fn associate(&mut self, repair: Ssrc, media: Ssrc) {
        self.associations.retain(|(known, _)| *known != repair);
        if self.associations.len() >= MAX_ASSOCIATIONS {
            self.associations.pop_front();
        }
        self.associations.push_back((repair, media));
        self.requested.retain(|(known, _)| *known != media);
    }

    /// Forgets a stream that left; a new one of its sender is associated anew.
    pub(super) fn forget(&mut self, ssrc: Ssrc) {
        self.associations.retain(|(repair, media)| *repair != ssrc && *media != ssrc);
        self.requested.retain(|(media, _)| *media != ssrc);
    }

    /// Whether `media` may be asked for this packet: until the retransmission streams are known, two streams must not
    /// be asked for the same number (RFC 4588 §5.3). Keeps the request.
    pub(super) fn may_request(&mut self, media: Ssrc, seq: Seq) -> bool {
        if self.pairs.is_empty() || self.associations.iter().any(|(_, known)| *known == media) {
            return true;
        }
        match self.requested.iter().find(|(_, known)| *known == seq) {
            Some((asked, _)) => *asked == media,
            None => {
                if self.requested.len() >= MAX_REQUESTED {
                    self.requested.pop_front();
                }
                self.requested.push_back((media, seq));
                true
            }
        }
    }

    fn requester_of(&self, seq: Seq) -> Option<Ssrc> {
        self.requested.iter().find(|(_, known)| *known == seq).map(|(media, _)| *media)
    }
}

impl RtpSession {
    /// The payload types of retransmissions that may come in, after an answer (RFC 4588 §8.6). They need not stand in
    /// [`SessionConfig::payload_types`](crate::SessionConfig::payload_types).
    pub fn set_rtx(&mut self, pairs: Vec<RtxPair>) {
        self.repair.pairs = pairs;
    }

    /// Signalling says which retransmission stream belongs to which (`a=ssrc-group:FID`, RFC 5576 §4.2). Without it the
    /// first answer to a request of ours tells.
    pub fn associate_rtx(&mut self, repair: Ssrc, media: Ssrc) {
        self.repair.associate(repair, media);
    }

    /// A retransmission: the packet in it, as of its original stream.
    pub(super) fn receive_repair(
        &mut self,
        now: Instant,
        packet: &RtpPacket,
        apt: PayloadType,
    ) -> Result<Arrival, Dropped> {
        let rate = self.rate_of(apt).ok_or(Dropped::PayloadType(packet.payload_type()))?;
        self.refuse_our_own(now, packet)?;
        let seq = original_seq(packet).ok_or(Dropped::Retransmission)?;
        let repair = packet.ssrc();
        let media = match self.repair.original_of(repair) {
            Some(media) => media,
            None => {
                let media = self.repair.requester_of(seq).ok_or(Dropped::Retransmission)?;
                self.repair.associate(repair, media);
                media
            }
        };
        let source = self.peers.source(media).ok_or(Dropped::Retransmission)?;
        let (ext_seq, late) = source.place_of(seq).ok_or(Dropped::Retransmission)?;
        // Its jitter says nothing: the timestamps are those of the first transmission (RFC 4588 §4).
        let stream = self.peers.repair_for(now, repair, rate).ok_or(Dropped::TooManySources)?;
        stream.receive_foreign_clock(now, packet).map_err(|_| Dropped::Unproven)?;
        let packet = restore(packet, media, apt).ok_or(Dropped::Retransmission)?;
        let received = Received { ssrc: media, ext_seq, late, first: false };
        Ok(Arrival::Restored { packet, received })
    }
}
