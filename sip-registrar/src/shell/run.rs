//! The one loop: input → core → output → sleep.

use crate::shell::config::Config;

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(config: Config) -> anyhow::Result<()> {
    let _ = config;
    Ok(())
}
