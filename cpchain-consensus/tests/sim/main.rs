//! Whole networks of LBFT cores in virtual time: named scenarios, and many random ones. A failing run prints its seed; the
//! same seed repeats it to the byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use cpchain_consensus::{
    Height,
    lbft::{Certificate, Kind, Lbft, Message},
    sim::{Latency, Links, Scenario, World},
};

mod black_box;
mod bounds;
mod catch_up;
#[cfg(feature = "model")]
mod mutants;
mod seeds;
mod traces;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Links of up to this many milliseconds.
fn up_to(delay: u64) -> Links {
    Links::good(Latency::Between(ms(1), ms(delay)))
}

/// Timers of a second, a pause of 150 ms before each block, links of up to 20 ms; sizes are validators, proposers, followers.
fn calm(seed: u64, validators: usize, proposers: usize, followers: usize) -> Scenario {
    Scenario::new(seed).members(validators, proposers, followers).links(up_to(20)).pause(ms(150))
}

fn run_until(world: &mut World, time: u64) {
    world.run_until(ms(time)).unwrap();
}

fn core(world: &World, node: usize) -> &Lbft {
    world.core(node).expect("the node is up")
}

/// Three heights above this one become final somewhere within thirty seconds.
fn heals(world: &mut World, above: Height) {
    let end = world.now() + ms(30_000);
    while world.judge().final_height() < Height(above.0 + 3) {
        assert!(world.now() < end, "nothing final above {above} thirty seconds later");
        world.run_until(world.now() + ms(100)).unwrap();
    }
}

/// Whether a message is a vote of this kind at this height.
fn is_vote(message: &Message, kind: Kind, height: u64) -> bool {
    matches!(message, Message::Vote(vote) if vote.kind == kind && vote.height == Height(height))
}

fn is_proposal(message: &Message, height: u64) -> bool {
    matches!(message, Message::Propose(proposal) if proposal.block.height() == Height(height))
}

/// Whether a message carries a certificate of this kind at this height.
fn carries(message: &Message, kind: Kind, height: u64) -> bool {
    let is = |certificate: &Certificate| certificate.kind == kind && certificate.height == Height(height);
    match message {
        Message::Certificate(certificate) => is(certificate),
        Message::Propose(proposal) => [&proposal.parent, &proposal.impeachment].into_iter().flatten().any(is),
        Message::Range(range) => is(&range.certificate),
        Message::Vote(_) | Message::Block(_) | Message::Pull(_) => false,
    }
}
