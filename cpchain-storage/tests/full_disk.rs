//! Files that must not grow any more, as the system says it: puts are refused by name, reads go on, and all of it is there
//! when there is room again. The same at every byte: `full` in the crate's unit tests.
#![cfg(all(target_os = "linux", feature = "sled", feature = "redb"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/indexes.rs"]
mod indexes;

use std::{path::Path, process::Command};

use cpchain_storage::{
    ChunkStore, Lease, StoreError,
    index::{RedbIndex, SledIndex},
};
use indexes::{OnDisk, chunk, open, whole};

const FOLDER: &str = "CPCHAIN_STORAGE_TEST_FOLDER";
const PACK_LEN: u64 = 100 << 20;

/// Not tests of their own: what the process does whose files must not grow.
#[test]
fn child_sled() {
    child::<SledIndex>();
}

#[test]
fn child_redb() {
    child::<RedbIndex>();
}

fn child<I: OnDisk>() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    let store = open::<I>(Path::new(&dir), PACK_LEN);
    let put = |n: u64| store.put(chunk(n), Lease::FOREVER);
    let (count, refused) = (0..).find_map(|n| put(n).err().map(|error| (n, error))).unwrap();
    assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
    assert!(count > 100);
    for n in count..count + 20 {
        // A small one may still fit.
        assert!(matches!(put(n), Ok(_) | Err(StoreError::Full { .. })));
    }
    assert_eq!(whole(&store, 0..count) as u64, count);
    std::fs::write(Path::new(&dir).join("count"), count.to_string()).unwrap();
}

#[test]
fn what_was_acknowledged_outlives_a_full_disk() {
    for index in ["sled", "redb"] {
        let dir = tempfile::tempdir().unwrap();
        // In blocks of 512 bytes; the signal that comes with it is ignored, so that the write fails.
        let limited = "trap '' XFSZ; ulimit -f 4000; exec \"$0\" --exact \"$1\"";
        let mut command = Command::new("sh");
        command.args(["-c", limited]).arg(std::env::current_exe().unwrap()).arg(format!("child_{index}"));
        let output = command.env(FOLDER, dir.path()).output().unwrap();
        assert!(output.status.success(), "{index}: {}", String::from_utf8_lossy(&output.stdout));
        let count: u64 = std::fs::read_to_string(dir.path().join("count")).unwrap().parse().unwrap();
        match index {
            "sled" => goes_on::<SledIndex>(dir.path(), count),
            _ => goes_on::<RedbIndex>(dir.path(), count),
        }
    }
}

fn goes_on<I: OnDisk>(dir: &Path, count: u64) {
    let store = open::<I>(dir, PACK_LEN);
    assert_eq!(store.recovery().findings.damaged, 0);
    assert_eq!(whole(&store, 0..count) as u64, count);
    store.put(chunk(1 << 30), Lease::FOREVER).unwrap();
    assert_eq!(whole(&store, [1 << 30]), 1);
}
