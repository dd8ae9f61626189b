//! What every bench of the workspace shares: how a figure is measured and how it is written down.

mod crypto;
mod measure;
mod report;

pub use {
    crypto::crypto,
    measure::{Effort, Sample, compare, measure},
    report::{Figure, Goal, json, table},
};
