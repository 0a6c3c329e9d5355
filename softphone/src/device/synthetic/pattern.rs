//! A test picture: the participant's name and a running clock on the participant's colour, and
//! something that clearly moves. Colour is the same all over the picture and follows from the
//! name, so that a test can tell who is in a tile by the mean of two planes.

use std::time::{Duration, Instant};

use media_codec::{CodecError, I420Frame, I420View};

use crate::device::picture::Fonts;
use crate::device::{Camera, CameraSettings};

/// Distance of U and V from grey: the smallest, and how many there are from there on.
const PALEST: f64 = 30.0;
const SATURATIONS: u64 = 43;
const BRIGHT: u8 = 225;
const DARK: u8 = 40;

/// The mean of the U and of the V plane of the pattern for a name (ITU-R BT.601, video range).
#[must_use]
pub fn name_colour(name: &str) -> (u8, u8) {
    // FNV-1a with the finish of SplitMix64: any hash will do, but it has to be the same in all
    // programs and versions. It starts where common names get colours far apart.
    let mut hash = name.bytes().fold(0xcbf2_9ce4_8422_2347_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let turn = (hash >> 40) as f64 / f64::from(1 << 24) * std::f64::consts::TAU;
    let saturation = PALEST + (hash % SATURATIONS) as f64;
    let shade = |part: f64| (128.0 + saturation * part).round() as u8;
    (shade(turn.cos()), shade(turn.sin()))
}

/// The moving test picture.
#[derive(Debug)]
pub struct TestPattern {
    name: String,
    frame: I420Frame,
    background: Vec<u8>,
    fonts: Fonts,
    frame_rate: u32,
    started: Option<Instant>,
    /// Pictures that should have been made before the next one.
    next: u64,
}

impl TestPattern {
    /// Makes the picture for `settings.name`; the clock starts with the first picture.
    ///
    /// # Errors
    /// [`CodecError::Picture`] for an impossible size.
    pub fn new(settings: &CameraSettings) -> Result<Self, CodecError> {
        let mut frame = I420Frame::black(settings.width, settings.height)?;
        let (width, height) = (settings.width as usize, settings.height as usize);
        let (u, v) = name_colour(&settings.name);
        let [y_plane, u_plane, v_plane] = frame.planes_mut();
        u_plane.fill(u);
        v_plane.fill(v);
        for (row, line) in y_plane.chunks_mut(width).enumerate() {
            line.fill((70 + 60 * row / height) as u8);
        }
        let mut this = Self {
            name: settings.name.clone(),
            background: y_plane.to_vec(),
            frame,
            fonts: Fonts::default(),
            frame_rate: settings.frame_rate.clamp(1, 120),
            started: None,
            next: 0,
        };
        this.write_name();
        Ok(this)
    }

    /// The name never moves: it belongs to the background.
    fn write_name(&mut self) {
        let (width, height) = (self.frame.width(), self.frame.height());
        let size = (height / 6).clamp(8, 200) as u16;
        let text = self.fonts.fit(&self.name, size, width as f32 * 0.9);
        let left = (width as f32 - self.fonts.width(&text, size)) / 2.0;
        let at = (left as i32, (height * 9 / 20) as i32);
        let plane = &mut self.background;
        self.fonts.draw(&text, size, at, plotter(plane, width, height));
    }

    fn draw(&mut self, elapsed: Duration) {
        let (width, height) = (self.frame.width(), self.frame.height());
        let [plane, _, _] = self.frame.planes_mut();
        plane.copy_from_slice(&self.background);

        let seconds = elapsed.as_secs();
        let tenths = elapsed.subsec_millis() / 100;
        let clock = format!("{:02}:{:02}.{tenths}", seconds / 60, seconds % 60);
        let size = (height / 8).clamp(8, 150) as u16;
        let left = (width as f32 - self.fonts.width("00:00.0", size)) / 2.0;
        let at = (left as i32, (height * 7 / 10) as i32);
        self.fonts.draw(&clock, size, at, plotter(plane, width, height));

        // A ball goes round in four seconds: no two pictures are alike, and a freeze is seen.
        let angle = elapsed.as_secs_f64() % 4.0 / 4.0 * std::f64::consts::TAU;
        let radius = f64::from(height) / 14.0;
        let x = f64::from(width) * (0.5 + 0.42 * angle.sin());
        let y = f64::from(height) * (0.5 - 0.40 * angle.cos());
        disc(plane, width, (x, y), radius, BRIGHT);
        disc(plane, width, (x, y), radius * 0.55, DARK);

        // A bar below fills once a second.
        let done = f64::from(width) * f64::from(elapsed.subsec_millis()) / 1000.0;
        let high = (height / 40).max(1) as usize;
        for line in plane.chunks_mut(width as usize).rev().take(high) {
            for (column, pixel) in line.iter_mut().enumerate() {
                *pixel = if (column as f64) < done { BRIGHT } else { DARK };
            }
        }
    }

    fn due(&self, number: u64) -> Duration {
        Duration::from_nanos(number.saturating_mul(1_000_000_000) / u64::from(self.frame_rate))
    }
}

/// Draws bright text into a plane of brightness.
fn plotter(plane: &mut [u8], width: u32, height: u32) -> impl FnMut(i32, i32, u8) {
    move |x, y, coverage| {
        if (0..width as i32).contains(&x)
            && (0..height as i32).contains(&y)
            && let Some(pixel) = plane.get_mut(y as usize * width as usize + x as usize)
        {
            let (under, share) = (i32::from(*pixel), i32::from(coverage));
            *pixel = (under + (i32::from(BRIGHT) - under) * share / 255) as u8;
        }
    }
}

fn disc(plane: &mut [u8], width: u32, middle: (f64, f64), radius: f64, level: u8) {
    for (row, line) in plane.chunks_mut(width as usize).enumerate() {
        let off = row as f64 - middle.1;
        if off.abs() > radius {
            continue;
        }
        let half = (radius * radius - off * off).sqrt();
        let edge = |x: f64| x.clamp(0.0, f64::from(width)) as usize;
        if let Some(span) = line.get_mut(edge(middle.0 - half)..edge(middle.0 + half)) {
            span.fill(level);
        }
    }
}

impl Camera for TestPattern {
    fn picture(&mut self, now: Instant) -> Option<I420View<'_>> {
        let started = *self.started.get_or_insert(now);
        let elapsed = now.saturating_duration_since(started);
        if elapsed < self.due(self.next) {
            return None;
        }
        // Pictures nobody asked for in time are left out.
        let number = elapsed.as_nanos() * u128::from(self.frame_rate) / 1_000_000_000;
        self.next = u64::try_from(number).unwrap_or(u64::MAX - 1) + 1;
        self.draw(elapsed);
        Some(self.frame.view())
    }

    fn next_due(&self, now: Instant) -> Option<Instant> {
        Some(self.started.map_or(now, |started| started + self.due(self.next)))
    }

    fn frame_rate(&self) -> u32 {
        self.frame_rate
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
mod tests {
    use super::*;

    fn settings(name: &str) -> CameraSettings {
        CameraSettings { name: name.to_owned(), ..CameraSettings::default() }
    }

    #[test]
    fn names_have_different_colours_and_the_picture_has_them() {
        let names = ["Alice", "Bob", "Carol", "Dave", "Zoé", "one", "two", "three"];
        for (n, a) in names.iter().enumerate() {
            for b in &names[..n] {
                let ((au, av), (bu, bv)) = (name_colour(a), name_colour(b));
                let apart = au.abs_diff(bu).max(av.abs_diff(bv));
                assert!(apart > 5, "{a} and {b} are {apart} apart");
            }
        }
        let now = Instant::now();
        let mut pattern = TestPattern::new(&settings("Alice")).unwrap();
        let view = pattern.picture(now).unwrap();
        let (u, v) = name_colour("Alice");
        assert!(view.rows(1).flatten().all(|value| *value == u));
        assert!(view.rows(2).flatten().all(|value| *value == v));
    }

    #[test]
    fn every_picture_differs_clearly_from_the_one_before() {
        let now = Instant::now();
        let mut pattern = TestPattern::new(&settings("Alice")).unwrap();
        let mut before = pattern.picture(now).unwrap().to_frame();
        for n in 1..100 {
            let picture = pattern.picture(now + Duration::from_millis(40 * n)).unwrap().to_frame();
            let changed = picture
                .view()
                .rows(0)
                .flatten()
                .zip(before.view().rows(0).flatten())
                .filter(|(a, b)| a.abs_diff(**b) > 50)
                .count();
            assert!(changed > 100, "picture {n}: {changed} pixels");
            before = picture;
        }
    }

    #[test]
    fn pictures_come_at_their_rate_whatever_the_caller_does() {
        let start = Instant::now();
        let mut pattern = TestPattern::new(&settings("A")).unwrap();
        assert_eq!(pattern.next_due(start), Some(start));
        // Asked every millisecond for two seconds.
        let made = (0..2000)
            .filter(|ms| pattern.picture(start + Duration::from_millis(*ms)).is_some())
            .count();
        assert_eq!(made, 50);
        // Not asked for a minute: one picture, not a thousand.
        let late = start + Duration::from_secs(60);
        assert!(pattern.picture(late).is_some());
        assert!(pattern.picture(late).is_none());
        assert_eq!(pattern.next_due(late), Some(late + Duration::from_millis(40)));
    }

    #[test]
    fn tiny_pictures_work() {
        for (width, height) in [(1, 1), (3, 200), (200, 3)] {
            let settings = CameraSettings { width, height, ..settings("Alice") };
            let mut pattern = TestPattern::new(&settings).unwrap();
            assert!(pattern.picture(Instant::now()).is_some());
        }
        assert!(TestPattern::new(&CameraSettings { width: 0, ..settings("A") }).is_err());
    }
}
