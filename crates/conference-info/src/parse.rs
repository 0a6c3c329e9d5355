//! Reading of a conference document. What is not known is skipped, what cannot be read is taken as not
//! there: a roster with a gap is worth more than none.

use std::collections::BTreeSet;

use roxmltree::Node;

use super::document::{
    AvailableMedium, CallInfo, ConfUri, ConferenceInfo, ConferenceState, Description,
    DisconnectionMethod, Endpoint, EndpointStatus, Execution, Host, JoiningMethod, Medium,
    MediumStatus, State, User, Users,
};
use super::when;
use super::xml::{self, DocumentError, boolean, child, children, text, value};

impl ConferenceInfo {
    /// Reads a document.
    ///
    /// # Errors
    /// It is no XML, too long, or no conference document with an entity.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let document = xml::tree(bytes)?;
        let root = xml::root(&document, "conference-info")
            .ok_or(DocumentError::Unexpected("no conference-info"))?;
        let info = ConferenceInfo::of(root);
        if info.entity.is_empty() {
            return Err(DocumentError::Unexpected("a conference without entity"));
        }
        Ok(info)
    }

    /// What an element of the type `conference-type` says.
    pub(crate) fn of(node: Node<'_, '_>) -> Self {
        ConferenceInfo {
            entity: attribute(node, "entity"),
            state: State::parse(node.attribute("state")),
            version: node.attribute("version").and_then(|text| text.trim().parse().ok()),
            description: child(node, "conference-description").map(description),
            host: child(node, "host-info").map(|node| Host {
                display_text: text(node, "display-text"),
                uris: uris(node, "uris"),
            }),
            conference_state: child(node, "conference-state").map(conference_state),
            users: child(node, "users").map(users),
        }
    }
}

