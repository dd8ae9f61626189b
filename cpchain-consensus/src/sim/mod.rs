//! The protocol in virtual time: whole networks of the cores that nodes run, on one thread, from one seed.
//!
//! For researchers and integrators (feature `sim`): links with latency, loss, duplicates, reordering, bandwidth, cuts; clocks
//! that drift and jump; processes that die between any two outputs and lose what they had not synced; disks that fail; and
//! Byzantine members ([`actors`]). Invariants that are written apart from the protocol ([`Violation`]) are checked at every
//! event. A failing run names its seed, and the same scenario repeats it to the byte.
//!
//! ```
//! use std::time::Duration;
//! use cpchain_consensus::sim::{Nemesis, Scenario, Statistics, actors};
//!
//! let ms = Duration::from_millis;
//! let world = Scenario::new(7)
//!     .byzantine(0, || Box::<actors::EquivocatingValidator>::default())
//!     .byzantine(4, || Box::new(actors::EquivocatingProposer))
//!     .partition(ms(500), ms(2_000), [0, 1].into(), [2, 3].into())
//!     .at(ms(800), Nemesis::Crash { node: 2, down: ms(700) })
//!     .quiet_at(ms(3_000))
//!     .goal(20, Duration::from_secs(30))
//!     .run()?;
//! let finality = world.statistics().finality();
//! println!("{} blocks, {} impeached", world.judge().final_height(), world.judge().impeached());
//! println!("final after {:?} (p50), {:?} (p99)", Statistics::quantile(&finality, 5_000), Statistics::quantile(&finality, 9_900));
//! # Ok::<(), cpchain_consensus::sim::Failure>(())
//! ```
//!
//! # What is real and what is not
//! Cores, messages and their codec, certificates, the log's records, the application trait: as in a node. Signatures are checksums
//! that only the holder of a key can make ([`Keys`]): the rules are the same, the cost is not. Virtual time has no cost of
//! computation; the time of a sync is set by [`Scenario::sync`].

pub mod actors;
mod application;
mod chaos;
mod clock;
mod disk;
mod driver;
mod invariants;
mod keys;
mod links;
mod network;
mod node;
mod random;
mod regions;
mod scenario;
mod schedule;
mod statistics;
mod sweep;
mod trace;
mod violation;
mod world;

use std::time::Duration;

pub use {
    application::MakeApplication,
    chaos::Chaos,
    invariants::Judge,
    keys::{Keys, SimulatedSigner},
    links::{Cut, Group, Latency, Links},
    random::Random,
    regions::{AWS, Regions},
    scenario::{Failure, Filter, Passing, Scenario},
    schedule::Nemesis,
    statistics::Statistics,
    sweep::{Sweep, sweep},
    trace::Trace,
    violation::Violation,
    world::World,
};

/// Virtual time is counted in microseconds.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
