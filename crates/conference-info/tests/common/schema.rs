//! RFC 4575 §6 as a table, and a validator for it. The schema itself is not ours to copy, and the
//! tests need no XSD engine: sequences, occurrence, enumerations and attributes are all it uses.

use roxmltree::{Document, Node};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:conference-info";

/// What an element holds.
#[derive(Clone, Copy)]
enum Content {
    Text,
    Number,
    Boolean,
    Time,
    Words(&'static [&'static str]),
    /// These elements in this order, then any of other namespaces.
    Sequence(&'static [Child], &'static [Attribute]),
}

struct Child {
    name: &'static str,
    /// At least one.
    required: bool,
    /// At most one.
    single: bool,
    content: Content,
}

struct Attribute {
    name: &'static str,
    required: bool,
    words: &'static [&'static str],
}

const fn one(name: &'static str, content: Content) -> Child {
    Child { name, required: false, single: true, content }
}

const fn must(name: &'static str, content: Content) -> Child {
    Child { name, required: true, single: true, content }
}

const fn many(name: &'static str, required: bool, content: Content) -> Child {
    Child { name, required, single: false, content }
}

const STATE: Attribute =
    Attribute { name: "state", required: false, words: &["full", "partial", "deleted"] };
const ENTITY: Attribute = Attribute { name: "entity", required: false, words: &[] };

const TEXT: Content = Content::Text;
const NUMBER: Content = Content::Number;
const BOOLEAN: Content = Content::Boolean;
const TIME: Content = Content::Time;
const MEDIUM_STATUS: Content = Content::Words(&["recvonly", "sendonly", "sendrecv", "inactive"]);
const ENDPOINT_STATUS: Content = Content::Words(&[
    "pending",
    "dialing-out",
    "dialing-in",
    "alerting",
    "on-hold",
    "connected",
    "muted-via-focus",
    "disconnecting",
    "disconnected",
]);
const JOINING: Content = Content::Words(&["dialed-in", "dialed-out", "focus-owner"]);
const DISCONNECTION: Content = Content::Words(&["departed", "booted", "failed", "busy"]);
const CONFERENCE: Content = Content::Sequence(
    &[
        one("conference-description", DESCRIPTION),
        one("host-info", HOST),
        one("conference-state", CONFERENCE_STATE),
        one("users", USERS),
    ],
    &[
        Attribute { name: "entity", required: true, words: &[] },
        STATE,
        Attribute { name: "version", required: false, words: &[] },
    ],
);
const DESCRIPTION: Content = Content::Sequence(
    &[
        one("display-text", TEXT),
        one("subject", TEXT),
        one("free-text", TEXT),
        one("keywords", TEXT),
        one("conf-uris", URIS),
        one("service-uris", URIS),
        one("maximum-user-count", NUMBER),
        one("available-media", AVAILABLE_MEDIA),
    ],
    &[],
);
const URIS: Content = Content::Sequence(&[many("entry", true, URI)], &[STATE]);
const URI: Content = Content::Sequence(
    &[
        must("uri", TEXT),
        one("display-text", TEXT),
        one("purpose", TEXT),
        one("modified", EXECUTION),
    ],
    &[],
);
const AVAILABLE_MEDIA: Content = Content::Sequence(&[many("entry", true, AVAILABLE_MEDIUM)], &[]);
const AVAILABLE_MEDIUM: Content = Content::Sequence(
    &[one("display-text", TEXT), must("type", TEXT), one("status", MEDIUM_STATUS)],
    &[Attribute { name: "label", required: true, words: &[] }],
);
const HOST: Content =
    Content::Sequence(&[one("display-text", TEXT), one("web-page", TEXT), one("uris", URIS)], &[]);
const CONFERENCE_STATE: Content = Content::Sequence(
    &[one("user-count", NUMBER), one("active", BOOLEAN), one("locked", BOOLEAN)],
    &[],
);
const USERS: Content = Content::Sequence(&[many("user", false, USER)], &[STATE]);
const USER: Content = Content::Sequence(
    &[
        one("display-text", TEXT),
        one("associated-aors", URIS),
        one("roles", ROLES),
        one("languages", TEXT),
        one("cascaded-focus", TEXT),
        many("endpoint", false, ENDPOINT),
    ],
    &[ENTITY, STATE],
);
const ROLES: Content = Content::Sequence(&[many("entry", true, TEXT)], &[]);
const ENDPOINT: Content = Content::Sequence(
    &[
        one("display-text", TEXT),
        one("referred", EXECUTION),
        one("status", ENDPOINT_STATUS),
        one("joining-method", JOINING),
        one("joining-info", EXECUTION),
        one("disconnection-method", DISCONNECTION),
        one("disconnection-info", EXECUTION),
        many("media", false, MEDIUM),
        one("call-info", CALL),
    ],
    &[ENTITY, STATE],
);
const EXECUTION: Content =
    Content::Sequence(&[one("when", TIME), one("reason", TEXT), one("by", TEXT)], &[]);
