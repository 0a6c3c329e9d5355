//! A sine tone, so that a test can hear who is there.

use crate::device::{FRAME, Microphone, RATE};

/// A quarter of full scale: three of them together do not clip.
const AMPLITUDE: f64 = 8000.0;

/// A continuous sine tone.
#[derive(Debug)]
pub struct Tone {
    /// Turns per sample.
    step: f64,
    phase: f64,
}

impl Tone {
    /// A tone of this many hertz; above 24 kHz there is none, so that it is clamped.
    #[must_use]
    pub fn new(hertz: f64) -> Self {
        let top = f64::from(RATE) / 2.0;
        let hertz = if hertz.is_finite() { hertz.clamp(0.0, top) } else { 0.0 };
        Self { step: hertz / f64::from(RATE), phase: 0.0 }
    }
}

impl Microphone for Tone {
    fn read(&mut self, frame: &mut [i16; FRAME]) {
        for sample in frame {
            *sample = (AMPLITUDE * (std::f64::consts::TAU * self.phase).sin()) as i16;
            self.phase = (self.phase + self.step).fract();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tone_has_its_pitch_and_no_clicks_between_frames() {
        let mut tone = Tone::new(440.0);
        let mut sound = Vec::new();
        for _ in 0..50 {
            let mut frame = [0; FRAME];
            tone.read(&mut frame);
            sound.extend(frame);
        }
        let crossings = sound.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
        assert!((438..=441).contains(&crossings), "{crossings}");
        let step = sound.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max();
        assert!(step < Some(500), "{step:?}");
    }

    #[test]
    fn impossible_pitches_are_survived() {
        for hertz in [-1.0, f64::NAN, f64::INFINITY, 1e300, 0.0] {
            Tone::new(hertz).read(&mut [0; FRAME]);
        }
    }
}
