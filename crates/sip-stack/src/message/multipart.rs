//! Bodies of several parts (RFC 2046 §5.1, RFC 5621), and the search for the part that is wanted.

use super::{Headers, MAX_MESSAGE, MediaType, Request, Response, Value, parse};
use bytes::Bytes;

/// The most parts one body may have; real ones have two or three.
pub const MAX_PARTS: usize = 32;

/// How deep a multipart may stand in another one. Two are seen (a `related` in a `mixed`); without a
/// limit a body of boundaries only would be worth as much work as it has bytes, squared.
const MAX_DEPTH: u8 = 3;

impl Request {
    /// The body of type `name`; see [`body_of_type`].
    pub fn body_of_type(&self, name: &str) -> Option<Bytes> {
        body_of_type(&self.headers, &self.body, name)
    }
}

impl Response {
    /// The body of type `name`; see [`body_of_type`].
    pub fn body_of_type(&self, name: &str) -> Option<Bytes> {
        body_of_type(&self.headers, &self.body, name)
    }
}

/// One part of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Content-Type, Content-Disposition, … of this part.
    pub headers: Headers,
    /// What the part holds.
    pub body: Bytes,
}

/// Cuts `body` into its parts. `None` if `content_type` is no multipart, has no good boundary, or the
/// body is not closed by that boundary, has a part whose headers cannot be read, or more than
/// [`MAX_PARTS`].
pub fn parts(content_type: &MediaType, body: &Bytes) -> Option<Vec<Part>> {
    parts_up_to(content_type, body, MAX_PARTS)
}

/// As [`parts`], for bodies that have reason to have up to `most` parts, such as lists (RFC 4662 §5.1).
pub fn parts_up_to(content_type: &MediaType, body: &Bytes, most: usize) -> Option<Vec<Part>> {
    let boundary = content_type.params.text("boundary")?;
    // RFC 2046 §5.1.1: 1 to 70 characters
    if content_type.kind != "multipart" || !(1..=70).contains(&boundary.len()) {
        return None;
    }
    let mut parts = Vec::new();
    let mut open: Option<usize> = None;
    let mut at = 0;
    while at < body.len() {
        let rest = body.get(at..)?;
        let length = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |end| end + 1);
        let next = at + length;
        let Some(last) = delimiter(rest.get(..length)?, boundary.as_bytes()) else {
            at = next;
            continue;
        };
        if let Some(start) = open {
            // the line end before a boundary belongs to the boundary (RFC 2046 §5.1.1)
            let text = body.get(start..at)?;
            let end = text.strip_suffix(b"\n").map_or(text, |t| t.strip_suffix(b"\r").unwrap_or(t));
            parts.push(part(&body.slice(start..start + end.len()))?);
        }
        if last || parts.len() > most {
            return (last && parts.len() <= most && !parts.is_empty()).then_some(parts);
        }
        open = Some(next);
        at = next;
    }
    None
}

/// Whether `line` is a boundary, and if so whether the last one.
fn delimiter(line: &[u8], boundary: &[u8]) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    let (rest, last) = match rest.strip_prefix(b"--") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    rest.iter().all(|b| b" \t\r\n".contains(b)).then_some(last)
}

fn part(text: &Bytes) -> Option<Part> {
    // a part may have no headers at all; then it begins with the empty line
    let head = match text.as_ref() {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        // headers alone: the empty line is the line end of the boundary
        _ => parse::head_len(text).unwrap_or(text.len()),
    };
    let headers = parse::headers(text.get(..head)?).ok()?;
    Some(Part { headers, body: text.slice(head..) })
}

/// The body of type `name`, such as `application/sdp`: `body` itself if `headers` say so, or the part
/// of it that is. In a `multipart/alternative` it is the last such part, which is the sender's best
/// (RFC 2046 §5.1.4), else the first. A part that is compressed by `deflate` is told as it was before, for
/// Linphone compresses its lists of people; what is in another coding is not found.
pub fn body_of_type(headers: &Headers, body: &Bytes, name: &str) -> Option<Bytes> {
    if is_encoded(headers) {
        return None;
    }
    // Chosen by its type first: at most one part is decompressed, whatever a stranger sends.
    let (deflated, body) = find(headers, body, name, MAX_DEPTH)?;
    if !deflated {
        return Some(body);
    }
    let plain = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(&body, MAX_MESSAGE);
    plain.ok().map(Bytes::from)
}

/// The body that is wanted, and whether it is compressed.
fn find(headers: &Headers, body: &Bytes, name: &str, depth: u8) -> Option<(bool, Bytes)> {
    let deflated = is_deflated(headers);
    if body.is_empty() || (is_encoded(headers) && !deflated) {
        return None;
    }
    let content_type = headers.content_type().ok().flatten()?;
    if content_type.is(name) {
        return Some((deflated, body.clone()));
    }
    let deeper = depth.checked_sub(1).filter(|_| !deflated)?;
    let parts = parts(&content_type, body)?;
    let mut found = parts.iter().filter_map(|part| find(&part.headers, &part.body, name, deeper));
    if content_type.subtype == "alternative" { found.last() } else { found.next() }
}

