//! Where our voice comes from.

use super::FRAME;

/// A source of sound: 48 kHz, mono, pulled 20 ms at a time by the caller's clock.
pub trait Microphone: Send {
    /// Fills `frame` with the next 20 ms. Never waits: what is not there is silence.
    fn read(&mut self, frame: &mut [i16; FRAME]);

    /// Nothing but silence will come any more, for instance because a file was played once.
    fn finished(&self) -> bool {
        false
    }
}
