//! Real nodes on loopback: objects, records, and nodes that fail or lie.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, unreachable_pub)]
#![cfg(all(feature = "network", feature = "csv", feature = "pco"))]

mod audit;
mod expiry;
mod faults;
mod hostile;
mod join;
mod liars;
mod net;
mod objects;
mod peer;
mod protocol;
mod records;
mod repair;
mod siege;
mod slices;
#[path = "../support/mod.rs"]
mod support;
mod sweeps;
mod uploads;
