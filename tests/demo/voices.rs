use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Somebody in the demo.
#[derive(Debug)]
pub struct Person {
    /// Display name.
    pub name: &'static str,
    /// What they say, over and over.
    pub voice: PathBuf,
}

/// Name, espeak-ng voice, words a minute, pitch, text.
const CAST: &[(&str, &str, &str, &str, &str)] = &[
    (
        "Alice",
        "en-us+f3",
        "165",
        "65",
        "Good morning everybody. This is Alice. The quarterly numbers look better than we feared, \
         and I would like to walk you through the three charts on the second page.",
    ),
    (
        "Bob",
        "en-gb+m3",
        "150",
        "35",
        "Hello, Bob speaking. Before we begin: the train was late again, so please excuse the noise. \
         My question concerns the delivery on Thursday and who is going to sign for it.",
    ),
    (
        "Carol",
        "en-gb-scotland+f5",
        "175",
        "50",
        "Carol here, I can hear you both very well. Let us keep this short. Two decisions are open, \
         the budget for travel, and the name of the new meeting room downstairs.",
    ),
];

/// Has everybody's words spoken into a WAV file.
pub fn speak(directory: &Path) -> Result<Vec<Person>> {
    CAST.iter()
        .map(|(name, voice, speed, pitch, text)| {
            let file = directory.join(format!("voice-{name}.wav"));
            let status = Command::new("espeak-ng")
                .args(["-v", voice, "-s", speed, "-p", pitch, "-w"])
                .arg(&file)
                .arg(text)
                .status()
                .context("starting espeak-ng (scripts/deps demo installs it)")?;
            if !status.success() {
                bail!("espeak-ng could not speak as {name}");
            }
            Ok(Person { name, voice: file })
        })
        .collect()
}
