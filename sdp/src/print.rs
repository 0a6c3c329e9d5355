//! Values → text, in the order RFC 8866 §5 demands, every line ended by CRLF.

use std::fmt::{self, Display, Formatter, Write};

use crate::attribute::{Attribute, Attributes};
use crate::media::MediaDescription;
use crate::session::{Bandwidth, SessionDescription, Time};

impl Display for SessionDescription {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let origin = &self.origin;
        f.write_str("v=0\r\n")?;
        line(
            f,
            'o',
            format_args!(
                "{} {} {} {}",
                origin.username, origin.session_id, origin.session_version, origin.address
            ),
        )?;
        let name = if self.session_name.is_empty() { "-" } else { &self.session_name };
        line(f, 's', name)?;
        all(f, 'i', self.information.as_slice())?;
        all(f, 'u', self.uri.as_slice())?;
        all(f, 'e', &self.emails)?;
        all(f, 'p', &self.phones)?;
        all(f, 'c', self.connection.as_slice())?;
        all(f, 'b', &self.bandwidths)?;
        if self.times.is_empty() {
            line(f, 't', &Time::UNBOUNDED)?;
        }
        for time in &self.times {
            line(f, 't', time)?;
            all(f, 'r', &time.repeats)?;
        }
        all(f, 'z', self.time_zones.as_slice())?;
        all(f, 'k', self.key.as_slice())?;
        attributes(f, &self.attributes)?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

impl Display for MediaDescription {
    /// The m= line and all lines below it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let count = self.port_count.map(|count| format!("/{count}")).unwrap_or_default();
        let formats = if self.formats.is_empty() { "0".to_owned() } else { self.formats.join(" ") };
        line(
            f,
            'm',
            format_args!("{} {}{} {} {}", self.kind, self.port, count, self.protocol, formats),
        )?;
        all(f, 'i', self.information.as_slice())?;
        all(f, 'c', &self.connections)?;
        all(f, 'b', &self.bandwidths)?;
        all(f, 'k', self.key.as_slice())?;
        attributes(f, &self.attributes)
    }
}

impl Display for Bandwidth {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

impl Display for Time {
    /// The value of the `t=` line only.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.start, self.stop)
    }
}

impl Display for Attribute {
    /// What follows `a=`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.value() {
            Some(value) => write!(f, "{}:{value}", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

fn attributes(f: &mut Formatter<'_>, attributes: &Attributes) -> fmt::Result {
    attributes.iter().try_for_each(|attribute| line(f, 'a', attribute))
}

fn all<T: Display>(f: &mut Formatter<'_>, letter: char, values: &[T]) -> fmt::Result {
    values.iter().try_for_each(|value| line(f, letter, value))
}

fn line(f: &mut Formatter<'_>, letter: char, value: impl Display) -> fmt::Result {
    write!(f, "{letter}=")?;
    write!(OneLine(f), "{value}")?;
    f.write_str("\r\n")
}

/// Lets no value end its line: CR, LF and NUL become blanks (RFC 8866 §9, byte-string).
struct OneLine<'a, 'b>(&'a mut Formatter<'b>);

impl Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut pieces = text.split(['\r', '\n', '\0']);
        self.0.write_str(pieces.next().unwrap_or_default())?;
        pieces.try_for_each(|piece| write!(self.0, " {piece}"))
    }
}
