//! Where the others are heard.

use super::{DeviceError, FRAME};

/// A sink of sound: 48 kHz, mono, fed 20 ms at a time by the caller's clock.
pub trait Speaker: Send {
    /// Plays the next 20 ms. Never waits: what there is no room for is dropped.
    fn write(&mut self, frame: &[i16; FRAME]);

    /// Finishes what is being written and tells whether all of it went well. A speaker that is
    /// only dropped finishes too, but cannot tell.
    ///
    /// # Errors
    /// The file could not be written.
    fn finish(self: Box<Self>) -> Result<(), DeviceError> {
        Ok(())
    }
}
