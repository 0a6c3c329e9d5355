//! RTP and RTCP streams, jitter buffer, feedback and VP8 payload as plain values (RFC 3550).
//!
//! The crate has no sockets, no clock and no generator of its own: every call takes `now`, and
//! whatever is random comes out of a seed given at the start. Its parts stand alone, so that a mixer
//! and a softphone can put together what each needs:
//!
//! - [`RtpPacket`] and [`Outbound`]: a packet that came in and one that goes out. The payload is one
//!   shared [`bytes::Bytes`]; only headers are ever written.
//! - [`Source`], [`JitterBuffer`], [`LossDetector`]: one incoming stream.
//! - [`SendStream`], [`Rewrite`], [`History`]: one outgoing stream, of our own making or forwarded.
//! - [`rtcp`]: reports and feedback, and when to send them.
//! - [`vp8`]: the payload format of RFC 7741. [`dtmf`]: the telephone events of RFC 4733.
//! - [`RtpSession`]: all the streams of one transport, seen from its reports.
//!
//! The wire types of the crates `rtp` and `rtcp` stop here: none is part of this API.

pub mod dtmf;
pub mod rtcp;
pub mod vp8;

mod clock;
mod header;
mod ids;
mod packet;
mod random;
mod receive;
mod send;
mod session;
#[cfg(test)]
mod testing;

pub use clock::{MediaClock, NtpClock, NtpTime};
pub use header::{CsrcList, HeaderBytes, Outbound, RtpHeader};
pub use ids::{ExtRtpTime, ExtSeq, PayloadType, RtpTime, Seq, Ssrc};
pub use packet::{AudioLevel, PacketError, PacketKind, RtpPacket, classify};
pub use receive::jitter_buffer::JitterBuffer;
pub use receive::loss::{LossConfig, LossDetector, LossPoll};
pub use receive::playout::{AudioPayload, Frame, Inserted, JitterConfig, JitterStats, Playout};
pub use receive::source::{Reception, Source, SourceError};
pub use send::history::History;
pub use send::rewrite::{Rewrite, RewriteKind};
pub use send::stream::SendStream;
pub use session::{Arrival, Contributor, Dropped, Received, RtcpEvent, RtpSession, SessionConfig};
