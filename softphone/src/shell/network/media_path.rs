//! Which way our media go, told to whoever sits here: in the status line, as a notice when it changes, in the report.

use super::Running;

impl Running {
    /// The way in words: `direct to ADDRESS`, or `through the mixer`; nothing for calls that are no conference.
    pub(super) fn media_path(&self) -> Option<String> {
        let media = self.media.as_ref()?;
        if !self.phone.peer_is_focus() {
            return None;
        }
        Some(match (self.phone.direct(), media.voice_goes_to()) {
            (Some(_), Some(to)) => format!("direct to {to}"),
            (Some(_), None) => "direct".to_owned(),
            (None, _) => "through the mixer".to_owned(),
        })
    }

    /// Something was agreed: notes whether the way is another one now.
    pub(super) fn note_media_path(&mut self) {
        let way = match (self.phone.peer_is_focus(), self.phone.direct()) {
            (false, _) => return,
            (true, Some(_)) => "direct",
            (true, None) => "mixer",
        };
        let call = &mut self.report.call;
        let before = call.media_path.replace(way.to_owned());
        if before.as_deref() == Some(way) {
            return;
        }
        if before.is_some() {
            call.media_switches += 1;
        }
        match (way, before.is_some()) {
            ("direct", _) => self.talk.notice("sound and pictures go directly between you two now"),
            (_, true) => self.talk.notice("sound and pictures go through the mixer now"),
            _ => {}
        }
    }

    /// Where media went while they went directly, for the report.
    pub(super) fn note_direct_address(&mut self) {
        let to = self.media.as_ref().and_then(|media| media.voice_goes_to());
        if let (Some(_), Some(to)) = (self.phone.direct(), to) {
            self.report.call.direct_to = Some(to.to_string());
        }
    }
}
