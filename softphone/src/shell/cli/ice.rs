//! Options about ICE.

use clap::{Args, ValueEnum};

/// How media gets through NATs.
#[derive(Debug, Clone, Default, Args)]
pub struct IceArgs {
    /// Connectivity checks (ICE): on, off, or only by way of the TURN server
    #[arg(long, value_enum, default_value_t)]
    pub ice: IceMode,

    /// Ask this STUN server for our address behind a NAT
    #[arg(long, value_name = "HOST[:PORT]")]
    pub stun: Option<String>,

    /// Have a TURN server relay our media where nothing else works
    #[arg(long, value_name = "HOST[:PORT]", requires = "turn_user")]
    pub turn: Option<String>,

    /// User name at the TURN server
    #[arg(long, value_name = "NAME", requires = "turn_password")]
    pub turn_user: Option<String>,

    /// Password at the TURN server; better given in the environment
    #[arg(long, value_name = "PASSWORD", env = "SOFTPHONE_TURN_PASSWORD", hide_env_values = true)]
    pub turn_password: Option<String>,
}

/// What is done of ICE.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum IceMode {
    /// With every peer that does it too
    #[default]
    On,
    /// Not at all
    Off,
    /// Offer only the address at the TURN server
    Relay,
}
