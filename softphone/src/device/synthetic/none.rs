//! Devices for those who have none.

use std::time::Instant;

use media_codec::I420View;

use crate::device::{Camera, FRAME, Microphone, Speaker};

/// Silence.
#[derive(Debug, Default)]
pub struct NoMicrophone;

impl Microphone for NoMicrophone {
    fn read(&mut self, frame: &mut [i16; FRAME]) {
        frame.fill(0);
    }

    fn finished(&self) -> bool {
        true
    }
}

/// Plays nothing.
#[derive(Debug, Default)]
pub struct NoSpeaker;

impl Speaker for NoSpeaker {
    fn write(&mut self, _frame: &[i16; FRAME]) {}
}

/// Never has a picture.
#[derive(Debug, Default)]
pub struct NoCamera;

impl Camera for NoCamera {
    fn picture(&mut self, _now: Instant) -> Option<I420View<'_>> {
        None
    }

    fn next_due(&self, _now: Instant) -> Option<Instant> {
        None
    }

    fn frame_rate(&self) -> u32 {
        1
    }
}
