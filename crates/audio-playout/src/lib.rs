//! From the packets of one audio source to 20 ms of sound at every tick of the listener's clock.
//!
//! [`Playout`] is the receive path of one source, the same in the mixer and in the softphone. It has no clock and no
//! thread: packets go in with the moment of their arrival, and a tick comes out whenever the caller's clock says so. In
//! between it
//!
//! - puts packets in order and knows duplicates, late ones, pauses of the sender and restarts of its numbers;
//! - keeps a delay that covers nearly all of the network's jitter and no more, and brings the real delay there by making
//!   the sound a little shorter or longer without changing its pitch;
//! - makes up for what is lost: from the copy in the next Opus packet (in-band FEC), or by continuing the sound, which
//!   fades into comfort noise.
//!
//! After the first moments nothing is allocated.
//!
//! ```
//! # use std::time::{Duration, Instant};
//! # use bytes::Bytes;
//! use audio_playout::{Playout, PlayoutConfig};
//! use media_codec::AudioCodec;
//! # use rtp_session::{CsrcList, PayloadType, RtpPacket, SendStream, Ssrc};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let now = Instant::now();
//! # let mut stream = SendStream::new(Ssrc(1), PayloadType::PCMU, 7);
//! # let sent = stream.packet(true, 0, Bytes::from_static(&[0x10; 160]), &CsrcList::EMPTY);
//! # let packet = RtpPacket::parse(sent.to_bytes())?;
//! let mut playout = Playout::new(PlayoutConfig::new(48_000), AudioCodec::Pcmu)?;
//! playout.insert(now, AudioCodec::Pcmu, &packet);
//! // Every 20 ms:
//! let sound = playout.tick(now + Duration::from_millis(5));
//! assert_eq!(sound.len(), 960);
//! assert!(sound.iter().any(|sample| *sample != 0));
//! # Ok(())
//! # }
//! ```
//!
//! [`resample`] converts between the rates of our codecs.

pub mod resample;

mod arrivals;
mod delay;
mod line;
mod noise;
mod pace;
mod playout;
mod queue;
mod repair;
mod settings;
mod stretch;
mod timeline;
mod voice;

pub use playout::Playout;
pub use settings::{Inserted, PlayoutConfig, PlayoutStats};
