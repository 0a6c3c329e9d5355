//! Whether media flow between us and whoever the last description names, for the focus, which does not see them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Line, MediaSession};
use crate::core::phone::MediaSigns;

/// Reports that come sooner after an agreement may still be of whoever was there before.
const STALE: Duration = Duration::from_millis(500);

/// With nothing at all for this long the way is broken: who is muted still sends RTCP every five seconds or so (RFC 3550
/// §6.2).
const SILENCE: Duration = Duration::from_secs(12);

/// What was seen since media go directly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    since: Instant,
    heard: Option<Instant>,
    acknowledged: bool,
}

impl Flow {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, heard: None, acknowledged: false }
    }

    /// Something came from whom the agreement names.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// The other has reported on a stream of ours.
    pub(super) fn acknowledged(&mut self, now: Instant) {
        self.acknowledged |= now >= self.since + STALE;
    }
}

impl MediaSession {
    /// Media go directly to the other of two from now on, or do not. To be told before each
    /// [`apply`](Self::apply); every time it is `true`, what was seen before does not count.
    pub fn set_direct(&mut self, now: Instant, direct: bool) {
        self.flow = direct.then(|| Flow::new(now));
    }

    /// Where our voice goes now.
    #[must_use]
    pub fn voice_goes_to(&self) -> Option<SocketAddr> {
        let index = self.lines.iter().position(|line| matches!(line, Some(Line::Audio(_))))?;
        let Some(Some(Line::Audio(line))) = self.lines.get(index) else { return None };
        self.selected(index).map(|path| path.remote).or(line.remote())
    }

    /// How media do that go directly.
    #[must_use]
    pub fn signs(&self, now: Instant) -> MediaSigns {
        let Some(flow) = &self.flow else { return MediaSigns::default() };
        let voice = self.lines.iter().position(|line| matches!(line, Some(Line::Audio(_))));
        let checked = voice.is_some_and(|line| self.selected(line).is_some());
        let last = flow.heard.or(checked.then_some(flow.since));
        let silent = last.is_some_and(|last| now.saturating_duration_since(last) > SILENCE);
        let lost = silent || voice.is_some_and(|line| self.is_consent_lost(line));
        MediaSigns {
            // A check that was answered has gone both ways (RFC 8445 §2.2).
            receives: flow.heard.is_some() || checked,
            heard: flow.acknowledged || checked,
            lost,
        }
    }
}
