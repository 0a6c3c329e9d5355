//! How much we may send, as the peer says (draft-alvestrand-rmcat-remb, RFC 5104 §4.2).

use std::time::{Duration, Instant};

use crate::Ssrc;
use crate::rtcp::BitRate;

/// How long an estimate holds: three of the longest report intervals with which it comes. A peer that is silent for
/// longer has changed or gone, and the worst it ever saw must not bind us for ever.
const REMB_LIFE: Duration = Duration::from_secs(15);
/// Requesters of one session remembered; a leg has one.
const MAX_REQUESTERS: usize = 8;

/// The limits of one session.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    remb: Option<(Instant, u64)>,
    /// By requester; holds until it is changed or the requester leaves (RFC 5104 §3.5.4.2). The entry's SSRC is the
    /// sender of ours it limits.
    tmmbr: Vec<(Ssrc, BitRate)>,
}

impl Limits {
    pub(super) const fn remb(&mut self, now: Instant, bitrate: u64) {
        self.remb = Some((now, bitrate));
    }

    pub(super) fn tmmbr(&mut self, requester: Ssrc, request: BitRate) {
        self.tmmbr.retain(|(who, known)| (*who, known.ssrc) != (requester, request.ssrc));
        if self.tmmbr.len() < MAX_REQUESTERS {
            self.tmmbr.push((requester, request));
        }
    }

    pub(super) fn left(&mut self, requester: Ssrc) {
        self.tmmbr.retain(|(who, _)| *who != requester);
    }

    /// The tuple that binds a sender of ours, under the name of who asked for it: with one receiver on the leg the
    /// bounding set (RFC 5104 §3.5.4.2) is the smallest.
    pub(super) fn bounding(&self, media: Ssrc) -> Option<BitRate> {
        let (requester, request) = self
            .tmmbr
            .iter()
            .filter(|(_, request)| request.ssrc == media)
            .min_by_key(|(_, request)| request.bitrate)?;
        Some(BitRate { ssrc: *requester, ..*request })
    }

    /// The least of all that holds, in bit/s.
    pub(super) fn least(&self, now: Instant) -> Option<u64> {
        let remb = self
            .remb
            .filter(|(at, _)| now.saturating_duration_since(*at) < REMB_LIFE)
            .map(|(_, bitrate)| bitrate);
        self.tmmbr.iter().map(|(_, request)| request.bitrate).chain(remb).min()
    }
}
