//! One tick of a conference's sound: everybody's 20 ms in, everybody's N−1 mix out.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use media_codec::{AudioEncoder, MAX_ENCODED_AUDIO};
use rtp_session::Ssrc;

use super::bus::{MixBus, Rate};
use super::hush::Hush;
use super::inlet::rate_of;
use super::outlet::{Coding, encode};
use super::speakers::{Level, Speakers};
use super::voices::Voices;
use crate::leg::{AudioSide, Leg, LegId};
use crate::output::Outbox;
use crate::video::SyncPoint;

/// Ticks of Σ kept to warm an encoder that starts in the middle of a sound.
const WARM_UP: usize = 3;

/// Encoders warmed in one tick; when more members start to talk at once, the others start cold (an error 11 dB below
/// the signal for 60 ms, while they talk themselves) rather than make everybody late.
const WARM_UPS_PER_TICK: usize = 2;

/// One encoding for all members who hear the same, in the same coding.
struct Shared {
    coding: Coding,
    /// Of the silence in the lobby, not of Σ.
    lobby: bool,
    encoder: Box<dyn AudioEncoder>,
    /// This tick's packet, once somebody asked for it.
    payload: Option<Bytes>,
}

/// See the module's description.
pub struct AudioMixer {
    bus: MixBus,
    speakers: Speakers<LegId>,
    shared: Vec<Shared>,
    /// The last ticks of Σ at 48 kHz, the oldest first.
    recent: VecDeque<Vec<i16>>,
    pcm: Vec<i16>,
    scratch: Box<[u8; MAX_ENCODED_AUDIO]>,
    /// Who is in the mix of this tick, and how loud.
    mixed: Vec<(LegId, Ssrc, Level)>,
    /// Who is not, in the ticks in which that is told.
    hush: Hush,
    /// Packets that could not be encoded.
    failed: u64,
}

impl std::fmt::Debug for AudioMixer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioMixer").field("mixed", &self.mixed).finish_non_exhaustive()
    }
}

impl AudioMixer {
    /// At most `voices` members are mixed at a time.
    pub fn new(voices: usize) -> Self {
        Self {
            bus: MixBus::new(),
            speakers: Speakers::new(voices),
            shared: Vec::new(),
            recent: VecDeque::new(),
            pcm: vec![0; Rate::Full.tick_samples()],
            scratch: Box::new([0; MAX_ENCODED_AUDIO]),
            mixed: Vec::new(),
            hush: Hush::default(),
            failed: 0,
        }
    }

    /// Forgets a leg.
    pub fn remove(&mut self, leg: LegId) {
        self.speakers.remove(leg);
    }

