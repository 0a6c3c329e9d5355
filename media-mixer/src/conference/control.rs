//! What the focus decides about a leg: who is muted, who waits in the lobby.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use mixer_control::{MixerError, Prompt};

use super::Conference;
use crate::audio::prompter::Prompter;
use crate::leg::LegId;

/// Prompts of one request: nobody listens to more.
const MAX_PROMPTS: usize = 16;

impl Conference {
    /// How a leg is to be from now on. Asking for what is so already changes nothing.
    ///
    /// Nobody hears a muted leg, and it never is the active speaker; the others are told so by its level (RFC 6465: 127).
    /// A leg in the lobby hears prompts only; nobody hears or sees it or is told its name, and it sees and is told nobody.
    ///
    /// # Errors
    /// [`MixerError::NotFound`].
    pub fn control(
        &mut self,
        now: Instant,
        leg: &str,
        muted: bool,
        lobby: bool,
    ) -> Result<(), MixerError> {
        let (id, state) = self.find(leg)?;
        let moved = state.lobby != lobby;
        if lobby && moved {
            self.tell_left(now, id);
        }
        let Some(state) = self.legs.get_mut(&id) else { return Err(MixerError::NotFound) };
        if state.is_heard() && (muted || lobby) {
            // Somebody else may have the floor at once.
            self.mixer.remove(id);
        }
        state.muted = muted;
        state.lobby = lobby;
        if moved {
            self.move_between_rooms(now, id);
        }
        Ok(())
    }

    /// Sends a leg nothing from now on, neither media nor reports, or goes on with it. What comes from it counts as before,
    /// and its ports stay open. It watches nobody meanwhile, and is shown somebody afterwards from the next key frame on.
    ///
    /// # Errors
    /// [`MixerError::NotFound`].
    pub fn park(&mut self, now: Instant, leg: &str, parked: bool) -> Result<(), MixerError> {
        let (id, _) = self.find(leg)?;
        let state = self.legs.get_mut(&id).ok_or(MixerError::NotFound)?;
        for (_, line) in state.live_mut() {
            line.transport.park(parked);
        }
        self.video.arrange(now, None, &mut self.legs, &mut self.out);
        Ok(())
    }

    /// Speaks to one leg, which nobody else hears, instead of what is being spoken to it; without prompts it falls
    /// silent. While the leg's sound is on hold, what is to be said waits.
    ///
    /// # Errors
    /// [`MixerError::NotFound`]; [`MixerError::Invalid`] for more than sixteen of them.
    pub fn play(&mut self, leg: &str, prompts: &[Prompt]) -> Result<(), MixerError> {
        let (id, _) = self.find(leg)?;
        if prompts.len() > MAX_PROMPTS {
            return Err(MixerError::Invalid(format!("more than {MAX_PROMPTS} prompts at once")));
        }
        let recordings: VecDeque<Bytes> =
            prompts.iter().map(|prompt| self.settings.prompts.recording(*prompt)).collect();
        let state = self.legs.get_mut(&id).ok_or(MixerError::NotFound)?;
        match &mut state.prompter {
            Some(prompter) => prompter.instead(recordings),
            None if recordings.is_empty() => {}
            None => {
                let made = Prompter::new(recordings);
                let made = made.map_err(|error| MixerError::Unavailable(error.to_string()))?;
                state.prompter = Some(Box::new(made));
            }
        }
        Ok(())
    }

    /// After a leg went into the lobby or came out of it: names and pictures, both ways.
    fn move_between_rooms(&mut self, now: Instant, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if leg.lobby {
            self.video.remove(id);
            for (_, line) in leg.live_mut() {
                line.transport.session_mut().set_contributors(now, Vec::new());
            }
        }
        self.names_changed = true;
        self.video.arrange(now, None, &mut self.legs, &mut self.out);
    }
}
