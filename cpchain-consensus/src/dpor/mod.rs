//! Dynamic proof of reputation: who may propose, decided from ledger data alone (white paper 2.3, 5.1).
//!
//! | part | what it is |
//! | --- | --- |
//! | [`reputation`] | five dimensions, ranked among the candidates, to one number per candidate |
//! | [`election`] | seats, weighted draws and default proposers to the list of proposers of a term |
//! | [`generator`] | the named generator and its sampling rule, to the bit |
//! | [`seed`] | what an election draws from: numbers that proposers can prove and cannot choose |
//! | [`reward`] | what the proposer of a final block is paid |
//! | [`season`] | when the economy pool is open, and what a deposit earns |
//!
//! Pure functions: the same input gives the same output on every node. Whole numbers alone, no clock, no entropy, no floating
//! point; they build without `std`.

pub mod election;
pub mod generator;
pub mod reputation;
pub mod reward;
pub mod season;
pub mod seed;
mod weights;
