//! A refusal: what a handler returns instead of doing what it was asked.

/// A final response that says no, with the header fields that explain it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reject {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
}

impl Reject {
    /// A refusal with the usual phrase of its status.
    pub(crate) fn new(status: u16) -> Self {
        Reject { status, headers: Vec::new() }
    }

    /// Adds a header field.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Adds `Warning: 399` with a text for people (RFC 3261 §20.43).
    pub(crate) fn because(self, text: &str) -> Self {
        self.warning(399, text)
    }

    /// Adds a Warning (RFC 3261 §20.43). The agent is our name, not our address: it may be behind
    /// a NAT and tells the caller nothing.
    pub(crate) fn warning(self, code: u16, text: &str) -> Self {
        let text: String = text
            .chars()
            .filter(|c| !c.is_control())
            .map(|c| if matches!(c, '"' | '\\') { '\'' } else { c })
            .take(200)
            .collect();
        self.with("Warning", format!("{code} parley \"{text}\""))
    }

    /// 503 with Retry-After: not now, but soon (RFC 3261 §21.5.4).
    pub(crate) fn busy(text: &str) -> Self {
        Reject::new(503).with("Retry-After", "5").because(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_cannot_break_out_of_its_header_field() {
        let reject = Reject::new(488).warning(304, "no \"codec\"\r\nInjected: 1");
        let (name, value) = &reject.headers[0];
        assert_eq!(name, "Warning");
        assert_eq!(value, "304 parley \"no 'codec'Injected: 1\"");
    }

    #[test]
    fn unavailability_tells_when_to_try_again() {
        let reject = Reject::busy("no mixer");
        assert_eq!(reject.status, 503);
        assert!(reject.headers.iter().any(|(n, _)| n == "Retry-After"));
    }
}
