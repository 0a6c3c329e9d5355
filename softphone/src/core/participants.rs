//! Who the others are, and what was heard and seen of each.
//!
//! A mixer says who is in a mixed packet by its CSRC list (RFC 3550 §7.1) and describes those
//! sources in its SDES chunks; the audio and the video source of one person share CNAME and NAME
//! (RFC 3550 §6.5.1). A peer called directly has no CSRCs: it is the sender of its own packets.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Sources remembered per call; more come only from a broken or hostile mixer.
const MAX_SOURCES: usize = 512;
/// Characters of a name or CNAME kept; SDES allows 255 bytes (RFC 3550 §6.5).
const MAX_NAME: usize = 64;
/// A participant nothing was heard of for this long is not shown any more. Sources are described
/// in every compound, sent every five seconds (RFC 3550 §6.2).
const FORGET_AFTER: Duration = Duration::from_secs(20);
/// A source without a name is shown after this long: its description comes in the first second.
const DESCRIPTION_WAIT: Duration = Duration::from_secs(3);
/// How long a participant counts as speaking after the last packet that carried their voice.
const SPEAKING_HANG: Duration = Duration::from_millis(400);
/// Level in -dBov up to which a source counts as speaking: rooms are quieter.
const SPEECH_LEVEL: u8 = 50;
/// A pause with no packet of a picture for this long is a camera switched off, not a freeze.
const CAMERA_OFF: Duration = Duration::from_secs(3);

/// What was heard of one participant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AudioHeard {
    /// Audio packets in which this participant was mixed.
    pub packets: u64,
    /// First of them.
    pub first: Option<Instant>,
    /// Last of them.
    pub last: Option<Instant>,
}

/// What was seen of one participant.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct VideoSeen {
    /// Tile slot that showed this participant last.
    pub slot: usize,
    /// Video packets received.
    pub packets: u64,
    /// Packets that never came, repaired ones not counted.
    pub lost: u64,
    /// Inter-arrival jitter (RFC 3550 A.8) at the last packet, in milliseconds.
    pub jitter_ms: f64,
    /// Pictures decoded.
    pub frames: u64,
    /// Width of the last picture, in pixels.
    pub width: u32,
    /// Height of the last picture, in pixels.
    pub height: u32,
    /// First picture.
    pub first_frame: Option<Instant>,
    /// Longest time between two pictures while packets were coming.
    pub longest_freeze: Duration,
    last_packet: Option<Instant>,
    last_frame: Option<Instant>,
}

impl VideoSeen {
    fn frame(&mut self, now: Instant, width: u32, height: u32) {
        if let Some(last) = self.last_frame {
            let pause = now.saturating_duration_since(last);
            self.longest_freeze = self.longest_freeze.max(pause);
        }
        self.first_frame.get_or_insert(now);
        self.last_frame = Some(now);
        self.frames += 1;
        (self.width, self.height) = (width, height);
    }

    /// Longest freeze so far, the one that is perhaps going on included: it lasts as long as packets
    /// come. When nothing comes any more the person may as well have left.
    #[must_use]
    pub fn longest_freeze_so_far(&self) -> Duration {
        let fed = self.last_packet.zip(self.last_frame);
        let current =
            fed.map_or(Duration::ZERO, |(packet, frame)| packet.saturating_duration_since(frame));
        self.longest_freeze.max(current)
    }
}

#[derive(Debug, Clone, Default)]
struct Source {
    cname: Option<String>,
    name: Option<String>,
    first_seen: Option<Instant>,
    last_seen: Option<Instant>,
    gone: bool,
    /// Sends packets with CSRCs: a mixer, not a person.
    mixer: bool,
    audio: AudioHeard,
    /// The last time it said to be loud enough for speech, once it tells levels at all (RFC 6464, RFC 6465).
    loud: Option<Option<Instant>>,
    video: VideoSeen,
}

