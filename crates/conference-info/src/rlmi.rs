//! Many conferences in one notification (RFC 4662): the list, and a document for each of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use roxmltree::Node;

use super::apply::Applied;
use super::document::{ConferenceInfo, State};
use super::xml::{self, DocumentError, Printer, boolean, children, text};

/// Media type of a [`List`] (RFC 4662 §8.2).
pub const MEDIA_TYPE: &str = "application/rlmi+xml";

/// The most resources read.
const MAX_RESOURCES: usize = 5000;

/// A list of resources, or what has changed in it (RFC 4662 §5.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// The URI of the list.
    pub uri: String,
    /// Which notification of the subscription this is: 0, 1, 2, …
    pub version: u32,
    /// Whether all resources are told of.
    pub full: bool,
    /// A name for people.
    pub name: Option<String>,
    /// The resources.
    pub resources: Vec<Resource>,
}

/// One resource (RFC 4662 §5.3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource {
    /// Its URI: subscribed to, it tells more.
    pub uri: String,
    /// A name for people.
    pub name: Option<String>,
    /// Its state, if something is known about it; one element is all that conferences need.
    pub instance: Option<Instance>,
}

/// The state of a resource (RFC 4662 §5.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// A name for it, never twice for the same resource.
    pub id: String,
    /// How it is.
    pub state: InstanceState,
    /// The part of the body that tells of it, by its Content-ID.
    pub cid: Option<String>,
}

/// How the subscription to a resource is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceState {
    /// It is told of.
    Active,
    /// It may be told of later.
    Pending,
    /// It is gone, for this reason (RFC 6665 §4.1.3).
    Terminated(String),
}

impl List {
    /// The document as text.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut printer = Printer::new("");
        let version = self.version.to_string();
        let attributes = [
            ("xmlns", Some("urn:ietf:params:xml:ns:rlmi")),
            ("uri", Some(self.uri.as_str())),
            ("version", Some(version.as_str())),
            ("fullState", Some(if self.full { "true" } else { "false" })),
        ];
        printer.element("list", &attributes, |printer| {
            printer.optional("name", self.name.as_ref());
            for resource in &self.resources {
                let attributes = [("uri", Some(resource.uri.as_str()))];
                printer.element("resource", &attributes, |printer| {
                    printer.optional("name", resource.name.as_ref());
                    if let Some(instance) = &resource.instance {
                        instance.print(printer);
                    }
                });
            }
        });
        printer.finish()
    }

    /// Reads a document.
    ///
    /// # Errors
    /// It is no XML, too long, or no list with a URI and a version.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let document = xml::tree(bytes)?;
        let root = xml::root(&document, "list")
            .ok_or(DocumentError::Unexpected("no list of resources"))?;
        let version = root.attribute("version").and_then(|version| version.trim().parse().ok());
        let resources = children(root, "resource").filter_map(|node| {
            Some(Resource {
                uri: node.attribute("uri")?.to_owned(),
                name: text(node, "name"),
                instance: xml::child(node, "instance").and_then(Instance::of),
            })
        });
        Ok(List {
            uri: root.attribute("uri").unwrap_or_default().to_owned(),
            version: version.ok_or(DocumentError::Unexpected("a list without version"))?,
            full: root.attribute("fullState").and_then(boolean).unwrap_or(false),
            name: text(root, "name"),
            resources: resources.take(MAX_RESOURCES).collect(),
        })
    }
}

impl Instance {
    fn print(&self, printer: &mut Printer) {
        let (state, reason) = match &self.state {
            InstanceState::Active => ("active", None),
            InstanceState::Pending => ("pending", None),
            InstanceState::Terminated(reason) => ("terminated", Some(reason.as_str())),
        };
        let attributes = [
            ("id", Some(self.id.as_str())),
            ("state", Some(state)),
            ("reason", reason),
            ("cid", self.cid.as_deref()),
        ];
        printer.element("instance", &attributes, |_| {});
    }

    fn of(node: Node<'_, '_>) -> Option<Self> {
        Some(Instance {
            id: node.attribute("id").unwrap_or_default().to_owned(),
            state: match node.attribute("state")? {
                "active" => InstanceState::Active,
                "terminated" => InstanceState::Terminated(
                    node.attribute("reason").unwrap_or_default().to_owned(),
                ),
                _ => InstanceState::Pending,
            },
            cid: node.attribute("cid").map(str::to_owned),
        })
    }
}

/// A notification body: the list and its documents, by the names that [`Instance::cid`] gives them.
/// Returns the Content-Type and the body (RFC 4662 §5, RFC 2387).
#[must_use]
pub fn multipart(list: &List, documents: &[(String, String)]) -> (String, String) {
    let list_xml = list.to_xml();
    let texts = || documents.iter().map(|(_, text)| text).chain([&list_xml]);
    let mut boundary = format!("parley-list-{}", list.version);
    while texts().any(|text| text.contains(&boundary)) {
        boundary.push('x');
    }
    let root = format!("list-{}@parley", list.version);
    let mut body = String::new();
    let parts = documents.iter().map(|(cid, text)| (cid, super::MEDIA_TYPE, text));
    for (cid, kind, text) in [(&root, MEDIA_TYPE, &list_xml)].into_iter().chain(parts) {
        let _ = write!(
            body,
            "--{boundary}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{cid}>\r\n\
             Content-Type: {kind};charset=\"UTF-8\"\r\n\r\n{text}\r\n"
        );
    }
    let _ = write!(body, "--{boundary}--\r\n");
    let kind = format!(
        "multipart/related;type=\"{MEDIA_TYPE}\";start=\"<{root}>\";boundary=\"{boundary}\""
    );
    (kind, body)
}

