//! LBFT 2.0: agree on blocks, impeach proposers that fail, keep the ledger.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod application;
mod ids;
pub mod lbft;
pub mod ledger;
#[cfg(feature = "network")]
pub mod network;
#[cfg(feature = "network")]
pub mod node;
pub mod storage;

pub use {
    application::{AncestorPayloads, Application, FinalBlock, InvalidPayload},
    ids::{ChainId, Height, Term},
};
