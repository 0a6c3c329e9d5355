//! The media of conferences: audio is mixed so that everybody hears everybody else (N−1), video is forwarded
//! unchanged. A [`Conference`] is one meeting as a plain value: datagrams, commands and the time go in, datagrams and
//! events come out. It has no sockets, no clock and no threads; the `media-mixer` program is the shell around it.
//!
//! A member's media is a *leg*: the m-lines of one session description, each with ports of its own. A leg joins in two
//! steps, so that nothing is half open when there are no ports: [`Conference::plan_join`] says which are needed, the
//! shell binds them, [`Conference::join`] answers the offer.

mod address;
mod audio;
mod conference;
mod doctor;
mod follow;
mod ice;
mod io;
mod join;
mod ledger;
mod leg;
mod meter;
mod output;
mod random;
mod settings;
mod source_gate;
mod stats;
mod tick;
mod transport;
pub mod turn;
mod video;

pub use address::{Addresses, Family};
pub use audio::prompts::Prompts;
pub use conference::{Conference, NewLeg};
pub use doctor::{LineFacts, Seen, diagnose, is_alarming};
pub use ice::IceSecret;
pub use io::{Datagram, PortId, Transmit};
pub use join::{Plan, PortNeed};
pub use ledger::Oddity;
pub use leg::LegId;
pub use output::{Event, Output};
pub use settings::{MAX_VOICES, Settings};
pub use stats::{ConferenceStats, LegStats, LineStats};
pub use tick::{CATCH_UP, TICK, Tick, TickStats};
pub use transport::{LineCounters, PortGrant};
