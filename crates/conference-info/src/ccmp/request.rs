//! Reading of requests (RFC 6503 §5.1, §5.3).

use std::time::Duration;

use roxmltree::Node;

use super::ical;
use crate::document::{ConferenceInfo, User};
use crate::parse;
use crate::xml::{self, DocumentError, child, children, text, value};

/// What is to be done (RFC 6503 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Tell.
    Retrieve,
    /// Make.
    Create,
    /// Change.
    Update,
    /// Remove.
    Delete,
}

impl Operation {
    /// The word in the document.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Retrieve => "retrieve",
            Operation::Create => "create",
            Operation::Update => "update",
            Operation::Delete => "delete",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        use Operation::{Create, Delete, Retrieve, Update};
        [Retrieve, Create, Update, Delete].into_iter().find(|operation| operation.as_str() == word)
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asks, as it says: proved by nothing.
    pub user_id: Option<String>,
    /// Which conference: an XCON-URI, `xcon:NAME@DOMAIN`.
    pub conference_id: Option<String>,
    /// What is to be done.
    pub operation: Option<Operation>,
    /// What lets people in. Never log it.
    pub password: Option<String>,
    /// About what.
    pub ask: Ask,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Which conferences there are; whether only some are wanted, by an XPath.
    Conferences {
        /// It has a filter.
        filtered: bool,
    },
    /// A conference, and what is to become of it.
    Conference(Option<Box<Conference>>),
    /// Who is in a conference; whether they are to be changed.
    Users {
        /// It brings changes.
        changes: bool,
    },
    /// Somebody in a conference, and what is to become of them.
    User(Option<Box<User>>),
    /// Which kinds of conferences can be made.
    Blueprints,
    /// What the server can do.
    Options,
    /// Something else: the name of its element, such as `sidebarByValRequest`.
    Other(String),
}

/// A conference object (RFC 6501): what RFC 4575 knows, and what was agreed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conference {
    /// Subject, state, people.
    pub info: ConferenceInfo,
    /// When it is planned; the first time, for it cannot recur here.
    pub planned: Option<Planned>,
    /// Who is invited.
    pub allowed: Vec<Target>,
    /// What has to be dialled to come in (RFC 6501 §4.2.6). Empty means: nothing any more.
    pub password: Option<String>,
}

/// When a conference is planned, since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// When it begins.
    pub start: Duration,
    /// When it ends.
    pub end: Option<Duration>,
}

/// Somebody who is invited (RFC 6501 §4.6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The URI.
    pub uri: String,
    /// How it comes in: `dial-in`, `dial-out` or `refer`.
    pub method: String,
}

/// The most people invited by one request.
const MAX_TARGETS: usize = 500;

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// It is no XML, too long, or no request: then the answer has the code 400.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let document = xml::tree(bytes)?;
        let outer = xml::root(&document, "ccmpRequest")
            .ok_or(DocumentError::Unexpected("no ccmpRequest"))?;
        let node = child(outer, "ccmpRequest")
            .ok_or(DocumentError::Unexpected("no ccmpRequest in the ccmpRequest"))?;
        let word = |name| value(node, name, |text| (!text.is_empty()).then(|| text.to_owned()));
        let operation = word("operation");
        let known = operation.as_deref().map(Operation::parse);
        if known == Some(None) {
            return Err(DocumentError::Unexpected("an unknown operation"));
        }
        Ok(Request {
            user_id: word("confUserID"),
            conference_id: word("confObjID"),
            operation: known.flatten(),
            password: word("conference-password"),
            ask: Ask::of(node).ok_or(DocumentError::Unexpected("a request about nothing"))?,
        })
    }
}

impl Ask {
    fn of(node: Node<'_, '_>) -> Option<Self> {
        let named = |node: &Node<'_, '_>| node.tag_name().name().ends_with("Request");
        let node = node.children().find(|child| child.is_element() && named(child))?;
        Some(match node.tag_name().name() {
            "confsRequest" => Ask::Conferences { filtered: child(node, "xpathFilter").is_some() },
            "confRequest" => {
                Ask::Conference(child(node, "confInfo").map(|node| Box::new(Conference::of(node))))
            }
            "usersRequest" => Ask::Users { changes: child(node, "usersInfo").is_some() },
            "userRequest" => {
                Ask::User(child(node, "userInfo").map(|node| Box::new(parse::user(node))))
            }
            "blueprintsRequest" => Ask::Blueprints,
            "optionsRequest" => Ask::Options,
            other => Ask::Other(other.to_owned()),
        })
    }
}

impl Conference {
    pub(crate) fn of(node: Node<'_, '_>) -> Self {
        let description = child(node, "conference-description");
        let time = description.and_then(|node| child(node, "conference-time"));
        let time = time.and_then(|node| child(node, "entry"));
        let entry = description.and_then(|node| child(node, "conf-uris"));
        let entry = entry.and_then(|node| child(node, "entry"));
        let list = child(node, "users").and_then(|users| child(users, "allowed-users-list"));
        let targets = list.into_iter().flat_map(|list| children(list, "target"));
        let targets = targets.filter_map(|target| {
            Some(Target {
                uri: target.attribute("uri")?.to_owned(),
                method: target.attribute("method").unwrap_or("dial-in").to_owned(),
            })
        });
        Conference {
            info: ConferenceInfo::of(node),
            planned: time.and_then(|entry| ical::parse(&text(entry, "base")?)),
            allowed: targets.take(MAX_TARGETS).collect(),
            password: entry.and_then(|entry| text(entry, "conference-password")),
        }
    }
}
