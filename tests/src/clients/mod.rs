//! Real clients, driven without a person: ours and those we did not write.

mod baresip;
mod chromium;
mod display;
mod linphone;
mod sipp;
mod softphone;

pub use baresip::{Baresip, Setup as BaresipSetup};
pub use chromium::Chromium;
pub use display::VirtualDisplay;
pub use linphone::Linphone;
pub use sipp::Sipp;
pub use softphone::Softphone;
