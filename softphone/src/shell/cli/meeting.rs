//! The commands that make, list and moderate conferences.

use clap::{Args, ValueEnum};
use softphone::core::errand;
use softphone::core::order::Role;

use super::Who;
use crate::shell::moment::Moment;

/// `softphone create`.
#[derive(Debug, Args)]
pub struct Create {
    /// Name of the conference, or its whole URI [default: a random name]
    #[arg(value_name = "NAME")]
    pub meeting: Option<String>,

    /// The server: sip:HOST[:PORT][;transport=tcp]
    #[arg(long, default_value = LOCAL, value_name = "URI")]
    pub server: String,

    /// User part of the server's conference factory
    #[arg(long, default_value = "conference", value_name = "NAME")]
    pub factory: String,

    /// What it is about
    #[arg(long)]
    pub subject: Option<String>,

    /// What has to be dialled to come in, 4 to 16 digits
    #[arg(long, value_name = "DIGITS", value_parser = pin)]
    pub pin: Option<String>,

    /// Who finds it in a list [default: as the server is set]
    #[arg(long)]
    pub visibility: Option<Visibility>,

    /// The most members
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max: Option<u32>,

    /// When it begins: "2026-11-23 10:00", 10:00, 2026-11-23T09:00Z or +90m [default: now]
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    pub start: Option<Moment>,

    /// When it ends; +1h is an hour after its begin
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    pub end: Option<Moment>,

    /// Newcomers wait until a moderator admits them
    #[arg(long)]
    pub waiting_room: bool,

    /// Which way sound and pictures may go while two are there [default: as the server is set]
    #[arg(long, value_name = "WAY")]
    pub media_path: Option<MediaPath>,

    /// Whom to invite: a user of the server, or a SIP URI; may be given several times
    #[arg(long, value_name = "USER")]
    pub invite: Vec<String>,

    /// Join it at once
    #[arg(long)]
    pub join: bool,

    /// Who we are.
    #[command(flatten)]
    pub who: Who,
}

/// `softphone list`.
#[derive(Debug, Args)]
pub struct List {
    /// The server: sip:HOST[:PORT][;transport=tcp]
    #[arg(long, default_value = LOCAL, value_name = "URI")]
    pub server: String,

    /// User part of the server's list of conferences
    #[arg(long, default_value = "meetings", value_name = "NAME")]
    pub list: String,

    /// Go on, and show what changes
    #[arg(long)]
    pub watch: bool,

    /// One JSON array, with --watch one per line whenever something changes
    #[arg(long)]
    pub json: bool,

    /// Who we are.
    #[command(flatten)]
    pub who: Who,
}

/// The server of who says nothing else.
const LOCAL: &str = "sip:127.0.0.1";

/// Who finds a conference in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Visibility {
    /// Everybody who may call the server
    Public,
    /// Those who are in it or invited
    Members,
    /// Its organizer alone
    Hidden,
}

impl From<Visibility> for errand::Visibility {
    fn from(visibility: Visibility) -> Self {
        match visibility {
            Visibility::Public => errand::Visibility::Public,
            Visibility::Members => errand::Visibility::Members,
            Visibility::Hidden => errand::Visibility::Hidden,
        }
    }
}

/// Which way media of a conference may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MediaPath {
    /// Directly while two are there and it works, else through the mixer
    Automatic,
    /// Always through the mixer
    Mixed,
    /// Directly while two are there, also if no client can tell whether it works
    Direct,
}

impl From<MediaPath> for errand::MediaPath {
    fn from(path: MediaPath) -> Self {
        match path {
            MediaPath::Automatic => errand::MediaPath::Automatic,
            MediaPath::Mixed => errand::MediaPath::Mixed,
            MediaPath::Direct => errand::MediaPath::Direct,
        }
    }
}

/// Something about a conference.
#[derive(Debug, Args)]
pub struct AtMeeting {
    /// The conference: sip:NAME@HOST[:PORT][;transport=tcp]
    pub uri: String,

    /// Who we are.
    #[command(flatten)]
    pub who: Who,
}

/// Something about somebody in a conference.
#[derive(Debug, Args)]
pub struct AtPerson {
    /// The conference: sip:NAME@HOST[:PORT][;transport=tcp]
    pub uri: String,

    /// Who is meant: a user of the server, or a SIP URI
    #[arg(value_name = "USER")]
    pub whom: String,

    /// Who we are.
    #[command(flatten)]
    pub who: Who,
}

/// `softphone mute` and `unmute`.
#[derive(Debug, Args)]
pub struct Mute {
    /// The conference: sip:NAME@HOST[:PORT][;transport=tcp]
    pub uri: String,

    /// Who is meant: a user of the server, or a SIP URI [default: all but the moderators]
    #[arg(value_name = "USER")]
    pub whom: Option<String>,

    /// Who we are.
    #[command(flatten)]
    pub who: Who,
}

/// `softphone role`.
#[derive(Debug, Args)]
pub struct SetRole {
    /// Who, where.
    #[command(flatten)]
    pub at: AtPerson,

    /// What to make of them
    #[arg(value_enum)]
    pub role: RoleWord,
}

/// What somebody is in a conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleWord {
    /// Talks, sees, chats
    Participant,
    /// Also locks, mutes, removes, invites, admits
    Moderator,
    /// Also cancels; the one who was it becomes moderator
    Organizer,
}

impl From<RoleWord> for Role {
    fn from(role: RoleWord) -> Self {
        match role {
            RoleWord::Participant => Role::Participant,
            RoleWord::Moderator => Role::Moderator,
            RoleWord::Organizer => Role::Organizer,
        }
    }
}

/// What a phone can dial, and a conference takes.
fn pin(text: &str) -> Result<String, String> {
    let good = (4..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| text.to_owned()).ok_or_else(|| "expected 4 to 16 digits".to_owned())
}
