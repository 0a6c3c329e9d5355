//! The report of a call (`--report`), documented field by field in `docs/softphone.md`.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::outcome::Outcome;
use super::participants::{Participant, Participants};
use super::roster::{Person, Roster};
use crate::media::ice::CandidateKind;

/// Version of the format; it grows when a field changes its meaning or goes.
pub const FORMAT: u32 = 1;

/// The whole report.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// The call as SIP saw it.
    pub call: CallReport,
    /// Our audio stream, out and in.
    pub audio: AudioReport,
    /// Our video stream out and every slot in.
    pub video: VideoReport,
    /// The ways of the lines that do ICE, in order.
    pub ice: Vec<IceReport>,
    /// Everybody else, those who left before the end too.
    pub participants: Vec<ParticipantReport>,
    /// The conference as its focus told it last; `None` if nobody told.
    pub conference: Option<ConferenceReport>,
}

/// The way of one line's media (RFC 8445).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IceReport {
    /// Index of the m= line: 0 is the audio line, 1 that of video slot 0.
    pub line: usize,
    /// Where the peer is; null while nothing is chosen, as are the kinds.
    pub remote: Option<String>,
    /// What that is: `host`, `srflx`, `prflx` or `relay`.
    pub remote_kind: Option<CandidateKind>,
    /// What we are, seen from there.
    pub local_kind: Option<CandidateKind>,
    /// We choose the way.
    pub controlling: bool,
    /// Nobody answers checks any more (RFC 7675).
    pub consent_lost: bool,
    /// How long the last check and its answer took.
    pub rtt_ms: Option<f64>,
}

/// A conference as its focus told it (RFC 4575).
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ConferenceReport {
    /// What it is about.
    pub subject: String,
    /// Nobody else comes in.
    pub locked: bool,
    /// Who was in it, ourselves too.
    pub people: Vec<Person>,
}

impl ConferenceReport {
    /// As the roster has it now.
    #[must_use]
    pub fn of(roster: &Roster) -> Option<Self> {
        roster.is_known().then(|| Self {
            subject: roster.subject().to_owned(),
            locked: roster.locked(),
            people: roster.people().to_vec(),
        })
    }
}

/// The call as SIP saw it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CallReport {
    /// Whom we called.
    pub uri: String,
    /// Our display name.
    pub name: String,
    /// `left`, `hung-up`, `refused`, `unreachable`, `ended` or `lost`.
    pub state: String,
    /// Status of the final response to our INVITE (or REGISTER), if one came.
    pub status: Option<u16>,
    /// The line shown at the end.
    pub reason: String,
    /// Exit code of the process.
    pub exit_code: u8,
    /// Milliseconds from INVITE to its 200.
    pub setup_ms: Option<f64>,
    /// Seconds from the 200 to the end; 0 for a call that was never answered.
    pub duration_s: f64,
    /// Codec of the audio line, such as `opus/48000/2`.
    pub audio_codec: Option<String>,
    /// Codec of the video lines.
    pub video_codec: Option<String>,
    /// In a conference, the way media went last: `mixer`, or `direct` to the other of two.
    pub media_path: Option<String>,
    /// How often that has changed.
    pub media_switches: u32,
    /// Where media went when they last went directly.
    pub direct_to: Option<String>,
}

/// Our audio stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AudioReport {
    /// What we sent.
    pub sent: SentReport,
    /// What we received, whoever spoke.
    pub received: ReceivedReport,
    /// 20 ms frames made up because a packet was missing.
    pub concealed_frames: u64,
    /// Packets that came too late to be played.
    pub late_packets: u64,
    /// Play-out buffer plus half the round-trip time, in milliseconds.
    pub delay_ms: Option<f64>,
}

/// Our video streams.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct VideoReport {
    /// What we sent.
    pub sent: SentReport,
    /// Pictures encoded and sent.
    pub frames_sent: u64,
    /// Key frames among them.
    pub key_frames_sent: u64,
    /// Packets sent again because of a NACK.
    pub retransmitted: u64,
    /// Every video line, in the order of the offer.
    pub slots: Vec<SlotReport>,
}

/// One video line.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SlotReport {
    /// Number of the slot, from 0.
    pub slot: usize,
    /// What came in it.
    pub received: ReceivedReport,
    /// Pictures decoded.
    pub frames_decoded: u64,
    /// Key frames we asked for (PLI).
    pub key_frames_asked: u64,
    /// Packets we asked for again (NACK).
    pub nacked: u64,
}

/// An outgoing stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SentReport {
    /// RTP packets.
    pub packets: u64,
    /// RTP payload bytes.
    pub bytes: u64,
    /// Packets lost on the way, as the far end reported last; negative when there are duplicates.
    pub remote_lost: Option<i64>,
    /// Jitter the far end reported last, in milliseconds.
    pub remote_jitter_ms: Option<f64>,
    /// Round-trip time from RTCP, in milliseconds.
    pub rtt_ms: Option<f64>,
}

