//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::account::AccountCommand;

/// SIP registrar and conference focus of Parley.
///
/// Started without arguments it takes calls on 127.0.0.1:5060 (UDP and TCP), finds the media mixer on
/// 127.0.0.1:7050 whenever that is there, and serves /healthz, /metrics and /doctor on 127.0.0.1:8060.
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
