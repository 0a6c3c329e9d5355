//! The control protocol between focus (client) and mixer (server): the gRPC service of
//! `proto/mixer.proto`, and plain types for the cores, which know nothing of gRPC.
//!
//! The shells convert: a focus core says [`MixerRequest`], its shell calls [`call()`] and hands back
//! the [`MixerReply`]; a mixer shell turns each message into a plain type (`TryFrom`) and a
//! [`MixerError`] into a [`tonic::Status`].

mod call;
mod convert;
mod error;
mod health;
mod plain;
mod prompt;
mod source;
mod stats;

pub use call::{call, doctor, stats};
pub use error::MixerError;
pub use health::{Flow, LegHealth, LineHealth};
pub use plain::{JoinRequest, LegDescription, LegRef, MixerEvent, MixerReply, MixerRequest};
pub use prompt::{Prompt, play_request};
pub use source::{LineDirection, SourceLine};
pub use stats::{LegStats, LineStats};

/// What the proto compiler generates from `proto/mixer.proto`, whose comments document it.
pub mod proto {
    #![allow(
        missing_docs,
        unused_qualifications,
        clippy::allow_attributes_without_reason,
        clippy::large_futures,
        reason = "generated code"
    )]
    tonic::include_proto!("parley.mixer.v1");
}
