//! The header fields of a message: an ordered list of names and values, and typed views of it.

use super::auth_params::AuthParams;
use super::cseq::CSeq;
use super::grammar;
use super::method::Method;
use super::name_addr::NameAddr;
use super::value::{MediaType, Reason, Value};
use super::via::Via;
use std::borrow::Cow;
use thiserror::Error;

/// Names with their compact form (RFC 3261 §7.3.3 and later ones), and whether the value is a comma
/// list that may be split and joined (§7.3.1).
const KNOWN: [(&str, &str, bool); 62] = [
    ("Via", "v", true),
    ("From", "f", false),
    ("To", "t", false),
    ("Call-ID", "i", false),
    ("CSeq", "", false),
    ("Contact", "m", true),
    ("Max-Forwards", "", false),
    ("Route", "", true),
    ("Record-Route", "", true),
    ("Content-Type", "c", false),
    ("Content-Length", "l", false),
    ("Content-Encoding", "e", true),
    ("Content-Disposition", "", false),
    ("Content-Language", "", true),
    ("Accept", "", true),
    ("Accept-Contact", "a", true),
    ("Accept-Encoding", "", true),
    ("Accept-Language", "", true),
    ("Alert-Info", "", true),
    ("Allow", "", true),
    ("Allow-Events", "u", true),
    ("Authorization", "", false),
    ("Authentication-Info", "", false),
    ("Call-Info", "", true),
    ("Date", "", false),
    ("Error-Info", "", true),
    ("Event", "o", false),
    ("Expires", "", false),
    ("Flow-Timer", "", false),
    ("Identity", "y", false),
    ("In-Reply-To", "", true),
    ("Join", "", false),
    ("MIME-Version", "", false),
    ("Min-Expires", "", false),
    ("Min-SE", "", false),
    ("Organization", "", false),
    ("P-Asserted-Identity", "", true),
    ("Path", "", true),
    ("Priority", "", false),
    ("Privacy", "", false),
    ("Proxy-Authenticate", "", false),
    ("Proxy-Authorization", "", false),
    ("Proxy-Require", "", true),
    ("RAck", "", false),
    ("RSeq", "", false),
    ("Reason", "", true),
    ("Refer-Sub", "", false),
    ("Refer-To", "r", false),
    ("Referred-By", "b", false),
    ("Replaces", "", false),
    ("Reply-To", "", false),
    ("Require", "", true),
    ("Retry-After", "", false),
    ("Server", "", false),
    ("Service-Route", "", true),
    ("Session-Expires", "x", false),
    ("Subject", "s", false),
    ("Subscription-State", "", false),
    ("Supported", "k", true),
    ("Unsupported", "", true),
    ("User-Agent", "", false),
    ("WWW-Authenticate", "", false),
];

/// List headers whose values are short words: printed on one line with commas.
const JOINED: [&str; 9] = [
    "Allow",
    "Allow-Events",
    "Supported",
    "Require",
    "Proxy-Require",
    "Unsupported",
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
];

/// The most header values a message may have.
pub const MAX_HEADERS: usize = 256;

/// The usual spelling of `name`, from any case and from the compact form.
fn canonical(name: &str) -> (Cow<'static, str>, bool) {
    let known = KNOWN.iter().find(|(full, compact, _)| {
        full.eq_ignore_ascii_case(name)
            || (!compact.is_empty() && compact.eq_ignore_ascii_case(name))
    });
    match known {
        Some((full, _, list)) => (Cow::Borrowed(full), *list),
        None => (Cow::Owned(name.to_owned()), false),
    }
}

