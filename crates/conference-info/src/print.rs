//! Printing of a conference document, in the order of the schema (RFC 4575 §6).

use super::document::{
    AvailableMedium, ConfUri, ConferenceInfo, ConferenceState, Description, Endpoint, Execution,
    Host, Medium, User, Users,
};
use super::when;
use super::xml::Printer;

/// The namespace of RFC 4575 §6.
pub(crate) const NAMESPACE: &str = "urn:ietf:params:xml:ns:conference-info";
/// Of our extension.
pub(crate) const EXTENSION: &str = "parley:xml:ns:conference-info";

impl ConferenceInfo {
    /// The document as text. What XML cannot carry is left out.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut printer = Printer::new("");
        let version = self.version.map(|version| version.to_string());
        let attributes = [
            ("xmlns", Some(NAMESPACE)),
            ("xmlns:parley", Some(EXTENSION)),
            ("entity", Some(self.entity.as_str())),
            ("state", Some(self.state.as_str())),
            ("version", version.as_deref()),
        ];
        printer.element("conference-info", &attributes, |printer| {
            if let Some(description) = &self.description {
                printer.element("conference-description", &[], |p| description.content(p));
            }
            self.host_and_state(printer);
            if let Some(users) = &self.users {
                let attributes = [("state", Some(users.state.as_str()))];
                printer.element("users", &attributes, |printer| users.content(printer));
            }
        });
        printer.finish()
    }

    pub(crate) fn host_and_state(&self, printer: &mut Printer) {
        if let Some(host) = &self.host {
            printer.element("host-info", &[], |printer| host.content(printer));
        }
        if let Some(state) = &self.conference_state {
            printer.element("conference-state", &[], |printer| state.content(printer));
        }
    }
}

impl Description {
    pub(crate) fn content(&self, printer: &mut Printer) {
        printer.optional("display-text", self.display_text.as_ref());
        printer.optional("subject", self.subject.as_ref());
        printer.optional("free-text", self.free_text.as_ref());
        uris(printer, "conf-uris", &self.conf_uris);
        printer.optional("maximum-user-count", self.maximum_user_count);
        if !self.available_media.is_empty() {
            printer.element("available-media", &[], |printer| {
                self.available_media.iter().for_each(|medium| medium.print(printer));
            });
        }
    }
}

impl AvailableMedium {
    fn print(&self, printer: &mut Printer) {
        printer.element("entry", &[("label", Some(self.label.as_str()))], |printer| {
            printer.optional("display-text", self.display_text.as_ref());
            printer.text("type", &self.kind);
            printer.optional("status", self.status.map(|status| status.as_str()));
        });
    }
}

impl Host {
    fn content(&self, printer: &mut Printer) {
        printer.optional("display-text", self.display_text.as_ref());
        uris(printer, "uris", &self.uris);
    }
}

impl ConferenceState {
    fn content(&self, printer: &mut Printer) {
        printer.optional("user-count", self.user_count);
        printer.optional("active", self.active);
        printer.optional("locked", self.locked);
        printer.with_prefix("parley:", |printer| {
            printer.optional("media-path", self.media_path.as_ref());
            printer.optional("since", self.since.and_then(when::print));
            printer.optional("starts", self.starts.and_then(when::print));
            printer.optional("ends", self.ends.and_then(when::print));
            printer.optional("needs-pin", self.needs_pin);
            printer.optional("waiting-room", self.waiting_room);
        });
    }
}

impl Users {
    pub(crate) fn content(&self, printer: &mut Printer) {
        for user in &self.list {
            let attributes =
                [("entity", Some(user.entity.as_str())), ("state", Some(user.state.as_str()))];
            printer.element("user", &attributes, |printer| user.content(printer));
        }
    }
}

impl User {
    pub(crate) fn content(&self, printer: &mut Printer) {
        printer.optional("display-text", self.display_text.as_ref());
        uris(printer, "associated-aors", &self.associated_aors);
        if !self.roles.is_empty() {
            printer.element("roles", &[], |printer| {
                self.roles.iter().for_each(|role| printer.text("entry", role));
            });
        }
        self.endpoints.iter().for_each(|endpoint| endpoint.print(printer));
    }
}

impl Endpoint {
    fn print(&self, printer: &mut Printer) {
        let attributes =
            [("entity", Some(self.entity.as_str())), ("state", Some(self.state.as_str()))];
        printer.element("endpoint", &attributes, |printer| {
            printer.optional("display-text", self.display_text.as_ref());
            printer.optional("status", self.status.map(|status| status.as_str()));
            printer.optional("joining-method", self.joining_method.map(|m| m.as_str()));
            print_execution(printer, "joining-info", self.joining_info.as_ref());
            printer.optional("disconnection-method", self.disconnection_method.map(|m| m.as_str()));
            print_execution(printer, "disconnection-info", self.disconnection_info.as_ref());
            self.media.iter().for_each(|medium| medium.print(printer));
            if let Some(call) = &self.call_info {
                printer.element("call-info", &[], |printer| {
                    printer.element("sip", &[], |printer| {
                        printer.text("call-id", &call.call_id);
                        printer.text("from-tag", &call.from_tag);
                        printer.text("to-tag", &call.to_tag);
                    });
                });
            }
            printer.with_prefix("parley:", |printer| printer.optional("waiting", self.waiting));
        });
    }
}

impl Medium {
    fn print(&self, printer: &mut Printer) {
        printer.element("media", &[("id", Some(self.id.as_str()))], |printer| {
            printer.optional("type", self.kind.as_ref());
            printer.optional("label", self.label.as_ref());
            printer.optional("src-id", self.src_id);
            printer.optional("status", self.status.map(|status| status.as_str()));
        });
    }
}

fn print_execution(printer: &mut Printer, name: &str, execution: Option<&Execution>) {
    let Some(execution) = execution else { return };
    printer.element(name, &[], |printer| {
        printer.optional("when", execution.when.and_then(when::print));
        printer.optional("reason", execution.reason.as_ref());
        printer.optional("by", execution.by.as_ref());
    });
}

/// A list of URIs; an empty one is left out, as the schema wants.
fn uris(printer: &mut Printer, name: &str, list: &[ConfUri]) {
    if list.is_empty() {
        return;
    }
    printer.element(name, &[], |printer| {
        for uri in list {
            printer.element("entry", &[], |printer| {
                printer.text("uri", &uri.uri);
                printer.optional("display-text", uri.display_text.as_ref());
                printer.optional("purpose", uri.purpose.as_ref());
            });
        }
    });
}
