//! By which SSRC and name members are known to each other.

use std::time::{Duration, Instant};

use rtp_session::{Contributor, RtcpEvent, Ssrc};

use super::Conference;
use crate::leg::{Leg, LegId, Line, Medium};
use crate::settings::MAX_VOICES;
use crate::video::LineId;

/// Least time between two changes of the list of names on an audio line: each change is a report to everybody.
const NAMES_INTERVAL: Duration = Duration::from_secs(1);

impl Conference {
    /// The SSRC by which a member's stream is known to others: its own, unless somebody has it already.
    pub(super) fn publish(&mut self, line: LineId, ssrc: Ssrc) -> Ssrc {
        self.public.retain(|_, other| *other != line);
        let mut public = ssrc;
        // 0 stands for none yet.
        while public == Ssrc(0) || self.public.contains_key(&public.0) {
            public = self.random.ssrc();
        }
        self.public.insert(public.0, line);
        if let Some(leg) = self.legs.get_mut(&line.leg) {
            leg.sources.changed = true;
        }
        public
    }

    pub(super) fn publish_audio(&mut self, at: LineId, ssrc: Ssrc) {
        let public = self.publish(at, ssrc);
        if let Some((_, audio)) = self.legs.get_mut(&at.leg).and_then(Leg::audio_mut) {
            audio.public = public;
        }
        if !self.named.contains(&at.leg) {
            self.named.push_back(at.leg);
        }
        self.names_changed = true;
    }

    /// A member said good-bye to its own stream: the next one, whatever its SSRC, is followed at once.
    pub(super) fn forget_leaving_sources(&mut self, at: LineId, events: &[RtcpEvent]) {
        for event in events {
            let RtcpEvent::Bye { ssrc: gone } = event else { continue };
            match self.legs.get_mut(&at.leg).and_then(|leg| leg.line_mut(at.line)) {
                Some(Line { medium: Medium::Audio(audio), .. }) => audio.follow.left(*gone),
                Some(Line { medium: Medium::Video(video), .. }) => video.source.left(*gone),
                None => {}
            }
        }
    }

    /// Passes a leaver's good-bye on to everybody who was told its name, so that it is off their screens at once.
    pub(super) fn tell_left(&mut self, now: Instant, leaver: LegId) {
        let Some(leg) = self.legs.get_mut(&leaver).filter(|leg| !leg.lobby) else { return };
        let gone: Vec<Ssrc> = leg
            .live_mut()
            .filter_map(|(_, line)| {
                let audio = line.audio_mut().map(|(_, audio)| audio.public);
                audio.or_else(|| line.video_mut().map(|(_, video)| video.source.public()))
            })
            .collect();
        for (_, leg) in self.legs.iter_mut().filter(|(id, leg)| **id != leaver && !leg.lobby) {
            for (_, line) in leg.live_mut() {
                for ssrc in &gone {
                    line.transport.session_mut().contributor_left(now, *ssrc);
                }
            }
        }
    }

    /// Keeps the list of names that go with the mix: everybody in a small meeting, who spoke last in a large one.
    pub(super) fn name_speakers(&mut self, now: Instant) {
        for speaker in self.mixer.mixed() {
            if self.named.iter().take(MAX_VOICES).any(|leg| *leg == speaker) {
                continue;
            }
            self.named.retain(|leg| *leg != speaker);
            self.named.push_front(speaker);
            self.names_changed = true;
        }
        let too_soon = self
            .names_sent
            .is_some_and(|sent| now.saturating_duration_since(sent) < NAMES_INTERVAL);
        if !self.names_changed || too_soon {
            return;
        }
        self.names_changed = false;
        self.names_sent = Some(now);
        let named: Vec<(LegId, Contributor)> = self
            .named
            .iter()
            .filter_map(|id| {
                let leg = self.legs.get_mut(id).filter(|leg| !leg.lobby)?;
                let (cname, name) = (leg.cname.clone(), leg.display_name.clone());
                let ssrc = leg.audio_mut()?.1.public;
                Some((*id, Contributor { ssrc, cname, name }))
            })
            .take(MAX_VOICES)
            .collect();
        for (id, leg) in self.legs.iter_mut().filter(|(_, leg)| !leg.lobby) {
            let Some((transport, _)) = leg.audio_mut() else { continue };
            let others =
                named.iter().filter(|(other, _)| other != id).map(|(_, named)| named.clone());
            transport.session_mut().set_contributors(now, others.collect());
        }
    }
}
