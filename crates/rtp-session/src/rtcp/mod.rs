//! RTCP as plain values: what a control packet says, how it is written, when it is due (RFC 3550 §6).

mod bitrate;
mod budget;
mod compound;
mod feedback;
mod report;
mod schedule;

pub use bitrate::{BitRate, BitRates};
pub use compound::{Compound, MAX_COMPOUND, Rtcp, parse};
pub use feedback::{Fir, FirSender, Nack, Pli, Remb};
pub use report::{Bye, ReportBlock, SdesChunk, SenderInfo};
pub use schedule::{Population, Schedule, ScheduleConfig};
