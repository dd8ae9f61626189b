//! What every bench of the workspace shares: how a figure is measured and how it is written down.

mod audit;
mod compress;
pub mod consensus;
mod crypto;
mod dht;
mod diff;
mod dpor;
pub mod lbft;
mod market;
mod measure;
mod page;
mod pipeline;
mod plot;
mod pre;
mod read;
mod relay;
mod report;
pub mod search;
pub mod store;
pub mod terms;
pub mod transfer;

pub use {
    audit::audit,
    compress::{CompressError, compress},
    crypto::crypto,
    dht::{Networks, dht},
    diff::{Moved, diff},
    dpor::dpor,
    market::market,
    measure::{Effort, Sample, compare, measure},
    page::{machine, page},
    pipeline::pipeline,
    read::read,
    relay::{Relaying, relay},
    report::{Figure, Goal, json, table},
};
