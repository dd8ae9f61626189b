//! The driver: it gives a core a clock, a disk, a network and an application.

mod config;
mod counters;
mod driver;
mod handle;
mod pace;
mod serving;

pub use {
    config::{NodeConfig, NodeError, SubmitError},
    counters::Counters,
    driver::Node,
    handle::{NodeHandle, Status, Subscription},
};
