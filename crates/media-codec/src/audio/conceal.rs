//! Concealment for codecs without their own, in the manner of G.711 Appendix I: the last pitch
//! periods are repeated and faded out, and what comes after is faded in over them.

/// Samples remembered per kHz: four periods of the lowest voice (60 ms).
const HISTORY_MS: usize = 60;
/// Pitch periods looked for, in units of 1/8 ms: 5 to 15 ms, voices of 66 to 200 Hz and multiples of
/// higher ones.
const SHORTEST: usize = 40;
const LONGEST: usize = 120;
/// Milliseconds compared while looking.
const WINDOW_MS: usize = 20;
/// Milliseconds of one repeated period, then of two, then of three: one alone soon sounds like a buzz
/// (G.711 Appendix I §I.2.5).
const ONE_PERIOD_MS: usize = 10;
const TWO_PERIODS_MS: usize = 20;
/// Full level for so many milliseconds, then linearly down to silence (Appendix I §I.2.7).
const HOLD_MS: usize = 10;
const SILENT_MS: usize = 60;
/// Milliseconds in which a made-up sound passes over to a real one: 4 and one more for each 10 ms made
/// up, at most 10 (Appendix I §I.2.8).
const JOIN_MS: usize = 4;
const LONGEST_JOIN_MS: usize = 10;

/// Remembers what was played last and continues it.
#[derive(Debug)]
pub(super) struct Concealer {
    /// Samples per millisecond.
    khz: usize,
    history: Vec<i16>,
    /// How much of the history has been heard.
    known: usize,
    /// The periods being repeated, already joined at their ends.
    cycle: Vec<i16>,
    position: usize,
    /// What has been made up since the last real sample, as far as it will be history.
    made_up: Vec<i16>,
    /// The period found; 0 while nothing is concealed.
    period: usize,
    /// Samples concealed since the last real one.
    concealed: usize,
    /// What the next samples have to be moved by to follow the last one without a step, and how many
    /// have been since.
    step: f32,
    stepped: usize,
}

impl Concealer {
    /// For sound of `rate` Hz, a multiple of 8000.
    pub(super) fn new(rate: usize) -> Self {
        let khz = rate / 1000;
        Self {
            khz,
            history: vec![0; HISTORY_MS * khz],
            known: 0,
            cycle: Vec::with_capacity(3 * LONGEST * rate / 8000),
            position: 0,
            made_up: Vec::with_capacity(HISTORY_MS * khz),
            period: 0,
            concealed: 0,
            step: 0.0,
            stepped: 0,
        }
    }

    /// Takes decoded samples. After a loss their beginning is faded in over the continued sound.
    pub(super) fn heard(&mut self, samples: &mut [i16]) {
        if self.period > 0 {
            let made_up = self.concealed / self.khz / 10;
            let join = (JOIN_MS + made_up).min(LONGEST_JOIN_MS) * self.khz;
            let join = join.min(samples.len());
            for (n, sample) in samples.iter_mut().take(join).enumerate() {
                let share = (n + 1) as f32 / (join + 1) as f32;
                let old = f32::from(self.next_sample());
                *sample = (old + (f32::from(*sample) - old) * share).round() as i16;
            }
        }
        let made_up = std::mem::take(&mut self.made_up);
        self.remember(&made_up);
        self.remember(samples);
        self.made_up = made_up;
        self.made_up.clear();
        self.concealed = 0;
        self.period = 0;
    }

    fn remember(&mut self, samples: &[i16]) {
        let length = self.history.len();
        let tail = &samples[samples.len().saturating_sub(length)..];
        self.history.copy_within(tail.len().., 0);
        self.history[length - tail.len()..].copy_from_slice(tail);
        self.known = (self.known + tail.len()).min(length);
    }

    /// Forgets the sound: another stream begins.
    pub(super) fn reset(&mut self) {
        self.history.fill(0);
        self.known = 0;
        self.made_up.clear();
        self.concealed = 0;
        self.period = 0;
    }

