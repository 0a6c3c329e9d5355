//! Everything around the core: arguments, configuration, sockets, the mixer's gRPC, HTTP, signals.

mod cli;
mod config;
mod http;
mod mixer;
mod run;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

/// The program.
pub(crate) fn main() -> ExitCode {
    let arguments = cli::parse();
    if arguments.print_config {
        // A closed pipe (`| head`) is no failure worth words.
        let _ = std::io::stdout().write_all(config::TEMPLATE.as_bytes());
        return ExitCode::SUCCESS;
    }
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let done = arguments
        .config
        .as_deref()
        .map_or_else(|| Ok(config::Config::default()), config::Config::load)
        .and_then(run::run);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
