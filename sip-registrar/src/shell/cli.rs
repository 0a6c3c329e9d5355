//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::account::AccountCommand;
use super::history::HistoryArguments;
use super::token::TokenCommand;

/// SIP registrar and conference focus of Parley.
///
/// Started without arguments it takes calls on 127.0.0.1:5060 (UDP and TCP), finds the media mixer on
/// 127.0.0.1:7050 whenever that is there, and shows live meetings on http://127.0.0.1:8060/, where /api/v1, /ccmp,
/// /healthz, /metrics and /doctor are, too.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Configuration file (TOML); without it every key has its default.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Print a configuration file that documents every key with its default, and exit.
    #[arg(long)]
    pub(crate) print_config: bool,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Something else than to serve.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Accounts of the database: add, passwd, list, remove. The service may be running.
    #[command(after_help = ACCOUNT_HELP)]
    Account {
        /// What to do with accounts.
        #[command(subcommand)]
        command: AccountCommand,
    },
    /// Tokens of the HTTP interface: add, list, remove. The service may be running.
    #[command(after_help = TOKEN_HELP)]
    Token {
        /// What to do with tokens.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// What has happened in conferences: who came and left, what moderators did, chat.
    #[command(after_help = HISTORY_HELP)]
    History(HistoryArguments),
    /// Why somebody is not heard or seen; asks the running service.
    #[command(after_help = DOCTOR_HELP)]
    Doctor {
        /// A conference by its name, or one member of it by the Call-ID of its dialog.
        #[arg(value_name = "CALL|CONFERENCE")]
        patient: String,
    },
}

const AFTER_HELP: &str = "\
What to dial:
  sip:NAME@127.0.0.1         the conference NAME; the first caller opens it, the last one closes it
  sip:conference@127.0.0.1   a new conference with a random name (see the Contact of the answer)
  sip:USER@127.0.0.1         an account, wherever it is registered

Accounts:
  sip-registrar account add alice                   asks for a password
  sip-registrar account --help

Who was in the conference NAME, and what happened there:
  sip-registrar history NAME --since 2h

Programs and the web page on http://127.0.0.1:8060/ that change something need a token:
  sip-registrar token add page --scope meetings:read,meetings:write,history

Somebody is not heard or seen:
  sip-registrar doctor NAME                         says why, for everybody in the conference NAME

Other addresses, limits, where things are kept:
  sip-registrar --print-config > registrar.toml     then edit it
  sip-registrar --config registrar.toml

More of what happens:
  RUST_LOG=debug sip-registrar";

const DOCTOR_HELP: &str = "\
Examples:
  sip-registrar doctor standup                          everybody in the conference standup
  sip-registrar doctor 3848276298220188511@host         the member whose dialog has this Call-ID
  curl http://127.0.0.1:8060/doctor/standup             the same over HTTP
  curl -H 'Accept: application/json' http://127.0.0.1:8060/doctor/standup

Lines that begin with ! say what is wrong. The media of two-party calls does not pass the mixer: nothing is known
about it here.";

const TOKEN_HELP: &str = "\
Examples:
  sip-registrar token add page --scope meetings:read,meetings:write,history
  sip-registrar token add prometheus --scope metrics
  curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8060/api/v1/meetings
  sip-registrar token list
  sip-registrar token remove page

Scopes: meetings:read, meetings:write, accounts, history, metrics. A running registrar knows within a second.";

const HISTORY_HELP: &str = "\
Examples:
  sip-registrar history                                 the latest 1000 records of all conferences
  sip-registrar history standup --since 2h
  sip-registrar history --since 2026-11-22 --until 2026-11-23 --kind joined,left --json
  sip-registrar history --person alice --limit 20
  sip-registrar history --cdr --since 1d >> calls.jsonl

Times of the table are local (TZ). A \"?\" stands behind who did not prove who they are.";

const ACCOUNT_HELP: &str = "\
Examples:
  sip-registrar account add alice --name 'Alice Liddell'
  sip-registrar account add bob --password-file bob.txt
  pwgen 20 1 | tee bob.txt | sip-registrar account passwd bob
  sip-registrar account list
  sip-registrar --config registrar.toml account remove bob

The database is the one of store.path; give the --config that the service has, for the realm counts too.";

/// Reads the arguments; ends the process after `--help`, `--version` or a wrong one.
pub(crate) fn parse() -> Arguments {
    Arguments::parse()
}
