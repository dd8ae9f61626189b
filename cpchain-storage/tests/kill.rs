//! A process that stores chunks is killed without warning: nothing that it acknowledged is lost.
//!
//! In full: `STORE_ROUNDS=200 cargo test --release -p cpchain-storage --features redb --test kill`
#![cfg(all(unix, feature = "sled", feature = "redb"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/indexes.rs"]
mod indexes;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use cpchain_storage::{
    ChunkStore, Lease,
    index::{RedbIndex, SledIndex},
};
use indexes::{OnDisk, chunk, open, rounds, whole};

const FOLDER: &str = "CPCHAIN_STORAGE_KILL_TEST_FOLDER";
const FIRST: &str = "CPCHAIN_STORAGE_KILL_TEST_FIRST";
const PACK_LEN: u64 = 300_000;
/// Distance of the second chunk of a batch, and of the short-lived ones.
const SECOND: u64 = 1 << 40;
const SHORT: u64 = 1 << 41;

/// Not tests of their own: what the killed process does. Writes the number of each chunk once it is acknowledged.
#[test]
fn child_sled() {
    child::<SledIndex>();
}

#[test]
fn child_redb() {
    child::<RedbIndex>();
}

fn child<I: OnDisk>() {
    let (Some(dir), Ok(first)) = (std::env::var_os(FOLDER), std::env::var(FIRST)) else { return };
    let first: u64 = first.parse().unwrap();
    let store = open::<I>(Path::new(&dir), PACK_LEN);
    std::thread::scope(|scope| {
        for thread in 0..3u64 {
            let store = &store;
            scope.spawn(move || {
                for n in (first + thread..).step_by(3) {
                    store.put(chunk(n + SHORT), Lease(5)).unwrap();
                    store.put_batch(&[chunk(n), chunk(n + SECOND)], Lease::FOREVER).unwrap();
                    writeln!(std::io::stdout().lock(), "\nstored {n}").unwrap();
                }
            });
        }
        // Packs are compacted all the time.
        loop {
            store.maintain(Lease::GRACE_MS + 6, 50_000).unwrap();
        }
    });
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
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", child, "--nocapture"])
            .env(FOLDER, dir.path())
            .env(FIRST, (round * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            let number = |line: String| line.strip_prefix("stored ").and_then(|n| n.parse::<u64>().ok());
            lines.lines().map_while(Result::ok).filter_map(number).collect::<Vec<_>>()
        });
        std::thread::sleep(Duration::from_millis(200 + round * 37 % 400));
        child.kill().unwrap();
        child.wait().unwrap();
        stored.extend(reader.join().unwrap());

        let store = open::<I>(dir.path(), PACK_LEN);
        assert_eq!(store.recovery().findings.lost, 0, "round {round}: {:?}", store.recovery());
        let all = stored.iter().flat_map(|n| [*n, n + SECOND]);
        assert_eq!(whole(&store, all), stored.len() * 2, "round {round}");
        if round % 8 == 7 {
            let report = store.doctor().unwrap();
            assert!(report.is_healthy(), "round {round}: {report}");
            // Not more with every round.
            store
                .renew(
                    &stored.iter().map(|n| cpchain_storage::ChunkId::of(&chunk(*n))).collect::<Vec<_>>(),
                    Lease::FOREVER,
                )
                .unwrap();
        }
    }
    assert!(stored.len() > 20, "the child stored {} chunks only", stored.len());
    println!("{}: {rounds} rounds, {} chunks acknowledged, 0 lost", I::NAME, stored.len() * 2);
}