/// Why a typed view of a header is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// The header is mandatory and not there.
    #[error("no {0} header")]
    Missing(&'static str),
    /// The value does not follow the grammar or its limits.
    #[error("malformed {0} header")]
    Malformed(&'static str),
    /// The header may stand once only.
    #[error("more than one {0} header")]
    Repeated(&'static str),
}

/// One header value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Header {
    name: Cow<'static, str>,
    value: String,
}

/// Header fields in order. Names are compared without case, and compact names are the same as long
/// ones. A comma list of a header that allows it is kept as one entry per element, so the first
/// `Via` or `Route` entry is always one hop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// No headers.
    pub fn new() -> Headers {
        Headers::default()
    }

    /// The first value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// All values of `name` in order.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let (name, _) = canonical(name);
        self.0.iter().filter(move |h| h.name.eq_ignore_ascii_case(&name)).map(|h| h.value.as_str())
    }

    /// Whether `name` is there.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|h| (h.name.as_ref(), h.value.as_str()))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds `value` after all others. Line ends in it become blanks, so no caller's text can begin a
    /// new header; a list is split into its elements.
    pub fn push(&mut self, name: &str, value: impl ToString) {
        self.push_text(name, &value.to_string());
    }

    /// [`Headers::push`] of a value that is text already.
    pub(crate) fn push_text(&mut self, name: &str, value: &str) {
        self.add_at(self.0.len(), name, value);
    }

    /// The headers called one of `names` (in their usual spelling), in their order.
    pub(crate) fn only(&self, names: &[&str]) -> Headers {
        let wanted = self.0.iter().filter(|h| names.contains(&h.name.as_ref()));
        Headers(wanted.cloned().collect())
    }

    /// About how many bytes they take when printed.
    pub(crate) fn size(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.len() + 4).sum()
    }

    /// Adds `value` before the other values of `name`, as a proxy does with Via, Route and
    /// Record-Route; as the very first header if there is none yet.
    pub fn prepend(&mut self, name: &str, value: impl ToString) {
        let (full, _) = canonical(name);
        let at = self.0.iter().position(|h| h.name.eq_ignore_ascii_case(&full)).unwrap_or(0);
        self.add_at(at, name, &value.to_string());
    }

    /// Sets `name` to `value` alone, in the place of its first value if there was one.
    pub fn insert(&mut self, name: &str, value: impl ToString) {
        let (full, _) = canonical(name);
        let found = self.0.iter().position(|h| h.name.eq_ignore_ascii_case(&full));
        let at = found.unwrap_or(self.0.len());
        self.remove(name);
        self.add_at(at, name, &value.to_string());
    }

    /// Takes away every value of `name`.
    pub fn remove(&mut self, name: &str) {
        let (name, _) = canonical(name);
        self.0.retain(|h| !h.name.eq_ignore_ascii_case(&name));
    }

    /// Takes away the first value of `name` and returns it.
    pub fn remove_first(&mut self, name: &str) -> Option<String> {
        let (name, _) = canonical(name);
        let at = self.0.iter().position(|h| h.name.eq_ignore_ascii_case(&name))?;
        Some(self.0.remove(at).value)
    }

    /// Takes `word` out of the list header `name`, in any case.
    pub fn remove_word(&mut self, name: &str, word: &str) {
        let (name, _) = canonical(name);
        self.0.retain(|h| {
            !(h.name.eq_ignore_ascii_case(&name) && h.value.eq_ignore_ascii_case(word))
        });
    }

    fn add_at(&mut self, at: usize, name: &str, value: &str) {
        let (name, list) = canonical(name);
        let clean: Cow<'_, str> = match value.contains(['\r', '\n']) {
            true => value.replace(['\r', '\n'], " ").into(),
            false => value.into(),
        };
        let header = |value: &str| Header { name: name.clone(), value: value.to_owned() };
        if !list {
            self.0.insert(at, header(grammar::trim(&clean)));
            return;
        }
        let parts = grammar::split_outside(&clean, b',').filter(|part| !part.is_empty());
        let before = self.0.len();
        match at == before {
            true => self.0.extend(parts.map(header)),
            false => drop(self.0.splice(at..at, parts.map(header))),
        }
        if self.0.len() == before {
            // `Supported:` with nothing says "none" and must not vanish (RFC 3261 §20.37)
            self.0.insert(at, header(""));
        }
    }

    /// The lines to print: words of one list are joined where they stand side by side. A quote or `<` that is never closed
    /// would take in what is joined to it, so such a value keeps a line of its own.
    pub(crate) fn lines(&self) -> Vec<(&str, Cow<'_, str>)> {
        let mut lines: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(self.0.len());
        for Header { name, value } in &self.0 {
            match lines.last_mut() {
                Some((last, text))
                    if *last == name.as_ref()
                        && JOINED.contains(&name.as_ref())
                        && !text.contains(['"', '<'])
                        && !value.contains(['"', '<']) =>
                {
                    let text = text.to_mut();
                    text.push_str(", ");
                    text.push_str(value);
                }
                _ => lines.push((name, value.into())),
            }
        }
        lines
    }
}

