//! Where the others are seen.

use super::picture::Scene;

/// What the person at the window did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowEvent {
    /// Key `m`: microphone off or on.
    ToggleMicrophone,
    /// Key `v`: camera off or on.
    ToggleCamera,
    /// Key `?`: help shown or hidden.
    ToggleHelp,
    /// A key of a telephone, `0` to `9`, `*`, `#`: sent to the other side (RFC 4733).
    Telephone(char),
    /// A line was typed into the chat: something to say, or a command after a slash.
    Line(String),
    /// Key `q` or Escape, or the window was closed: leave the call.
    Quit,
}

/// A window. It belongs to the main thread (minifb's is not `Send`); everything else may run on
/// other threads and hand [`Scene`]s over.
pub trait Display {
    /// Shows the scene and returns what was done since the last call. Call it about 30 times a
    /// second even if nothing changed, since it also serves the window system. Never waits.
    fn show(&mut self, scene: &Scene) -> Vec<WindowEvent>;
}
