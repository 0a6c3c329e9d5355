//! The operator's own recordings.

use std::path::Path;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use media_mixer::Prompts;
use mixer_control::Prompt;

/// The longest recording, in octets: a minute. Whoever gives us another kind of file by mistake is told.
const LONGEST: usize = 60 * 8000;

/// The built-in prompts, with the recordings in `directory` in place of those of the same name.
///
/// # Errors
/// A file that cannot be read, or is no such recording, is named.
pub(crate) fn load(directory: &Path) -> anyhow::Result<Prompts> {
    let mut prompts = Prompts::built_in();
    if directory.as_os_str().is_empty() {
        return Ok(prompts);
    }
    if !directory.is_dir() {
        bail!("audio.prompts: {} is no directory", directory.display());
    }
    for prompt in Prompt::ALL {
        let path = directory.join(Prompts::file_name(prompt)).with_extension("g722");
        let octets = match std::fs::read(&path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                let what = format!("audio.prompts: cannot read {}", path.display());
                return Err(error).context(what);
            }
        };
        if octets.starts_with(b"RIFF") || octets.starts_with(b"OggS") || octets.len() > LONGEST {
            let path = path.display();
            bail!(
                "audio.prompts: {path} is no raw G.722 of at most a minute (see scripts/prompts)"
            );
        }
        prompts = prompts.with(prompt, Bytes::from(octets));
    }
    Ok(prompts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_of_the_operator_take_the_place_of_ours() {
        let directory = std::env::temp_dir().join(format!("prompts-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("muted.g722"), [1, 2, 3]).unwrap();
        let loaded = load(&directory).unwrap();
        assert_eq!(loaded.recording(Prompt::Muted), Bytes::from_static(&[1, 2, 3]));
        let ours = Prompts::built_in().recording(Prompt::Unmuted);
        assert_eq!(loaded.recording(Prompt::Unmuted), ours);
        std::fs::write(directory.join("locked.g722"), b"RIFF....WAVE").unwrap();
        let error = load(&directory).unwrap_err().to_string();
        assert!(error.contains("locked.g722"), "{error}");
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(load(&directory).unwrap_err().to_string().contains("audio.prompts"));
        assert_eq!(load(Path::new("")).unwrap(), Prompts::built_in());
    }
}
