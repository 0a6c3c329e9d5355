//! Where our picture comes from.

use std::time::Instant;

use media_codec::I420View;

/// A source of pictures.
pub trait Camera: Send {
    /// The picture that is due at `now`, if it is another one than last time. Never waits. Ask at
    /// [`next_due`](Self::next_due), or as often as you like.
    fn picture(&mut self, now: Instant) -> Option<I420View<'_>>;

    /// When to ask next; `None` if there will be no more pictures at all. Before the first picture
    /// this is `now`. A live camera, which keeps its own time, is asked again after 5 ms.
    fn next_due(&self, now: Instant) -> Option<Instant>;

    /// Expected pictures per second, for the rate control of the encoder.
    fn frame_rate(&self) -> u32;
}
