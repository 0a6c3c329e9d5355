//! The document of a conference as conference control tells it (RFC 6501).

use conference_info::ccmp::{Conference, Planned, Target};
use conference_info::{ConfUri, ConferenceInfo, User, Users};
use sip_stack::message::Uri;

use super::user_of;
use crate::core::conference::{Actor, Focus, Organizer};
use crate::core::registrar::Registrar;

impl Registrar {
    /// A conference as `viewer` may see it.
    pub(super) fn conference_document(&self, focus: &Focus, viewer: &Actor) -> Conference {
        let meeting = focus.meeting();
        let home = self.home(None);
        let mut info = self.roster_for(&self.roster(focus, None), focus, viewer, &home);
        info.entity = self.xcon_uri(&meeting.name);
        info.version = Some(focus.revision);
        let people = info.users.take().map(|users| users.list).unwrap_or_default();
        // Who may not see the roster is told of the organizer only.
        let people = if focus.may_watch(viewer) { people } else { Vec::new() };
        let mut people: Vec<User> = people.into_iter().map(|user| self.as_xcon(user)).collect();
        if let Organizer::Account(user) = &meeting.organizer {
            let entity = self.other_scheme("xcon-userid", user);
            if !people.iter().any(|known| known.entity == entity) {
                people.push(User {
                    entity,
                    associated_aors: vec![self.address_of(user, &home)],
                    roles: vec!["organizer".to_owned()],
                    ..User::default()
                });
            }
        }
        info.users = Some(Users { list: people, ..Users::default() });
        let invited = meeting.invited.iter().map(|user| Target {
            uri: self.address_of(user, &home).uri,
            method: "dial-in".to_owned(),
        });
        Conference {
            info,
            planned: meeting
                .schedule
                .map(|schedule| Planned { start: schedule.start, end: schedule.end }),
            allowed: if focus.may_watch(viewer) { invited.collect() } else { Vec::new() },
            password: None,
        }
    }

    /// The people of a conference as `viewer` may see them, under their XCON names.
    pub(super) fn people(&self, focus: &Focus, viewer: &Actor) -> Vec<User> {
        let info: ConferenceInfo =
            self.roster_for(&self.roster(focus, None), focus, viewer, &self.home(None));
        let people = info.users.map(|users| users.list).unwrap_or_default();
        people.into_iter().map(|user| self.as_xcon(user)).collect()
    }

    fn as_xcon(&self, user: User) -> User {
        let name = user_of(&user.entity).unwrap_or_default();
        let address = ConfUri { uri: user.entity.clone(), ..ConfUri::default() };
        User {
            entity: self.other_scheme("xcon-userid", &name),
            associated_aors: vec![address],
            ..user
        }
    }

    fn address_of(&self, user: &str, home: &Uri) -> ConfUri {
        let uri = Uri::sip(Some(user), home.host.clone(), home.port).to_string();
        ConfUri { uri, ..ConfUri::default() }
    }
}
