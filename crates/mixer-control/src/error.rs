//! Why the mixer refused, and how that travels over gRPC.

use thiserror::Error;
use tonic::{Code, Status};

/// Why the mixer did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MixerError {
    /// A description or a name cannot be understood; SIP 400. gRPC `INVALID_ARGUMENT`.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// Nothing is left of the offer, and why; SIP 488 with that Warning.
    /// gRPC `FAILED_PRECONDITION`.
    #[error("no common media: {0}")]
    NoCommonMedia(String),
    /// There is no such conference or leg; SIP 481. gRPC `NOT_FOUND`.
    #[error("no such conference or leg")]
    NotFound,
    /// Out of ports or over a limit; SIP 503 with Retry-After. gRPC `RESOURCE_EXHAUSTED`.
    #[error("mixer is full: {0}")]
    Exhausted(String),
    /// The mixer cannot be reached, did not answer in time, or failed inside; SIP 503 with
    /// Retry-After. gRPC `UNAVAILABLE`, and every status not named above.
    #[error("mixer is unavailable: {0}")]
    Unavailable(String),
}

impl From<MixerError> for Status {
    fn from(error: MixerError) -> Self {
        match error {
            MixerError::Invalid(why) => Self::invalid_argument(why),
            MixerError::NoCommonMedia(why) => Self::failed_precondition(why),
            MixerError::NotFound => Self::not_found("no such conference or leg"),
            MixerError::Exhausted(why) => Self::resource_exhausted(why),
            MixerError::Unavailable(why) => Self::unavailable(why),
        }
    }
}

impl From<Status> for MixerError {
    fn from(status: Status) -> Self {
        let why = status.message().to_owned();
        match status.code() {
            Code::InvalidArgument => Self::Invalid(why),
            Code::FailedPrecondition => Self::NoCommonMedia(why),
            Code::NotFound => Self::NotFound,
            Code::ResourceExhausted => Self::Exhausted(why),
            code => Self::Unavailable(format!("{code}: {why}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_survives_the_way_over_grpc() {
        for error in [
            MixerError::Invalid("line 3".to_owned()),
            MixerError::NoCommonMedia("304 no codec".to_owned()),
            MixerError::NotFound,
            MixerError::Exhausted("no ports".to_owned()),
        ] {
            assert_eq!(MixerError::from(Status::from(error.clone())), error);
        }
    }

    #[test]
    fn every_other_status_means_unavailable() {
        for code in (0..=16).map(Code::from) {
            let named = matches!(
                code,
                Code::InvalidArgument
                    | Code::FailedPrecondition
                    | Code::NotFound
                    | Code::ResourceExhausted
            );
            let error = MixerError::from(Status::new(code, "why"));
            assert_eq!(matches!(error, MixerError::Unavailable(_)), !named, "{code:?}");
        }
    }
}
