//! Bytes → values.

use super::{Headers, MAX_HEADERS, MAX_MESSAGE, Message, Method, Request, Response, Uri, grammar};
use bytes::Bytes;
use std::borrow::Cow;
use thiserror::Error;

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ParseErrorKind {
    /// Larger than [`super::MAX_MESSAGE`] or with more than [`super::MAX_HEADERS`] values.
    #[error("message too large")]
    TooLarge,
    /// Not a request line or status line.
    #[error("malformed start line")]
    StartLine,
    /// A request URI that is no URI.
    #[error("malformed request URI")]
    RequestUri,
    /// A version other than SIP/2.0.
    #[error("unsupported SIP version")]
    Version,
    /// A line that is no header field.
    #[error("malformed header line")]
    HeaderLine,
    /// A mandatory header is missing, repeated or malformed.
    #[error("{0}")]
    Header(#[from] super::HeaderError),
    /// CSeq names another method than the request line.
    #[error("CSeq method differs from the request method")]
    MethodMismatch,
    /// The body is shorter than Content-Length says.
    #[error("body shorter than Content-Length")]
    Truncated,
}

/// Why bytes are no SIP message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// The good parts of a request, when they are enough to answer it (and it is no ACK);
    /// see [`super::build::refusal`].
    pub partial: Option<Box<PartialRequest>>,
}

/// What could be read of a malformed request: at least a good Via.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialRequest {
    /// The method.
    pub method: Method,
    /// The headers that could be read.
    pub headers: Headers,
}

/// Reads one message. `bytes` is one datagram, or one message cut out of a stream by
/// [`crate::framing::StreamFramer`].
///
/// A message that parses has a good topmost Via, From, To, Call-ID and CSeq, and a request also good
/// values of all its Via, Contact, Route, Record-Route and Max-Forwards headers. The body is cut at
/// Content-Length; without that header it is the rest (RFC 3261 §18.3).
pub fn message(bytes: &Bytes) -> Result<Message, ParseError> {
    let fail = |kind| ParseError { kind, partial: None };
    if bytes.len() > MAX_MESSAGE {
        return Err(fail(ParseErrorKind::TooLarge));
    }
    // line ends before the start line are to be ignored (RFC 3261 §7.5)
    let start = bytes.iter().position(|b| !b"\r\n".contains(b)).unwrap_or(bytes.len());
    let bytes = bytes.slice(start..);
    let (head_len, complete) = match head_len(&bytes) {
        Some(len) => (len, true),
        None => (bytes.len(), false),
    };
    let mut lines = lines(bytes.get(..head_len).unwrap_or_default()).into_iter();
    let start_line = lines.next().ok_or(fail(ParseErrorKind::StartLine))?;
    let start = start_line_of(&start_line).map_err(fail)?;

    let (headers, mut error) = header_lines(lines);
    if !complete {
        // what a stream's framer cut off at the limit, or a datagram that was cut on its way
        let full = bytes.len() >= MAX_MESSAGE;
        error = Some(if full { ParseErrorKind::TooLarge } else { ParseErrorKind::Truncated });
    }
    if let Start::Request(_, uri) = &start {
        error = uri.as_ref().err().copied().or(error);
    }
    let error = error.or_else(|| check(&start, &headers).err());
    let body = match (error, headers.content_length()) {
        (Some(kind), _) => Err(kind),
        (None, Err(kind)) => Err(kind.into()),
        (None, Ok(length)) => {
            let rest = bytes.slice(head_len..);
            let length = length.unwrap_or(rest.len());
            let short = match length > MAX_MESSAGE.saturating_sub(head_len) {
                true => ParseErrorKind::TooLarge,
                false => ParseErrorKind::Truncated,
            };
            (length <= rest.len()).then(|| rest.slice(..length)).ok_or(short)
        }
    };
    match (body, start) {
        (Ok(body), Start::Request(method, Ok(uri))) => {
            Ok(Message::Request(Request { method, uri, headers, body }))
        }
        (Ok(body), Start::Response(status, reason)) => {
            Ok(Message::Response(Response { status, reason, headers, body }))
        }
        (Err(kind), Start::Request(method, _)) | (Ok(_), Start::Request(method, Err(kind))) => {
            let answerable = headers.via_to_refuse().is_some() && method != Method::Ack;
            let partial = answerable.then(|| Box::new(PartialRequest { method, headers }));
            Err(ParseError { kind, partial })
        }
        (Err(kind), Start::Response(..)) => Err(fail(kind)),
    }
}

/// Reads header lines alone, as they stand before a part of a multipart body. The empty line that ends
/// them may be there or not.
pub(crate) fn headers(head: &[u8]) -> Result<Headers, ParseErrorKind> {
    let (headers, error) = header_lines(lines(head));
    error.map_or(Ok(headers), Err)
}

