//! What the system tests, the demo and the benchmarks share: starting the services, driving real
//! clients, and listening to what they recorded.
