//! How a call ended: one plain line for the person, one exit code for the script.
//!
//! The codes are part of the command's contract and documented in `docs/softphone.md`.

use std::fmt;

/// Why a call is over, or why it never began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// We left: a key, `--duration`, or SIGINT/SIGTERM.
    Left,
    /// The far end ended the call in the ordinary way (BYE without a failure in `Reason`).
    HungUp {
        /// The text of the `Reason` header (RFC 3326), when there was one.
        reason: Option<String>,
    },
    /// A device, file or setting of this machine could not be used.
    Local(String),
    /// Nobody answered the request: name not found, connection refused, or no response at all.
    Unreachable(String),
    /// The user name or password is wrong, or this user may not do this (401, 403, 407).
    Refused {
        /// Final status code.
        status: u16,
        /// Reason phrase of the response.
        phrase: String,
    },
    /// No such conference or user (404, 410, 484, 604).
    NotFound {
        /// Final status code.
        status: u16,
        /// Reason phrase of the response.
        phrase: String,
    },
    /// The far end cannot use any of our media (415, 488, 606).
    NotAcceptable {
        /// Final status code.
        status: u16,
        /// Reason phrase of the response.
        phrase: String,
    },
    /// The service is there but cannot take the call now (503).
    Unavailable {
        /// Reason phrase of the response.
        phrase: String,
        /// Seconds of `Retry-After`, when given.
        retry_after: Option<u32>,
    },
    /// The far end does not want the call (486, 600, 603).
    Busy {
        /// Final status code.
        status: u16,
        /// Reason phrase of the response.
        phrase: String,
    },
    /// Any other failure response.
    Failed {
        /// Final status code.
        status: u16,
        /// Reason phrase of the response.
        phrase: String,
    },
    /// The far end ended a running call because of a failure (BYE with such a `Reason`).
    Ended {
        /// What the `Reason` header said.
        reason: String,
    },
    /// A running call died: no media and no answer to SIP any more.
    Lost(String),
}

impl Outcome {
    /// The outcome a final response to a request stands for. The text of a Warning says more than the
    /// phrase and takes its place.
    #[must_use]
    pub fn from_status(
        status: u16,
        phrase: &str,
        warning: Option<&str>,
        retry_after: Option<u32>,
    ) -> Self {
        let phrase = if phrase.is_empty() { "no reason given" } else { phrase };
        let phrase = warning.unwrap_or(phrase).to_owned();
        match status {
            401 | 403 | 407 => Self::Refused { status, phrase },
            404 | 410 | 484 | 604 => Self::NotFound { status, phrase },
            415 | 488 | 606 => Self::NotAcceptable { status, phrase },
            503 => Self::Unavailable { phrase, retry_after },
            408 => Self::Unreachable(format!("no answer in time ({status} {phrase})")),
            486 | 600 | 603 => Self::Busy { status, phrase },
            _ => Self::Failed { status, phrase },
        }
    }

    /// The outcome of a BYE from the far end. `cause` and `text` are those of its `Reason` header;
    /// a cause below 300 (or 16, "normal clearing", of Q.850) is an ordinary end, and so is 410: the
    /// conference was cancelled.
    #[must_use]
    pub fn from_bye(protocol: Option<&str>, cause: Option<u16>, text: Option<&str>) -> Self {
        let q850 = protocol.is_some_and(|p| p.eq_ignore_ascii_case("Q.850"));
        let failure = match cause {
            None => false,
            Some(cause) if q850 => cause != 16,
            // the conference was cancelled
            Some(410) => false,
            Some(cause) => cause >= 300,
        };
        if failure {
            let cause = cause.map(|cause| cause.to_string()).unwrap_or_default();
            let reason = match text {
                Some(text) => format!("{text} ({cause})"),
                None => format!("cause {cause}"),
            };
            Self::Ended { reason }
        } else {
            Self::HungUp { reason: text.map(str::to_owned) }
        }
    }

