//! RTP and RTCP streams, feedback and VP8 payload as plain values (RFC 3550).
//!
//! The crate has no sockets, no clock and no generator of its own: every call takes `now`, and
//! whatever is random comes out of a seed given at the start. Its parts stand alone, so that a mixer
//! and a softphone can put together what each needs:
//!
//! - [`RtpPacket`] and [`Outbound`]: a packet that came in and one that goes out. The payload is one
//!   shared [`bytes::Bytes`]; only headers are ever written.
//! - [`Source`], [`LossDetector`]: one incoming stream. When its sound is played is the matter of `audio-playout`.
//! - [`SendStream`], [`Rewrite`], [`History`]: one outgoing stream, of our own making or forwarded.
//! - [`rtcp`]: reports and feedback, and when to send them.
//! - [`vp8`]: the payload format of RFC 7741. [`dtmf`]: the telephone events of RFC 4733.
//! - [`RtpSession`]: all the streams of one transport, seen from its reports.
//!
//! A packet's way in and out, on the side of a listener:
//!
//! ```
//! # use std::time::{Duration, Instant};
//! # use bytes::Bytes;
//! use rtp_session::{
//!     Arrival, CsrcList, NtpClock, PayloadType, RtpPacket, RtpSession, SendStream, SessionConfig,
//! };
//!
//! # let now = Instant::now();
//! let mut session = RtpSession::new(
//!     SessionConfig {
//!         cname: "b1946ac9@parley".into(),
//!         name: "Ann".into(),
//!         clock: NtpClock::new(now, Duration::from_secs(1_800_000_000)),
//!         bandwidth: 64_000,
//!         feedback: false,
//!         payload_types: vec![(PayloadType::PCMU, 8000)],
//!         seed: 42,
//!     },
//!     now,
//! );
//! let mut stream = SendStream::new(session.add_sender(8000), PayloadType::PCMU, 42);
//!
//! // Out: 20 ms of sound.
//! let packet = stream.packet(true, 0, Bytes::from_static(&[0xff; 160]), &CsrcList::EMPTY);
//! session.sent(now, &packet);
//! let datagram = packet.to_bytes(); // or `write_to` a buffer of one's own
//!
//! // In, at the other end (which would have another session).
//! # let mut session = RtpSession::new(SessionConfig { cname: "c".into(), name: String::new(),
//! #     clock: NtpClock::new(now, Duration::ZERO), bandwidth: 64_000, feedback: false,
//! #     payload_types: vec![(PayloadType::PCMU, 8000)], seed: 7 }, now);
//! let packet = RtpPacket::parse(datagram)?;
//! assert!(matches!(session.handle_rtp(now, &packet), Arrival::Received(_))); // play or forward it
//! // After every call, and when `session.poll_timeout()` comes:
//! while let Some(report) = session.poll_rtcp(now) {
//!     let _ = report; // send it
//! }
//! # Ok::<(), rtp_session::PacketError>(())
//! ```
//!
//! The wire types of the crates `rtp` and `rtcp` stop here: none is part of this API.

pub mod dtmf;
pub mod rtcp;
pub mod vp8;

mod clock;
mod extension;
mod header;
mod ids;
mod level;
mod packet;
mod random;
mod receive;
mod send;
mod session;
#[cfg(test)]
mod testing;

pub use clock::{MediaClock, NtpClock, NtpTime};
pub use extension::{ExtensionBlock, ExtensionForm, Extensions};
pub use header::{CsrcList, HeaderBytes, Outbound, RtpHeader};
pub use ids::{ExtRtpTime, ExtSeq, PayloadType, RtpTime, Seq, Ssrc};
pub use level::{AudioLevel, CsrcLevels, LevelIds, level_of};
pub use packet::{PacketError, PacketKind, RtpPacket, classify};
pub use receive::loss::{LossConfig, LossDetector, LossPoll};
pub use receive::source::{Reception, Source, SourceError};
pub use send::history::History;
pub use send::rewrite::{Rewrite, RewriteKind};
pub use send::rtx::{RtxPair, RtxSender};
pub use send::stream::SendStream;
pub use session::{Arrival, Contributor, Dropped, Received, RtcpEvent, RtpSession, SessionConfig};