/// Typed views. They read the text anew at each call.
impl Headers {
    fn single(&self, name: &'static str) -> Result<Option<&str>, HeaderError> {
        let mut values = self.get_all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(HeaderError::Repeated(name)),
            (value, None) => Ok(value),
        }
    }

    fn mandatory<T>(
        &self,
        name: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, HeaderError> {
        self.optional(name, read)?.ok_or(HeaderError::Missing(name))
    }

    fn optional<T>(
        &self,
        name: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, HeaderError> {
        let Some(text) = self.single(name)? else { return Ok(None) };
        read(text).map(Some).ok_or(HeaderError::Malformed(name))
    }

    fn every<T>(
        &self,
        name: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, HeaderError> {
        self.get_all(name).map(|v| read(v).ok_or(HeaderError::Malformed(name))).collect()
    }

    /// The topmost Via.
    pub fn via_top(&self) -> Result<Via, HeaderError> {
        let text = self.get("Via").ok_or(HeaderError::Missing("Via"))?;
        Via::parse(text).ok_or(HeaderError::Malformed("Via"))
    }

    /// The topmost Via of a request that is only to be refused: its version may be another one.
    pub(crate) fn via_to_refuse(&self) -> Option<Via> {
        self.get("Via").and_then(Via::of_any_version)
    }

    /// All Via values, topmost first.
    pub fn vias(&self) -> Result<Vec<Via>, HeaderError> {
        self.every("Via", Via::parse)
    }

    /// Replaces the topmost Via.
    pub fn set_via_top(&mut self, via: &Via) {
        self.remove_first("Via");
        self.prepend("Via", via);
    }

    /// From.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        self.mandatory("From", NameAddr::parse)
    }

    /// To.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.mandatory("To", NameAddr::parse)
    }

    /// Call-ID.
    pub fn call_id(&self) -> Result<&str, HeaderError> {
        let id = self.single("Call-ID")?.ok_or(HeaderError::Missing("Call-ID"))?;
        let ok = !id.is_empty() && !id.contains([' ', '\t']);
        ok.then_some(id).ok_or(HeaderError::Malformed("Call-ID"))
    }

    /// CSeq.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        self.mandatory("CSeq", CSeq::parse)
    }

    /// All Contact addresses. `Contact: *` gives none; see [`Headers::contact_is_star`].
    pub fn contacts(&self) -> Result<Vec<NameAddr>, HeaderError> {
        if self.contact_is_star() {
            return Ok(Vec::new());
        }
        self.every("Contact", NameAddr::parse)
    }

    /// Whether Contact is exactly `*` (RFC 3261 §10.2.2).
    pub fn contact_is_star(&self) -> bool {
        self.single("Contact") == Ok(Some("*"))
    }

    /// Route values, next hop first.
    pub fn routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.every("Route", NameAddr::parse)
    }

    /// Record-Route values in message order.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.every("Record-Route", NameAddr::parse)
    }

    /// Max-Forwards, 0–255.
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        self.optional("Max-Forwards", |v| u8::try_from(grammar::long_decimal(v)?).ok())
    }

    /// Expires in seconds.
    pub fn expires(&self) -> Result<Option<u32>, HeaderError> {
        self.optional("Expires", seconds)
    }

    /// Min-Expires in seconds.
    pub fn min_expires(&self) -> Result<Option<u32>, HeaderError> {
        self.optional("Min-Expires", seconds)
    }

    /// Session-Expires: the seconds, with `refresher` in the parameters (RFC 4028 §4).
    pub fn session_expires(&self) -> Result<Option<(u32, Value)>, HeaderError> {
        self.optional("Session-Expires", |v| {
            let value = Value::parse(v)?;
            Some((seconds(&value.value)?, value))
        })
    }

    /// Min-SE in seconds (RFC 4028 §5).
    pub fn min_se(&self) -> Result<Option<u32>, HeaderError> {
        self.optional("Min-SE", |v| seconds(&Value::parse(v)?.value))
    }

    /// Retry-After in seconds, without its comment and parameters.
    pub fn retry_after(&self) -> Result<Option<u32>, HeaderError> {
        self.optional("Retry-After", |v| {
            seconds(grammar::trim(v.split([';', '(', ' ']).next().unwrap_or(v)))
        })
    }

    /// Content-Length in bytes.
    pub fn content_length(&self) -> Result<Option<usize>, HeaderError> {
        self.optional("Content-Length", |v| usize::try_from(grammar::long_decimal(v)?).ok())
    }

    /// Content-Type.
    pub fn content_type(&self) -> Result<Option<MediaType>, HeaderError> {
        self.optional("Content-Type", MediaType::parse)
    }

    /// Event.
    pub fn event(&self) -> Result<Option<Value>, HeaderError> {
        self.optional("Event", Value::parse)
    }

    /// Subscription-State.
    pub fn subscription_state(&self) -> Result<Option<Value>, HeaderError> {
        self.optional("Subscription-State", Value::parse)
    }

    /// Refer-To.
    pub fn refer_to(&self) -> Result<Option<NameAddr>, HeaderError> {
        self.optional("Refer-To", NameAddr::parse)
    }

    /// Referred-By.
    pub fn referred_by(&self) -> Result<Option<NameAddr>, HeaderError> {
        self.optional("Referred-By", NameAddr::parse)
    }

    /// The first Reason that can be read; a bad one is no reason to refuse a BYE.
    pub fn reason(&self) -> Option<Reason> {
        self.get_all("Reason").find_map(Reason::parse)
    }

    /// The methods of Allow; `None` if the header is absent.
    pub fn allow(&self) -> Option<Vec<Method>> {
        self.has("Allow").then(|| self.get_all("Allow").filter_map(Method::from_token).collect())
    }

    /// Whether the list header `name` (Supported, Require, Accept, Allow-Events, …) holds `word`, in
    /// any case and whatever its parameters.
    pub fn list_has(&self, name: &str, word: &str) -> bool {
        self.get_all(name)
            .any(|v| grammar::trim(v.split(';').next().unwrap_or(v)).eq_ignore_ascii_case(word))
    }

    /// The credentials or challenges of `name` (`Authorization`, `WWW-Authenticate`, …) that can be
    /// read, in order.
    pub fn auth(&self, name: &str) -> Vec<AuthParams> {
        self.get_all(name).filter_map(AuthParams::parse).collect()
    }
}

