//! The power fails on a real file system: ext4 in an image, of which what had reached the device when a writing process was
//! stopped is mounted again. Needs root, `mkfs.ext4` and loop devices:
//!
//! `STORE_ROUNDS=50 cargo test --release -p cpchain-storage --features redb --test loop_image -- --ignored --nocapture`
//!
//! The same without root, on a disk that keeps even less: `power_cut` in the crate's unit tests.
#![cfg(all(target_os = "linux", feature = "sled", feature = "redb"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/child.rs"]
mod child;
#[path = "support/indexes.rs"]
mod indexes;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use child::{PACK_LEN, SECOND};
use cpchain_storage::{
    ChunkStore, Lease,
    index::{RedbIndex, SledIndex},
};
use indexes::{OnDisk, chunk, open, rounds, whole};

/// Not tests of their own: what the stopped process does.
#[test]
fn child_sled() {
    child::run::<SledIndex>();
}

#[test]
fn child_redb() {
    child::run::<RedbIndex>();
}

#[test]
#[ignore = "needs root, mkfs.ext4 and loop devices"]
fn power_cuts_on_ext4_sled() {
    power_cuts_on_ext4::<SledIndex>("child_sled");
}

#[test]
#[ignore = "needs root, mkfs.ext4 and loop devices"]
fn power_cuts_on_ext4_redb() {
    power_cuts_on_ext4::<RedbIndex>("child_redb");
}

fn call<const N: usize>(program: &str, arguments: [&OsStr; N]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A mounted image; unmounted when it goes.
struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &Path, at: PathBuf) -> Self {
        std::fs::create_dir_all(&at).unwrap();
        call("mount", ["-o".as_ref(), "loop".as_ref(), image.as_os_str(), at.as_os_str()]);
        Self(at)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn power_cuts_on_ext4<I: OnDisk>(child: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (image, copy) = (dir.path().join("image"), dir.path().join("copy"));
    let (mut acknowledged, mut rebuilt) = (0, 0);
    let rounds = rounds(4) as u64;
    for round in 0..rounds {
        std::fs::File::create(&image).unwrap().set_len(128 << 20).unwrap();
        call("mkfs.ext4", ["-q".as_ref(), "-F".as_ref(), image.as_os_str()]);
        let mounted = Mounted::new(&image, dir.path().join("before"));
        let mut stored = Vec::new();
        if round % 2 == 1 {
            // A store that was there before, in peace.
            let store = open::<I>(&mounted.0, PACK_LEN);
            for n in 5_000_000..5_000_100 {
                store.put_batch(&[chunk(n), chunk(n + SECOND)], Lease::FOREVER).unwrap();
                stored.push(n);
            }
            drop(store);
            call("sync", ["-f".as_ref(), mounted.0.as_os_str()]);
        }
        let storing = child::start(child, &mounted.0, 0);
        storing.work_for(Duration::from_millis(round * 137 % 900));
        call("kill", ["-STOP".as_ref(), storing.child.id().to_string().as_ref()]);
        // The bytes that the device has: no sync, no unmounting.
        call("cp", ["--sparse=always".as_ref(), image.as_os_str(), copy.as_os_str()]);
        stored.extend(storing.kill());
        drop(mounted);

        let mounted = Mounted::new(&copy, dir.path().join("after"));
        let store = open::<I>(&mounted.0, PACK_LEN);
        assert_eq!(store.recovery().findings.lost, 0, "round {round}: {:?}", store.recovery());
        rebuilt += u64::from(store.recovery().index == cpchain_storage::pack::IndexState::Rebuilt);
        let all = stored.iter().flat_map(|n| [*n, n + SECOND]);
        assert_eq!(whole(&store, all), stored.len() * 2, "round {round}");
        acknowledged += stored.len() * 2;
    }
    println!("{}: {rounds} power cuts, {acknowledged} chunks acknowledged, 0 lost, {rebuilt} indexes rebuilt", I::NAME);
}
