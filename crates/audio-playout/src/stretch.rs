//! Making sound shorter or longer without changing its pitch: a period of the voice is taken out or put in
//! where the sound repeats itself (overlap-add with a search for likeness, WSOLA).

use crate::line::Line;

/// Periods looked for, in 1/8 ms: 2.5 to 15 ms, or voices of 66 to 400 Hz.
const SHORTEST: usize = 20;
const LONGEST: usize = 120;
/// 1/8 ms compared: 10 ms.
const WINDOW: usize = 80;
/// Samples at 8 kHz that a search sees.
const SEEN: usize = LONGEST + WINDOW;
/// Among periods nearly as good as the best the longest is taken: it changes the most at once.
const NEARLY: f32 = 0.02;

/// Milliseconds ahead that [`shorten`] needs.
pub(crate) const SHORTEN_NEEDS_MS: usize = 2 * LONGEST / 8;
/// Milliseconds ahead that [`lengthen`] needs.
pub(crate) const LENGTHEN_NEEDS_MS: usize = LONGEST / 8;

/// How choosy a change is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Care {
    /// Least likeness (normalised correlation) of the two periods that are laid over each other.
    pub(crate) likeness: f32,
    /// Sound of no more than this root mean square is silence, where every period will do.
    pub(crate) silence: f32,
}

/// Takes a period of at most `room` samples out of what is ahead. Returns its samples, 0 if no place is good enough.
pub(crate) fn shorten(line: &mut Line, care: Care, room: usize) -> usize {
    let (all, at) = line.all();
    let Some(ahead) = all.get(at..at + SHORTEN_NEEDS_MS * line.khz()) else { return 0 };
    let step = line.khz() / 8;
    let longest = (room / step).min(LONGEST);
    let period = if is_silent(ahead, care.silence) {
        longest * step
    } else {
        period(ahead, line.khz(), care.likeness, longest)
    };
    if period > 0 {
        line.shorten(period);
    }
    period
}

/// Repeats a period before what is ahead. Returns its samples, 0 if no place is good enough.
pub(crate) fn lengthen(line: &mut Line, care: Care) -> usize {
    let (all, at) = line.all();
    let khz = line.khz();
    // The last period played and the first ahead, seen backwards in time: the later window stands still.
    let Some(around) = all.get(at - LONGEST * khz / 8..at + LENGTHEN_NEEDS_MS * khz) else {
        return 0;
    };
    let period = if is_silent(around, care.silence) {
        LONGEST * khz / 8
    } else {
        let mut reversed = [0; 2 * LONGEST * 6];
        let reversed = &mut reversed[..around.len()];
        reversed.copy_from_slice(around);
        reversed.reverse();
        // Backwards, the window begins 10 ms after the play-out position.
        let skipped = reversed.len() - SEEN * khz / 8;
        period(&reversed[skipped..], khz, care.likeness, LONGEST)
    };
    if period > 0 {
        line.lengthen(period);
    }
    period
}

fn is_silent(samples: &[i16], rms: f32) -> bool {
    let energy: f32 = samples.iter().map(|sample| f32::from(*sample).powi(2)).sum();
    energy <= rms * rms * samples.len() as f32
}

/// The period after which the beginning of `sound` comes again, at least so much alike and at most `longest` (1/8 ms); 0 if
/// there is none. Looked for at 8 kHz, then made exact at the full rate of `khz`.
fn period(sound: &[i16], khz: usize, likeness: f32, longest: usize) -> usize {
    let step = khz / 8;
    let mut low = [0.0_f32; SEEN];
    for (low, samples) in low.iter_mut().zip(sound.chunks_exact(step)) {
        *low = samples.iter().map(|sample| f32::from(*sample)).sum();
    }
    let mut likenesses = [0.0_f32; LONGEST + 1];
    let mut best = 0.0_f32;
    for lag in SHORTEST..=longest {
        likenesses[lag] = alike(&low[..WINDOW], &low[lag..lag + WINDOW]);
        best = best.max(likenesses[lag]);
    }
    if best < likeness || longest < SHORTEST {
        return 0;
    }
    let coarse = (SHORTEST..=longest)
        .rev()
        .find(|&lag| likenesses[lag] >= best - NEARLY && is_peak(&likenesses, lag))
        .unwrap_or(SHORTEST);
    if step == 1 { coarse } else { refine(sound, coarse * step, step, longest * step) }
}

fn is_peak(likenesses: &[f32; LONGEST + 1], lag: usize) -> bool {
    let at = |lag: usize| likenesses.get(lag).copied().unwrap_or(f32::MIN);
    at(lag) >= at(lag - 1) && at(lag) >= at(lag + 1)
}

