//! Printing of responses (RFC 6503 §5.2, §5.3).

use super::ical;
use super::{Conference, Operation};
use crate::document::{ConfUri, User, Users};
use crate::print;
use crate::xml::Printer;

/// The codes of RFC 6503 §5.4 that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Done.
    Success = 200,
    /// Cannot be read, or something is missing.
    BadRequest = 400,
    /// The user may not do this.
    Unauthorized = 401,
    /// Nobody may do this.
    Forbidden = 403,
    /// There is no such conference.
    NotFound = 404,
    /// Cannot be changed like this.
    Conflict = 409,
    /// There is no such user in it.
    UserNotFound = 420,
    /// The asking user is not known.
    InvalidUser = 421,
    /// The PIN is wrong.
    WrongPassword = 422,
    /// The PIN is missing.
    PasswordRequired = 423,
    /// Of a domain that is not ours.
    WrongDomain = 427,
    /// Something went wrong here.
    ServerError = 500,
    /// Not known here.
    NotImplemented = 501,
    /// There are too many.
    NoResources = 511,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Who asked.
    pub user_id: String,
    /// Which conference it is about.
    pub conference_id: Option<String>,
    /// What was to be done.
    pub operation: Option<Operation>,
    /// What came of it.
    pub code: Code,
    /// More about it, for people.
    pub text: Option<String>,
    /// The version of the conference.
    pub version: Option<u32>,
    /// What was asked for.
    pub answer: Answer,
}

/// The answer to a request of the same name. Its element is there even if it is empty: Linphone cannot
/// read a response without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The conferences.
    Conferences(Vec<ConfUri>),
    /// The conference.
    Conference(Option<Box<Conference>>),
    /// The people in a conference.
    Users(Option<Users>),
    /// Somebody in a conference.
    User(Option<Box<User>>),
    /// None: conferences are made without.
    Blueprints,
    /// What can be asked for.
    Options,
    /// Nothing.
    Other,
}

/// What can be asked for, with which operations (RFC 6503 §5.3.12).
const REQUESTS: &[(&str, &[Operation])] = &[
    ("confsRequest", &[Operation::Retrieve]),
    (
        "confRequest",
        &[Operation::Retrieve, Operation::Create, Operation::Update, Operation::Delete],
    ),
    ("usersRequest", &[Operation::Retrieve]),
    ("userRequest", &[Operation::Retrieve, Operation::Update, Operation::Delete]),
];

impl Response {
    /// The document as text.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut printer = Printer::new("");
        let namespaces = [
            ("xmlns:ccmp", Some("urn:ietf:params:xml:ns:xcon-ccmp")),
            ("xmlns:info", Some(print::NAMESPACE)),
            ("xmlns:xcon", Some("urn:ietf:params:xml:ns:xcon-conference-info")),
            ("xmlns:parley", Some(print::EXTENSION)),
            ("xmlns:xsi", Some("http://www.w3.org/2001/XMLSchema-instance")),
        ];
        let name = self.answer.name();
        let kind = format!("ccmp:ccmp-{name}-response-message-type");
        printer.element("ccmp:ccmpResponse", &namespaces, |printer| {
            let attributes = [("xsi:type", Some(kind.as_str()))];
            printer.element("ccmpResponse", &attributes, |printer| {
                printer.text("confUserID", &self.user_id);
                printer.optional("confObjID", self.conference_id.as_ref());
                printer.optional("operation", self.operation.map(Operation::as_str));
                printer.text("response-code", self.code as u16);
                printer.optional("response-string", self.text.as_ref());
                printer.optional("version", self.version);
                printer.element(&format!("ccmp:{name}Response"), &[], |p| self.answer.content(p));
            });
        });
        printer.finish()
    }
}

impl Answer {
    fn name(&self) -> &'static str {
        match self {
            Answer::Conferences(_) => "confs",
            Answer::Conference(_) => "conf",
            Answer::Users(_) => "users",
            Answer::User(_) => "user",
            Answer::Blueprints => "blueprints",
            Answer::Options => "options",
            Answer::Other => "extended",
        }
    }

    fn content(&self, printer: &mut Printer) {
        match self {
            Answer::Conferences(list) => {
                if !list.is_empty() {
                    printer.element("confsInfo", &[], |printer| {
                        list.iter().for_each(|conference| print_listed(printer, conference));
                    });
                }
            }
            Answer::Conference(Some(conference)) => conference.print(printer),
            Answer::Users(Some(users)) => {
                printer.element("usersInfo", &[], |printer| {
                    printer.with_prefix("info:", |printer| users.content(printer));
                });
            }
            Answer::User(Some(user)) => {
                let attributes = [("entity", Some(user.entity.as_str()))];
                printer.element("userInfo", &attributes, |printer| {
                    printer.with_prefix("info:", |printer| user.content(printer));
                });
            }
            Answer::Options => print_options(printer),
            Answer::Conference(None)
            | Answer::Users(None)
            | Answer::User(None)
            | Answer::Blueprints
            | Answer::Other => {}
        }
    }
}

impl Conference {
    fn print(&self, printer: &mut Printer) {
        let version = self.info.version.map(|version| version.to_string());
        let attributes =
            [("entity", Some(self.info.entity.as_str())), ("version", version.as_deref())];
        printer.element("confInfo", &attributes, |printer| {
            printer.with_prefix("info:", |printer| {
                printer.element("conference-description", &[], |printer| {
                    if let Some(description) = &self.info.description {
                        description.content(printer);
                    }
                    printer.with_prefix("xcon:", |printer| self.print_time(printer));
                });
                self.info.host_and_state(printer);
                printer.element("users", &[], |printer| {
                    if let Some(users) = &self.info.users {
                        users.content(printer);
                    }
                    printer.with_prefix("xcon:", |printer| self.print_allowed(printer));
                });
            });
        });
    }

    fn print_time(&self, printer: &mut Printer) {
        let planned = self.planned.as_ref();
        let base = planned.and_then(|planned| ical::print(planned, &self.info.entity));
        printer.element("conference-time", &[], |printer| {
            if let Some(base) = base {
                printer.element("entry", &[], |printer| printer.text("base", base));
            }
        });
    }

    fn print_allowed(&self, printer: &mut Printer) {
        printer.element("allowed-users-list", &[], |printer| {
            for target in &self.allowed {
                let attributes =
                    [("uri", Some(target.uri.as_str())), ("method", Some(target.method.as_str()))];
                printer.element("target", &attributes, |_| {});
            }
        });
    }
}

fn print_listed(printer: &mut Printer, conference: &ConfUri) {
    printer.with_prefix("info:", |printer| {
        printer.element("entry", &[], |printer| {
            printer.text("uri", &conference.uri);
            printer.optional("display-text", conference.display_text.as_ref());
        });
    });
}

fn print_options(printer: &mut Printer) {
    printer.element("options", &[], |printer| {
        printer.element("standard-message-list", &[], |printer| {
            for (name, operations) in REQUESTS {
                printer.element("standard-message", &[], |printer| {
                    printer.text("name", name);
                    printer.element("operations", &[], |printer| {
                        for operation in *operations {
                            printer.text("operation", operation.as_str());
                        }
                    });
                });
            }
        });
    });
}