/// The headers that can be read, and what is wrong with the others.
fn header_lines<'a>(
    lines: impl IntoIterator<Item = Cow<'a, str>>,
) -> (Headers, Option<ParseErrorKind>) {
    let mut headers = Headers::new();
    let mut error = None;
    for line in lines {
        if headers.len() >= MAX_HEADERS {
            return (headers, Some(ParseErrorKind::TooLarge));
        }
        match header_line(&line) {
            Some((name, value)) => headers.push_text(name, value),
            None => error = Some(ParseErrorKind::HeaderLine),
        }
    }
    (headers, error)
}

/// The length of start line and headers with the empty line that ends them; `None` if that has not
/// come. Bare LF is taken as a line end too, as RFC 3261 §7 lets nobody send but some do.
pub(crate) fn head_len(bytes: &[u8]) -> Option<usize> {
    head_len_from(bytes, 0)
}

/// [`head_len`], when the first `scanned` bytes are known not to hold the end.
pub(crate) fn head_len_from(bytes: &[u8], scanned: usize) -> Option<usize> {
    let from = scanned.saturating_sub(3);
    let tail = bytes.get(from..)?;
    tail.iter().enumerate().filter(|(_, b)| **b == b'\n').find_map(|(at, _)| {
        match tail.get(at + 1..)? {
            [b'\n', ..] => Some(from + at + 2),
            [b'\r', b'\n', ..] => Some(from + at + 3),
            _ => None,
        }
    })
}

/// Cuts a head into lines, folded ones joined by a blank (RFC 3261 §7.3.1). Text that is no UTF-8 is
/// taken for Latin-1, which old phones put into display names.
pub(crate) fn lines(head: &[u8]) -> Vec<Cow<'_, str>> {
    let mut lines: Vec<Cow<'_, str>> = Vec::with_capacity(24);
    for raw in head.split(|b| *b == b'\n') {
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        if raw.is_empty() {
            continue; // only the empty line at the end
        }
        let mut text: Cow<'_, str> = match std::str::from_utf8(raw) {
            Ok(text) => text.into(),
            Err(_) => raw.iter().map(|b| char::from(*b)).collect::<String>().into(),
        };
        if text.contains('\r') {
            // A CR of its own ends a line for some: what we pass on must not have a line more for them.
            text = text.replace('\r', " ").into();
        }
        let full = lines.len() > MAX_HEADERS + 1; // the caller finds that it is
        match lines.last_mut() {
            Some(last) if text.starts_with([' ', '\t']) => {
                let last = last.to_mut();
                last.push(' ');
                last.push_str(grammar::trim(&text));
            }
            _ if full => break,
            _ => lines.push(text),
        }
    }
    lines
}

enum Start {
    Request(Method, Result<Uri, ParseErrorKind>),
    Response(u16, String),
}

fn start_line_of(line: &str) -> Result<Start, ParseErrorKind> {
    let (first, rest) = line.split_once(' ').ok_or(ParseErrorKind::StartLine)?;
    if first.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("SIP/")) {
        if !first.eq_ignore_ascii_case("SIP/2.0") {
            return Err(ParseErrorKind::Version);
        }
        let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let status = (status.len() == 3).then(|| grammar::decimal(status)).flatten();
        let status = status.and_then(|s| u16::try_from(s).ok());
        let status = status.filter(|s| (100..700).contains(s)).ok_or(ParseErrorKind::StartLine)?;
        return Ok(Start::Response(status, reason.to_owned()));
    }
    let method = Method::from_token(first).ok_or(ParseErrorKind::StartLine)?;
    // blanks at the end of the line are no part of anything (RFC 4475 §3.1.2.10)
    let rest = rest.trim_end_matches(' ');
    let (uri, version) = rest.rsplit_once(' ').ok_or(ParseErrorKind::StartLine)?;
    if !version.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("SIP/")) {
        return Err(ParseErrorKind::StartLine);
    }
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Ok(Start::Request(method, Err(ParseErrorKind::Version)));
    }
    // blanks around or inside the URI are a fault to be answered with 400 (RFC 4475 §3.1.2.9)
    let uri = if uri.contains([' ', '\t']) { None } else { Uri::parse(uri) };
    // headers may stand in a URI to be called, not in one that is called (§3.1.2.11)
    let uri = uri.filter(|uri| uri.headers.is_empty());
    Ok(Start::Request(method, uri.ok_or(ParseErrorKind::RequestUri)))
}

fn header_line(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim_end_matches([' ', '\t']);
    grammar::is_token(name).then_some((name, value))
}

/// The promises that [`message`] makes about headers.
fn check(start: &Start, headers: &Headers) -> Result<(), ParseErrorKind> {
    if headers.len() > MAX_HEADERS {
        return Err(ParseErrorKind::TooLarge); // a comma list can hold many values in one line
    }
    match start {
        Start::Request(..) if headers.has("Via") => drop(headers.vias()?),
        _ => drop(headers.via_top()?),
    }
    headers.from()?;
    headers.to()?;
    headers.call_id()?;
    let cseq = headers.cseq()?;
    if let Start::Request(method, _) = start {
        if cseq.method != *method {
            return Err(ParseErrorKind::MethodMismatch);
        }
        headers.max_forwards()?;
        headers.contacts()?;
        headers.routes()?;
        headers.record_routes()?;
    }
    Ok(())
}
