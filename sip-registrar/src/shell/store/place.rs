//! Where the database is.

use std::fmt;
use std::path::PathBuf;

use super::StoreError;

/// Value of `store.path` that keeps nothing.
const MEMORY: &str = ":memory:";

/// The file's name where only its directory is known.
const FILE: &str = "registrar.db";

/// A file, or nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this file.
    File(PathBuf),
    /// In memory: gone with the process.
    Memory,
}

impl Place {
    /// What `store.path` means. Empty: the state directory that systemd gives, else the user's
    /// (XDG Base Directory Specification).
    pub(crate) fn of(
        path: &str,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, StoreError> {
        if path == MEMORY {
            return Ok(Place::Memory);
        }
        if !path.is_empty() {
            return Ok(Place::File(path.into()));
        }
        let directory = |name: &str| environment(name).filter(|d| d.starts_with('/'));
        // systemd names several directories with a colon between them
        let systemd = directory("STATE_DIRECTORY")
            .and_then(|all| Some(PathBuf::from(all.split(':').next()?)));
        let state = directory("XDG_STATE_HOME").map(PathBuf::from);
        let home = || directory("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        let user = || state.or_else(home).map(|state| state.join("parley"));
        let found = systemd.or_else(user).ok_or(StoreError::NoPlace)?;
        Ok(Place::File(found.join(FILE)))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => path.display().fmt(f),
            Place::Memory => f.write_str("memory, until the registrar ends"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_where_the_system_keeps_state() {
        let user = Some("/root/.local/state/parley/registrar.db");
        for (path, environment, expected) in [
            ("/srv/a.db", "HOME=/root", Some("/srv/a.db")),
            ("", "HOME=/root", user),
            ("", "HOME=/root XDG_STATE_HOME=/s", Some("/s/parley/registrar.db")),
            ("", "HOME=/root XDG_STATE_HOME=relative", user),
            ("", "HOME=/ STATE_DIRECTORY=/var/lib/p:/x", Some("/var/lib/p/registrar.db")),
            ("", "", None),
        ] {
            let get = |name: &str| {
                let mut set = environment.split(' ').filter_map(|pair| pair.split_once('='));
                set.find(|(n, _)| *n == name).map(|(_, value)| value.to_owned())
            };
            let place = Place::of(path, get).ok();
            assert_eq!(place, expected.map(|p| Place::File(p.into())), "{path} {environment}");
        }
        assert_eq!(Place::of(":memory:", |_| None).unwrap(), Place::Memory);
    }
}
