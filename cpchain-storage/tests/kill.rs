//! A process that stores chunks is killed without warning: nothing that it acknowledged is lost.
#![cfg(all(unix, feature = "sled"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use cpchain_storage::{ChunkId, ChunkStore, Lease, PackOptions, PackStore, index::SledIndex};

const CHILD: &str = "CPCHAIN_STORAGE_KILL_TEST_FOLDER";

fn open(dir: &Path) -> PackStore<SledIndex> {
    let options = PackOptions { pack_len: 100_000, ..PackOptions::default() };
    PackStore::open(dir.join("packs"), options, SledIndex::open(dir.join("index")).unwrap()).unwrap()
}

fn chunk(n: u64) -> Bytes {
    (0..50 + n * 131 % 5000).map(|i| (i * 7 + n) as u8).chain(n.to_le_bytes()).collect::<Vec<_>>().into()
}

/// Not a test of its own: what the killed process does. Writes the number of each chunk once it is acknowledged.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let store = open(Path::new(&dir));
    let first = store.stats().unwrap().chunks * 1000;
    std::thread::scope(|scope| {
        for thread in 0..3u64 {
            let store = &store;
            scope.spawn(move || {
                for n in (first + thread..).step_by(3) {
                    store.put_batch(&[chunk(n), chunk(n + (1 << 40))], Lease(5)).unwrap();
                    writeln!(std::io::stdout().lock(), "\nstored {n}").unwrap();
                }
            });
        }
    });
}

#[test]
fn kill_9_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut stored: Vec<u64> = Vec::new();
    for round in 0..4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            let number = |line: String| line.strip_prefix("stored ").and_then(|n| n.parse::<u64>().ok());
            lines.lines().map_while(Result::ok).filter_map(number).collect::<Vec<_>>()
        });
        std::thread::sleep(Duration::from_millis(300 + round * 70));
        child.kill().unwrap();
        child.wait().unwrap();
        stored.extend(reader.join().unwrap());

        let store = open(dir.path());
        for n in stored.iter().flat_map(|n| [*n, n + (1 << 40)]) {
            assert_eq!(store.get(&ChunkId::of(&chunk(n))).unwrap(), Some(chunk(n)), "round {round}, chunk {n}");
        }
    }
    assert!(stored.len() > 20, "the child stored {} chunks only", stored.len());
}
