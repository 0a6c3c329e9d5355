//! Why a device cannot be used.

use std::path::PathBuf;

use thiserror::Error;

/// Why a device cannot be used, in words for its user.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The name on the command line means nothing.
    #[error("{what} \"{name}\": {why}")]
    Name {
        /// `microphone`, `speaker` or `camera`.
        what: &'static str,
        /// What was given.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file cannot be read, written, or understood.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The machine has no such device, or it does not work.
    #[error("no {what}: {why}")]
    Missing {
        /// `microphone`, `speaker`, `camera` or `window`.
        what: &'static str,
        /// What the system said.
        why: String,
    },
}
