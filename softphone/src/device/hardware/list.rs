//! What can be named on the command line.

use super::audio::{self, Direction};
use nokhwa::utils::ApiBackend;

/// The devices of this machine by the names `open_*` knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceList {
    /// Sound in.
    pub microphones: Vec<String>,
    /// Sound out.
    pub speakers: Vec<String>,
    /// Cameras: number and name.
    pub cameras: Vec<(String, String)>,
}

/// Asks the system for its devices; what cannot be asked is left out.
#[must_use]
pub fn list_devices() -> DeviceList {
    let hosts = audio::hosts();
    let names = |direction| {
        let mut names: Vec<String> = Vec::new();
        for device in hosts.iter().flat_map(|host| audio::devices(host, direction)) {
            let name = audio::name_of(&device);
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    };
    let cameras = nokhwa::query(ApiBackend::Auto).unwrap_or_default();
    DeviceList {
        microphones: names(Direction::In),
        speakers: names(Direction::Out),
        cameras: cameras.iter().map(|c| (c.index().as_string(), c.human_name())).collect(),
    }
}
