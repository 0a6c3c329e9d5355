//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  softphone join sip:standup@127.0.0.1
      join the meeting \"standup\" with the default microphone, speaker and camera
  softphone join sip:standup@127.0.0.1 --name Zoé --camera pattern --mic tone:440
      no devices needed: a test picture and a test tone
  softphone join sip:standup@127.0.0.1 --headless --mic loop:speech.wav --camera clip.y4m \\
      --duration 20 --record heard.wav --report call.json --snapshot grid.png
      as a script uses it: no window, everything heard, seen and counted goes to files
  softphone join 'sip:standup@example.org;transport=tcp' --user alice --password secret
      over TCP, with an account for the meeting
  softphone join sip:bob@example.org --registrar sip:example.org --user alice --password secret
      register first, then call another user

Exit codes: 0 ok, 1 other failure, 2 wrong usage, 3 unreachable, 4 wrong password or not allowed,
5 not found, 6 no common media, 7 service unavailable, 8 busy, 9 ended by the server because of a
failure, 10 the running call was lost. docs/softphone.md describes them and the report.";

/// Parley softphone: joins SIP conferences, in a window or headless.
#[derive(Debug, Parser)]
#[command(name = "softphone", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The things the softphone does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Join a conference, or call a user.
    #[command(after_help = EXAMPLES, max_term_width = 100)]
    Join(Box<Join>),
    /// List microphones, speakers and cameras, and how to name them.
    Devices,
}

/// `softphone join`.
#[derive(Debug, Args)]
pub struct Join {
    /// Whom to call: sip:NAME@HOST[:PORT][;transport=tcp]
    pub uri: String,

    /// Name shown to the others [default: the user name]
    #[arg(long)]
    pub name: Option<String>,

    /// User name of the account, also the user of our own SIP address [default: guest-XXXX]
    #[arg(long)]
    pub user: Option<String>,

    /// Password of the account; better given in the environment
    #[arg(long, env = "SOFTPHONE_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,

    /// Register here before calling, and go through it: sip:HOST[:PORT][;transport=tcp]
    #[arg(long, requires = "user")]
    pub registrar: Option<String>,

    /// Microphone: default, a device name, FILE.wav, loop:FILE.wav, tone:HERTZ or none
    #[arg(long, default_value = "default", value_name = "SOURCE")]
    pub mic: String,

    /// Camera: default, a device, FILE.y4m, FILE.ivf, pattern or none
    #[arg(long, default_value = "default", value_name = "SOURCE")]
    pub camera: String,

    /// Speaker: default, a device name, FILE.wav or none
    #[arg(long, default_value = "default", value_name = "SINK")]
    pub speaker: String,

    /// How many pictures of others to ask for; 0 is a call without video
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=16))]
    pub video_slots: u8,

    /// No window
    #[arg(long)]
    pub headless: bool,

    /// Leave after this many seconds
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    pub duration: Option<Duration>,

    /// Write what was counted as JSON (docs/softphone.md) when the call is over
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// Write everything heard to a WAV file (48 kHz mono)
    #[arg(long, value_name = "FILE.wav")]
    pub record: Option<PathBuf>,

    /// Write the grid of pictures as PNG at the end of the call
    #[arg(long, value_name = "FILE.png")]
    pub snapshot: Option<PathBuf>,

    /// Local IP address for SIP and media [default: the one that leads to the server]
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<std::net::IpAddr>,

    /// Ask these name servers instead of the system's; may be given several times
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub name_server: Vec<std::net::SocketAddr>,

    /// Local SIP port [default: any free one]
    #[arg(long, default_value_t = 0, value_name = "PORT", hide_default_value = true)]
    pub port: u16,
}

/// Positive seconds, fractions allowed.
fn seconds(text: &str) -> Result<Duration, String> {
    let value: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(value)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected a positive number of seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_a_person_at_a_desk() {
        let cli = Cli::try_parse_from(["softphone", "join", "sip:a@127.0.0.1"]).unwrap();
        let Command::Join(join) = cli.command else { panic!("not join") };
        assert_eq!((join.mic.as_str(), join.camera.as_str()), ("default", "default"));
        assert_eq!(join.video_slots, 4);
        assert!(!join.headless && join.duration.is_none());
    }

    #[test]
    fn duration_is_positive_seconds() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for wrong in ["0", "-1", "ten", "1e400", "NaN"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_registrar_needs_a_user() {
        let args = ["softphone", "join", "sip:a@127.0.0.1", "--registrar", "sip:127.0.0.1"];
        assert!(Cli::try_parse_from(args).is_err());
    }
}