/// The best lag within one `step` of `coarse`.
fn refine(sound: &[i16], coarse: usize, step: usize, longest: usize) -> usize {
    let window = WINDOW * step;
    let mut first = [0.0_f32; WINDOW * 6];
    let first = &mut first[..window];
    for (to, from) in first.iter_mut().zip(sound) {
        *to = f32::from(*from);
    }
    let longest = longest.min(sound.len() - window);
    let mut best = (f32::MIN, coarse);
    for lag in coarse.saturating_sub(step)..=(coarse + step).min(longest) {
        let mut second = [0.0_f32; WINDOW * 6];
        for (to, from) in second.iter_mut().zip(&sound[lag..lag + window]) {
            *to = f32::from(*from);
        }
        let likeness = alike(first, &second[..window]);
        if likeness > best.0 {
            best = (likeness, lag);
        }
    }
    best.1
}

/// Normalised correlation, -1 to 1.
fn alike(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [[0.0_f32; 8]; 3];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            sums[0][lane] += a[lane] * b[lane];
            sums[1][lane] += a[lane] * a[lane];
            sums[2][lane] += b[lane] * b[lane];
        }
    }
    let [product, first, second] = sums.map(|lanes| lanes.iter().sum::<f32>());
    product / (first * second).sqrt().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARE: Care = Care { likeness: 0.85, silence: 30.0 };

    fn tone(rate: u32, hertz: f32, seconds: f32) -> Vec<i16> {
        let turn = std::f32::consts::TAU * hertz / rate as f32;
        (0..(rate as f32 * seconds) as usize)
            .map(|n| (8000.0 * (turn * n as f32).sin()) as i16)
            .collect()
    }

    fn noise(count: usize) -> Vec<i16> {
        let mut seed = 5_u32;
        (0..count)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 16) as i16 / 4
            })
            .collect()
    }

    fn shorten_any(line: &mut Line, care: Care) -> usize {
        shorten(line, care, usize::MAX)
    }

    fn largest_step(samples: &[i16]) -> i32 {
        let steps = samples.windows(2).map(|pair| i32::from(pair[1]) - i32::from(pair[0]));
        steps.map(i32::abs).max().unwrap()
    }

    /// Plays a sound with a change every 60 ms.
    fn stretched(rate: u32, sound: &[i16], change: fn(&mut Line, Care) -> usize) -> Vec<i16> {
        let mut line = Line::new(rate);
        let tick = rate as usize / 50;
        let mut out = Vec::new();
        let mut input = sound.chunks_exact(tick);
        for n in 0.. {
            while line.ahead() < 2 * tick {
                let Some(frame) = input.next() else { return out };
                line.push(frame);
            }
            if n % 3 == 2 {
                change(&mut line, CARE);
            }
            let mut frame = vec![0; tick];
            line.play(&mut frame);
            out.extend(frame);
        }
        out
    }

    fn crossings(sound: &[i16]) -> f32 {
        sound.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count() as f32
    }

    #[test]
    fn a_tone_becomes_shorter_or_longer_and_keeps_its_pitch_without_a_click() {
        for rate in [8000, 16_000, 48_000] {
            for hertz in [110.0, 220.0, 317.0, 440.0, 1000.0] {
                let sound = tone(rate, hertz, 2.0);
                let natural = largest_step(&sound);
                let pitch = crossings(&sound) / sound.len() as f32;
                for change in [shorten_any, lengthen] {
                    let out = stretched(rate, &sound, change);
                    let ratio = out.len() as f32 / sound.len() as f32;
                    assert!(!(0.93..1.07).contains(&ratio), "{rate} {hertz}: {ratio}");
                    let after = crossings(&out) / out.len() as f32;
                    assert!((after / pitch - 1.0).abs() < 0.01, "{rate} {hertz} Hz: {after}");
                    let step = largest_step(&out);
                    assert!(step <= natural * 11 / 10 + 2, "{rate} {hertz}: {step} {natural}");
                }
            }
        }
    }

    #[test]
    fn noise_is_left_alone_and_silence_is_not() {
        for change in [shorten_any, lengthen] {
            for (sound, expected) in [(noise(800), 0), (vec![0; 800], 120), (vec![-20; 800], 120)] {
                let mut line = Line::new(8000);
                line.push(&sound);
                line.play(&mut [0; 320]);
                assert_eq!(change(&mut line, CARE), expected);
            }
        }
    }

    #[test]
    fn too_little_sound_is_left_alone() {
        let mut line = Line::new(48_000);
        line.push(&[0; 100]);
        assert_eq!(shorten_any(&mut line, CARE), 0);
        assert_eq!(lengthen(&mut line, CARE), 0);
        assert_eq!(line.ahead(), 100);
    }
}
