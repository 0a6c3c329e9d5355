//! What the interop tests, the demo and the benchmarks share: starting the services, driving real
//! clients, and listening to what they recorded.

pub mod clients;
pub mod lab;
pub mod listen;
pub mod ports;
pub mod process;
pub mod services;
pub mod signal;