    /// Process exit code, 0 to 10 (2 is kept for wrong usage).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Left | Self::HungUp { .. } => 0,
            Self::Local(_) | Self::Failed { .. } => 1,
            Self::Unreachable(_) => 3,
            Self::Refused { .. } => 4,
            Self::NotFound { .. } => 5,
            Self::NotAcceptable { .. } => 6,
            Self::Unavailable { .. } => 7,
            Self::Busy { .. } => 8,
            Self::Ended { .. } => 9,
            Self::Lost(_) => 10,
        }
    }

    /// The final SIP status behind the outcome, when a response was behind it.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. }
            | Self::NotFound { status, .. }
            | Self::NotAcceptable { status, .. }
            | Self::Busy { status, .. }
            | Self::Failed { status, .. } => Some(*status),
            Self::Unavailable { .. } => Some(503),
            _ => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => write!(f, "left the call"),
            Self::HungUp { reason: None } => write!(f, "the other side ended the call"),
            Self::HungUp { reason: Some(reason) } => {
                write!(f, "the other side ended the call: {reason}")
            }
            Self::Local(what) => write!(f, "{what}"),
            Self::Unreachable(what) => write!(f, "unreachable: {what}"),
            Self::Refused { status, phrase } if *status == 403 => {
                write!(f, "not allowed ({status} {phrase})")
            }
            Self::Refused { status, phrase } => {
                write!(f, "user name or password wrong or missing ({status} {phrase})")
            }
            Self::NotFound { status: 410, phrase } => {
                write!(f, "the conference is over or was cancelled (410 {phrase})")
            }
            Self::NotFound { status, phrase } => {
                write!(f, "no such conference or user ({status} {phrase})")
            }
            Self::NotAcceptable { status, phrase } => {
                write!(f, "no common audio or video ({status} {phrase})")
            }
            Self::Unavailable { phrase, retry_after: None } => {
                write!(f, "the service is not available now (503 {phrase})")
            }
            Self::Unavailable { phrase, retry_after: Some(seconds) } => {
                write!(f, "the service is not available now (503 {phrase}), try in {seconds} s")
            }
            Self::Busy { status, phrase } => write!(f, "busy or declined ({status} {phrase})"),
            Self::Failed { status, phrase } => write!(f, "refused ({status} {phrase})"),
            Self::Ended { reason } => write!(f, "the other side ended the call: {reason}"),
            Self::Lost(what) => write!(f, "the call was lost: {what}"),
        }
    }
}

/// The text of a Warning value, `code agent "text"` (RFC 3261 §20.43).
pub(crate) fn warning_text(value: &str) -> Option<&str> {
    let text = value.splitn(3, ' ').nth(2)?.trim().trim_matches('"');
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_exit_code() {
        for (status, code) in [
            (401, 4),
            (403, 4),
            (407, 4),
            (404, 5),
            (410, 5),
            (488, 6),
            (606, 6),
            (503, 7),
            (486, 8),
            (603, 8),
            (408, 3),
            (500, 1),
            (482, 1),
        ] {
            let outcome = Outcome::from_status(status, "Phrase", None, None);
            assert_eq!(outcome.exit_code(), code, "{status}");
            assert!(outcome.to_string().contains(&status.to_string()), "{outcome}");
        }
    }

    #[test]
    fn a_warning_says_more_than_the_phrase() {
        let outcome = Outcome::from_status(488, "Not Acceptable Here", Some("no codec"), None);
        assert_eq!(outcome.to_string(), "no common audio or video (488 no codec)");
        let outcome = Outcome::from_status(403, "Forbidden", Some("only moderators"), None);
        assert_eq!(outcome.to_string(), "not allowed (403 only moderators)");
    }

    #[test]
    fn a_bye_is_ordinary_unless_its_reason_is_a_failure() {
        assert_eq!(Outcome::from_bye(None, None, None).exit_code(), 0);
        assert_eq!(Outcome::from_bye(Some("SIP"), Some(200), Some("done")).exit_code(), 0);
        assert_eq!(Outcome::from_bye(Some("SIP"), Some(410), Some("cancelled")).exit_code(), 0);
        assert_eq!(Outcome::from_bye(Some("Q.850"), Some(16), None).exit_code(), 0);
        assert_eq!(Outcome::from_bye(Some("Q.850"), Some(38), None).exit_code(), 9);
        let ended = Outcome::from_bye(Some("SIP"), Some(503), Some("mixer gone"));
        assert_eq!(ended.exit_code(), 9);
        assert_eq!(ended.to_string(), "the other side ended the call: mixer gone (503)");
    }
}
