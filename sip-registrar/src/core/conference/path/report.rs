//! What clients tell of media that do not pass here (RFC 6086): whether they come from the peer, and whether ours
//! arrive there. The focus sees only signalling, so without it nobody would know (docs/decisions/0150).

use std::time::Instant;

use serde::Deserialize;
use sip_stack::endpoint::{CallId, ServerTransactionId};
use sip_stack::message::{Headers, Request};

use super::{Direct, PathState};
use crate::core::registrar::Registrar;
use crate::core::reject::Reject;

/// The INFO package.
pub(crate) const PACKAGE: &str = "parley-media-path";

/// Its body is JSON.
const MEDIA_TYPE: &str = "application/vnd.parley.media-path+json";

/// The longest one.
const MAX_BODY: usize = 512;

/// What one side has told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Signs {
    /// Something comes from the peer.
    receives: bool,
    /// The peer has said that something of ours arrives there.
    heard: bool,
}

/// The body.
#[derive(Debug, Deserialize)]
struct Told {
    /// The version of our description that this is about (`o=`, RFC 8866 §5.2).
    version: u64,
    receives: bool,
    #[serde(default)]
    heard: bool,
}

/// Whether a client takes part: it names the package among those it knows (RFC 6086 §5.2.3).
pub(crate) fn receives_reports(headers: &Headers) -> bool {
    headers
        .get_all("Recv-Info")
        .any(|value| value.split(',').any(|package| package.trim().eq_ignore_ascii_case(PACKAGE)))
}

impl Direct {
    /// Whether what was told is enough; `reports`: who can tell at all.
    pub(super) fn is_evident(&self, reports: [bool; 2]) -> bool {
        let told = |index: usize| match reports {
            [true, true] => self.signs[index].receives,
            _ => self.signs[index].receives && self.signs[index].heard,
        };
        (0..2).all(|index| !reports[index] || told(index))
    }
}

impl Registrar {
    /// A member tells how its media do.
    pub(crate) fn on_media_report(
        &mut self,
        now: Instant,
        call: CallId,
        transaction: ServerTransactionId,
        request: &Request,
    ) -> Result<(), Reject> {
        let content_type = request.headers.content_type().ok().flatten();
        if !content_type.is_some_and(|t| t.is(MEDIA_TYPE)) {
            return Err(Reject::new(415).with("Accept", MEDIA_TYPE));
        }
        let told = request.body.get(..request.body.len().min(MAX_BODY)).unwrap_or_default();
        let told: Told = serde_json::from_slice(told)
            .map_err(|_| Reject::new(400).because("the media report cannot be read"))?;
        let _ = self.endpoint.respond_status(now, transaction, 200, "");
        let Some(member) = self.member_mut(call) else { return Ok(()) };
        let version = member.sdp.last().map(|last| last.origin.session_version);
        if version != Some(told.version) {
            // About what held before.
            return Ok(());
        }
        let Some(name) = self.conference_of(call) else { return Ok(()) };
        let Some(focus) = self.directory.look_mut(&name) else { return Ok(()) };
        let PathState::Direct(direct) = &mut focus.path.state else { return Ok(()) };
        let Some(index) = direct.pair.iter().position(|one| *one == call) else { return Ok(()) };
        if !told.receives {
            self.direct_failed(now, &name, "media do not come any more");
            return Ok(());
        }
        if let Some(signs) = direct.signs.get_mut(index) {
            signs.receives = true;
            signs.heard |= told.heard;
        }
        self.check_evidence(now, &name);
        Ok(())
    }
}
