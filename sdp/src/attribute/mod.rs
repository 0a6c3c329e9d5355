//! `a=` lines: kept verbatim and in order, with typed views on demand.

pub mod candidate;
pub mod content;
pub mod crypto;
pub mod direction;
pub mod extmap;
pub mod fingerprint;
pub mod flag;
pub mod fmtp;
pub mod ice;
pub mod label;
pub mod mid;
pub mod ptime;
pub mod rtcp;
pub mod rtcp_fb;
pub mod rtpmap;
pub mod setup;
pub mod ssrc;
pub mod ssrc_group;

use std::fmt;

use direction::Direction;

/// One `a=` line as it came.
///
/// Its `Debug` form hides the value of attributes that carry secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    name: String,
    value: Option<String>,
}

impl Attribute {
    /// `a=<name>` or `a=<name>:<value>`.
    pub fn new(name: &str, value: Option<&str>) -> Self {
        Self { name: name.to_owned(), value: value.map(str::to_owned) }
    }

    /// The part before the first colon.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The part behind the first colon; `None` without a colon.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// The typed view, if this is such an attribute and well-formed.
    pub fn typed<T: TypedAttribute>(&self) -> Option<T> {
        if self.is(T::NAME) { T::from_value(self.value()?.trim()) } else { None }
    }

    /// Whether it has this name. Names are case-sensitive (RFC 8866 §6), but nobody means two
    /// things by two cases, so reading is lenient.
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// Attributes that carry keys or passwords (RFC 4568, RFC 8839 §5.4, RFC 3830).
const SECRETS: [&str; 3] = ["crypto", "ice-pwd", "key-mgmt"];

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value() {
            Some(_) if SECRETS.iter().any(|name| self.is(name)) => write!(f, "{}:…", self.name),
            _ => write!(f, "{self}"),
        }
    }
}

/// An attribute with a value we understand; `Display` prints the value.
pub trait TypedAttribute: Sized + fmt::Display {
    /// The part before the colon.
    const NAME: &'static str;

    /// Reads the part behind the colon, blanks trimmed; `None` when malformed.
    fn from_value(value: &str) -> Option<Self>;
}

/// The `a=` lines of a session or of one medium.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<Attribute>);

impl Attributes {
    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &Attribute> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of this name is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|attribute| attribute.is(name))
    }

    /// The value of the first one of this name that has a value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().filter(|attribute| attribute.is(name)).find_map(Attribute::value)
    }

    /// The first well-formed one of this type.
    pub fn typed<T: TypedAttribute>(&self) -> Option<T> {
        self.all().next()
    }

    /// All well-formed ones of this type, in order.
    pub fn all<T: TypedAttribute>(&self) -> impl Iterator<Item = T> {
        self.0.iter().filter_map(Attribute::typed)
    }

    /// The first direction stated.
    pub fn direction(&self) -> Option<Direction> {
        self.0.iter().find_map(|attribute| Direction::from_name(attribute.name()))
    }

    /// Appends a line.
    pub fn push(&mut self, attribute: Attribute) {
        self.0.push(attribute);
    }

    /// Appends `a=<name>`.
    pub fn push_flag(&mut self, name: &str) {
        self.push(Attribute::new(name, None));
    }

    /// Appends `a=<name>:<value>`.
    pub fn push_value(&mut self, name: &str, value: &str) {
        self.push(Attribute::new(name, Some(value)));
    }

    /// Appends the line of a typed attribute.
    pub fn push_typed<T: TypedAttribute>(&mut self, attribute: &T) {
        self.push_value(T::NAME, &attribute.to_string());
    }

    /// Removes all of this name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|attribute| !attribute.is(name));
    }

    /// Replaces whatever direction is stated by this one, at the place of the first.
    pub fn set_direction(&mut self, direction: Direction) {
        let is_direction = |attribute: &Attribute| Direction::from_name(attribute.name()).is_some();
        let at = self.0.iter().position(is_direction).unwrap_or(self.0.len());
        self.0.retain(|attribute| !is_direction(attribute));
        self.0.insert(at, Attribute::new(direction.as_str(), None));
    }
}

impl FromIterator<Attribute> for Attributes {
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> Self {
        Self(attributes.into_iter().collect())
    }
}

/// Splits at the first run of blanks.
fn split_word(text: &str) -> (&str, &str) {
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::label::Label;
    use super::*;

    #[test]
    fn direction_is_replaced_in_place() {
        let mut attributes: Attributes = [
            Attribute::new("mid", Some("1")),
            Attribute::new("sendonly", None),
            Attribute::new("rtcp-mux", None),
            Attribute::new("inactive", None),
        ]
        .into_iter()
        .collect();
        attributes.set_direction(Direction::RecvOnly);
        let names: Vec<_> = attributes.iter().map(Attribute::name).collect();
        assert_eq!(names, ["mid", "recvonly", "rtcp-mux"]);
        assert_eq!(attributes.direction(), Some(Direction::RecvOnly));
    }

    #[test]
    fn secrets_stay_out_of_logs() {
        let secret = Attribute::new("crypto", Some("1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0"));
        assert_eq!(format!("{secret:?}"), "crypto:…");
        assert_eq!(format!("{:?}", Attribute::new("mid", Some("1"))), "mid:1");
    }

    #[test]
    fn a_malformed_attribute_is_as_if_absent() {
        let attributes: Attributes =
            [Attribute::new("label", None), Attribute::new("label", Some("a b"))]
                .into_iter()
                .collect();
        assert_eq!(attributes.typed::<Label>(), None);
        assert!(attributes.has("label"));
        assert_eq!(attributes.len(), 2);
    }
}
