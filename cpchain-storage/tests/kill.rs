//! A process that stores chunks is killed without warning: nothing that it acknowledged is lost.
//!
//! In full: `STORE_ROUNDS=200 cargo test --release -p cpchain-storage --features redb --test kill -- --nocapture`
#![cfg(all(unix, feature = "sled", feature = "redb"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/child.rs"]
mod child;
#[path = "support/indexes.rs"]
mod indexes;

use std::time::Duration;

use child::{PACK_LEN, SECOND};
use cpchain_storage::{
    ChunkId, ChunkStore, Lease,
    index::{RedbIndex, SledIndex},
};
use indexes::{OnDisk, chunk, open, rounds, whole};

/// Not tests of their own: what the killed process does.
#[test]
fn child_sled() {
    child::run::<SledIndex>();
}

#[test]
fn child_redb() {
    child::run::<RedbIndex>();
}

#[test]
fn kill_9_loses_nothing_acknowledged_sled() {
    kill_9_loses_nothing_acknowledged::<SledIndex>("child_sled");
}

#[test]
fn kill_9_loses_nothing_acknowledged_redb() {
    kill_9_loses_nothing_acknowledged::<RedbIndex>("child_redb");
}

fn kill_9_loses_nothing_acknowledged<I: OnDisk>(child: &str) {
    let dir = tempfile::tempdir().unwrap();
    let mut stored: Vec<u64> = Vec::new();
    let rounds = rounds(4) as u64;
    for round in 0..rounds {
        let storing = child::start(child, dir.path(), round * 1_000_000);
        storing.work_for(Duration::from_millis(round * 37 % 300));
        stored.extend(storing.kill());

        let store = open::<I>(dir.path(), PACK_LEN);
        assert_eq!(store.recovery().findings.lost, 0, "round {round}: {:?}", store.recovery());
        let all = stored.iter().flat_map(|n| [*n, n + SECOND]);
        assert_eq!(whole(&store, all), stored.len() * 2, "round {round}");
        if round % 8 == 7 {
            let report = store.doctor().unwrap();
            assert_eq!(report.findings.lost, 0, "round {round}: {report}");
        }
    }
    assert!(stored.len() > 20, "the child stored {} chunks only", stored.len());
    // Chunks that outlived their first host still have their lease.
    let store = open::<I>(dir.path(), PACK_LEN);
    let ids: Vec<_> = stored.iter().map(|n| ChunkId::of(&chunk(*n))).collect();
    assert_eq!(store.renew(&ids, Lease::FOREVER).unwrap(), ids.len());
    println!("{}: {rounds} rounds, {} chunks acknowledged, 0 lost", I::NAME, stored.len() * 2);
}
