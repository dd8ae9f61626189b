//! Describe, find, price and exchange data fairly.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod escrow;
pub mod listing;
mod units;
mod wire;

pub use units::{Amount, Height};