/// The conferences that a list has told of so far (RFC 4662 §5.6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conferences {
    version: Option<u32>,
    rows: BTreeMap<String, ConferenceInfo>,
}

impl Conferences {
    /// The conferences by URI.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ConferenceInfo)> {
        self.rows.iter().map(|(uri, info)| (uri.as_str(), info))
    }

    /// Takes in a notification of the same subscription; `document` is the part of the body that has
    /// this Content-ID, without angle brackets. After [`Applied::Gap`] the news have been taken in, but
    /// others were lost: a refresh brings all.
    pub fn apply<'a>(
        &mut self,
        list: &List,
        document: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> Applied {
        let known = self.version;
        if known.is_some_and(|known| list.version <= known) {
            return Applied::Old;
        }
        self.version = Some(list.version);
        if list.full {
            self.rows.clear();
        }
        for resource in &list.resources {
            let instance = resource.instance.as_ref();
            if instance.is_some_and(|i| matches!(i.state, InstanceState::Terminated(_))) {
                self.rows.remove(&resource.uri);
                continue;
            }
            let part = instance.and_then(|instance| document(instance.cid.as_deref()?));
            let news = part.and_then(|part| ConferenceInfo::parse(part).ok());
            if !self.rows.contains_key(&resource.uri) && self.rows.len() >= MAX_RESOURCES {
                continue;
            }
            let row = self.rows.entry(resource.uri.clone()).or_insert_with(|| ConferenceInfo {
                entity: resource.uri.clone(),
                ..ConferenceInfo::default()
            });
            match news {
                // A list is told of as a whole or by its changed rows; rows are whole.
                Some(news) if news.state == State::Full => *row = news,
                Some(news) => {
                    row.apply(news);
                }
                None => {}
            }
        }
        match known {
            Some(known) if !list.full && list.version != known.wrapping_add(1) => Applied::Gap,
            None if !list.full => Applied::Gap,
            _ => Applied::Done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(uri: &str, state: InstanceState, cid: Option<&str>) -> Resource {
        let instance = Instance { id: format!("i-{uri}"), state, cid: cid.map(str::to_owned) };
        Resource { uri: uri.to_owned(), name: Some("A & B".into()), instance: Some(instance) }
    }

    fn list(version: u32, full: bool, resources: Vec<Resource>) -> List {
        List { uri: "sip:meetings@x".into(), version, full, name: None, resources }
    }

    fn info(uri: &str) -> String {
        ConferenceInfo { entity: uri.to_owned(), ..ConferenceInfo::default() }.to_xml()
    }

    #[test]
    fn a_list_is_read_as_it_is_printed() {
        let gone = InstanceState::Terminated("noresource".into());
        let mut list = list(
            7,
            false,
            vec![
                row("sip:a@x", InstanceState::Active, Some("c1@x")),
                row("sip:b@x", gone, None),
                row("sip:c@x", InstanceState::Pending, None),
                Resource { uri: "sip:d@x".into(), name: None, instance: None },
            ],
        );
        assert_eq!(List::parse(list.to_xml().as_bytes()), Ok(list.clone()));
        list.name = Some("all".into());
        assert_eq!(List::parse(list.to_xml().as_bytes()), Ok(list));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", "<list/>", "<list version='x'/>", "<conference-info version='1'/>"] {
            assert!(List::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_body_has_the_list_first_and_a_boundary_that_is_in_none_of_its_parts() {
        let rows = vec![row("sip:a@x", InstanceState::Active, Some("c1@x"))];
        let parts = [("c1@x".to_owned(), "parley-list-3".to_owned())];
        let (kind, body) = multipart(&list(3, true, rows), &parts);
        assert!(kind.ends_with("boundary=\"parley-list-3x\""), "{kind}");
        assert!(kind.contains("type=\"application/rlmi+xml\";start=\"<list-3@parley>\""), "{kind}");
        assert_eq!(body.matches("--parley-list-3x\r\n").count(), 2);
        assert!(body.ends_with("\r\n--parley-list-3x--\r\n"), "{body}");
        let first = body.find(MEDIA_TYPE).unwrap();
        assert!(first < body.find(crate::MEDIA_TYPE).unwrap());
        assert!(body.contains("Content-ID: <c1@x>\r\n"));
    }

    #[test]
    fn a_subscriber_keeps_what_it_was_told_of() {
        let mut known = Conferences::default();
        let (a, b) = (info("sip:a@x"), info("sip:b@x"));
        let part = |cid: &str| match cid {
            "a" => Some(a.as_bytes()),
            "b" => Some(b.as_bytes()),
            _ => None,
        };
        let uris = |known: &Conferences| -> Vec<String> {
            known.iter().map(|(uri, _)| uri.to_owned()).collect()
        };
        let active = |uri: &str, cid| row(uri, InstanceState::Active, Some(cid));
        let first = list(0, true, vec![active("sip:a@x", "a")]);
        assert_eq!(known.apply(&first, part), Applied::Done);
        assert_eq!(known.apply(&first, part), Applied::Old);
        let second = list(1, false, vec![active("sip:b@x", "b")]);
        assert_eq!(known.apply(&second, part), Applied::Done);
        assert_eq!(uris(&known), ["sip:a@x", "sip:b@x"]);
        let gone = row("sip:a@x", InstanceState::Terminated("noresource".into()), None);
        assert_eq!(known.apply(&list(3, false, vec![gone]), part), Applied::Gap);
        assert_eq!(uris(&known), ["sip:b@x"]);
        assert_eq!(known.apply(&list(9, true, Vec::new()), part), Applied::Done);
        assert_eq!(known.iter().count(), 0);
    }
}
