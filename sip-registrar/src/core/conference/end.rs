//! How long a conference lives, and how it ends: cancelled, or by itself when it is empty.

use std::time::Instant;

use sip_stack::endpoint::CallId;
use sip_stack::message::Reason;

use super::focus::Focus;
use super::name::ConferenceName;
use crate::core::history::{Person, Record, RecordKind};
use crate::core::registrar::Registrar;
use crate::core::store::StoreCommand;

/// Why a conference is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Somebody has cancelled it.
    Cancelled(Person),
    /// Nobody is in it any more, or nobody came.
    Empty,
}

impl Registrar {
    /// Something has changed that a conference's life depends on: ends it if it is over, else notes
    /// when to look again.
    pub(crate) fn revise(&mut self, now: Instant, name: &ConferenceName) {
        let Some(focus) = self.directory.get(name) else { return };
        if !focus.is_empty() {
            let due = focus
                .members()
                // Whose call is being ended is waited for no more.
                .filter(|(_, member)| member.farewell.is_none())
                .filter_map(|(_, member)| member.place.due())
                .chain(focus.path.due)
                .min();
            self.directory.set_due(name, due);
            return;
        }
        if let Some(ending) = focus.ending.clone() {
            self.close(now, name, &ending);
            return;
        }
        // What was planned is there again after the restart.
        if self.stopping && focus.meeting().lasting {
            return;
        }
        let end = self.end_of(focus);
        if end <= now {
            self.close(now, name, &Ending::Empty);
        } else {
            self.directory.set_due(name, Some(end));
        }
    }

    /// When an empty conference ends if nobody comes.
    fn end_of(&self, focus: &Focus) -> Instant {
        let (meeting, settings) = (focus.meeting(), &self.settings);
        let alone = match (focus.used, meeting.lasting, meeting.schedule) {
            // Whoever dialled it was refused, or gave up.
            (false, false, _) => return focus.empty_since,
            (false, true, None) => settings.unused,
            (true, ..) | (false, true, Some(_)) => settings.empty_grace,
        };
        let planned = meeting.schedule.map(|schedule| match schedule.end {
            Some(end) => end,
            // Nobody said when it ends: when all have left.
            None if focus.used => schedule.start,
            None => schedule.start + settings.unused,
        });
        let planned = planned.map(|end| self.clock.instant(end));
        let alone = focus.empty_since + alone;
        planned.map_or(alone, |planned| planned.max(alone))
    }

    /// Does what is due of conferences.
    pub(crate) fn on_conferences_due(&mut self, now: Instant) {
        while let Some((at, name)) = self.directory.next_due()
            && at <= now
        {
            let name = name.clone();
            self.directory.set_due(&name, None);
            self.end_patience(now, &name);
            self.consider_path(now, &name);
            self.revise(now, &name);
        }
    }

    /// Ends a conference for all, now. It is gone when the last one is, which is before the next
    /// message is read.
    pub(crate) fn cancel(&mut self, now: Instant, name: &ConferenceName, by: Person) {
        self.hang_up_all(now, name, Ending::Cancelled(by));
        self.revise(now, name);
    }

    /// Ends the calls of all. Nobody comes in any more; the conference is closed when it is revised and
    /// empty.
    pub(super) fn hang_up_all(&mut self, now: Instant, name: &ConferenceName, ending: Ending) {
        let Some(focus) = self.directory.get_mut(name) else { return };
        let reason = match &ending {
            Ending::Cancelled(by) => {
                Reason::sip(410, &format!("the conference was cancelled by {}", by.name))
            }
            Ending::Empty => Reason::sip(200, "the conference is over"),
        };
        focus.ending = Some(ending);
        let calls: Vec<CallId> = focus.calls().collect();
        for call in calls {
            self.end_call(now, call, reason.clone());
        }
    }

    fn close(&mut self, now: Instant, name: &ConferenceName, ending: &Ending) {
        let Some(focus) = self.directory.close(name) else { return };
        let (at, lasting) = (self.clock.unix(now), focus.meeting().lasting);
        match ending {
            Ending::Cancelled(by) => {
                self.record(Record::new(at, &focus, RecordKind::Cancelled).by(by.clone()));
                let until = at + self.settings.gone;
                let organizer = Some(focus.meeting().organizer.clone());
                self.gone.add(name.clone(), until, organizer);
                self.store(StoreCommand::MeetingGone { name: name.clone(), until });
            }
            Ending::Empty => {
                // A name that was only tried, without anybody coming in, is no meeting.
                if focus.used || lasting {
                    self.record(Record::new(at, &focus, RecordKind::Ended));
                }
                if lasting {
                    self.store(StoreCommand::MeetingOver(name.clone()));
                }
            }
        }
        self.conference_changed(name);
        let why = match ending {
            Ending::Cancelled(by) => format!("cancelled by {}", by.name),
            Ending::Empty => "nobody is in it".to_owned(),
        };
        tracing::info!(conference = %name, why, "conference ended");
    }
}
