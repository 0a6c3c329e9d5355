//! The `media-mixer` program: the shell around the `media_mixer` core.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the shell owns clock, sockets and randomness"
)]

mod shell;

fn main() -> std::process::ExitCode {
    shell::main()
}