    /// Continues the sound.
    pub(super) fn fill(&mut self, out: &mut [i16]) {
        for sample in &mut *out {
            *sample = self.next_sample();
        }
        let room = self.history.len() - self.made_up.len();
        self.made_up.extend_from_slice(&out[..out.len().min(room)]);
    }

    fn next_sample(&mut self) -> i16 {
        if self.period == 0 {
            self.period = self.pitch();
            let end = self.history.len();
            let before = f32::from(self.history[end - 1 - self.period]);
            self.repeat(1);
            self.position = 0;
            self.smooth(f32::from(self.history[end - 1]) - before);
        }
        if self.concealed == ONE_PERIOD_MS * self.khz {
            self.lengthen_cycle(2);
        } else if self.concealed == TWO_PERIODS_MS * self.khz {
            self.lengthen_cycle(3);
        }
        let sample = f32::from(self.cycle[self.position]) + self.leap();
        self.position = (self.position + 1) % self.cycle.len();
        let level = self.level();
        // Stops counting when silent, so that an endless loss cannot overflow.
        self.concealed = (self.concealed + 1).min(SILENT_MS * self.khz);
        (sample * level).clamp(-32768.0, 32767.0) as i16
    }

    /// Goes on with a longer cycle, in phase with the shorter one.
    fn lengthen_cycle(&mut self, periods: usize) {
        let expected = f32::from(self.cycle[self.position]);
        self.position %= self.period;
        self.repeat(periods);
        self.smooth(expected - f32::from(self.cycle[self.position]));
    }

    fn smooth(&mut self, step: f32) {
        self.step = step;
        self.stepped = 0;
    }

    /// The rest of a step, gone after 2 ms.
    fn leap(&mut self) -> f32 {
        let length = 2 * self.khz;
        let rest = length.saturating_sub(self.stepped) as f32 / length as f32;
        self.stepped = (self.stepped + 1).min(length);
        self.step * rest
    }

    fn level(&self) -> f32 {
        let (hold, silent) = (HOLD_MS * self.khz, SILENT_MS * self.khz);
        match self.concealed {
            n if n < hold => 1.0,
            n => (silent - n) as f32 / (silent - hold) as f32,
        }
    }

    /// Makes a cycle of the last `periods` periods, whose last quarter period is faded into what was
    /// before its beginning: so its end joins its beginning without a step.
    fn repeat(&mut self, periods: usize) {
        let end = self.history.len();
        // The fade reaches a quarter period further back than the cycle.
        let fits = self.known.saturating_sub(self.period / 4 + 1) / self.period;
        let length = periods.min(fits).max(1) * self.period;
        self.cycle.clear();
        self.cycle.extend_from_slice(&self.history[end - length..]);
        let quarter = self.period / 4;
        for n in 0..quarter {
            let share = (n + 1) as f32 / (quarter + 1) as f32;
            let after = f32::from(self.history[end - length - quarter + n]);
            let sample = &mut self.cycle[length - quarter + n];
            *sample = (f32::from(*sample) * (1.0 - share) + after * share) as i16;
        }
    }

    /// The lag at which the last 20 ms look most like what was before. Looked for at 8 kHz, then made
    /// exact at the full rate.
    fn pitch(&self) -> usize {
        let grain = self.khz / 8;
        let coarse = self.best_lag((SHORTEST..=LONGEST).map(|lag| lag * grain), grain);
        if grain == 1 {
            return coarse;
        }
        let least = (coarse - grain).max(SHORTEST * grain);
        self.best_lag(least..=(coarse + grain).min(LONGEST * grain), 1)
    }