const MEDIUM: Content = Content::Sequence(
    &[
        one("display-text", TEXT),
        one("type", TEXT),
        one("label", TEXT),
        one("src-id", TEXT),
        one("status", MEDIUM_STATUS),
    ],
    &[Attribute { name: "id", required: true, words: &[] }],
);
const CALL: Content = Content::Sequence(&[one("sip", DIALOG)], &[]);
const DIALOG: Content = Content::Sequence(
    &[
        one("display-text", TEXT),
        must("call-id", TEXT),
        must("from-tag", TEXT),
        must("to-tag", TEXT),
    ],
    &[],
);

/// Says what is wrong with a document.
pub fn validate(document: &str) -> Result<(), String> {
    let document = Document::parse(document).map_err(|error| error.to_string())?;
    let root = document.root_element();
    if root.tag_name().name() != "conference-info" || root.tag_name().namespace() != Some(NAMESPACE)
    {
        return Err("not the root of a conference document".to_owned());
    }
    element(root, CONFERENCE)?;
    children_of_full_are_full(root, true)
}

/// What the schema cannot say (§4.3): in an element that is told as a whole nothing is partial.
fn children_of_full_are_full(node: Node<'_, '_>, outer_is_partial: bool) -> Result<(), String> {
    let state = node.attribute("state");
    if !outer_is_partial && matches!(state, Some("partial" | "deleted")) {
        return Err(format!("{}: {} in a full element", node.tag_name().name(), state.unwrap()));
    }
    // Elements without state pass on that of theirs; there are none between two with state.
    let stateful = ["conference-info", "users", "user", "endpoint"];
    let partial = stateful.contains(&node.tag_name().name()) && state == Some("partial");
    node.children()
        .filter(Node::is_element)
        .try_for_each(|child| children_of_full_are_full(child, partial))
}

fn element(node: Node<'_, '_>, content: Content) -> Result<(), String> {
    let name = node.tag_name().name();
    let text = node.text().unwrap_or_default();
    let wrong = |what: &str| Err(format!("{name}: {what}: {text:?}"));
    let (children, attributes) = match content {
        Content::Sequence(children, attributes) => (children, attributes),
        _ if node.children().any(|child| child.is_element()) => return wrong("has elements"),
        Content::Text => return Ok(()),
        Content::Number if text.parse::<u32>().is_err() => return wrong("no unsignedInt"),
        Content::Boolean if !["true", "false", "0", "1"].contains(&text) => {
            return wrong("no boolean");
        }
        Content::Time if text.len() != 20 || !text.ends_with('Z') => return wrong("no UTC time"),
        Content::Words(words) if !words.contains(&text) => return wrong("not one of its words"),
        _ => return Ok(()),
    };
    for attribute in node.attributes().filter(|attribute| attribute.namespace().is_none()) {
        let known = attributes.iter().find(|known| known.name == attribute.name());
        let Some(known) = known else { return wrong(attribute.name()) };
        if !known.words.is_empty() && !known.words.contains(&attribute.value()) {
            return wrong(attribute.value());
        }
    }
    if let Some(missing) =
        attributes.iter().find(|known| known.required && node.attribute(known.name).is_none())
    {
        return wrong(missing.name);
    }
    sequence(node, children)
}

fn sequence(node: Node<'_, '_>, children: &[Child]) -> Result<(), String> {
    let name = node.tag_name().name();
    let mut present = node.children().filter(Node::is_element).peekable();
    for child in children {
        let mut count = 0;
        while let Some(found) = present.next_if(|found| {
            found.tag_name().namespace() == Some(NAMESPACE) && found.tag_name().name() == child.name
        }) {
            element(found, child.content)?;
            count += 1;
        }
        if (child.single && count > 1) || (child.required && count == 0) {
            return Err(format!("{name}: {count} times {}", child.name));
        }
    }
    // Whatever else is there must be of another namespace.
    match present.find(|found| matches!(found.tag_name().namespace(), None | Some(NAMESPACE))) {
        Some(found) => Err(format!("{name}: {} in the wrong place", found.tag_name().name())),
        None => Ok(()),
    }
}
