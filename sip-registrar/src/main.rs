//! The `sip-registrar` program: the shell around the `sip_registrar` core.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the shell owns the clock")]

mod shell;

fn main() -> std::process::ExitCode {
    shell::main()
}
