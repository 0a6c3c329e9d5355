//! Simulated world, interop with real clients, vectors and house rules.
