//! What can be said to a member.

use crate::{MixerError, proto};

/// Something that is spoken to one leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prompt {
    /// The meeting wants a PIN, to be keyed in and ended with `#`.
    EnterPin,
    /// That was not the PIN.
    WrongPin,
    /// Somebody must let you in.
    NotAdmittedYet,
    /// You are in.
    Admitted,
    /// You have been muted.
    Muted,
    /// You have been unmuted.
    Unmuted,
    /// Nobody is let in any more.
    Locked,
    /// The meeting is over, for you at least.
    Goodbye,
    /// Nobody else is here yet.
    Alone,
}

impl Prompt {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::EnterPin,
        Self::WrongPin,
        Self::NotAdmittedYet,
        Self::Admitted,
        Self::Muted,
        Self::Unmuted,
        Self::Locked,
        Self::Goodbye,
        Self::Alone,
    ];
}

impl From<Prompt> for proto::Prompt {
    fn from(prompt: Prompt) -> Self {
        match prompt {
            Prompt::EnterPin => Self::EnterPin,
            Prompt::WrongPin => Self::WrongPin,
            Prompt::NotAdmittedYet => Self::NotAdmittedYet,
            Prompt::Admitted => Self::Admitted,
            Prompt::Muted => Self::Muted,
            Prompt::Unmuted => Self::Unmuted,
            Prompt::Locked => Self::Locked,
            Prompt::Goodbye => Self::Goodbye,
            Prompt::Alone => Self::Alone,
        }
    }
}

impl TryFrom<proto::Prompt> for Prompt {
    type Error = MixerError;

    /// One that this version does not know is [`MixerError::Invalid`].
    fn try_from(prompt: proto::Prompt) -> Result<Self, MixerError> {
        use proto::Prompt as Wire;
        Ok(match prompt {
            Wire::Unknown => return Err(MixerError::Invalid("unknown prompt".to_owned())),
            Wire::EnterPin => Self::EnterPin,
            Wire::WrongPin => Self::WrongPin,
            Wire::NotAdmittedYet => Self::NotAdmittedYet,
            Wire::Admitted => Self::Admitted,
            Wire::Muted => Self::Muted,
            Wire::Unmuted => Self::Unmuted,
            Wire::Locked => Self::Locked,
            Wire::Goodbye => Self::Goodbye,
            Wire::Alone => Self::Alone,
        })
    }
}

/// Reads a request to speak.
///
/// # Errors
/// [`MixerError::Invalid`] when a name is empty or a prompt is not known here.
pub fn play_request(
    request: proto::PlayRequest,
) -> Result<(crate::LegRef, Vec<Prompt>), MixerError> {
    let known = |number: &i32| proto::Prompt::try_from(*number).unwrap_or_default().try_into();
    let prompts = request.prompts.iter().map(known).collect::<Result<_, _>>()?;
    let leg = proto::LegRef { conference: request.conference, leg: request.leg };
    Ok((leg.try_into()?, prompts))
}
