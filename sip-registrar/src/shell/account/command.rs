//! `sip-registrar account …`: the accounts of the database.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::bail;
use clap::Subcommand;
use sip_registrar::WallClock;

use super::merge::check_user;
use super::password;
use crate::shell::config::Config;
use crate::shell::store::{AccountRow, Database};

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Give USER an account.
    ///
    /// The password is asked for at the terminal, without echo; without a terminal the first line of
    /// standard input is it. Only its hashes are kept (HA1 of RFC 7616 for SHA-512-256, SHA-256 and
    /// MD5), and they are good for the realm of the configuration only: give the same --config as to
    /// the service.
    Add {
        /// The user part of sip:USER@host, and the user name of the phone's login.
        user: String,
        /// What people call the user.
        #[arg(long, default_value = "")]
        name: String,
        /// File with the password in its first line; "-" is standard input.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Give USER another password.
    ///
    /// Phones that are registered stay so until they have to log in again.
    Passwd {
        /// Whose.
        user: String,
        /// File with the password in its first line; "-" is standard input.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Show all accounts: user, realm or source, when it was made, name.
    List,
    /// Take USER's account away.
    ///
    /// Its phones are unregistered at once; calls that stand go on.
    Remove {
        /// Whose.
        user: String,
    },
}

/// Carries out a command.
pub(crate) fn run(config: &Config, command: AccountCommand) -> anyhow::Result<()> {
    let mut database = Database::open(&config.store.place()?)?;
    match command {
        AccountCommand::Add { user, name, password_file } => {
            let account = new_row(config, &user, &name, password_file.as_deref())?;
            if !database.add_account(&account)? {
                bail!("\"{user}\" has an account; `account passwd` changes its password");
            }
            say(&format!("{user} has an account. A running registrar knows within a second."));
        }
        AccountCommand::Passwd { user, password_file } => {
            let account = new_row(config, &user, "", password_file.as_deref())?;
            if !database.change_password(&account)? {
                bail!("\"{user}\" has no account in the database");
            }
            say(&format!("{user} has a new password. A running registrar knows within a second."));
        }
        AccountCommand::Remove { user } => {
            if !database.remove_account(&user)? {
                bail!("\"{user}\" has no account in the database");
            }
            say(&format!("{user} has no account any more."));
        }
        AccountCommand::List => list(config, &database)?,
    }
    Ok(())
}

fn new_row(
    config: &Config,
    user: &str,
    name: &str,
    file: Option<&Path>,
) -> anyhow::Result<AccountRow> {
    check_user(user, &config.conference)?;
    if config.accounts.iter().any(|entry| entry.user == user) {
        bail!("\"{user}\" stands in the configuration file, which counts more; change it there");
    }
    if name.contains(char::is_control) {
        bail!("the name holds a control character");
    }
    let password = password::read(file)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(AccountRow::new(user, &config.sip.realm, &password, name, now))
}

fn list(config: &Config, database: &Database) -> anyhow::Result<()> {
    let now = Instant::now();
    let date = |since_1970: Duration| WallClock::new(now, since_1970).date(now);
    for entry in &config.accounts {
        say(&format!("{}\tconfiguration file\t-\t", entry.user));
    }
    for row in database.accounts()? {
        let (user, realm) = (&row.user, &row.realm);
        say(&format!("{user}\trealm {realm}\t{}\t{}", date(row.created), row.name));
    }
    Ok(())
}

/// A line to standard output; that nobody reads it is no failure.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
