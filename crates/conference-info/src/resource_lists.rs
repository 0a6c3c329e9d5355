//! Lists of addresses in requests (RFC 4826 §3.2): whom to invite (RFC 5366), what to subscribe to
//! (RFC 5367).

use super::xml::{self, DocumentError, text};

/// Media type of such a list.
pub const MEDIA_TYPE: &str = "application/resource-lists+xml";

/// The most entries read: each may make the server do something.
pub const MAX_ENTRIES: usize = 500;

/// An address in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The URI.
    pub uri: String,
    /// A name for people.
    pub display_name: Option<String>,
}

/// The addresses in a document, those of lists in lists too. What stands elsewhere (`external`,
/// `entry-ref`) is not fetched.
///
/// # Errors
/// It is no XML, too long, no such list, or has more than [`MAX_ENTRIES`].
pub fn parse(bytes: &[u8]) -> Result<Vec<Entry>, DocumentError> {
    let document = xml::tree(bytes)?;
    let root = xml::root(&document, "resource-lists")
        .ok_or(DocumentError::Unexpected("no list of addresses"))?;
    let found = root.descendants().filter(|node| node.tag_name().name() == "entry");
    let entries: Vec<Entry> = found
        .filter_map(|node| {
            let uri = node.attribute("uri")?.trim();
            let display_name = text(node, "display-name").filter(|name| !name.is_empty());
            (!uri.is_empty()).then(|| Entry { uri: uri.to_owned(), display_name })
        })
        .take(MAX_ENTRIES + 1)
        .collect();
    if entries.len() > MAX_ENTRIES {
        return Err(DocumentError::Unexpected("too many addresses"));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_lists_in_lists_are_found() {
        // as Linphone writes it, and with what RFC 4826 and RFC 5364 add
        let text = b"<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\" ?>
            <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"
             xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\"><list>
            <entry uri=\"sip:bob@example.org\" cp:copyControl=\"to\"><display-name>Bob</display-name>
            </entry><list name=\"more\"><entry uri=\"sip:carol@example.org\"/><entry/>
            <external anchor=\"http://example.org/x\"/></list></list></resource-lists>";
        let found = parse(text).unwrap();
        let uris: Vec<&str> = found.iter().map(|entry| entry.uri.as_str()).collect();
        assert_eq!(uris, ["sip:bob@example.org", "sip:carol@example.org"]);
        assert_eq!(found[0].display_name.as_deref(), Some("Bob"));
        assert_eq!(parse(b"<resource-lists><list/></resource-lists>"), Ok(Vec::new()));
    }

    #[test]
    fn too_many_addresses_and_other_documents_are_refused() {
        let many = "<entry uri='sip:a@b'/>".repeat(MAX_ENTRIES + 1);
        assert!(parse(format!("<resource-lists>{many}</resource-lists>").as_bytes()).is_err());
        assert!(parse(b"<list/>").is_err());
    }
}
