//! The command line.

mod ice;
mod meeting;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

pub use self::ice::{IceArgs, IceMode};
pub use self::meeting::{AtMeeting, AtPerson, Create, List, Mute, SetRole};

const EXAMPLES: &str = "\
Examples:
  softphone join sip:standup@127.0.0.1
      join the meeting \"standup\" with the default microphone, speaker and camera
  softphone create --subject 'Plan B' --pin 4711
      make a meeting of one's own, and say how to come in
  softphone list
      see the meetings there are, and join one
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
5 not found or over, 6 no common media, 7 service unavailable, 8 busy, 9 ended by the server because
of a failure, 10 the running call was lost. docs/softphone.md describes them and the report.";

const CREATE: &str = "\
Examples:
  softphone create
      a meeting with a random name, from now on
  softphone create standup --subject 'Daily' --waiting-room --join
      named, people wait until they are admitted, and join it at once
  softphone create --server sip:example.org --user alice --start '2026-11-23 10:00' --end +1h \\
      --visibility members --invite bob --invite carol
      planned, for some";

const CHAT: &str = "\
Examples:
  softphone chat sip:standup@127.0.0.1 --name Zoé
      every line typed is said; /help lists commands, Ctrl-D leaves
  echo 'the build is green' | softphone chat sip:standup@127.0.0.1 --name CI
      from a script: said, and left";

const LIST: &str = "\
Examples:
  softphone list
      the conferences of this machine's server; type the number of one to join it
  softphone list --server sip:example.org --user alice --watch
      drawn anew whenever something changes
  softphone list --json | jq -r '.[].uri'
      for a script: one JSON array";

/// Parley softphone: joins SIP conferences, in a window or headless; makes, lists and moderates them.
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
    /// Chat in a conference, without sound and picture.
    #[command(after_help = CHAT, max_term_width = 100)]
    Chat(Chat),
    /// Make a conference, without joining it.
    #[command(after_help = CREATE, max_term_width = 100)]
    Create(Box<Create>),
    /// See the conferences there are, and join one.
    #[command(after_help = LIST, max_term_width = 100)]
    List(List),
    /// End a conference for all; only its organizer may.
    Cancel(AtMeeting),
    /// Let nobody else into a conference.
    Lock(AtMeeting),
    /// Let people into a locked conference again.
    Unlock(AtMeeting),
    /// Mute somebody, or all but the moderators.
    Mute(Mute),
    /// Let somebody talk again, or all.
    Unmute(Mute),
    /// Remove somebody.
    Kick(AtPerson),
    /// Call somebody in.
    Invite(AtPerson),
    /// Let somebody in from the waiting room.
    Admit(AtPerson),
    /// Make somebody moderator, organizer or participant.
    Role(SetRole),
    /// Register at a server, and wait to be called, by a conference or by somebody.
    Wait(Box<Wait>),
    /// List microphones, speakers and cameras, and how to name them.
    Devices,
}

/// Who we are, and how we reach the server.
#[derive(Debug, Clone, Default, Args)]
pub struct Who {
    /// Name shown to the others [default: the user name]
    #[arg(long)]
    pub name: Option<String>,

    /// User name of the account, also the user of our own SIP address [default: guest-XXXX]
    #[arg(long)]
    pub user: Option<String>,

    /// Password of the account; better given in the environment
    #[arg(long, env = "SOFTPHONE_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,

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

/// `softphone join`.
#[derive(Debug, Args)]
pub struct Join {
    /// Whom to call: sip:NAME@HOST[:PORT][;transport=tcp]
    pub uri: String,

    /// Who we are.
    #[command(flatten)]
    pub who: Who,

    /// How media gets through NATs.
    #[command(flatten)]
    pub ice: IceArgs,

    /// Register here before calling, and go through it: sip:HOST[:PORT][;transport=tcp]
    #[arg(long, requires = "user")]
    pub registrar: Option<String>,

    /// Microphone: default, a device name, FILE.wav, loop:FILE.wav, tone:HERTZ or none
    #[arg(long, default_value = DEFAULT, value_name = "SOURCE")]
    pub mic: String,

