//! The sound itself: what was played lately, and what is decoded and not played yet, in one piece.

/// Milliseconds of played sound that stay within reach: time stretching looks back one longest period.
const KEPT_MS: usize = 20;
/// Milliseconds in which a step between two sounds that do not follow each other is smoothed away.
const SMOOTH_MS: usize = 3;
/// Milliseconds of sound there is room for: two packets of the longest kind we take, 200 ms, and a tick.
const ROOM_MS: usize = 500;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Line {
    /// Samples per millisecond.
    khz: usize,
    /// Played samples, then those ahead.
    samples: Vec<i16>,
    /// How many are played.
    played: usize,
}

impl Line {
    /// For sound of `rate` Hz, a multiple of 1000.
    pub(crate) fn new(rate: u32) -> Self {
        let khz = rate as usize / 1000;
        let mut samples = Vec::with_capacity(ROOM_MS * khz);
        samples.resize(KEPT_MS * khz, 0);
        Self { khz, played: samples.len(), samples }
    }

    pub(crate) fn khz(&self) -> usize {
        self.khz
    }

    /// Samples decoded and not played.
    pub(crate) fn ahead(&self) -> usize {
        self.samples.len() - self.played
    }

    /// All samples there are, and how many of them are played.
    pub(crate) fn all(&self) -> (&[i16], usize) {
        (&self.samples, self.played)
    }

    /// The last sample, played or not.
    pub(crate) fn last(&self) -> i16 {
        self.samples.last().copied().unwrap_or(0)
    }

    pub(crate) fn push(&mut self, sound: &[i16]) {
        self.samples.extend_from_slice(sound);
    }

    /// Appends a sound that does not continue the last one: the step between them is spread over 3 ms.
    pub(crate) fn push_apart(&mut self, sound: &[i16]) {
        let from = self.samples.len();
        let last = i32::from(self.last());
        self.push(sound);
        let fresh = &mut self.samples[from..];
        let step = last - fresh.first().map_or(last, |first| i32::from(*first));
        let length = (SMOOTH_MS * self.khz) as i32;
        for (n, sample) in fresh.iter_mut().take(length as usize).enumerate() {
            let moved = i32::from(*sample) + step * (length - n as i32) / length;
            *sample = moved.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        }
    }

    /// Appends silence, into which the last sample decays.
    pub(crate) fn push_silence(&mut self, count: usize) {
        let from = self.samples.len();
        let last = i32::from(self.last());
        self.samples.resize(from + count, 0);
        let length = (SMOOTH_MS * self.khz) as i32;
        if last != 0 {
            for (n, sample) in self.samples[from..].iter_mut().take(length as usize).enumerate() {
                *sample = (last * (length - 1 - n as i32) / length) as i16;
            }
        }
    }

    /// Plays `out.len()` samples; what is missing is silence.
    pub(crate) fn play(&mut self, out: &mut [i16]) {
        let have = out.len().min(self.ahead());
        let (now, missing) = out.split_at_mut(have);
        now.copy_from_slice(&self.samples[self.played..self.played + have]);
        missing.fill(0);
        self.played += have;
        let kept = KEPT_MS * self.khz;
        if self.played > kept {
            self.samples.drain(..self.played - kept);
            self.played = kept;
        }
    }

    /// Takes one `period` out: the first one ahead passes over into the second. Both must be there.
    pub(crate) fn shorten(&mut self, period: usize) {
        let start = self.played;
        for n in 0..period {
            let (a, b) = (self.samples[start + n], self.samples[start + period + n]);
            self.samples[start + period + n] = fade(a, b, n, period);
        }
        self.samples.drain(start..start + period);
    }

    /// Puts one `period` in: the first one ahead passes over into the last one played, and comes again.
    pub(crate) fn lengthen(&mut self, period: usize) {
        let start = self.played;
        let length = self.samples.len();
        self.samples.resize(length + period, 0);
        self.samples.copy_within(start..length, start + period);
        for n in 0..period {
            let (a, b) = (self.samples[start + period + n], self.samples[start + n - period]);
            self.samples[start + n] = fade(a, b, n, period);
        }
    }
}

/// The `n`-th of `length` steps from `a` to `b`.
fn fade(a: i16, b: i16, n: usize, length: usize) -> i16 {
    let (n, length) = (n as i32, length as i32);
    ((i32::from(a) * (length - n) + i32::from(b) * n) / length) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(range: std::ops::Range<i16>) -> Vec<i16> {
        range.map(|n| n * 10).collect()
    }

    #[test]
    fn what_is_pushed_is_played_in_order() {
        let mut line = Line::new(8000);
        line.push(&ramp(0..200));
        let mut out = [0; 160];
        line.play(&mut out);
        assert_eq!(out.to_vec(), ramp(0..160));
        line.play(&mut out);
        assert_eq!(out[..40].to_vec(), ramp(160..200));
        assert_eq!(out[40..], [0; 120]);
    }

    #[test]
    fn a_strange_sound_is_joined_without_a_step() {
        let mut line = Line::new(8000);
        line.push(&[8000; 100]);
        line.push_apart(&[-8000; 100]);
        line.push_silence(100);
        let mut out = [0; 300];
        line.play(&mut out);
        let worst = out.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs());
        assert!(worst.max().unwrap() <= 16_000 / 24 + 1);
        assert_eq!((out[99], out[199], out[299]), (8000, -8000, 0));
    }

    #[test]
    fn a_period_is_taken_out_and_put_in_without_a_trace() {
        let period = 50;
        let sound: Vec<i16> = (0..400).map(|n| (n % period * 100) as i16).collect();
        for lengthen in [false, true] {
            let mut line = Line::new(8000);
            line.push(&sound);
            line.play(&mut [0; 100]);
            if lengthen {
                line.lengthen(period);
                assert_eq!(line.ahead(), 350);
            } else {
                line.shorten(period);
                assert_eq!(line.ahead(), 250);
            }
            let mut out = vec![0; line.ahead()];
            line.play(&mut out);
            assert!(out.iter().enumerate().all(|(n, &s)| s == (n % period * 100) as i16));
        }
    }
}
