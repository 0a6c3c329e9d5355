//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// SIP registrar and conference focus of Parley.
///
/// Started without arguments it takes calls on 127.0.0.1:5060 (UDP and TCP), finds the media mixer on
/// 127.0.0.1:7050 whenever that is there, and serves /healthz and /metrics on 127.0.0.1:8060.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Configuration file (TOML); without it every key has its default.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print a configuration file that documents every key with its default, and exit.
    #[arg(long)]
    pub(crate) print_config: bool,
}

const AFTER_HELP: &str = "\
What to dial:
  sip:NAME@127.0.0.1         the conference NAME; the first caller opens it, the last one closes it
  sip:conference@127.0.0.1   a new conference with a random name (see the Contact of the answer)
  sip:USER@127.0.0.1         an account of the configuration, wherever it is registered

Accounts, other addresses, limits:
  sip-registrar --print-config > registrar.toml     then edit it
  sip-registrar --config registrar.toml

More of what happens:
  RUST_LOG=debug sip-registrar";

/// Reads the arguments; ends the process after `--help`, `--version` or a wrong one.
pub(crate) fn parse() -> Arguments {
    Arguments::parse()
}
