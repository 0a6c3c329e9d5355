//! The two ends of XML: reading into a tree within bounds, and printing.

use std::fmt::Display;

use quick_xml::Writer;
use quick_xml::escape::escape;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use roxmltree::{Document, Node, ParsingOptions};

/// The longest document read, in bytes; a roster of a thousand people is shorter.
pub const MAX_DOCUMENT: usize = 1 << 20;

/// The most elements, attributes and texts in it: a tree is many times as large as its document.
const MAX_NODES: u32 = 100_000;

/// Why a document was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is longer than [`MAX_DOCUMENT`].
    #[error("the document is too long")]
    TooLong,
    /// It is no XML, or has a DTD, or too many nodes.
    #[error("no XML that is taken here: {0}")]
    Xml(String),
    /// It is XML, but not what was expected.
    #[error("{0}")]
    Unexpected(&'static str),
}

/// Reads a document. There is no DTD, so no entity that could be expanded.
pub(crate) fn tree(bytes: &[u8]) -> Result<Document<'_>, DocumentError> {
    if bytes.len() > MAX_DOCUMENT {
        return Err(DocumentError::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| DocumentError::Xml(error.to_string()))?;
    let options =
        ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    // Some write a line end before the declaration.
    Document::parse_with_options(text.trim_start(), options)
        .map_err(|error| DocumentError::Xml(error.to_string()))
}

/// Reads a document whose root element has this name, whatever its namespace: some leave it out.
pub(crate) fn root<'a>(document: &'a Document<'a>, name: &str) -> Option<Node<'a, 'a>> {
    Some(document.root_element()).filter(|root| root.tag_name().name() == name)
}

/// The elements of this local name right below `node`. Namespaces are not compared: RFC 6503 and its
/// examples do not agree on theirs, and prefixes are often forgotten.
pub(crate) fn children<'a>(
    node: Node<'a, 'a>,
    name: &'a str,
) -> impl Iterator<Item = Node<'a, 'a>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// The first of them.
pub(crate) fn child<'a>(node: Node<'a, 'a>, name: &'a str) -> Option<Node<'a, 'a>> {
    children(node, name).next()
}

/// The text of such an element; empty if it has none.
pub(crate) fn text(node: Node<'_, '_>, name: &str) -> Option<String> {
    let mut found = node.children().filter(|c| c.is_element() && c.tag_name().name() == name);
    Some(found.next()?.text().unwrap_or_default().to_owned())
}

/// The text of such an element without white space around it, read as `read` does; what cannot be read
/// is taken as not there.
pub(crate) fn value<T>(
    node: Node<'_, '_>,
    name: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    read(text(node, name)?.trim())
}

/// An `xs:boolean`.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// A document that is being printed.
pub(crate) struct Printer {
    writer: Writer<Vec<u8>>,
    prefix: &'static str,
}

impl Printer {
    /// A document that begins now. `prefix` stands before the names of all elements.
    pub(crate) fn new(prefix: &'static str) -> Self {
        let mut writer = Writer::new(Vec::new());
        let _ = writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        Printer { writer, prefix }
    }

    /// Elements inside have this prefix, for example `info:`.
    pub(crate) fn with_prefix(&mut self, prefix: &'static str, inside: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.prefix, prefix);
        inside(self);
        self.prefix = before;
    }

    /// An element. An attribute without value is left out.
    pub(crate) fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, Option<&str>)],
        inside: impl FnOnce(&mut Self),
    ) {
        let name = format!("{}{name}", self.prefix);
        let mut start = BytesStart::new(name.as_str());
        for (key, value) in attributes {
            if let Some(value) = value {
                // A reader turns white space in attributes into blanks (XML 1.0 §3.3.3).
                let value = clean(value).replace(['\t', '\n', '\r'], " ");
                start.push_attribute((*key, value.as_str()));
            }
        }
        // Writing to memory does not fail.
        let _ = self.writer.write_event(Event::Start(start));
        inside(self);
        let _ = self.writer.write_event(Event::End(BytesEnd::new(name.as_str())));
    }

    /// An element that holds text.
    pub(crate) fn text(&mut self, name: &str, text: impl Display) {
        self.element(name, &[], |printer| printer.characters(&text.to_string()));
    }

    /// The same if there is such a text.
    pub(crate) fn optional(&mut self, name: &str, text: Option<impl Display>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn characters(&mut self, text: &str) {
        // A reader would turn a bare carriage return into a line end, and iCalendar needs its own.
        let text = escape(clean(text)).replace('\r', "&#13;");
        let _ = self.writer.write_event(Event::Text(BytesText::from_escaped(text)));
    }

    /// The document.
    pub(crate) fn finish(self) -> String {
        String::from_utf8(self.writer.into_inner()).unwrap_or_default()
    }
}

/// `text` without what XML cannot carry (XML 1.0 §2.2).
fn clean(text: &str) -> String {
    let good = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(good).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_no_entities_and_no_end_that_is_never_reached() {
        let bomb = b"<!DOCTYPE a [<!ENTITY b \"x\">]><a>&b;</a>";
        assert!(matches!(tree(bomb), Err(DocumentError::Xml(_))));
        let long = vec![b' '; MAX_DOCUMENT + 1];
        assert_eq!(tree(&long).err(), Some(DocumentError::TooLong));
        let many = format!("<a>{}</a>", "<b/>".repeat(MAX_NODES as usize));
        assert!(matches!(tree(many.as_bytes()), Err(DocumentError::Xml(_))));
        assert!(tree(b"\xff").is_err());
        assert!(tree(b"").is_err());
    }

    #[test]
    fn what_is_printed_is_escaped_and_can_be_read() {
        let mut printer = Printer::new("");
        printer.element("a", &[("b", Some("<\"&'>")), ("c", None)], |printer| {
            printer.text("d", "x < y & z ]]> \u{0}\u{fffe}é\r\n");
        });
        let text = printer.finish();
        let document = tree(text.as_bytes()).unwrap();
        let root = root(&document, "a").unwrap();
        assert_eq!(root.attribute("b"), Some("<\"&'>"));
        assert_eq!(root.attribute("c"), None);
        assert_eq!(super::text(root, "d").as_deref(), Some("x < y & z ]]> é\r\n"));
    }
}
