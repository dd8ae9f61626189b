//! A node of a network as one process: LBFT 2.0, and the ledger that elects its proposers, behind JSON-RPC 2.0 and a metrics page.
//!
//! | part | what it is |
//! | --- | --- |
//! | [`config`] | `node.toml`: read, checked, with errors that say what to do |
//! | [`genesis`] | `genesis.toml`: the chain before its first block, and the ledger that it begins with |
//! | [`setup`] | `node init`: keys, genesis and one folder for each node |
//! | [`service`] | `node run`: starts and stops one node |
//! | [`rpc`] | what a node answers over HTTP, and what it promises |
//! | [`client`] | asks a node |
//! | [`wallet`] | keys, money, deposits and elections from a command line |
//! | [`campaign`], [`claim`] | a candidate renews its claim; the proofs of a claim |
//! | [`outbox`] | transactions that were accepted and are not final yet, on disk |
//! | [`metrics`] | the Prometheus page |
//!
//! The README of this package brings up a network of processes in ten lines of shell.
//!
//! # What this program reads of the time
//! Only a monotonic clock, and only to run timers: nothing that nodes agree on has a time in it, so a wrong wall clock
//! changes nothing. A clock that runs fast or slow makes timers short or long: `timing.clock_percent` imitates one, and
//! `tests/nemesis.rs` runs with such clocks.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod campaign;
pub mod claim;
pub mod client;
pub mod config;
pub mod genesis;
pub mod keys;
pub mod metrics;
pub mod outbox;
pub mod rpc;
pub mod service;
pub mod setup;
pub mod wallet;
