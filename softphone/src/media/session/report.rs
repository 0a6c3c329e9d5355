//! What the report of a call says about its media.

use std::time::{Duration, Instant};

use audio_playout::PlayoutStats;

use super::{Line, MediaSession};
use crate::core::report::{self, AudioReport, Report, VideoReport, ms};

impl MediaSession {
    /// Fills in everything about media.
    pub fn report(&self, now: Instant, playout: &PlayoutStats, report: &mut Report) {
        if let Some(line) = self.audio() {
            let received = line.received_report();
            let half_trip = line.rtt().unwrap_or(Duration::ZERO) / 2;
            let delay_ms = (received.packets > 0).then(|| ms(playout.delay + half_trip));
            report.audio = AudioReport {
                sent: line.sent_report(),
                received,
                concealed_frames: playout.concealed_ms.div_ceil(20),
                late_packets: playout.late,
                delay_ms,
            };
        }
        let mut video = VideoReport::default();
        for line in self.lines.iter().flatten() {
            let Line::Video { slot, line } = line else { continue };
            if *slot == 0 {
                video.sent = line.sent_report();
                (video.frames_sent, video.key_frames_sent, video.retransmitted) =
                    line.sent_frames();
            }
            video.slots.push(line.slot_report(*slot));
        }
        report.video = video;
        report.ice = self.ice_report();
        report.participants = report::participants(&self.participants, self.started, now);
    }
}