    fn best_lag(&self, lags: impl Iterator<Item = usize>, grain: usize) -> usize {
        let (end, window) = (self.history.len(), WINDOW_MS * self.khz);
        let recent = &self.history[end - window..];
        let mut best = (f32::MIN, LONGEST * self.khz / 8);
        for lag in lags {
            let earlier = &self.history[end - window - lag..end - lag];
            let (mut product, mut energy) = (0.0_f32, 1.0_f32);
            for (a, b) in recent.iter().zip(earlier).step_by(grain) {
                product += f32::from(*a) * f32::from(*b);
                energy += f32::from(*b) * f32::from(*b);
            }
            let likeness = product / energy.sqrt();
            if likeness > best.0 {
                best = (likeness, lag);
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: usize, hertz: f32, range: std::ops::Range<usize>) -> Vec<i16> {
        let turn = std::f32::consts::TAU * hertz / rate as f32;
        range.map(|n| (10_000.0 * (turn * n as f32).sin()) as i16).collect()
    }

    fn largest_step(samples: &[i16]) -> i32 {
        let steps = samples.windows(2).map(|pair| i32::from(pair[1]) - i32::from(pair[0]));
        steps.map(i32::abs).max().unwrap()
    }

    #[test]
    fn a_tone_goes_on_in_phase_then_fades_to_silence() {
        for rate in [8000, 16_000] {
            let mut concealer = Concealer::new(rate);
            let frame = rate / 50;
            concealer.heard(&mut tone(rate, 125.0, 0..4 * frame));
            let mut out = vec![0; frame];
            concealer.fill(&mut out);
            let real = tone(rate, 125.0, 4 * frame..5 * frame);
            for (made, real) in out.iter().zip(real).take(frame / 2) {
                assert!((i32::from(*made) - i32::from(real)).abs() < 300, "{made} for {real}");
            }
            let loudness =
                |samples: &[i16]| samples.iter().map(|s| i64::from(*s).pow(2)).sum::<i64>();
            let first = loudness(&out);
            concealer.fill(&mut out);
            let second = loudness(&out);
            assert!(second < first, "fades");
            for _ in 0..2 {
                concealer.fill(&mut out);
            }
            assert_eq!(loudness(&out), 0, "ends");
        }
    }

    #[test]
    fn the_sound_joins_without_a_step_on_both_sides() {
        for hertz in [125.0, 317.0, 440.0, 700.0, 1333.0] {
            let mut concealer = Concealer::new(8000);
            let mut heard = tone(8000, hertz, 0..800);
            concealer.heard(&mut heard);
            let natural = largest_step(&heard);
            let mut gap = [0; 240];
            concealer.fill(&mut gap);
            // After the gap the tone goes on as if nothing had been lost.
            let mut after = tone(8000, hertz, 1040..1200);
            concealer.heard(&mut after);
            let whole = [heard, gap.to_vec(), after].concat();
            let step = largest_step(&whole);
            assert!(step <= natural * 3 / 2, "{hertz} Hz: {step}, a tone has {natural}");
        }
    }

    #[test]
    fn no_pattern_of_losses_makes_a_step() {
        let mut seed = 3_u32;
        for round in 0..300 {
            let mut concealer = Concealer::new(8000);
            let mut whole = Vec::new();
            for frame in 0..8 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let mut samples = tone(8000, 440.0, frame * 160..(frame + 1) * 160);
                if frame > 0 && seed >> 31 == 0 {
                    concealer.fill(&mut samples);
                } else {
                    concealer.heard(&mut samples);
                }
                whole.extend(samples);
            }
            let step = largest_step(&whole);
            assert!(step < 5000, "round {round}: {step}, a tone has 3425");
        }
    }

    #[test]
    fn noise_goes_on_without_a_step_worse_than_its_own() {
        let mut seed = 1_u32;
        let mut noise: Vec<i16> = (0..800)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((seed >> 16) as i16) / 8
            })
            .collect();
        let mut concealer = Concealer::new(8000);
        concealer.heard(&mut noise);
        let mut gap = [0; 400];
        concealer.fill(&mut gap);
        assert!(largest_step(&gap) <= largest_step(&noise) * 3 / 2);
    }

    #[test]
    fn silence_and_short_beginnings_are_no_problem() {
        let mut out = [1; 3000];
        Concealer::new(8000).fill(&mut out);
        assert_eq!(out, [0; 3000]);
        let mut concealer = Concealer::new(16_000);
        concealer.heard(&mut [100; 7]);
        concealer.fill(&mut out);
        concealer.fill(&mut []);
        concealer.heard(&mut []);
        concealer.reset();
        concealer.fill(&mut out);
        assert_eq!(out, [0; 3000]);
    }
}