    /// Camera: default, a device, FILE.y4m, FILE.ivf, pattern or none
    #[arg(long, default_value = DEFAULT, value_name = "SOURCE")]
    pub camera: String,

    /// Speaker: default, a device name, FILE.wav or none
    #[arg(long, default_value = DEFAULT, value_name = "SINK")]
    pub speaker: String,

    /// How many pictures of others to ask for; 0 is a call without video
    #[arg(long, default_value_t = SLOTS, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=16))]
    pub video_slots: u8,

    /// Keys to press once the call is answered, such as the PIN of a conference
    #[arg(long, value_name = "DIGITS", value_parser = keys)]
    pub pin: Option<String>,

    /// Say this in the chat; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub say: Vec<String>,

    /// Say it so long after the answer
    #[arg(long, default_value = "1", value_name = "SECS", value_parser = seconds)]
    pub say_at: Duration,

    /// Append the chat to a file, a JSON object per line
    #[arg(long, value_name = "FILE")]
    pub chat_log: Option<PathBuf>,

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

    /// Read what is to be said from standard input, and leave at its end.
    #[arg(skip)]
    pub until_lines_end: bool,

    /// Wait for a call instead of calling.
    #[arg(skip)]
    pub answer: Option<Answer>,
}

/// What to do with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Ask at the terminal.
    Ask,
    /// Take those of conferences.
    Conferences,
}

/// `softphone wait`.
#[derive(Debug, Args)]
pub struct Wait {
    /// The call that will be: where we register is its URI, `sip:HOST[:PORT][;transport=tcp]`
    #[command(flatten)]
    pub join: Join,

    /// Take the calls of conferences without asking
    #[arg(long)]
    pub auto_answer: bool,
}

impl Wait {
    /// The call this is.
    pub fn into_join(self) -> Join {
        let answer = if self.auto_answer { Answer::Conferences } else { Answer::Ask };
        let registrar = Some(self.join.registrar.unwrap_or_else(|| self.join.uri.clone()));
        Join { answer: Some(answer), registrar, ..self.join }
    }
}

/// `softphone chat`.
#[derive(Debug, Args)]
pub struct Chat {
    /// The conference: sip:NAME@HOST[:PORT][;transport=tcp]
    pub uri: String,

    /// Who we are.
    #[command(flatten)]
    pub who: Who,

    /// Register here before calling, and go through it: sip:HOST[:PORT][;transport=tcp]
    #[arg(long, requires = "user")]
    pub registrar: Option<String>,

    /// Keys to press once the call is answered, such as the PIN of the conference
    #[arg(long, value_name = "DIGITS", value_parser = keys)]
    pub pin: Option<String>,

    /// Leave after this many seconds
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    pub duration: Option<Duration>,

    /// Append the chat to a file, a JSON object per line
    #[arg(long, value_name = "FILE")]
    pub chat_log: Option<PathBuf>,