    /// Who is in the mix of the last tick.
    pub fn mixed(&self) -> impl Iterator<Item = LegId> + '_ {
        self.mixed.iter().map(|(leg, _, _)| *leg)
    }

    /// Packets that could not be encoded.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Runs a tick. `skipped` ticks before it were missed. Returns the new active speaker if it changed.
    pub(crate) fn tick(
        &mut self,
        now: Instant,
        skipped: u32,
        legs: &mut BTreeMap<LegId, Leg>,
        out: &mut Outbox,
    ) -> Option<LegId> {
        self.listen(now, skipped > 0, legs);
        let active = self.speakers.decide();
        self.sum(legs);
        let everybody: Voices = self.mixed.iter().map(|(_, ssrc, level)| (*ssrc, *level)).collect();
        self.hush.tick(legs, &self.mixed);
        for shared in &mut self.shared {
            shared.payload = None;
        }
        let mut warm_ups = WARM_UPS_PER_TICK;
        let mut opus = false;
        for (&id, leg) in legs.iter_mut() {
            let Some(side) = leg.audio_and_prompter() else { continue };
            let AudioSide { transport, line, prompter, lobby } = side;
            if skipped > 0 {
                line.outlet.pause(skipped);
            }
            if !transport.may_send() {
                line.outlet.pause(1);
                continue;
            }
            opus |= rate_of(line.outlet.coding().codec) == Rate::Full;
            let same_as_others = lobby || !line.inlet.is_mixed();
            if prompter.is_none() && same_as_others && line.outlet.is_aligned() {
                let payload = self.shared(line.outlet.coding(), lobby);
                let mut voices = if lobby { Voices::NOBODY } else { everybody };
                if !lobby && line.outlet.tells_levels() {
                    self.hush.add_to(&mut voices, id);
                }
                if let Some(packet) =
                    payload.and_then(|payload| line.outlet.send_shared(payload, &voices))
                {
                    transport.send(now, packet, out);
                }
                continue;
            }
            let coding = line.outlet.coding();
            let rate = rate_of(coding.codec);
            let samples = rate.tick_samples();
            // Nothing of the conference gets into the lobby, not even as the past of an encoder.
            if !lobby && line.outlet.wants_warming() && warm_ups > 0 {
                warm_ups -= 1;
                for past in &self.recent {
                    line.outlet.warm(past, &mut self.scratch);
                }
            }
            let mut voices: Voices;
            if lobby {
                voices = Voices::NOBODY;
                self.pcm[..samples].fill(0);
            } else if line.inlet.is_mixed() {
                let others = self.mixed.iter().filter(|(leg, _, _)| *leg != id);
                voices = others.map(|(_, ssrc, level)| (*ssrc, *level)).collect();
                self.bus.without(rate, line.inlet.block(), &mut self.pcm[..samples]);
            } else {
                voices = everybody;
                self.bus.total(rate, &mut self.pcm[..samples]);
            }
            if !lobby && line.outlet.tells_levels() {
                self.hush.add_to(&mut voices, id);
            }
            if let Some(speaks) = prompter {
                speaks.tick(rate, &mut self.pcm[..samples]);
                if speaks.is_done() {
                    *prompter = None;
                }
            }
            let sent = line.outlet.send_own(
                now,
                &self.pcm[..samples],
                &voices,
                &mut self.scratch,
                |media_time, packet| transport.send(media_time, packet, out),
            );
            self.failed += u64::from(sent.is_err());
        }
        // An encoder nobody asked today serves nobody.
        self.shared.retain(|shared| shared.payload.is_some());
        self.remember(opus);
        active
    }

    /// Decodes everybody's 20 ms and weighs them. `afresh`: what came during a stall is too old to be heard.
    fn listen(&mut self, now: Instant, afresh: bool, legs: &mut BTreeMap<LegId, Leg>) {
        for (&id, leg) in legs.iter_mut() {
            let heard = leg.is_heard();
            let Some((transport, line)) = leg.audio_mut() else { continue };
            if afresh {
                line.inlet.restart();
            }
            let level = line.inlet.tick(now);
            // Decoded all the same, so that its voice is there at once when it is heard again.
            line.level = if heard { level } else { Level::SILENCE };
            if heard {
                self.speakers.hear(id, level, line.claim.is_speech(now));
            }
            let theirs = line
                .inlet
                .position()
                .zip(line.follow.ssrc())
                .and_then(|(time, ssrc)| transport.session().source(ssrc)?.ntp_of(time));
            if let Some(theirs) = theirs {
                leg.sync = Some(SyncPoint { theirs, ours: now });
            }
        }
    }

    /// Σ of those who are heard.
    fn sum(&mut self, legs: &mut BTreeMap<LegId, Leg>) {
        self.bus.clear();
        self.mixed.clear();
        for (&id, leg) in legs.iter_mut() {
            let Some((_, line)) = leg.audio_mut() else { continue };
            self.bus.want(rate_of(line.outlet.coding().codec));
            if line.inlet.enter_mix(self.speakers.is_heard(id)) {
                self.bus.add(rate_of(line.inlet.codec()), line.inlet.block());
                self.mixed.push((id, line.public, line.level.of_voice()));
            }
        }
        self.bus.finish();
    }

    /// The packet for everybody who hears Σ in this coding, or for everybody in the lobby.
    fn shared(&mut self, coding: Coding, lobby: bool) -> Option<Bytes> {
        let rate = rate_of(coding.codec);
        let fits = |shared: &Shared| shared.coding == coding && shared.lobby == lobby;
        let index = match self.shared.iter().position(fits) {
            Some(index) => index,
            None => {
                let mut encoder = coding.encoder().ok()?;
                if rate == Rate::Full && !lobby {
                    for past in &self.recent {
                        let _ = encoder.encode(past, &mut self.scratch[..]);
                    }
                }
                self.shared.push(Shared { coding, lobby, encoder, payload: None });
                self.shared.len() - 1
            }
        };
        let shared = self.shared.get_mut(index)?;
        if shared.payload.is_none() {
            let pcm = &mut self.pcm[..rate.tick_samples()];
            if lobby {
                pcm.fill(0);
            } else {
                self.bus.total(rate, pcm);
            }
            match encode(&mut *shared.encoder, pcm, &mut self.scratch) {
                Ok(payload) => shared.payload = Some(payload),
                Err(_) => self.failed += 1,
            }
        }
        shared.payload.clone()
    }

    /// Keeps Σ for encoders that start later.
    fn remember(&mut self, opus: bool) {
        if !opus {
            self.recent.clear();
            return;
        }
        let mut tick = match self.recent.len() {
            WARM_UP.. => self.recent.pop_front().unwrap_or_default(),
            _ => Vec::new(),
        };
        tick.resize(Rate::Full.tick_samples(), 0);
        self.bus.total(Rate::Full, &mut tick);
        self.recent.push_back(tick);
    }
}
