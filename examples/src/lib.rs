//! The wiring of the CPChain crates: [`adapters`] between their traits, the [`share`] that uses all of them, the
//! [`demo`] that a market's page shows, a seller and a buyer in [`terminals`] of their own, the [`search`] of a million sealed
//! records, and [`vehicles`] that agree on right of way.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod adapters;
pub mod demo;
pub mod search;
pub mod share;
pub mod terminals;
pub mod vehicles;

/// The examples of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
