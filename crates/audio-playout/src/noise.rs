//! Comfort noise: what is heard while nobody talks, so that a pause does not sound like a broken line.

/// Root mean square above which the quietest sound of late is no background noise (-47 dBov): a talker
/// without a pause, music. There is then no noise to imitate.
const LOUDEST_BACKGROUND: f32 = 150.0;
/// A level a peer tells us (RFC 3389 §3.1) is not taken for more than this (-40 dBov).
const LOUDEST_TOLD: f32 = 330.0;
/// Milliseconds in which the quietest sound is looked for.
const WINDOW_MS: u32 = 1500;
/// Milliseconds in which the noise comes and goes.
const FADE_MS: usize = 20;
/// Share of the sample before in each one: a hiss with less treble than white noise.
const SMOOTHING: f32 = 0.6;

/// Measures the background, and makes noise like it.
#[derive(Debug)]
pub(crate) struct Noise {
    khz: usize,
    /// Least level of this window and of the one before.
    least: f32,
    least_before: Option<f32>,
    window: u32,
    /// What the peer says its background is.
    told: Option<f32>,
    /// 0 to 1, moving towards whether noise is wanted.
    gain: f32,
    /// A fixed start: two listeners need no different noise.
    random: u32,
    last: f32,
}

impl Noise {
    pub(crate) fn new(rate: u32) -> Self {
        Self {
            khz: rate as usize / 1000,
            least: f32::MAX,
            least_before: None,
            window: 0,
            told: None,
            gain: 0.0,
            random: 1,
            last: 0.0,
        }
    }

    /// Takes note of a decoded frame.
    pub(crate) fn heard(&mut self, frame: &[i16]) {
        if frame.is_empty() {
            return;
        }
        let energy: u64 = frame.iter().map(|sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
        let rms = (energy as f32 / frame.len() as f32).sqrt();
        self.told = None;
        self.least = self.least.min(rms);
        self.window += (frame.len() / self.khz) as u32;
        if self.window >= WINDOW_MS {
            self.window = 0;
            self.least_before = Some(self.least);
            self.least = f32::MAX;
        }
    }

    /// The peer says how loud its background is, in -dBov (RFC 3389 §3.1).
    pub(crate) fn told(&mut self, level: u8) {
        let rms = 32_768.0 * 10.0_f32.powf(-f32::from(level.min(127)) / 20.0);
        self.told = Some(rms.min(LOUDEST_TOLD));
    }

    /// Root mean square of the background; 0 when it is not known.
    pub(crate) fn level(&self) -> f32 {
        if let Some(told) = self.told {
            return told;
        }
        let least = self.least_before.map_or(self.least, |before| before.min(self.least));
        if least <= LOUDEST_BACKGROUND { least } else { 0.0 }
    }

    /// Adds noise to a block if it is `wanted`; fades out if not.
    pub(crate) fn mix(&mut self, block: &mut [i16], wanted: bool) {
        let level = self.level();
        let wanted = wanted && level >= 1.0;
        if !wanted && self.gain <= 0.0 {
            return;
        }
        let step = 1.0 / (FADE_MS * self.khz) as f32;
        // The smoothed noise is weaker than the even one by the square root of (1-a)/(1+a), and that
        // weaker than its greatest value by the square root of 3.
        let greatest = level * (3.0 * (1.0 + SMOOTHING) / (1.0 - SMOOTHING)).sqrt();
        for sample in block {
            self.gain = (self.gain + if wanted { step } else { -step }).clamp(0.0, 1.0);
            // Numerical Recipes' generator: quick, and white enough for a hiss.
            self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let even = self.random.cast_signed() as f32 / 2_147_483_648.0 * greatest;
            self.last = SMOOTHING * self.last + (1.0 - SMOOTHING) * even;
            let sum = f32::from(*sample) + self.last * self.gain;
            *sample = sum.clamp(-32_768.0, 32_767.0) as i16;
        }
    }

    /// Forgets the background: another person is heard.
    pub(crate) fn reset(&mut self) {
        self.least = f32::MAX;
        self.least_before = None;
        self.window = 0;
        self.told = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rms(block: &[i16]) -> f32 {
        let sum: f32 = block.iter().map(|sample| f32::from(*sample).powi(2)).sum();
        (sum / block.len() as f32).sqrt()
    }

    #[test]
    fn the_noise_is_as_loud_as_the_quietest_sound_of_late() {
        let mut noise = Noise::new(8000);
        for n in 0..200 {
            let level = if n % 10 == 0 { 50 } else { 4000 };
            noise.heard(&[level; 160]);
        }
        let mut block = [0; 1600];
        noise.mix(&mut block, true);
        noise.mix(&mut block, false);
        block.fill(0);
        noise.mix(&mut block, true);
        assert!((rms(&block[160..]) / 50.0 - 1.0).abs() < 0.2, "{}", rms(&block[160..]));
    }

    #[test]
    fn a_loud_stream_without_a_pause_and_digital_silence_have_no_noise() {
        for level in [0, 4000] {
            let mut noise = Noise::new(8000);
            (0..200).for_each(|_| noise.heard(&[level; 160]));
            let mut block = [0; 160];
            noise.mix(&mut block, true);
            assert_eq!(block, [0; 160]);
        }
    }

    #[test]
    fn a_level_told_is_obeyed_until_something_is_heard() {
        let mut noise = Noise::new(48_000);
        noise.told(60);
        assert!((noise.level() - 32.8).abs() < 0.1);
        noise.told(0);
        assert!(noise.level() <= LOUDEST_TOLD, "nobody is deafened");
        noise.heard(&[3000; 960]);
        assert!(noise.level() < 1.0);
    }

    #[test]
    fn noise_ends_softly() {
        let mut noise = Noise::new(8000);
        noise.told(50);
        let mut block = [0; 320];
        noise.mix(&mut block, true);
        block.fill(0);
        noise.mix(&mut block, false);
        assert!(rms(&block[..80]) > 30.0);
        assert_eq!(block[161..], [0; 159]);
    }
}
