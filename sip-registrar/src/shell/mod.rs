//! Everything around the core: arguments, configuration, store, sockets, the mixer's gRPC, HTTP,
//! signals.

mod account;
mod cli;
mod config;
mod descriptors;
mod doctor;
mod escape;
mod history;
mod http;
mod mixer;
mod moment;
mod msrp;
mod run;
mod store;
mod token;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use cli::Command;
use config::Config;
use store::StoreError;

/// The exit code when the store cannot be used (`EX_IOERR` of sysexits.h): starting again will not
/// help until somebody has looked.
const EXIT_STORE: u8 = 74;

/// The program.
pub(crate) fn main() -> ExitCode {
    let arguments = cli::parse();
    if arguments.print_config {
        // A closed pipe (`| head`) is no failure worth words.
        let _ = std::io::stdout().write_all(config::TEMPLATE.as_bytes());
        return ExitCode::SUCCESS;
    }
    start_log();
    let config = arguments.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load);
    let done = config.and_then(|config| match arguments.command {
        None => run::run(config),
        Some(Command::Account { command }) => account::run(&config, command),
        Some(Command::Token { command }) => token::run(&config, command),
        Some(Command::History(arguments)) => history::run(&config, arguments),
        Some(Command::Doctor { patient }) => doctor::ask(&config, &patient),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            let by_store = error.chain().any(|cause| cause.is::<StoreError>());
            if by_store { ExitCode::from(EXIT_STORE) } else { ExitCode::FAILURE }
        }
    }
}

fn start_log() {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