/// Delta-seconds; larger values than 2³²−1 mean that (RFC 3261 §20.19 leaves it to us).
fn seconds(text: &str) -> Option<u32> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(grammar::long_decimal(text).unwrap_or(u32::MAX));
    }
    None
}

impl<N: AsRef<str>, V: ToString> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Headers {
        let mut headers = Headers::new();
        pairs.into_iter().for_each(|(name, value)| headers.push(name.as_ref(), value));
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_in_every_case_and_length() {
        let mut h = Headers::new();
        h.push("v", "SIP/2.0/UDP a, SIP/2.0/UDP b");
        h.push("VIA", "SIP/2.0/UDP c");
        h.push("x-own", "1, 2");
        assert_eq!(h.get_all("via").count(), 3);
        assert_eq!(h.iter().next(), Some(("Via", "SIP/2.0/UDP a")));
        assert_eq!(h.get("X-Own"), Some("1, 2"), "unknown headers are not split");
        assert_eq!(h.remove_first("V").as_deref(), Some("SIP/2.0/UDP a"));
        h.prepend("Via", "SIP/2.0/UDP z");
        assert_eq!(h.via_top().unwrap().host.to_string(), "z");
        h.insert("Via", "SIP/2.0/UDP y");
        assert_eq!(h.len(), 2);
        assert_eq!(h.iter().next(), Some(("Via", "SIP/2.0/UDP y")), "in the old place");
    }

