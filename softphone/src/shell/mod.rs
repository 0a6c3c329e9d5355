//! The program around the phone: arguments, threads, sockets, terminal.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the shell owns the clock and the randomness"
)]

mod audio;
mod cli;
mod devices;
mod join;
mod network;
mod say;
mod sockets;
mod video;
mod view;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Runs the command line.
pub fn run() -> ExitCode {
    let cli = cli::Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match cli.command {
        cli::Command::Join(args) => join::join(&args),
        cli::Command::Devices => devices::devices(),
    }
}