impl Source {
    /// Whether somebody is to be shown: described by name, or at least heard or seen for so long
    /// that a description should have come; a mixer's own description names nobody.
    fn is_present(&self, now: Instant) -> bool {
        let since = |at: Option<Instant>| at.map(|at| now.saturating_duration_since(at));
        let fresh = since(self.last_seen).is_some_and(|age| age < FORGET_AFTER);
        let active = self.audio.packets > 0 || self.video.packets > 0;
        let waited = since(self.first_seen).is_some_and(|age| age >= DESCRIPTION_WAIT);
        !self.gone && fresh && (self.name.is_some() || (active && waited))
    }

    /// Heard just now; where levels are told, loud enough for speech.
    fn is_speaking(&self, now: Instant) -> bool {
        let last = self.loud.unwrap_or(self.audio.last);
        last.is_some_and(|last| now.saturating_duration_since(last) < SPEAKING_HANG)
    }

    /// Nobody would miss it.
    fn is_stale(&self, now: Instant) -> bool {
        let age = self.last_seen.map(|seen| now.saturating_duration_since(seen));
        self.gone || age.is_none_or(|age| age >= FORGET_AFTER)
    }
}

/// One participant: all their sources taken together.
#[derive(Debug, Clone, PartialEq)]
pub struct Participant {
    /// Synchronization sources seen, audio and video, in ascending order.
    pub sources: Vec<u32>,
    /// SDES CNAME; none until a description came.
    pub cname: Option<String>,
    /// SDES NAME; none until a description with a name came.
    pub name: Option<String>,
    /// In the call now.
    pub present: bool,
    /// Heard just now.
    pub speaking: bool,
    /// What was heard.
    pub audio: AudioHeard,
    /// What was seen.
    pub video: VideoSeen,
}

impl Participant {
    /// The name to show: NAME, else CNAME, else the source number.
    #[must_use]
    pub fn label(&self) -> String {
        let number = || self.sources.first().map(|s| format!("{s:08x}")).unwrap_or_default();
        self.name.clone().or_else(|| self.cname.clone()).unwrap_or_else(number)
    }
}

/// Everybody else in the call.
#[derive(Debug, Clone, Default)]
pub struct Participants {
    sources: BTreeMap<u32, Source>,
    own: Vec<u32>,
    focus: bool,
}

impl Participants {
    /// The sources we send ourselves: a conference may describe us to us too.
    pub fn set_own(&mut self, own: Vec<u32>) {
        self.sources.retain(|ssrc, _| !own.contains(ssrc));
        self.own = own;
    }

    /// The other side is a conference focus (`isfocus`, RFC 3840): its own voice is nobody's.
    pub fn set_focus(&mut self, focus: bool) {
        self.focus = focus;
    }

    fn source(&mut self, now: Instant, ssrc: u32) -> Option<&mut Source> {
        if self.own.contains(&ssrc) {
            return None;
        }
        if !self.sources.contains_key(&ssrc) && self.sources.len() >= MAX_SOURCES {
            let stale = self.sources.iter().filter(|(_, source)| source.is_stale(now));
            let stalest =
                stale.min_by_key(|(_, source)| source.last_seen).map(|(ssrc, _)| *ssrc)?;
            self.sources.remove(&stalest);
        }
        let source = self.sources.entry(ssrc).or_default();
        source.first_seen.get_or_insert(now);
        source.last_seen = Some(now);
        source.gone = false;
        Some(source)
    }

    /// An SDES chunk came for `ssrc`.
    pub fn describe(&mut self, now: Instant, ssrc: u32, cname: Option<&str>, name: Option<&str>) {
        let Some(source) = self.source(now, ssrc) else { return };
        if let Some(cname) = cname.and_then(shown) {
            source.cname = Some(cname);
        }
        if let Some(name) = name.and_then(shown) {
            source.name = Some(name);
        }
    }

