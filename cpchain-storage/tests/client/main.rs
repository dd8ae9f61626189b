//! The client over a network in this process: real stores, and nodes that are slow, busy, silent or lie when told to.
//! Most tests run on a paused clock, so that waiting costs nothing and times are exact.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, unreachable_pub)]
#![cfg(all(feature = "network", feature = "csv", feature = "pco"))]

mod intervals;
mod network;
mod ranges;
mod slow;
mod streams;
#[path = "../support/mod.rs"]
mod support;
