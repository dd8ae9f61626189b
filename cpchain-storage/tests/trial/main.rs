//! The trials: hosts die, lie, stall, forget and rot, and every object comes back bit for bit.
//!
//! `cargo test -p cpchain-storage --test trial` runs the many seeds over a network in memory. Those over real nodes are
//! long: `TRIAL_SEEDS=20 cargo test --release -p cpchain-storage --test trial -- --ignored --nocapture --test-threads 1` (one seed each without the variable).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, unreachable_pub, dead_code)]
#![cfg(feature = "network")]

mod course;
mod flips;
#[path = "../network/hostile.rs"]
mod hostile;
mod many;
mod memory;
#[path = "../network/net.rs"]
mod net;
#[path = "../network/peer.rs"]
mod peer;
mod real;
