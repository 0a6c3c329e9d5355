//! The program around the phone: arguments, threads, sockets, terminal.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the shell owns the clock and the randomness"
)]

mod audio;
mod cli;
mod create;
mod devices;
mod errand;
mod failure;
mod gather;
mod join;
mod lines;
mod list;
mod moment;
mod network;
mod order;
mod say;
mod secrets;
mod sockets;
mod table;
mod talk;
mod video;
mod view;
mod way;

use std::process::ExitCode;

use clap::Parser;
use softphone::core::order::Order;
use tracing_subscriber::EnvFilter;

use self::cli::Command;

/// Runs the command line.
pub fn run() -> ExitCode {
    let cli = cli::Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match cli.command {
        Command::Join(args) => join::join(&args),
        Command::Chat(args) => join::join(&args.into_join()),
        Command::Create(args) => create::create(&args),
        Command::List(args) => list::list(&args),
        Command::Cancel(args) => order::meeting(&args, Order::Cancel),
        Command::Lock(args) => order::meeting(&args, Order::Lock(true)),
        Command::Unlock(args) => order::meeting(&args, Order::Lock(false)),
        Command::Mute(args) => order::mute(args, true),
        Command::Unmute(args) => order::mute(args, false),
        Command::Kick(args) => order::person(&args, Order::Kick),
        Command::Invite(args) => order::person(&args, Order::Invite),
        Command::Admit(args) => order::person(&args, Order::Admit),
        Command::Role(args) => {
            let role = args.role.into();
            order::person(&args.at, |whom| Order::Role(whom, role))
        }
        Command::Wait(args) => join::join(&args.into_join()),
        Command::Devices => devices::devices(),
    }
}