    /// An audio packet of `ssrc` came in which `csrcs` were mixed.
    pub fn audio_packet(&mut self, now: Instant, ssrc: u32, csrcs: &[u32]) {
        if self.focus && csrcs.is_empty() {
            // a mix without anybody in it
            if let Some(source) = self.source(now, ssrc) {
                source.mixer = true;
            }
            return;
        }
        self.contributing(now, ssrc, csrcs, |source| {
            source.audio.packets += 1;
            source.audio.first.get_or_insert(now);
            source.audio.last = Some(now);
        });
    }

    /// Somebody told how loud they are, in -dBov.
    pub fn audio_level(&mut self, now: Instant, ssrc: u32, level: u8) {
        if let Some(source) = self.source(now, ssrc) {
            let last = source.loud.flatten();
            source.loud = Some(if level <= SPEECH_LEVEL { Some(now) } else { last });
        }
    }

    /// A video packet of `ssrc` came in `slot`; returns whose picture it is. `lost` is how many
    /// packets are newly known to be lost before it, negative when late ones closed a gap.
    pub fn video_packet(
        &mut self,
        now: Instant,
        slot: usize,
        ssrc: u32,
        csrc: Option<u32>,
        lost: i64,
        jitter_ms: f64,
    ) -> u32 {
        let csrcs = csrc.as_slice();
        self.contributing(now, ssrc, csrcs, |source| {
            let video = &mut source.video;
            if video.last_packet.is_some_and(|last| now.duration_since(last) >= CAMERA_OFF) {
                video.last_frame = None;
            }
            video.slot = slot;
            video.packets += 1;
            video.lost = video.lost.saturating_add_signed(lost);
            video.jitter_ms = jitter_ms;
            video.last_packet = Some(now);
        });
        csrc.unwrap_or(ssrc)
    }

    fn contributing(
        &mut self,
        now: Instant,
        ssrc: u32,
        csrcs: &[u32],
        mut each: impl FnMut(&mut Source),
    ) {
        if csrcs.is_empty() {
            if let Some(source) = self.source(now, ssrc) {
                each(source);
            }
            return;
        }
        if let Some(source) = self.source(now, ssrc) {
            source.mixer = true;
        }
        for csrc in csrcs {
            if let Some(source) = self.source(now, *csrc) {
                each(source);
            }
        }
    }

    /// A picture of the video source `ssrc` was decoded.
    pub fn frame_decoded(&mut self, now: Instant, ssrc: u32, width: u32, height: u32) {
        if let Some(source) = self.source(now, ssrc) {
            source.video.frame(now, width, height);
        }
    }

    /// An RTCP BYE for `ssrc` came (RFC 3550 §6.6).
    pub fn bye(&mut self, ssrc: u32) {
        if let Some(source) = self.sources.get_mut(&ssrc) {
            source.gone = true;
        }
    }

    /// Everybody seen so far, those who left too, in the order of their first source number.
    /// Mixers are left out.
    #[must_use]
    pub fn list(&self, now: Instant) -> Vec<Participant> {
        let mixer_cnames: Vec<&str> =
            self.sources.values().filter(|s| s.mixer).filter_map(|s| s.cname.as_deref()).collect();
        let mut list: Vec<Participant> = Vec::new();
        for (ssrc, source) in &self.sources {
            let of_mixer = source.cname.as_deref().is_some_and(|c| mixer_cnames.contains(&c));
            if source.mixer || of_mixer {
                continue;
            }
            let present = source.is_present(now);
            let speaking = source.is_speaking(now);
            let same = list.iter_mut().find(|p| {
                source.cname.is_some() && p.cname == source.cname && p.name == source.name
            });
            if let Some(person) = same {
                person.sources.push(*ssrc);
                person.present |= present;
                person.speaking |= speaking;
                person.audio = merge_audio(person.audio, source.audio);
                person.video = merge_video(person.video, source.video);
            } else {
                list.push(Participant {
                    sources: vec![*ssrc],
                    cname: source.cname.clone(),
                    name: source.name.clone(),
                    present,
                    speaking,
                    audio: source.audio,
                    video: source.video,
                });
            }
        }
        list
    }
}

