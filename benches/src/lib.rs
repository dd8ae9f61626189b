//! What every bench of the workspace shares: how a figure is measured and how it is written down.

mod compress;
mod crypto;
mod dht;
pub mod lbft;
mod measure;
mod plot;
mod pre;
mod report;
mod search;
pub mod store;

pub use {
    compress::{CompressError, compress},
    crypto::crypto,
    dht::dht,
    measure::{Effort, Sample, compare, measure},
    report::{Figure, Goal, json, table},
    search::search,
};
