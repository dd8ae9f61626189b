//! A deterministic simulation of whole networks of LBFT cores: one seeded heap of events, virtual time, lossy links, disks
//! that lose unsynced writes, Byzantine members. A failing run prints its seed; the same seed repeats it to the byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod byzantine;
mod invariants;
mod random;
mod scenarios;
mod seeds;
mod world;