/// An incoming stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ReceivedReport {
    /// RTP packets.
    pub packets: u64,
    /// RTP payload bytes.
    pub bytes: u64,
    /// Packets that never came (RFC 3550 A.3).
    pub lost: u64,
    /// Inter-arrival jitter (RFC 3550 A.8), in milliseconds.
    pub jitter_ms: f64,
}

/// One of the others.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ParticipantReport {
    /// SDES NAME, else CNAME, else the source number.
    pub name: String,
    /// SDES CNAME.
    pub cname: Option<String>,
    /// Still there when we left.
    pub present: bool,
    /// What was heard.
    pub audio: ParticipantAudio,
    /// What was seen; absent when no video packet came.
    pub video: Option<ParticipantVideo>,
}

/// What was heard of a participant.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ParticipantAudio {
    /// Packets in which this voice was mixed.
    pub packets: u64,
    /// Milliseconds from the answer to the first of them.
    pub first_ms: Option<f64>,
}

/// What was seen of a participant.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ParticipantVideo {
    /// Slot that showed them last.
    pub slot: usize,
    /// Packets.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Inter-arrival jitter, in milliseconds.
    pub jitter_ms: f64,
    /// Pictures decoded.
    pub frames_decoded: u64,
    /// Width of the last picture, in pixels.
    pub width: u32,
    /// Height of the last picture, in pixels.
    pub height: u32,
    /// Milliseconds from the answer to the first picture.
    pub first_frame_ms: Option<f64>,
    /// Longest freeze, in milliseconds.
    pub longest_freeze_ms: f64,
}

/// Milliseconds, rounded to a tenth.
#[must_use]
pub fn ms(duration: Duration) -> f64 {
    round(duration.as_secs_f64() * 1000.0)
}

/// Rounded to a tenth: more digits are noise.
#[must_use]
pub fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The participants of a call answered at `answered` that is over at `now`.
#[must_use]
pub fn participants(all: &Participants, answered: Instant, now: Instant) -> Vec<ParticipantReport> {
    all.list(now).iter().map(|person| participant(person, answered)).collect()
}

fn participant(person: &Participant, answered: Instant) -> ParticipantReport {
    let since = |at: Instant| ms(at.saturating_duration_since(answered));
    let video = &person.video;
    ParticipantReport {
        name: person.label(),
        cname: person.cname.clone(),
        present: person.present,
        audio: ParticipantAudio {
            packets: person.audio.packets,
            first_ms: person.audio.first.map(since),
        },
        video: (video.packets > 0).then(|| ParticipantVideo {
            slot: video.slot,
            packets: video.packets,
            lost: video.lost,
            jitter_ms: round(video.jitter_ms),
            frames_decoded: video.frames,
            width: video.width,
            height: video.height,
            first_frame_ms: video.first_frame.map(since),
            longest_freeze_ms: ms(video.longest_freeze_so_far()),
        }),
    }
}

/// The word for an outcome in `call.state`.
#[must_use]
pub fn state_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Left => "left",
        Outcome::HungUp { .. } => "hung-up",
        Outcome::Ended { .. } => "ended",
        Outcome::Lost(_) => "lost",
        Outcome::Unreachable(_) => "unreachable",
        Outcome::Local(_) => "local-failure",
        _ => "refused",
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests {
    use super::*;

    #[test]
    fn a_participant_is_reported_with_times_since_the_answer() {
        let t0 = Instant::now();
        let at = |value| t0 + Duration::from_millis(value);
        let mut all = Participants::default();
        all.describe(at(0), 10, Some("ann"), Some("Ann"));
        all.describe(at(0), 11, Some("ann"), Some("Ann"));
        all.audio_packet(at(100), 1, &[10]);
        all.video_packet(at(150), 2, 3, Some(11), 1, 2.345);
        all.frame_decoded(at(200), 11, 320, 180);
        all.frame_decoded(at(233), 11, 640, 360);
        let list = participants(&all, t0, at(240));
        assert_eq!(list.len(), 1);
        let json = serde_json::to_value(&list[0]).unwrap();
        assert_eq!(json["name"], "Ann");
        assert_eq!(json["audio"], serde_json::json!({"packets": 1, "first_ms": 100.0}));
        let video = serde_json::json!({
            "slot": 2, "packets": 1, "lost": 1, "jitter_ms": 2.3, "frames_decoded": 2,
            "width": 640, "height": 360, "first_frame_ms": 200.0, "longest_freeze_ms": 33.0,
        });
        assert_eq!(json["video"], video);
    }

    #[test]
    fn no_video_is_null() {
        let t0 = Instant::now();
        let mut all = Participants::default();
        all.audio_packet(t0, 1, &[10]);
        let json = serde_json::to_value(&participants(&all, t0, t0)[0]).unwrap();
        assert!(json["video"].is_null() && json["cname"].is_null());
    }
}