fn merge_audio(a: AudioHeard, b: AudioHeard) -> AudioHeard {
    AudioHeard {
        packets: a.packets + b.packets,
        first: a.first.into_iter().chain(b.first).min(),
        last: a.last.max(b.last),
    }
}

/// A person who came back has new sources: counts add up, the newest picture speaks for the rest.
fn merge_video(a: VideoSeen, b: VideoSeen) -> VideoSeen {
    let newest = if a.last_packet >= b.last_packet { a } else { b };
    VideoSeen {
        packets: a.packets + b.packets,
        lost: a.lost + b.lost,
        frames: a.frames + b.frames,
        first_frame: a.first_frame.into_iter().chain(b.first_frame).min(),
        longest_freeze: a.longest_freeze.max(b.longest_freeze),
        ..newest
    }
}

/// Text of a stranger, made fit to be shown: no control characters, bounded, not empty.
fn shown(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests {
    use super::*;

    const MIXER_AUDIO: u32 = 1;
    const MIXER_VIDEO: u32 = 2;

    fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    #[test]
    fn who_tells_levels_speaks_when_loud() {
        let t = Instant::now();
        let mut participants = Participants::default();
        participants.audio_packet(t, 9, &[1, 2]);
        participants.audio_level(t, 1, 30);
        participants.audio_level(t, 2, 127);
        let speaking = |participants: &Participants, now| -> Vec<bool> {
            participants.list(now).iter().map(|person| person.speaking).collect()
        };
        assert_eq!(speaking(&participants, t), [true, false]);
        let later = t + SPEAKING_HANG;
        participants.audio_packet(later, 9, &[1, 2]);
        participants.audio_level(later, 1, 80);
        assert_eq!(speaking(&participants, later), [false, false]);
    }

    #[test]
    fn those_who_left_make_room() {
        let t = Instant::now();
        let mut participants = Participants::default();
        for ssrc in 0..MAX_SOURCES as u32 {
            participants.describe(t, ssrc, Some("c"), Some(&format!("n{ssrc}")));
        }
        participants.describe(t, 10_000, Some("new"), Some("new"));
        assert!(participants.list(t).iter().all(|p| p.name.as_deref() != Some("new")), "full");
        participants.bye(7);
        participants.describe(t, 10_000, Some("new"), Some("new"));
        assert!(participants.list(t).iter().any(|p| p.name.as_deref() == Some("new")));
        // Silence for long is as good as a farewell: whoever comes later is shown.
        let later = t + FORGET_AFTER;
        for ssrc in 0..100 {
            participants.describe(later, 20_000 + ssrc, Some("later"), Some("later"));
        }
        let named = participants.list(later);
        let later = named.iter().find(|p| p.name.as_deref() == Some("later")).unwrap();
        assert_eq!(later.sources.len(), 100);
    }

    #[test]
    fn audio_and_video_of_a_person_are_joined_by_cname_and_name() {
        let t0 = Instant::now();
        let mut all = Participants::default();
        all.set_own(vec![99]);
        all.audio_packet(t0, MIXER_AUDIO, &[10, 20, 99]);
        all.audio_packet(t0 + ms(20), MIXER_AUDIO, &[10]);
        assert_eq!(all.video_packet(t0, 1, MIXER_VIDEO, Some(11), 3, 1.5), 11);
        all.frame_decoded(t0 + ms(5), 11, 640, 360);
        all.describe(t0, 10, Some("a@x"), Some("Zoé"));
        all.describe(t0, 11, Some("a@x"), Some("Zoé"));
        all.describe(t0, MIXER_AUDIO, Some("mixer"), None);
        let list = all.list(t0 + ms(30));
        assert_eq!(list.len(), 2, "mixer and own source are no participants");
        assert_eq!(list[0].sources, [10, 11]);
        assert_eq!(list[0].label(), "Zoé");
        assert_eq!((list[0].audio.packets, list[0].video.packets), (2, 1));
        assert_eq!((list[0].video.lost, list[0].video.slot, list[0].video.width), (3, 1, 640));
        assert!(list[0].speaking && list[0].present);
        assert_eq!(list[1].label(), "00000014");
    }

    #[test]
    fn two_people_of_the_same_name_stay_two() {
        let t0 = Instant::now();
        let mut all = Participants::default();
        all.describe(t0, 10, Some("a"), Some("Ann"));
        all.describe(t0, 20, Some("b"), Some("Ann"));
        assert_eq!(all.list(t0).len(), 2);
    }

    #[test]
    fn a_direct_peer_is_the_sender_itself() {
        let t0 = Instant::now();
        let mut all = Participants::default();
        all.audio_packet(t0, 7, &[]);
        assert_eq!(all.list(t0)[0].sources, [7]);
        // the first packet of a mixer may carry nobody: it is no participant once it shows itself
        all.audio_packet(t0, 7, &[8]);
        assert_eq!(all.list(t0)[0].sources, [8]);
    }

    #[test]
    fn people_leave_by_bye_or_by_silence_and_may_come_back() {
        let t0 = Instant::now();
        let mut all = Participants::default();
        all.describe(t0, 10, Some("a"), Some("Ann"));
        assert!(all.list(t0)[0].present);
        all.bye(10);
        assert!(!all.list(t0)[0].present);
        all.describe(t0 + ms(10), 10, Some("a"), Some("Ann"));
        assert!(all.list(t0 + ms(10))[0].present);
        assert!(!all.list(t0 + ms(10) + FORGET_AFTER)[0].present);
    }

    #[test]
    fn an_empty_mix_and_a_mixer_describing_itself_are_nobody() {
        let t0 = Instant::now();
        let later = t0 + DESCRIPTION_WAIT;
        let mut all = Participants::default();
        all.describe(t0, 7, Some("mixer"), None);
        assert!(!all.list(later)[0].present);
        all.set_focus(true);
        all.audio_packet(t0, 7, &[]);
        assert!(all.list(later).is_empty());
    }

    #[test]
    fn a_source_without_a_name_is_shown_once_no_name_is_to_be_expected() {
        let t0 = Instant::now();
        let mut all = Participants::default();
        all.audio_packet(t0, 1, &[10]);
        assert!(!all.list(t0)[0].present);
        assert!(all.list(t0 + DESCRIPTION_WAIT)[0].present);
    }

    #[test]
    fn a_freeze_is_a_gap_between_pictures_but_not_a_camera_switched_off() {
        let t0 = Instant::now();
        let mut all = Participants::default();
        let mut at = |ms_: u64, frame: bool| {
            all.video_packet(t0 + ms(ms_), 0, 5, None, 0, 0.0);
            if frame {
                all.frame_decoded(t0 + ms(ms_), 5, 640, 360);
            }
        };
        at(0, true);
        at(40, true);
        at(500, false);
        at(740, true);
        at(1640, false);
        let seen = all.list(t0 + ms(60_000))[0].video;
        assert_eq!(seen.longest_freeze, ms(700));
        assert_eq!(seen.longest_freeze_so_far(), ms(900), "one going on counts");
        let mut at = |ms_: u64| {
            all.video_packet(t0 + ms(ms_), 0, 5, None, 0, 0.0);
            all.frame_decoded(t0 + ms(ms_), 5, 640, 360);
        };
        at(1700);
        at(9000);
        at(9040);
        let seen = all.list(t0 + ms(60_000))[0].video;
        assert_eq!(seen.longest_freeze, ms(960), "camera off does not count");
    }

    #[test]
    fn names_are_cleaned_and_the_table_is_bounded() {
        let t0 = Instant::now();
        let mut all = Participants::default();
        all.describe(t0, 1, Some("c"), Some("  a\u{1b}[31m\n"));
        assert_eq!(all.list(t0)[0].label(), "a[31m");
        for ssrc in 0..10_000 {
            all.describe(t0, ssrc, None, None);
        }
        assert_eq!(all.sources.len(), MAX_SOURCES);
    }
}
