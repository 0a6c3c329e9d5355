//! What is typed, at the terminal and at the window, and what is dialled.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use softphone::core::typed::{self, Typed};
use softphone::device::WindowEvent;

use super::Running;
use crate::shell::cli::Answer;
use crate::shell::talk::Asked;

/// So long after the answer keys are pressed: by then the far end takes our packets for ours.
const MEDIA_IS_THERE: Duration = Duration::from_millis(800);
/// How long a key and the pause after it take.
const KEY: Duration = Duration::from_millis(200);
/// Lines that may be typed before they can be said.
const MOST_EARLY: usize = 100;

/// How long after the answer all keys are pressed and heard.
pub(super) fn dialling(keys: Option<&str>) -> Duration {
    let Some(keys) = keys else { return Duration::ZERO };
    let each = KEY * u32::try_from(keys.chars().count()).unwrap_or(0);
    MEDIA_IS_THERE + each + Duration::from_secs(1)
}

impl Running {
    pub(super) fn key(&mut self, now: Instant, key: WindowEvent) {
        match key {
            WindowEvent::ToggleMicrophone => {
                self.audio_state.muted.fetch_xor(true, Ordering::Relaxed);
            }
            WindowEvent::ToggleCamera if self.has_camera => {
                let on = !self.camera_state.on.fetch_xor(true, Ordering::Relaxed);
                self.phone.set_camera(now, on);
            }
            WindowEvent::ToggleCamera => {}
            WindowEvent::ToggleHelp => self.view.toggle_help(),
            WindowEvent::Telephone(key) => {
                let sent = self.media.as_mut().is_some_and(|media| media.press(key));
                tracing::debug!(sent, "key");
            }
            WindowEvent::Line(line) => self.typed(now, &line),
            WindowEvent::Quit => self.phone.leave(now),
        }
        self.refresh_at = now;
    }

    /// Somebody calls, while we wait for that.
    pub(super) fn called(&mut self, now: Instant, by: &str, focus: bool) {
        let what = if focus { "the conference" } else { "" };
        self.talk.notice(format!("{what} {by} calls").trim_start());
        match self.answer {
            Some(Answer::Conferences) if focus => self.phone.accept(now),
            _ => self.talk.notice("answer? (y/n)"),
        }
    }

    pub(super) fn typed(&mut self, now: Instant, line: &str) {
        if self.phone.is_ringing() {
            match line.trim() {
                "" | "y" | "Y" => self.phone.accept(now),
                _ => self.phone.decline(now),
            }
            return;
        }
        if self.ready_at().is_none_or(|at| now < at) && self.early.len() < MOST_EARLY {
            match typed::read(line) {
                Typed::Leave => self.phone.leave(now),
                Typed::Help => drop(self.talk.typed(now, &mut self.phone, line)),
                _ => self.early.push(line.to_owned()),
            }
            return;
        }
        match self.talk.typed(now, &mut self.phone, line) {
            Asked::Nothing => {}
            Asked::Dial(keys) => self.dial(&keys),
            Asked::Leave => self.phone.leave(now),
        }
    }

    /// Presses keys of a telephone; what is no key was refused before.
    fn dial(&mut self, keys: &str) {
        let Some(media) = &mut self.media else { return };
        if !keys.chars().all(|key| media.press(key)) {
            self.talk.notice("the keys could not all be sent");
        }
    }

    /// From when on what is typed can be said: the call is answered, and the PIN dialled.
    fn ready_at(&self) -> Option<Instant> {
        Some(self.answered? + self.dialling)
    }

    /// What is said and dialled by itself once the call is answered.
    pub(super) fn talk(&mut self, now: Instant) {
        let Some(answered) = self.answered.filter(|_| self.ended.is_none()) else { return };
        let since = now.saturating_duration_since(answered);
        self.talk.pass(now, since, &mut self.phone);
        if since >= MEDIA_IS_THERE
            && let Some(keys) = self.keys.take()
        {
            self.dial(&keys);
        }
        if self.ready_at().is_some_and(|at| at <= now) {
            for line in std::mem::take(&mut self.early) {
                self.typed(now, &line);
            }
        }
        if self.early.is_empty() && self.until_lines_end && self.lines_over && self.talk.is_quiet()
        {
            self.phone.leave(now);
        }
    }
}
