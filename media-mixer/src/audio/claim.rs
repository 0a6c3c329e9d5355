//! What a member's own voice detector says (RFC 6464), which only it can know: noise is loud as well.

use std::time::{Duration, Instant};

use rtp_session::{LevelIds, RtpPacket};
use sdp::negotiate::NegotiatedMedia;

/// A claim counts for so long: as long as its packet may wait in the jitter buffer.
const LIFE: Duration = Duration::from_millis(500);

/// See the module's description.
#[derive(Debug, Default)]
pub struct Claim {
    /// The extension id, when levels were agreed on with a voice detector (`vad=on`, which is the default).
    id: Option<u8>,
    /// When speech, or none, was claimed last.
    last: Option<(Instant, bool)>,
}

impl Claim {
    /// What was agreed on.
    pub fn agree(&mut self, media: &NegotiatedMedia) {
        let with_detector = media
            .extensions
            .iter()
            .filter(|extension| extension.uri == LevelIds::CLIENT_URI)
            .all(|extension| !extension.has_attribute("vad=off"));
        self.id = media.receives_extension(LevelIds::CLIENT_URI).filter(|_| with_detector);
        self.last = None;
    }

    /// A packet came.
    pub fn packet(&mut self, now: Instant, packet: &RtpPacket) {
        if let Some(level) = self.id.and_then(|id| packet.audio_level(id)) {
            self.last = Some((now, level.voice));
        }
    }

    /// Whether what is played now may be speech: it is, unless lately claimed otherwise.
    pub fn is_speech(&self, now: Instant) -> bool {
        let fresh = |(at, _): &(Instant, bool)| now.saturating_duration_since(*at) < LIFE;
        self.last.filter(fresh).is_none_or(|(_, speech)| speech)
    }
}
