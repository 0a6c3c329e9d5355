//! Offer and answer (RFC 3264).
//!
//! | who | calls | gets |
//! |---|---|---|
//! | answerer | [`answer()`], binds ports, [`Answer::describe`] | [`NegotiatedLine`]s and the answer |
//! | offerer | [`offer()`], later [`accept()`] | the offer, later [`NegotiatedLine`]s |
//!
//! All are pure. The descriptions they make carry a placeholder `o=` line; the
//! [`crate::DialogSdp`] of the dialog puts in its own.
//!
//! ```
//! use sdp::negotiate::{Capabilities, LocalTransport, OfferLine, accept, answer, offer};
//! use sdp::{DialogSdp, Direction, MediaKind, SessionDescription};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let capabilities = Capabilities::standard(4);
//!
//! // The caller offers audio, its camera and one more tile.
//! let at = |port| LocalTransport::pair(([127, 0, 0, 1], port).into());
//! let lines = [
//!     OfferLine::new(MediaKind::Audio, Direction::SendRecv, at(30_000)),
//!     OfferLine::new(MediaKind::Video, Direction::SendRecv, at(30_002)),
//!     OfferLine::new(MediaKind::Video, Direction::RecvOnly, at(30_004)),
//! ];
//! let mut caller = DialogSdp::new("alice", 1, [127, 0, 0, 1].into());
//! let offered = caller.fit(&offer(&lines, &capabilities));
//!
//! // The mixer plans, binds what the plan needs, and answers with a placeholder `o=` line.
//! let plan = answer(&SessionDescription::parse(&offered.to_string())?, &capabilities)?;
//! let mut port = 20_000;
//! let mixers = plan.describe(|_line| {
//!     port += 2;
//!     at(port)
//! });
//!
//! // The focus gives the mixer's answer the identity of the dialog.
//! let mut focus = DialogSdp::new("-", 2, [127, 0, 0, 1].into());
//! let answered = focus.answer(&offered, &mixers);
//!
//! // The caller learns what to send where.
//! let lines = accept(&offered, &answered)?;
//! let audio = lines[0].accepted().ok_or("audio was refused")?;
//! assert_eq!(audio.codec.name, "opus");
//! assert_eq!(audio.remote.rtp, Some(([127, 0, 0, 1], 20_002).into()));
//! assert_eq!(lines[2].accepted().map(|media| media.direction), Some(Direction::RecvOnly));
//! # Ok(())
//! # }
//! ```

mod accept;
mod answer;
mod capabilities;
mod extension;
mod ice;
mod line;
mod offer;
mod reject;
mod transport;

pub use accept::accept;
pub use answer::{Answer, WrongPortCount, answer};
pub use capabilities::{Capabilities, SupportedCodec};
pub use extension::{Extension, SupportedExtension};
pub use ice::{LocalIce, MAX_CANDIDATES, RemoteIce};
pub use line::{NegotiatedLine, NegotiatedMedia, Refusal, Rtx, Source};
pub use offer::{OfferLine, offer};
pub use reject::{Reject, WarningCode};
pub use transport::{LocalTransport, RemoteTransport, direction_of};
