//! A file of pictures at a steady rate, played again and again by the caller's clock.

use std::time::{Duration, Instant};

use media_codec::{I420Frame, I420View};

use crate::device::Camera;

/// Further behind than this, the clip goes on where it is instead of hurrying.
const MOST_SKIPPED: u64 = 10;

/// Pictures one after the other.
pub(super) trait Frames: Send {
    /// Puts the next picture into `frame`; `false` at the end.
    ///
    /// # Errors
    /// The file is damaged, in words.
    fn next(&mut self, frame: &mut I420Frame) -> Result<bool, String>;

    /// Goes back to the first picture.
    ///
    /// # Errors
    /// The file cannot be read any more, in words.
    fn rewind(&mut self) -> Result<(), String>;

    /// Pictures per `.1` seconds.
    fn rate(&self) -> (u32, u32);
}

/// Plays [`Frames`].
#[derive(Debug)]
pub(super) struct Clip<F> {
    name: String,
    frames: F,
    frame: I420Frame,
    started: Option<Instant>,
    /// Pictures shown or skipped since `started`.
    next: u64,
    failed: bool,
}

impl<F: Frames> Clip<F> {
    /// Reads the first picture to see that the file is good.
    pub fn new(name: String, mut frames: F, mut frame: I420Frame) -> Result<Self, String> {
        if !frames.next(&mut frame)? {
            return Err("no pictures in it".to_owned());
        }
        frames.rewind()?;
        Ok(Self { name, frames, frame, started: None, next: 0, failed: false })
    }

    fn advance(&mut self) -> Result<(), String> {
        if !self.frames.next(&mut self.frame)? {
            self.frames.rewind()?;
            if !self.frames.next(&mut self.frame)? {
                return Err("the pictures are gone".to_owned());
            }
        }
        Ok(())
    }

    fn due(&self, number: u64) -> Duration {
        let (pictures, seconds) = self.frames.rate();
        let nanos = u128::from(number) * u128::from(seconds) * 1_000_000_000;
        Duration::from_nanos(u64::try_from(nanos / u128::from(pictures.max(1))).unwrap_or(u64::MAX))
    }
}

impl<F: Frames> Camera for Clip<F> {
    fn picture(&mut self, now: Instant) -> Option<I420View<'_>> {
        let started = *self.started.get_or_insert(now);
        let elapsed = now.saturating_duration_since(started);
        if self.failed || elapsed < self.due(self.next) {
            return None;
        }
        let (pictures, seconds) = self.frames.rate();
        let expected = elapsed.as_nanos() * u128::from(pictures)
            / (u128::from(seconds.max(1)) * 1_000_000_000);
        let behind = u64::try_from(expected).unwrap_or(u64::MAX).saturating_sub(self.next);
        if behind > MOST_SKIPPED {
            self.started = Some(now);
            self.next = 0;
        }
        let steps = if behind > MOST_SKIPPED { 1 } else { behind + 1 };
        for _ in 0..steps {
            self.next += 1;
            if let Err(error) = self.advance() {
                tracing::warn!(file = %self.name, %error, "camera stopped");
                self.failed = true;
                return None;
            }
        }
        Some(self.frame.view())
    }

    fn next_due(&self, now: Instant) -> Option<Instant> {
        if self.failed {
            return None;
        }
        Some(self.started.map_or(now, |started| started + self.due(self.next)))
    }

    fn frame_rate(&self) -> u32 {
        let (pictures, seconds) = self.frames.rate();
        pictures.div_ceil(seconds.max(1)).clamp(1, 120)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests {
    use super::*;

    /// Three pictures of brightness 1, 2 and 3; fails where asked to.
    struct Three {
        at: u8,
        fails_at: u8,
    }

    impl Frames for Three {
        fn next(&mut self, frame: &mut I420Frame) -> Result<bool, String> {
            self.at += 1;
            if self.at == self.fails_at {
                return Err("damaged".to_owned());
            }
            frame.planes_mut()[0].fill(self.at);
            Ok(self.at <= 3)
        }

        fn rewind(&mut self) -> Result<(), String> {
            self.at = 0;
            Ok(())
        }

        fn rate(&self) -> (u32, u32) {
            (30_000, 1001)
        }
    }

    fn clip(fails_at: u8) -> Result<Clip<Three>, String> {
        Clip::new("three".to_owned(), Three { at: 0, fails_at }, I420Frame::black(2, 2).unwrap())
    }

    fn shown(clip: &mut Clip<Three>, now: Instant) -> Option<u8> {
        clip.picture(now).and_then(|view| view.rows(0).next()?.first().copied())
    }

    #[test]
    fn a_clip_plays_at_its_rate_and_again() {
        let start = Instant::now();
        let mut clip = clip(0).unwrap();
        assert_eq!(clip.next_due(start), Some(start));
        let pictures: Vec<u8> = (0..1000)
            .filter_map(|ms| shown(&mut clip, start + Duration::from_millis(ms)))
            .collect();
        assert_eq!(pictures.len(), 30);
        assert!(pictures.iter().zip([1, 2, 3].iter().cycle()).all(|(a, b)| a == b));
        assert_eq!(clip.frame_rate(), 30);
    }

    #[test]
    fn a_late_caller_skips_a_little_and_a_very_late_one_goes_on() {
        let start = Instant::now();
        let mut clip = clip(0).unwrap();
        assert_eq!(shown(&mut clip, start), Some(1));
        assert_eq!(shown(&mut clip, start + Duration::from_millis(101)), Some(1), "2, 3 skipped");
        let late = start + Duration::from_secs(100);
        assert_eq!(shown(&mut clip, late), Some(2));
        assert_eq!(shown(&mut clip, late), None);
        assert_eq!(shown(&mut clip, late + Duration::from_millis(34)), Some(3));
    }

    #[test]
    fn damage_ends_it() {
        assert!(clip(1).is_err());
        let start = Instant::now();
        let mut clip = clip(2).unwrap();
        assert_eq!(shown(&mut clip, start), Some(1));
        let later = start + Duration::from_millis(40);
        assert_eq!(shown(&mut clip, later), None);
        assert_eq!(clip.next_due(later), None);
    }
}