/// Whether a body is understood by somebody who knows the types `accepted` (RFC 3261 §8.2.3): it is
/// of such a type, or need not be understood (`handling=optional`), or is a multipart whose parts are
/// so: every one of a `mixed`, one of an `alternative`, the first of a `related` (RFC 5621 §8).
pub fn is_understood(headers: &Headers, body: &Bytes, accepted: &[String]) -> bool {
    let whole = body.is_empty() || is_optional(headers) || !is_encoded(headers);
    whole && understood(headers, body, accepted, MAX_DEPTH)
}

fn understood(headers: &Headers, body: &Bytes, accepted: &[String], depth: u8) -> bool {
    if body.is_empty() || is_optional(headers) {
        return true;
    }
    let Some(content_type) = headers.content_type().ok().flatten() else { return false };
    let deflated = is_deflated(headers);
    if is_encoded(headers) && !deflated {
        return false;
    }
    if accepted.iter().any(|name| content_type.is(name)) {
        return true;
    }
    let Some(deeper) = depth.checked_sub(1).filter(|_| !deflated) else { return false };
    let Some(parts) = parts(&content_type, body) else { return false };
    let mut known =
        parts.iter().map(|part| understood(&part.headers, &part.body, accepted, deeper));
    match content_type.subtype.as_str() {
        "alternative" => known.any(|known| known),
        "related" => known.next().unwrap_or(false),
        _ => known.all(|known| known),
    }
}

/// Whether a body may be ignored (RFC 3261 §20.11).
fn is_optional(headers: &Headers) -> bool {
    let disposition = headers.get("Content-Disposition").and_then(Value::parse);
    disposition.is_some_and(|value| {
        value.params.get("handling").is_some_and(|h| h.eq_ignore_ascii_case("optional"))
    })
}

/// Whether a body is in a coding that we do not undo: any but `identity` (RFC 3261 §20.12), and in a
/// part any transfer coding that changes bytes (RFC 2045 §6.2).
pub(crate) fn is_encoded(headers: &Headers) -> bool {
    let codings = ["Content-Encoding", "Content-Transfer-Encoding"];
    codings.iter().any(|name| headers.get_all(name).any(|value| !is_plain(value)))
}

/// Whether a coding changes no bytes.
fn is_plain(value: &str) -> bool {
    ["", "identity", "binary", "8bit", "7bit"].iter().any(|p| value.eq_ignore_ascii_case(p))
}

