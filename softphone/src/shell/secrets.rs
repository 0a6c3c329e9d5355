//! What shows that we made a conference, kept for the commands that come later. Only a guest needs that:
//! an account proves itself by its password.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sip_stack::message::Uri;

/// Conferences remembered; the oldest is forgotten.
const MOST: usize = 1000;

/// One conference that we made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    uri: String,
    secret: String,
    /// Who made it, if that one gave a name: several people may share a machine's user to try things out.
    #[serde(default)]
    name: Option<String>,
}

/// The file they are in.
#[derive(Debug)]
pub struct Secrets {
    path: PathBuf,
}

impl Secrets {
    /// In the user's directory for such things (XDG Base Directory Specification): `$XDG_STATE_HOME/parley`,
    /// else `~/.local/state/parley`. `None` for a user without a home.
    pub fn of_user() -> Option<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let state = set("XDG_STATE_HOME").map(PathBuf::from);
        let state = state.or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/state")))?;
        Some(Secrets { path: state.join("parley/organizer-secrets.json") })
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self) -> Vec<Kept> {
        // none yet, or spoilt: either way nothing is known
        let text = fs::read(&self.path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// What shows that we made the conference; who gives another name than its creator did not.
    pub fn get(&self, conference: &Uri, name: Option<&str>) -> Option<String> {
        let uri = key(conference);
        let kept = self.read().into_iter().rev().find(|kept| kept.uri == uri)?;
        let other = kept.name.as_deref().zip(name).is_some_and(|(creator, we)| creator != we);
        (!other).then_some(kept.secret)
    }

    /// What who made the conference was called, if that one gave a name.
    pub fn creator(&self, conference: &Uri) -> Option<String> {
        let uri = key(conference);
        self.read().into_iter().rev().find(|kept| kept.uri == uri)?.name
    }

    /// Keeps a secret, readable for nobody else.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&self, conference: &Uri, secret: &str, name: Option<&str>) -> io::Result<()> {
        let uri = key(conference);
        self.make_directory()?;
        // Two commands at once must not forget what the other keeps. The lock ends with the file.
        let lock = self.path.with_extension("lock");
        let lock = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(lock)?;
        lock.lock()?;
        let mut all = self.read();
        all.retain(|kept| kept.uri != uri);
        all.push(Kept { uri, secret: secret.to_owned(), name: name.map(str::to_owned) });
        let surplus = all.len().saturating_sub(MOST);
        all.drain(..surplus);
        self.write(&all)
    }

    fn make_directory(&self) -> io::Result<()> {
        let Some(directory) = self.path.parent() else { return Ok(()) };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
    }

    /// Writes beside the file and renames, so that it is never half there.
    fn write(&self, all: &[Kept]) -> io::Result<()> {
        let draft = self.path.with_extension(format!("{}.new", std::process::id()));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        let text = serde_json::to_string_pretty(all)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        fs::rename(&draft, &self.path)
    }
}

/// One spelling for one conference: port 5060 is the one that is meant without (RFC 3261 §19.1.2).
fn key(conference: &Uri) -> String {
    let mut uri = conference.clone();
    uri.port = uri.port.filter(|port| *port != 5060);
    uri.aor()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text).unwrap()
    }

    fn scratch(name: &str) -> Secrets {
        let directory = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        Secrets { path: directory.join("deep/secrets.json") }
    }

    #[test]
    fn a_secret_is_kept_for_us_alone_and_found_under_either_spelling() {
        let secrets = scratch("parley-secrets");
        assert_eq!(secrets.get(&uri("sip:a@h"), None), None);
        secrets.keep(&uri("sip:a@h:5060;transport=tcp"), "one", None).unwrap();
        secrets.keep(&uri("sip:b@h:5070"), "two", None).unwrap();
        secrets.keep(&uri("sip:a@h"), "three", Some("Ann")).unwrap();
        assert_eq!(secrets.get(&uri("sip:a@h:5060"), None).as_deref(), Some("three"));
        assert_eq!(secrets.get(&uri("sip:a@h"), Some("Ann")).as_deref(), Some("three"));
        assert_eq!(secrets.creator(&uri("sip:a@h")).as_deref(), Some("Ann"));
        assert_eq!(secrets.get(&uri("sip:a@h"), Some("Bob")), None, "somebody else");
        assert_eq!(secrets.get(&uri("sip:b@h"), None), None, "another port is another conference");
        let mode = fs::metadata(secrets.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(secrets.read().len(), 2);
        fs::remove_dir_all(secrets.path().ancestors().nth(2).unwrap()).unwrap();
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let secrets = scratch("parley-many-secrets");
        let kept = |n: usize| Kept { uri: format!("sip:{n}@h"), secret: n.to_string(), name: None };
        secrets.make_directory().unwrap();
        secrets.write(&(0..MOST).map(kept).collect::<Vec<_>>()).unwrap();
        secrets.keep(&uri("sip:new@h"), "x", None).unwrap();
        assert_eq!(secrets.read().len(), MOST);
        assert_eq!(secrets.get(&uri("sip:0@h"), None), None);
        assert_eq!(secrets.get(&uri("sip:1@h"), None).as_deref(), Some("1"));
        fs::remove_dir_all(secrets.path().ancestors().nth(2).unwrap()).unwrap();
    }
}
