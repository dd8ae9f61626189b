//! Describe, find, price and exchange data fairly.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod catalog;
pub mod escrow;
pub mod listing;
mod log;
mod memory_log;
pub mod sync;
mod units;
mod wire;

pub use log::{Cursor, ListingLog, LogEntry, LogError, Page};
pub use memory_log::MemoryLog;
pub use units::{Amount, Height};
