//! When the way of the media changes: after whatever happens in a conference, and when time has passed.

use std::time::Instant;

use sip_stack::endpoint::CallId;

use super::{AGAIN, Direct, PROBE, PathState, Return, same};
use crate::core::conference::ConferenceName;
use crate::core::history::{Record, RecordKind};
use crate::core::registrar::{Registrar, Role};

impl Registrar {
    /// Something has happened in a conference, or is due: looks which way its media are to go.
    pub(crate) fn consider_path(&mut self, now: Instant, name: &ConferenceName) {
        let Some(focus) = self.directory.look_mut(name) else { return };
        let verdict = focus.direct_pair();
        focus.path.note_pair(now, verdict.ok());
        let due = focus.path.due.take();
        match (&mut focus.path.state, verdict) {
            (PathState::Mixed, Ok(pair)) => self.consider_direct(now, name, pair),
            (PathState::Mixed, Err(why)) => {
                focus.path.unsettled = focus.path.unsettled || focus.present() > 2;
                focus.path.why = why;
            }
            (PathState::Asking { pair, aborted }, verdict) => {
                *aborted |= !verdict.is_ok_and(|now| same(now, *pair));
            }
            (PathState::Offering { pair, until, aborted, .. }, verdict) => {
                *aborted |= !verdict.is_ok_and(|now| same(now, *pair));
                if *until <= now {
                    self.second_is_silent(now, name);
                } else {
                    focus.path.due = Some(*until);
                }
            }
            (PathState::Direct(direct), Ok(pair)) if same(pair, direct.pair) => {
                self.check_evidence(now, name);
            }
            (PathState::Direct(_), verdict) => {
                let why = verdict.err().unwrap_or("somebody else is there");
                self.leave_direct(now, name, why);
            }
            (PathState::Returning, _) => self.go_on_returning(now, name),
        }
        // This is asked after every message: what else depends on it is not looked at for nothing.
        if self.directory.get(name).is_some_and(|focus| focus.path.due != due) {
            self.revise(now, name);
        }
    }

    /// Two could talk directly: begins once it is quiet.
    fn consider_direct(&mut self, now: Instant, name: &ConferenceName, pair: [CallId; 2]) {
        let Some(focus) = self.directory.look_mut(name) else { return };
        let settings = &self.settings;
        let unsettled = focus.path.unsettled;
        let quiet = if unsettled { settings.direct_again } else { settings.direct_after };
        let since = focus.path.pair.map_or(now, |(_, since)| since);
        let at = (since + quiet).max(focus.path.not_before);
        if at > now {
            focus.path.why = "two have not been alone for long enough";
            focus.path.due = Some(at);
            return;
        }
        match focus.may_begin(pair) {
            Err(why) => focus.path.why = why,
            Ok(()) if !self.mixer.is_up() => focus.path.due = Some(now + AGAIN),
            Ok(()) => self.ask_first(now, name, pair),
        }
    }

    /// Media are known to flow directly, or must be by now.
    pub(super) fn check_evidence(&mut self, now: Instant, name: &ConferenceName) {
        let Some(focus) = self.directory.look_mut(name) else { return };
        let PathState::Direct(direct) = &mut focus.path.state else { return };
        if direct.confirmed {
            let pair = direct.pair;
            let due = direct.until <= now;
            if due {
                direct.until = now + PROBE;
            }
            let until = direct.until;
            focus.path.due = Some(until);
            // Nobody else would notice when both are gone at once: the mixer does not hear of them.
            for call in pair.into_iter().filter(|_| due) {
                self.probe(now, call);
            }
            return;
        }
        let PathState::Direct(direct) = &focus.path.state else { return };
        let reports = direct.pair.map(|call| focus.member(call).is_some_and(|m| m.reports));
        if direct.is_evident(reports) {
            self.confirm_direct(now, name);
        } else if direct.until <= now {
            self.direct_failed(now, name, "media did not arrive on the direct way");
        } else {
            focus.path.due = Some(direct.until);
        }
    }

    /// The direct way does not work, or not any more.
    pub(super) fn direct_failed(&mut self, now: Instant, name: &ConferenceName, why: &'static str) {
        self.note_failure(name, why);
        self.leave_direct(now, name, why);
    }

    /// The direct way was refused, or does not work, with the two it is about now.
    pub(super) fn note_failure(&mut self, name: &ConferenceName, why: &'static str) {
        let Some(focus) = self.directory.look_mut(name) else { return };
        let Some(pair) = focus.path.state.pair() else { return };
        focus.path.failed(pair);
        focus.path.why = why;
        self.counters.direct_failures += 1;
        tracing::info!(conference = %name, why, "the direct way does not work");
    }

    /// Media go directly now, or through the mixer: tells and notes it.
    pub(super) fn note_path(&mut self, now: Instant, name: &ConferenceName, why: &'static str) {
        let Some(focus) = self.directory.look_mut(name) else { return };
        focus.path.why = why;
        let mode = focus.path.as_str();
        let record = Record::new(self.clock.unix(now), focus, RecordKind::Mode);
        self.record(record.detail(format!("{mode}: {why}")));
        tracing::info!(conference = %name, mode, why, "media path");
        self.conference_changed(name);
    }

    /// The conference of a member, and which of two it is there.
    pub(in crate::core::conference) fn conference_of(
        &self,
        call: CallId,
    ) -> Option<ConferenceName> {
        match self.roles.get(&call)? {
            Role::Member(name) => Some(name.clone()),
            _ => None,
        }
    }

    /// A member is gone in the middle of it.
    pub(crate) fn path_member_gone(&mut self, now: Instant, name: &ConferenceName, gone: CallId) {
        let Some(focus) = self.directory.look_mut(name) else { return };
        let Some(pair) = focus.path.state.pair().filter(|pair| pair.contains(&gone)) else {
            return;
        };
        let other = if pair[0] == gone { pair[1] } else { pair[0] };
        let first = pair[0] == gone;
        match std::mem::replace(&mut focus.path.state, PathState::Returning) {
            PathState::Asking { .. } if first => focus.path.state = PathState::Mixed,
            // Its offer is still to come, and must be answered.
            PathState::Asking { pair, .. } => {
                focus.path.state = PathState::Asking { pair, aborted: true };
            }
            PathState::Offering { offer, .. } if !first => self.owe(now, other, *offer),
            PathState::Offering { .. } => self.set_return(other, Return::Settling),
            PathState::Direct(direct) => self.one_is_left(now, name, direct, other),
            PathState::Mixed | PathState::Returning => {}
        }
        self.conference_changed(name);
    }

    fn one_is_left(&mut self, now: Instant, name: &ConferenceName, direct: Direct, other: CallId) {
        match direct.change {
            // Its own offer waits for whoever has left.
            Some(change) if change.from == other => {
                let _ = self.endpoint.reject_reinvite(now, other, 491, "", &[]);
                self.begin_return(now, other);
            }
            Some(_) => self.set_return(other, Return::Settling),
            None => self.begin_return(now, other),
        }
        if let Some(focus) = self.directory.look_mut(name) {
            focus.path.unsettled = true;
        }
        self.counters.to_mixed += 1;
        self.note_path(now, name, "the other has left");
    }
}

impl super::MediaPath {
    /// Remembers since when these two could talk directly.
    fn note_pair(&mut self, now: Instant, pair: Option<[CallId; 2]>) {
        if self.pair.map(|(pair, _)| pair) != pair {
            self.pair = pair.map(|pair| (pair, now));
        }
    }
}
