//! Concealment for codecs without their own, in the manner of G.711 Appendix I: the last pitch
//! period is repeated and faded out. Works at 8 kHz.

/// Samples remembered: two periods of the lowest voice.
const HISTORY: usize = 320;
/// Pitch periods looked for: 5 to 15 ms, voices of 66 to 200 Hz and multiples of higher ones.
const SHORTEST: usize = 40;
const LONGEST: usize = 120;
/// Samples compared while looking: 20 ms.
const WINDOW: usize = 160;
/// Full level for 10 ms, then linearly down to silence at 60 ms.
const HOLD: usize = 80;
const SILENT: usize = 480;

/// Remembers what was played last and continues it.
#[derive(Debug)]
pub(super) struct Concealer {
    history: [i16; HISTORY],
    /// Samples concealed since the last real one.
    concealed: usize,
    /// The period being repeated; 0 while nothing is concealed.
    period: usize,
}

impl Concealer {
    pub(super) fn new() -> Self {
        Self { history: [0; HISTORY], concealed: 0, period: 0 }
    }

    /// Takes note of decoded samples.
    pub(super) fn heard(&mut self, samples: &[i16]) {
        let tail = &samples[samples.len().saturating_sub(HISTORY)..];
        self.history.copy_within(tail.len().., 0);
        self.history[HISTORY - tail.len()..].copy_from_slice(tail);
        self.concealed = 0;
        self.period = 0;
    }

    /// Continues the sound.
    pub(super) fn fill(&mut self, out: &mut [i16]) {
        if self.period == 0 {
            self.period = self.pitch();
        }
        for sample in out {
            let level = match self.concealed {
                n if n < HOLD => 256,
                n if n < SILENT => (256 * (SILENT - n) / (SILENT - HOLD)) as i32,
                _ => 0,
            };
            let source = self.history[HISTORY - self.period + self.concealed % self.period];
            *sample = (i32::from(source) * level / 256) as i16;
            // Stops counting when silent, so that an endless loss cannot overflow.
            self.concealed = (self.concealed + 1).min(SILENT);
        }
    }

    /// The lag at which the last 20 ms look most like what was before.
    fn pitch(&self) -> usize {
        let recent = &self.history[HISTORY - WINDOW..];
        let mut best = (f32::MIN, LONGEST);
        for lag in SHORTEST..=LONGEST {
            let earlier = &self.history[HISTORY - WINDOW - lag..HISTORY - lag];
            let (mut product, mut energy) = (0.0_f32, 1.0_f32);
            for (a, b) in recent.iter().zip(earlier) {
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

    fn tone(hertz: f32, range: std::ops::Range<usize>) -> Vec<i16> {
        range
            .map(|n| (10_000.0 * (std::f32::consts::TAU * hertz * n as f32 / 8000.0).sin()) as i16)
            .collect()
    }

    #[test]
    fn a_tone_goes_on_in_phase_then_fades_to_silence() {
        let mut concealer = Concealer::new();
        concealer.heard(&tone(125.0, 0..640));
        let mut out = [0; 160];
        concealer.fill(&mut out);
        for (made, real) in out.iter().zip(tone(125.0, 640..640 + HOLD)) {
            assert!((i32::from(*made) - i32::from(real)).abs() < 300, "{made} for {real}");
        }
        let loudness = |samples: &[i16]| samples.iter().map(|s| i64::from(*s).pow(2)).sum::<i64>();
        let first = loudness(&out);
        concealer.fill(&mut out);
        let second = loudness(&out);
        assert!(second < first, "fades");
        for _ in 0..2 {
            concealer.fill(&mut out);
        }
        assert_eq!(loudness(&out), 0, "ends");
    }

    #[test]
    fn silence_and_short_beginnings_are_no_problem() {
        let mut out = [1; 3000];
        Concealer::new().fill(&mut out);
        assert_eq!(out, [0; 3000]);
        let mut concealer = Concealer::new();
        concealer.heard(&[100; 7]);
        concealer.fill(&mut out);
        concealer.fill(&mut []);
    }
}
