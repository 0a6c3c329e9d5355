//! Feedback: send it again, send a key frame, send less (RFC 4585 §6, RFC 5104 §4.3.1).

use crate::{Seq, Ssrc};

/// Packets to send again (RFC 4585 §6.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nack {
    /// Who asks.
    pub sender: Ssrc,
    /// Whose packets.
    pub media: Ssrc,
    /// Their numbers.
    pub seqs: Vec<Seq>,
}

/// A picture was lost (RFC 4585 §6.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pli {
    /// Who asks.
    pub sender: Ssrc,
    /// Whose picture.
    pub media: Ssrc,
}

/// A key frame is needed (RFC 5104 §4.3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fir {
    /// Who asks.
    pub sender: Ssrc,
    /// Whose key frame, and the number of the command: one higher for a new one, the same for a repetition.
    pub entries: Vec<(Ssrc, u8)>,
}

/// The most the receiver believes it can get (draft-alvestrand-rmcat-remb).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remb {
    /// Who says so.
    pub sender: Ssrc,
    /// Bit per second, for all `media` together.
    pub bitrate: u64,
    /// Whose streams.
    pub media: Vec<Ssrc>,
}

/// Numbers the FIR commands to one source (RFC 5104 §4.3.1.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct FirSender {
    command: u8,
}

impl FirSender {
    /// The number of a new command.
    pub const fn new_command(&mut self) -> u8 {
        self.command = self.command.wrapping_add(1);
        self.command
    }

    /// The number of the last command, to repeat it.
    #[must_use]
    pub const fn repeat(&self) -> u8 {
        self.command
    }
}
