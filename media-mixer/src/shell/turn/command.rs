//! `media-mixer turn-credentials`.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use clap::Args;
use media_mixer::turn::credentials;

use crate::shell::config::Config;

/// Makes a user name and a password for the TURN server, good for a time.
///
/// They are computed from the secret in [turn] of the configuration; the running service need not be asked. The same
/// work with coturn where it has `use-auth-secret` and the same `static-auth-secret`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  media-mixer --config mixer.toml turn-credentials --name alice --ttl 1d

Use them with the softphone:
  softphone join sip:room@HOST --turn HOST:3478 --turn-user USERNAME --turn-password PASSWORD")]
pub(crate) struct Arguments {
    /// Whose they are: quotas are counted by name.
    #[arg(long, default_value = "")]
    name: String,
    /// How long they are good: 90s, 30m, 12h, 1d.
    #[arg(long, default_value = "1d", value_parser = seconds)]
    ttl: u64,
}

fn seconds(text: &str) -> Result<u64, String> {
    let bad = || format!("\"{text}\" is no time such as 90s, 30m, 12h or 1d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(bad)?;
    let (number, unit) = match unit {
        "s" => (number, 1),
        "m" => (number, 60),
        "h" => (number, 3600),
        "d" => (number, 86_400),
        _ => (text, 1),
    };
    let number: u64 = number.parse().map_err(|_| bad())?;
    number.checked_mul(unit).filter(|seconds| *seconds > 0).ok_or_else(bad)
}

/// Prints them.
pub(crate) fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<()> {
    if config.turn.secret.is_empty() && config.turn.secret_file.as_os_str().is_empty() {
        bail!(
            "no turn.secret and no turn.secret_file: name the service's configuration with --config"
        );
    }
    if arguments.name.contains([':', '\n', '\r']) {
        bail!("--name: no colon and no line break");
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let expiry = now.as_secs().saturating_add(arguments.ttl);
    let made = credentials(&config.turn.secret()?, &arguments.name, expiry);
    writeln!(std::io::stdout(), "username: {}\npassword: {}", made.username, made.password)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, expected) in
            [("90", 90), ("90s", 90), ("30m", 1800), ("12h", 43_200), ("1d", 86_400)]
        {
            assert_eq!(seconds(text), Ok(expected));
        }
        for bad in ["", "d", "0", "1w", "-1s", "1é", "99999999999999999999d"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
