//! Measures how fast a follower with a log on disk catches up over loopback, from one honest peer whose chain goes on:
//! `cargo run --release -p cpchain-consensus --example catch-up`. The committee is one validator, which also proposes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/catch_up/mod.rs"]
mod harness;

use harness::{Way, catch_up};

/// A run, and at least how many blocks or MB it is to bring in a second.
struct Run {
    name: &'static str,
    blocks: u64,
    payload: usize,
    way: Way,
    goal: f64,
}

const RUNS: [Run; 4] = [
    Run { name: "empty blocks, a certificate per range", blocks: 10_000, payload: 0, way: Way::Ranges, goal: 5000.0 },
    Run {
        name: "blocks of 200 bytes, a certificate per range",
        blocks: 10_000,
        payload: 200,
        way: Way::Ranges,
        goal: 5000.0,
    },
    Run {
        name: "blocks of 200 bytes, every certificate checked",
        blocks: 10_000,
        payload: 200,
        way: Way::Certificates,
        goal: 2000.0,
    },
    Run { name: "full blocks", blocks: 400, payload: 1 << 20, way: Way::Ranges, goal: 100.0 },
];

/// With 10,000 blocks behind the follower is at the head of the running chain in so many seconds.
const HEAD: f64 = 5.0;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let verdict = |met| if met { "met" } else { "MISSED" };
    for Run { name, blocks, payload, way, goal } in RUNS {
        let outcome = catch_up(blocks, payload, way).await;
        let rate = blocks as f64 / outcome.seconds;
        let mb = rate * payload as f64 / 1e6;
        let (reached, unit) = if payload < 1 << 20 { (rate, "blocks/s") } else { (mb, "MB/s") };
        println!("{name}: {rate:.0} blocks/s, {mb:.1} MB/s; goal {goal} {unit}: {}", verdict(reached >= goal));
        if way == Way::Ranges && payload < 1 << 20 {
            println!("  at the head after {:.2} s; goal {HEAD} s: {}", outcome.head, verdict(outcome.head <= HEAD));
        }
    }
}
