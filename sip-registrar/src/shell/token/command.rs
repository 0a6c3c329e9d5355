//! `sip-registrar token …`: tokens of the HTTP interface.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::SystemTime;

use anyhow::bail;
use clap::Subcommand;
use sip_registrar::Secret;

use super::Scope;
use crate::shell::config::Config;
use crate::shell::moment;
use crate::shell::store::{Database, TokenRow};

/// The longest name of a token, in bytes.
const MAX_NAME: usize = 64;

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it, once: only its hash is kept.
    ///
    /// Send it as `Authorization: Bearer TOKEN`. The history names NAME as who did something with it.
    Add {
        /// What you call it.
        name: String,
        /// What it allows; several with commas between, or say it again.
        #[arg(long, value_name = "SCOPE", value_delimiter = ',', required = true)]
        scope: Vec<Scope>,
    },
    /// Show all tokens: name, scopes, when it was made.
    List,
    /// Take a token away; it is good for nothing within a second.
    Remove {
        /// Which.
        name: String,
    },
}

/// Carries out a command.
pub(crate) fn run(config: &Config, command: TokenCommand) -> anyhow::Result<()> {
    let database = Database::open(&config.store.place()?)?;
    match command {
        TokenCommand::Add { name, scope } => {
            check_name(&name)?;
            let token = new_token();
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let scopes: BTreeSet<Scope> = scope.into_iter().collect();
            let row = TokenRow {
                hash: Secret::of(&token),
                scopes: scopes.iter().map(Scope::to_string).collect(),
                created: now,
                name,
            };
            if !database.add_token(&row)? {
                bail!("there is a token \"{}\"; `token remove` takes it away", row.name);
            }
            say(&token);
        }
        TokenCommand::List => {
            for row in database.tokens()? {
                say(&format!(
                    "{}\t{}\t{}",
                    row.name,
                    row.scopes.join(" "),
                    moment::local(row.created)
                ));
            }
        }
        TokenCommand::Remove { name } => {
            if !database.remove_token(&name)? {
                bail!("there is no token \"{}\"", name.escape_debug());
            }
            say(&format!("the token {name} is good for nothing any more."));
        }
    }
    Ok(())
}

/// 256 bits that nobody guesses. The prefix lets scanners find tokens that were published by mistake.
fn new_token() -> String {
    let random: [u8; 32] = rand::random();
    let digits = random.iter().map(|byte| format!("{byte:02x}"));
    std::iter::once("parley_".to_owned()).chain(digits).collect()
}

fn check_name(name: &str) -> anyhow::Result<()> {
    if name.is_empty() || name.len() > MAX_NAME || name.contains(|c: char| c.is_control()) {
        bail!("the name must have 1 to {MAX_NAME} bytes and hold no control characters");
    }
    Ok(())
}

/// A line to standard output; that nobody reads it is no failure.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, two) = (new_token(), new_token());
        assert_eq!(one.len(), "parley_".len() + 64);
        assert_ne!(one, two);
    }
}
