//! Random faults, then quiet, then it must heal: for many seeds.

use std::{num::NonZeroUsize, ops::Range};

use cpchain_consensus::sim::{Chaos, Scenario, Sweep, sweep};

fn run(kind: Chaos, seeds: Range<u64>) -> Sweep {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let outcome = sweep(seeds, threads, |seed| Scenario::chaos(kind, seed), |_| {});
    outcome.unwrap_or_else(|failure| {
        panic!("{failure}\nsee it with: cargo run --release --bin lab -- lbft replay --chaos {kind:?} --seed N")
    })
}

/// The seeds reach what they are for; otherwise they prove little.
fn reaches_the_hard_states(sum: Sweep) {
    println!("{sum:?}");
    assert!(sum.impeached > sum.runs, "impeached heights: {sum:?}");
    assert!(sum.evidence > sum.runs / 4, "evidence: {sum:?}");
    assert!(sum.crashes > sum.runs / 2, "crashes: {sum:?}");
}

#[test]
fn small_networks() {
    reaches_the_hard_states(run(Chaos::Small, 0..300));
}

#[test]
fn all_faults_at_once() {
    reaches_the_hard_states(run(Chaos::Everything, 0..150));
}

/// Minutes without optimisation, seconds with: `cargo test --release --features sim --test sim -- --ignored`.
#[test]
#[ignore = "ten thousand runs; CI makes them in release"]
fn ten_thousand() {
    reaches_the_hard_states(run(Chaos::Small, 0..5_000));
    reaches_the_hard_states(run(Chaos::Everything, 0..5_000));
}
