//! Model checking of LBFT (feature `model`).
//!
pub use {
    catalogue::{core_mutants, early_starts, literal_readings, vote_mutants},
    counts::Counts,
    local::{Event, Log},
    machine::{Happens, Machine, Setup, Together},
    quotient::{Abstract, Quotient},
    search::{Found, Told, search},
    tally::{Start, VoteRules},
    votes::{Ballot, Cast, Votes},
};

mod catalogue;
mod counts;
mod local;
mod machine;
mod quotient;
mod search;
mod tally;
mod timely;
mod universe;
mod votes;
mod world;
