//! LBFT 2.0: agree on blocks, impeach proposers that fail, keep the ledger.

mod application;
mod ids;
pub mod ledger;

pub use {
    application::{AncestorPayloads, Application, FinalBlock, InvalidPayload},
    ids::{ChainId, Height, Term},
};