    /// Write what was counted as JSON (docs/softphone.md) when the call is over
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

impl Chat {
    /// The call this is: a member who hears nothing and says nothing aloud.
    pub fn into_join(self) -> Join {
        let none = || "none".to_owned();
        Join {
            registrar: self.registrar,
            pin: self.pin,
            duration: self.duration,
            chat_log: self.chat_log,
            report: self.report,
            mic: none(),
            camera: none(),
            speaker: none(),
            video_slots: 0,
            headless: true,
            until_lines_end: true,
            ..Join::new(self.uri, self.who)
        }
    }
}

const DEFAULT: &str = "default";
const SLOTS: u8 = 4;

impl Join {
    /// Joining `uri` with the devices of a person at a desk.
    pub fn new(uri: String, who: Who) -> Self {
        Join {
            uri,
            who,
            ice: IceArgs::default(),
            registrar: None,
            mic: DEFAULT.to_owned(),
            camera: DEFAULT.to_owned(),
            speaker: DEFAULT.to_owned(),
            video_slots: SLOTS,
            pin: None,
            say: Vec::new(),
            say_at: Duration::from_secs(1),
            chat_log: None,
            headless: false,
            duration: None,
            report: None,
            record: None,
            snapshot: None,
            until_lines_end: false,
            answer: None,
        }
    }
}

/// Keys of a telephone.
fn keys(text: &str) -> Result<String, String> {
    let good =
        !text.is_empty() && text.bytes().all(|key| key.is_ascii_digit() || b"*#".contains(&key));
    good.then(|| text.to_owned()).ok_or_else(|| "expected digits".to_owned())
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

    use super::meeting::RoleWord;
    use super::*;
    use crate::shell::moment::Moment;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_a_person_at_a_desk() {
        let Ok(Command::Join(join)) = parse("softphone join sip:a@127.0.0.1") else {
            panic!("not join")
        };
        assert_eq!((join.mic.as_str(), join.camera.as_str()), ("default", "default"));
        assert_eq!(join.video_slots, 4);
        assert!(!join.headless && join.duration.is_none());
        let same = Join::new("sip:a@127.0.0.1".to_owned(), Who { ..join.who.clone() });
        assert_eq!(format!("{join:?}"), format!("{same:?}"));
    }

    #[test]
    fn duration_is_positive_seconds() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for wrong in ["0", "-1", "ten", "1e400", "NaN"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn who_chats_is_a_member_without_devices() {
        let Ok(Command::Chat(chat)) = parse("softphone chat sip:a@h --pin 4711#") else {
            panic!("not chat")
        };
        let join = chat.into_join();
        assert!(join.headless && join.until_lines_end && join.video_slots == 0);
        assert_eq!((join.mic.as_str(), join.pin.as_deref()), ("none", Some("4711#")));
        assert!(parse("softphone chat sip:a@h --pin x").is_err());
    }

    #[test]
    fn who_waits_registers_where_it_is_told() {
        let line = "softphone wait sip:127.0.0.1 --user bob --auto-answer --headless";
        let Ok(Command::Wait(wait)) = parse(line) else { panic!("not wait") };
        let join = wait.into_join();
        assert_eq!(join.registrar.as_deref(), Some("sip:127.0.0.1"));
        assert!(join.answer == Some(Answer::Conferences) && join.headless);
    }

    #[test]
    fn a_registrar_needs_a_user() {
        assert!(parse("softphone join sip:a@127.0.0.1 --registrar sip:127.0.0.1").is_err());
    }

    #[test]
    fn a_conference_is_made_with_what_was_said_and_no_more() {
        let Ok(Command::Create(bare)) = parse("softphone create") else { panic!("not create") };
        assert_eq!((bare.server.as_str(), bare.meeting), ("sip:127.0.0.1", None));
        assert!(bare.start.is_none() && bare.visibility.is_none() && !bare.join);
        let line = "softphone create standup --pin 4711 --visibility members --max 5 --start +5m \
                    --end +1h --invite bob --invite carol --waiting-room";
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let Ok(Command::Create(full)) = parse(&line) else { panic!("not create") };
        assert_eq!(full.invite, ["bob", "carol"]);
        assert_eq!(full.end, Some(Moment::After(Duration::from_secs(3600))));
        for wrong in ["--pin 12", "--pin 12345a", "--max 0", "--visibility secret", "--end soon"] {
            assert!(parse(&format!("softphone create {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn moderation_names_the_meeting_and_who_is_meant() {
        assert!(parse("softphone kick sip:a@h bob").is_ok());
        assert!(parse("softphone kick sip:a@h").is_err());
        assert!(
            matches!(parse("softphone mute sip:a@h"), Ok(Command::Mute(mute)) if mute.whom.is_none())
        );
        let Ok(Command::Role(set)) = parse("softphone role sip:a@h bob organizer") else {
            panic!("not role")
        };
        assert_eq!((set.at.whom.as_str(), set.role), ("bob", RoleWord::Organizer));
        assert!(parse("softphone role sip:a@h bob king").is_err());
    }
}