/// Whether a part is compressed by `deflate` (RFC 1950), and not coded otherwise.
fn is_deflated(headers: &Headers) -> bool {
    let mut codings = headers.get_all("Content-Encoding").filter(|value| !is_plain(value));
    codings.next().is_some_and(|coding| coding.eq_ignore_ascii_case("deflate"))
        && codings.next().is_none()
        && headers.get_all("Content-Transfer-Encoding").all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn multipart(kind: &str, text: &str) -> (Headers, Bytes) {
        let mut headers = Headers::new();
        headers.push("Content-Type", format!("multipart/{kind};boundary=\"b 1\""));
        (headers, text.replace('\n', "\r\n").into())
    }

    fn sdp(headers: &Headers, body: &Bytes) -> Option<Bytes> {
        body_of_type(headers, body, "Application/SDP")
    }

    const MIXED: &str = "preamble\n--b 1\nContent-Type: application/sdp\nX: y\n z\n\nv=0\ns=-\n\n\
        --b 1  \n\nno headers, text\n--b 12\n--b 1\nc: application/isup\n\
        Content-Disposition: signal;handling=optional\n\n--b 1--\nepilogue";

    #[test]
    fn parts_have_headers_and_bodies() {
        let (headers, body) = multipart("mixed", MIXED);
        let parts = parts(&headers.content_type().unwrap().unwrap(), &body).unwrap();
        let bodies: Vec<&[u8]> = parts.iter().map(|p| &p.body[..]).collect();
        let text = b"no headers, text\r\n--b 12".as_ref();
        assert_eq!(
            bodies,
            [b"v=0\r\ns=-\r\n".as_ref(), text, b""],
            "the last line end is the boundary's"
        );
        assert_eq!(parts[0].headers.get("x"), Some("y z"));
        assert!(parts[1].headers.is_empty());
        assert_eq!(sdp(&headers, &body).unwrap(), parts[0].body);
    }

    #[test]
    fn a_body_that_is_alone_is_found_unless_it_is_encoded() {
        let mut headers = Headers::new();
        let body = Bytes::from_static(b"v=0\r\n");
        assert_eq!(sdp(&headers, &body), None, "of no type");
        headers.push("c", "application/sdp;charset=utf-8");
        assert_eq!(sdp(&headers, &body), Some(body.clone()));
        assert_eq!(sdp(&headers, &Bytes::new()), None);
        headers.push("e", "gzip");
        assert_eq!(sdp(&headers, &body), None);
    }

    #[test]
    fn a_deflated_part_is_told_as_it_was() {
        let mut headers = Headers::new();
        headers.push("Content-Type", "multipart/mixed;boundary=b");
        let whole = |text: &[u8]| {
            let mut body =
                b"--b\r\nContent-Type: application/sdp\r\nContent-Encoding: deflate\r\n\r\n"
                    .to_vec();
            body.extend(miniz_oxide::deflate::compress_to_vec_zlib(text, 6));
            body.extend(b"\r\n--b--\r\n");
            Bytes::from(body)
        };
        let accepted = ["application/sdp".to_owned()];
        let good = whole(b"v=0\r\n");
        assert!(is_understood(&headers, &good, &accepted));
        assert_eq!(sdp(&headers, &good).unwrap(), b"v=0\r\n".as_ref());
        let bomb = whole(&vec![b'x'; MAX_MESSAGE + 1]);
        assert!(bomb.len() < 1000 && sdp(&headers, &bomb).is_none());
        let broken = Bytes::from_static(
            b"--b\r\nContent-Type: application/sdp\r\nContent-Encoding: deflate\r\n\r\nv=0\r\n--b--\r\n",
        );
        assert!(sdp(&headers, &broken).is_none());
    }

    #[test]
    fn the_best_alternative_is_the_last() {
        let text = "--b 1\nc:application/sdp\n\n1\n--b 1\nc:application/sdp\n\n2\n--b 1--";
        for (kind, best) in [("alternative", "2"), ("mixed", "1")] {
            let (headers, body) = multipart(kind, text);
            assert_eq!(sdp(&headers, &body), Some(best.into()));
        }
    }

    #[test]
    fn multiparts_stand_in_each_other_but_not_for_ever() {
        let nest = |depth: usize| {
            let mut body = "Content-Type: application/sdp\r\n\r\nv=0".to_owned();
            for level in 0..depth {
                body = format!(
                    "Content-Type: multipart/mixed;boundary=l{level}\r\n\r\n--l{level}\r\n{body}\r\n--l{level}--"
                );
            }
            let (head, body) = body.split_once("\r\n\r\n").unwrap();
            let headers = parse::headers(head.as_bytes()).unwrap();
            sdp(&headers, &Bytes::from(body.to_owned()))
        };
        assert_eq!(nest(2), Some("v=0".into()));
        assert_eq!(nest(usize::from(MAX_DEPTH)), Some("v=0".into()));
        assert_eq!(nest(usize::from(MAX_DEPTH) + 1), None);
    }

    #[test]
    fn broken_multiparts_have_no_parts() {
        let cases = [
            "",
            "no boundary",
            "--b 1\nc: a/b\n\nnever closed",
            "--b 1--",
            "--b 1\nno header\n\n--b 1--",
            "--b 1\nc: application/sdp\nno end of head\n--b 1--",
        ];
        for text in cases {
            let (headers, body) = multipart("mixed", text);
            let content_type = headers.content_type().unwrap().unwrap();
            assert_eq!(parts(&content_type, &body), None, "{text}");
        }
        let many = format!("{}--b 1--", "--b 1\nc:a/b\n\nx\n".repeat(MAX_PARTS + 1));
        let (headers, body) = multipart("mixed", &many);
        assert_eq!(parts(&headers.content_type().unwrap().unwrap(), &body), None);
        let type_of = |text| MediaType::parse(text).unwrap();
        assert_eq!(parts(&type_of("multipart/mixed"), &"--\n\n--".into()), None);
        assert_eq!(parts(&type_of("text/plain;boundary=b"), &"--b\n\n--b--".into()), None);
    }

    #[test]
    fn what_must_be_understood_is() {
        let accepted = ["application/sdp".to_owned()];
        let good = |kind: &str, text: &str| {
            let (headers, body) = multipart(kind, text);
            is_understood(&headers, &body, &accepted)
        };
        let (sdp, other) = ("--b 1\nc:application/sdp\n\nv=0\n", "--b 1\nc:text/x\n\nx\n");
        let optional = "--b 1\nc:text/x\nContent-Disposition: render;handling=Optional\n\nx\n";
        assert!(good("mixed", &format!("{sdp}{optional}--b 1--")));
        assert!(!good("mixed", &format!("{sdp}{other}--b 1--")));
        assert!(good("alternative", &format!("{other}{sdp}--b 1--")));
        assert!(good("related", &format!("{sdp}{other}--b 1--")));
        assert!(!good("related", &format!("{other}{sdp}--b 1--")));
        assert!(!good("alternative", &format!("{other}--b 1--")));
        let plain = |lines: &str, body: &'static str| {
            is_understood(&parse::headers(lines.as_bytes()).unwrap(), &body.into(), &accepted)
        };
        assert!(plain("", ""));
        assert!(!plain("", "untyped"));
        assert!(plain("c: application/sdp", "v=0"));
        assert!(!plain("c: application/sdp\r\ne: gzip", "v=0"));
        assert!(plain("c: x/y\r\nContent-Disposition: x;handling=optional", "v=0"));
    }
}
