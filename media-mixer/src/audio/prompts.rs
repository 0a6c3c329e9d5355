//! The spoken prompts: short recordings, coded as they are kept.
//!
//! They are G.722 (16 kHz, one octet for two samples) because that is wideband speech in 8 kB a second, which can be
//! decoded from any tick on without a container. `scripts/prompts` makes them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use mixer_control::Prompt;

/// What is said for each [`Prompt`]; a clone is the same set.
#[derive(Clone, PartialEq, Eq)]
pub struct Prompts(Arc<[Bytes; Prompt::ALL.len()]>);

impl fmt::Debug for Prompts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets: usize = self.0.iter().map(Bytes::len).sum();
        f.debug_struct("Prompts").field("octets", &octets).finish()
    }
}

impl Default for Prompts {
    fn default() -> Self {
        Self::built_in()
    }
}

impl Prompts {
    /// Those that are part of the program, in English.
    pub fn built_in() -> Self {
        Self(Arc::new(Prompt::ALL.map(|prompt| Bytes::from_static(built_in(prompt)))))
    }

    /// With another recording for one prompt: raw G.722 of 64 kbit/s (RFC 3551 §4.5.2), without a header.
    #[must_use]
    pub fn with(self, prompt: Prompt, recording: Bytes) -> Self {
        let mut all = Arc::unwrap_or_clone(self.0);
        for (known, octets) in Prompt::ALL.iter().zip(&mut all) {
            if *known == prompt {
                octets.clone_from(&recording);
            }
        }
        Self(Arc::new(all))
    }

    /// The recording of a prompt.
    pub fn recording(&self, prompt: Prompt) -> Bytes {
        let at = Prompt::ALL.iter().position(|known| *known == prompt);
        at.and_then(|at| self.0.get(at)).cloned().unwrap_or_default()
    }

    /// The name of a prompt's file, without `.g722`.
    pub const fn file_name(prompt: Prompt) -> &'static str {
        match prompt {
            Prompt::EnterPin => "enter-pin",
            Prompt::WrongPin => "wrong-pin",
            Prompt::NotAdmittedYet => "not-admitted-yet",
            Prompt::Admitted => "admitted",
            Prompt::Muted => "muted",
            Prompt::Unmuted => "unmuted",
            Prompt::Locked => "locked",
            Prompt::Goodbye => "goodbye",
            Prompt::Alone => "alone",
        }
    }
}

fn built_in(prompt: Prompt) -> &'static [u8] {
    match prompt {
        Prompt::EnterPin => include_bytes!("../../prompts/enter-pin.g722"),
        Prompt::WrongPin => include_bytes!("../../prompts/wrong-pin.g722"),
        Prompt::NotAdmittedYet => include_bytes!("../../prompts/not-admitted-yet.g722"),
        Prompt::Admitted => include_bytes!("../../prompts/admitted.g722"),
        Prompt::Muted => include_bytes!("../../prompts/muted.g722"),
        Prompt::Unmuted => include_bytes!("../../prompts/unmuted.g722"),
        Prompt::Locked => include_bytes!("../../prompts/locked.g722"),
        Prompt::Goodbye => include_bytes!("../../prompts/goodbye.g722"),
        Prompt::Alone => include_bytes!("../../prompts/alone.g722"),
    }
}
