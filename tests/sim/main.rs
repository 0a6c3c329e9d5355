//! The simulated world: the registrar's and the mixer's cores with phones around them, on a virtual
//! clock and over seeded bad links. Nothing here sleeps or opens a socket, and one seed gives one
//! story to the microsecond.
//!
//! A scenario reads as the ladder of messages it makes; to see one, print [`ladder::Ladder`].

#![allow(clippy::expect_used, clippy::panic, reason = "a test program")]

mod call;
mod clock;
mod ladder;
mod link;
mod media;
mod mixer;
mod phone;
mod picture;
mod sight;
mod world;

mod scenario_cancel;
mod scenario_direct;
mod scenario_glare;
mod scenario_isolation;
mod scenario_join;
mod scenario_loss;
mod scenario_meeting;
mod scenario_mixer;
mod scenario_random_walk;
mod scenario_register;
mod scenario_soak;
mod scenario_two_party;
