//! The indexes on disk: they conform, and whatever happens to their files, the store opens with everything in it.
#![cfg(all(feature = "sled", feature = "redb"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/indexes.rs"]
mod indexes;

use std::path::Path;

use cpchain_storage::{
    ChunkId, ChunkStore, Lease, PackStore,
    index::{Change, Checkpoint, IndexStore as _, Location, MemoryIndex, RedbIndex, SledIndex, conformance},
    pack::IndexState,
};
use indexes::{OnDisk, chunk, copy, files, remove, whole};

fn open<I: OnDisk>(dir: &Path) -> PackStore<I> {
    indexes::open(dir, 1 << 20)
}

fn put_some(store: &impl ChunkStore, range: std::ops::Range<u64>) {
    store.put_batch(&range.map(chunk).collect::<Vec<_>>(), Lease(5)).unwrap();
}

fn all_there<I: OnDisk>(store: &PackStore<I>, count: u64) {
    assert_eq!(whole(store, 0..count) as u64, count, "{}", I::NAME);
    assert_eq!(store.stats().unwrap().chunks, count, "{}", I::NAME);
}

/// Each test once with every index.
macro_rules! with_each_index {
    ($($name:ident),* $(,)?) => {
        mod sled { $(#[test] fn $name() { super::$name::<super::SledIndex>(); })* }
        mod redb { $(#[test] fn $name() { super::$name::<super::RedbIndex>(); })* }
    };
}

with_each_index! {
    it_conforms,
    it_answers_as_a_map_in_memory,
    it_is_not_rebuilt_when_it_is_right,
    a_lost_index_is_rebuilt,
    an_index_that_is_behind_or_ahead_is_brought_up_to_date,
    a_broken_index_is_rebuilt,
    it_is_used_by_one_store_at_a_time,
}

fn it_conforms<I: OnDisk>() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    conformance::check(I::open(&path), |index| {
        drop(index);
        I::open(&path)
    })
    .unwrap();
}

/// Entries that come, change and go by the thousand, in batches of every size, with the index closed and opened between.
fn it_answers_as_a_map_in_memory<I: OnDisk>() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let (mut index, map) = (I::open(&path), MemoryIndex::default());
    let id = |n: u64| ChunkId::of(&n.to_le_bytes());
    let mut state = 7u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (state >> 33) % below
    };
    for step in 0..60u64 {
        let changes: Vec<_> = (0..random(if step % 7 == 0 { 4000 } else { 90 }))
            .map(|n| {
                let at = Location { pack: 1, length: 1, offset: step * 10_000 + n, lease: Lease(n), lease_pack: 1 };
                // At the end more go than come.
                let is_gone = random(60) < step;
                let id = id(random(6000));
                if is_gone { Change::Remove(id) } else { Change::Set(id, at) }
            })
            .collect();
        let mark = Checkpoint { pack: 1 + step as u32 / 20, offset: step, entries: 0, fingerprint: step.into() };
        index.apply(&changes, &mark).unwrap();
        map.apply(&changes, &mark).unwrap();
        if random(8) == 0 {
            drop(index);
            index = I::open(&path);
        }
        assert_eq!(index.checkpoint().unwrap(), Some(mark));
        for n in 0..100 {
            let id = id(n * 61);
            assert_eq!(index.get(&id).unwrap(), map.get(&id).unwrap());
        }
        let after = id(random(6000));
        let limit = 1 + random(9000) as usize;
        for after in [None, Some(&after)] {
            assert_eq!(index.page(after, limit).unwrap(), map.page(after, limit).unwrap(), "{} {step}", I::NAME);
        }
    }
}

fn it_is_not_rebuilt_when_it_is_right<I: OnDisk>() {
    let dir = tempfile::tempdir().unwrap();
    let store = open::<I>(dir.path());
    put_some(&store, 0..20);
    store.renew(&[cpchain_storage::ChunkId::of(&chunk(3))], Lease(50)).unwrap();
    drop(store);
    all_there(&open::<I>(dir.path()), 20);
    assert!(!dir.path().join("index.bad-1").exists());
    let store = open::<I>(dir.path());
    assert_eq!(store.recovery().index, IndexState::Right);
    assert_eq!(store.recovery().replayed, 0);
    assert_eq!(store.doctor().unwrap().index, IndexState::Right);
    all_there(&store, 20);
}

fn a_lost_index_is_rebuilt<I: OnDisk>() {
    let dir = tempfile::tempdir().unwrap();
    put_some(&open::<I>(dir.path()), 0..20);
    remove(&dir.path().join("index"));
    let store = open::<I>(dir.path());
    assert_eq!(store.recovery().index, IndexState::Rebuilt);
    all_there(&store, 20);
}

fn an_index_that_is_behind_or_ahead_is_brought_up_to_date<I: OnDisk>() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    put_some(&open::<I>(dir.path()), 0..10);
    copy(&at("index"), &at("old"));
    copy(&at("packs"), &at("old-packs"));
    put_some(&open::<I>(dir.path()), 10..30);
    copy(&at("index"), &at("new"));

    remove(&at("index"));
    copy(&at("old"), &at("index"));
    let store = open::<I>(dir.path());
    assert_eq!((store.recovery().index, store.recovery().replayed), (IndexState::Right, 20));
    all_there(&store, 30);
    drop(store);

    remove(&at("index"));
    remove(&at("packs"));
    copy(&at("new"), &at("index"));
    copy(&at("old-packs"), &at("packs"));
    // What the index knows and the packs do not have is lost, and named.
    let store = open::<I>(dir.path());
    assert_eq!(store.recovery().findings.lost, 20);
    all_there(&store, 10);
    put_some(&store, 10..30);
    drop(store);
    all_there(&open::<I>(dir.path()), 30);
}

fn a_broken_index_is_rebuilt<I: OnDisk>() {
    let dir = tempfile::tempdir().unwrap();
    put_some(&open::<I>(dir.path()), 0..20);
    let index = dir.path().join("index");
    for broken in 0..8 {
        let files = if index.is_dir() { files(&index) } else { vec![index.clone()] };
        for (n, file) in files.into_iter().enumerate() {
            let mut bytes = std::fs::read(&file).unwrap();
            match broken {
                0 => bytes.truncate(bytes.len() / 2),
                1 => bytes.clear(),
                2 => bytes.fill(0),
                3 => bytes.fill(0xff),
                4 => std::fs::remove_file(&file).unwrap(),
                _ => {
                    for at in (broken * 13 + n..bytes.len()).step_by(97 * broken) {
                        bytes[at] ^= 1 << (at % 8);
                    }
                }
            }
            if broken != 4 {
                std::fs::write(&file, bytes).unwrap();
            }
        }
        all_there(&open::<I>(dir.path()), 20);
    }
    // A file where the folder should be.
    remove(&index);
    std::fs::write(&index, b"not a database").unwrap();
    all_there(&open::<I>(dir.path()), 20);
}

fn it_is_used_by_one_store_at_a_time<I: OnDisk>() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let _first = I::open(&path);
    let second = match I::NAME {
        "sled" => SledIndex::open(&path).map(drop),
        _ => RedbIndex::open(&path).map(drop),
    };
    assert!(second.unwrap_err().to_string().contains("another process has it open"));
    assert!(!dir.path().join("index.bad-1").exists());
}