fn attribute(node: Node<'_, '_>, name: &str) -> String {
    node.attribute(name).unwrap_or_default().trim().to_owned()
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn description(node: Node<'_, '_>) -> Description {
    let media = child(node, "available-media");
    let media = media.into_iter().flat_map(|media| children(media, "entry"));
    Description {
        display_text: text(node, "display-text"),
        subject: text(node, "subject"),
        free_text: text(node, "free-text"),
        conf_uris: uris(node, "conf-uris"),
        maximum_user_count: value(node, "maximum-user-count", number),
        available_media: media
            .map(|entry| AvailableMedium {
                label: attribute(entry, "label"),
                display_text: text(entry, "display-text"),
                kind: text(entry, "type").unwrap_or_default().trim().to_owned(),
                status: value(entry, "status", MediumStatus::parse),
            })
            .collect(),
    }
}

fn conference_state(node: Node<'_, '_>) -> ConferenceState {
    ConferenceState {
        user_count: value(node, "user-count", number),
        active: value(node, "active", boolean),
        locked: value(node, "locked", boolean),
        media_path: value(node, "media-path", |path| Some(path.to_owned())),
        since: value(node, "since", when::parse),
        starts: value(node, "starts", when::parse),
        ends: value(node, "ends", when::parse),
        needs_pin: value(node, "needs-pin", boolean),
        waiting_room: value(node, "waiting-room", boolean),
    }
}

pub(crate) fn users(node: Node<'_, '_>) -> Users {
    let list = children(node, "user").map(user).filter(|user| !user.entity.is_empty());
    Users { state: State::parse(node.attribute("state")), list: once(list, |user| &user.entity) }
}

pub(crate) fn user(node: Node<'_, '_>) -> User {
    let roles = child(node, "roles").into_iter().flat_map(|roles| children(roles, "entry"));
    let roles = roles.filter_map(|entry| entry.text()).map(|role| role.trim().to_owned());
    let endpoints = children(node, "endpoint").map(endpoint);
    User {
        entity: attribute(node, "entity"),
        state: State::parse(node.attribute("state")),
        display_text: text(node, "display-text"),
        associated_aors: uris(node, "associated-aors"),
        roles: roles.filter(|role| !role.is_empty()).collect(),
        endpoints: once(endpoints, |endpoint| &endpoint.entity),
    }
}

fn endpoint(node: Node<'_, '_>) -> Endpoint {
    let media = children(node, "media").map(|node| Medium {
        id: attribute(node, "id"),
        kind: value(node, "type", |kind| Some(kind.to_owned())),
        label: value(node, "label", |label| Some(label.to_owned())),
        src_id: value(node, "src-id", number),
        status: value(node, "status", MediumStatus::parse),
    });
    let sip = child(node, "call-info").and_then(|call| child(call, "sip"));
    Endpoint {
        entity: attribute(node, "entity"),
        state: State::parse(node.attribute("state")),
        display_text: text(node, "display-text"),
        status: value(node, "status", EndpointStatus::parse),
        joining_method: value(node, "joining-method", JoiningMethod::parse),
        joining_info: child(node, "joining-info").map(execution),
        disconnection_method: value(node, "disconnection-method", DisconnectionMethod::parse),
        disconnection_info: child(node, "disconnection-info").map(execution),
        media: once(media, |medium| &medium.id),
        call_info: sip.map(|sip| CallInfo {
            call_id: text(sip, "call-id").unwrap_or_default(),
            from_tag: text(sip, "from-tag").unwrap_or_default(),
            to_tag: text(sip, "to-tag").unwrap_or_default(),
        }),
        waiting: value(node, "waiting", boolean),
    }
}

fn execution(node: Node<'_, '_>) -> Execution {
    Execution {
        when: value(node, "when", when::parse),
        reason: text(node, "reason"),
        by: text(node, "by"),
    }
}

/// The URIs in the list of this name.
pub(crate) fn uris(node: Node<'_, '_>, name: &str) -> Vec<ConfUri> {
    let list = node.children().find(|child| child.is_element() && child.tag_name().name() == name);
    let entries = list.into_iter().flat_map(|list| list.children());
    let entries = entries.filter(|entry| entry.tag_name().name() == "entry");
    entries
        .filter_map(|entry| {
            Some(ConfUri {
                uri: value(entry, "uri", |uri| (!uri.is_empty()).then(|| uri.to_owned()))?,
                display_text: text(entry, "display-text"),
                purpose: text(entry, "purpose"),
            })
        })
        .collect()
}

/// The most users of a conference, and devices of a user: every further document is compared with all.
const MAX_LIST: usize = 5000;

/// The elements of a list of which no two may have the same key: the first wins.
fn once<T>(list: impl Iterator<Item = T>, key: impl Fn(&T) -> &String) -> Vec<T> {
    let mut seen = BTreeSet::new();
    list.filter(|element| seen.insert(key(element).clone())).take(MAX_LIST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_skipped_and_what_cannot_be_read_is_not_there() {
        let text = b"<c:conference-info xmlns:c='x' entity=' sip:a@b ' version='y' z='1'>
            <c:odd/><c:conference-state><c:user-count>many</c:user-count><c:locked> 1 </c:locked>
            </c:conference-state><c:users state='partial'><c:user entity='sip:u@b'><c:endpoint
            entity='sip:u@b;gr=1'><c:status>asleep</c:status><c:media id='1'><c:src-id>0x7</c:src-id>
            </c:media></c:endpoint></c:user><c:user entity='sip:u@b'/><c:user/></c:users>
            </c:conference-info>";
        let info = ConferenceInfo::parse(text).unwrap();
        assert_eq!((info.entity.as_str(), info.version), ("sip:a@b", None));
        let state = info.conference_state.unwrap();
        assert_eq!((state.user_count, state.locked), (None, Some(true)));
        let users = info.users.unwrap();
        assert_eq!((users.state, users.list.len()), (State::Partial, 1));
        let endpoint = &users.list[0].endpoints[0];
        assert_eq!((endpoint.status, endpoint.media[0].src_id), (None, None));
    }

    #[test]
    fn what_is_no_conference_document_is_refused() {
        for text in ["", "<list/>", "<conference-info/>", "<conference-info entity='a'>", "{}"] {
            assert!(ConferenceInfo::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