    #[test]
    fn lists_are_split_and_joined() {
        let mut h = Headers::new();
        h.push("Supported", "timer ,replaces");
        h.push("k", "gruu");
        h.push("Contact", "\"a,b\" <sip:a@h>, <sip:b@h>");
        h.push("Date", "Sat, 22 Aug 2026 10:02:11 GMT");
        assert!(h.list_has("supported", "GRUU") && !h.list_has("Supported", "100rel"));
        assert_eq!(h.contacts().unwrap().len(), 2);
        let lines: Vec<String> = h.lines().iter().map(|(n, v)| format!("{n}: {v}")).collect();
        assert_eq!(
            lines,
            [
                "Supported: timer, replaces, gruu",
                "Contact: \"a,b\" <sip:a@h>",
                "Contact: <sip:b@h>",
                "Date: Sat, 22 Aug 2026 10:02:11 GMT"
            ]
        );
    }

    #[test]
    fn an_empty_list_is_not_an_absent_one() {
        let mut h = Headers::new();
        h.push("Supported", "");
        h.push("Accept", " ");
        assert!(h.has("Supported") && h.has("Accept"));
        assert_eq!(h.allow(), None);
    }

    #[test]
    fn line_ends_cannot_smuggle_headers() {
        let mut h = Headers::new();
        h.push("Subject", "a\r\nTo: <sip:b@h>");
        assert_eq!(h.get("Subject"), Some("a  To: <sip:b@h>"));
    }

    #[test]
    fn typed_views() {
        let mut h = Headers::new();
        assert_eq!(h.from(), Err(HeaderError::Missing("From")));
        assert_eq!(h.expires(), Ok(None));
        h.push("Expires", "99999999999");
        assert_eq!(h.expires(), Ok(Some(u32::MAX)), "more than fits is as long as fits");
        h.insert("Expires", "soon");
        assert_eq!(h.expires(), Err(HeaderError::Malformed("Expires")));
        h.push("Expires", "1");
        assert_eq!(h.expires(), Err(HeaderError::Repeated("Expires")));
        h.push("Session-Expires", "1800 ;refresher=uac");
        let (seconds, value) = h.session_expires().unwrap().unwrap();
        assert_eq!((seconds, value.params.get("refresher")), (1800, Some("uac")));
        h.push("Min-SE", "90;x");
        assert_eq!(h.min_se(), Ok(Some(90)));
        h.push("Retry-After", "18 (I'm in a meeting);duration=3600");
        assert_eq!(h.retry_after(), Ok(Some(18)));
        h.push("Reason", "?, SIP;cause=200;text=\"a, b\"");
        assert_eq!(h.reason().unwrap().text.as_deref(), Some("a, b"));
        h.push("m", "*");
        assert!(h.contact_is_star());
        assert_eq!(h.contacts(), Ok(vec![]));
    }
}
