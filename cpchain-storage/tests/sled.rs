//! The index over sled: it conforms, and whatever happens to its folder, the store opens with everything in it.
#![cfg(feature = "sled")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

use bytes::Bytes;
use cpchain_storage::{
    ChunkId, ChunkStore, Lease, PackOptions, PackStore,
    index::{SledIndex, conformance},
};

fn open(dir: &Path) -> PackStore<SledIndex> {
    let index = SledIndex::open(dir.join("index")).unwrap();
    PackStore::open(dir.join("packs"), PackOptions::default(), index).unwrap()
}

fn chunk(n: usize) -> Bytes {
    (0..200 + n).map(|i| (i * 7 + n) as u8).collect::<Vec<_>>().into()
}

fn put_some(store: &PackStore<SledIndex>, range: std::ops::Range<usize>) {
    store.put_batch(&range.map(chunk).collect::<Vec<_>>(), Lease(5)).unwrap();
}

fn all_there(store: &PackStore<SledIndex>, count: usize) {
    for n in 0..count {
        assert_eq!(store.get(&ChunkId::of(&chunk(n))).unwrap(), Some(chunk(n)), "{n}");
    }
    assert_eq!(store.stats().unwrap().chunks as usize, count);
}

#[test]
fn it_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    conformance::check(SledIndex::open(&path).unwrap(), |index| {
        drop(index);
        SledIndex::open(&path).unwrap()
    })
    .unwrap();
}

#[test]
fn it_is_not_rebuilt_when_it_is_right() {
    let dir = tempfile::tempdir().unwrap();
    put_some(&open(dir.path()), 0..20);
    all_there(&open(dir.path()), 20);
    assert!(!dir.path().join("index.bad-1").exists());
    assert!(open(dir.path()).doctor().unwrap().index_agreed);
    all_there(&open(dir.path()), 20);
}

#[test]
fn a_lost_index_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    put_some(&open(dir.path()), 0..20);
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    all_there(&open(dir.path()), 20);
}

#[test]
fn an_index_that_is_behind_or_ahead_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    put_some(&open(dir.path()), 0..10);
    copy(&dir.path().join("index"), &dir.path().join("old"));
    copy(&dir.path().join("packs"), &dir.path().join("old-packs"));
    put_some(&open(dir.path()), 10..30);
    copy(&dir.path().join("index"), &dir.path().join("new"));

    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    copy(&dir.path().join("old"), &dir.path().join("index"));
    all_there(&open(dir.path()), 30);

    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    std::fs::remove_dir_all(dir.path().join("packs")).unwrap();
    copy(&dir.path().join("new"), &dir.path().join("index"));
    copy(&dir.path().join("old-packs"), &dir.path().join("packs"));
    all_there(&open(dir.path()), 10);
}

#[test]
fn a_broken_sled_folder_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    put_some(&open(dir.path()), 0..20);
    let files = |dir: &Path| {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let index = dir.path().join("index");
    for broken in 0..8 {
        for (n, file) in files(&index).into_iter().enumerate() {
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
        all_there(&open(dir.path()), 20);
    }
    // A file where the folder should be.
    std::fs::remove_dir_all(&index).unwrap();
    std::fs::write(&index, b"not a database").unwrap();
    all_there(&open(dir.path()), 20);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn after_a_power_cut_all_acknowledged_chunks_are_there() {
    // What the disk has after a cut: the pack up to some acknowledged put, then what was under way and did not all arrive;
    // and the index as it was at any time before or after.
    let dir = tempfile::tempdir().unwrap();
    let pack = dir.path().join("packs/00000001.pack");
    let mut states = Vec::new();
    for n in 0..5 {
        let store = open(dir.path());
        put_some(&store, n * 3..n * 3 + 3);
        drop(store);
        let index = dir.path().join(format!("index-{n}"));
        copy(&dir.path().join("index"), &index);
        states.push((std::fs::metadata(&pack).unwrap().len() as usize, index));
    }
    let whole = std::fs::read(&pack).unwrap();
    for (puts, (length, _)) in states.iter().enumerate() {
        for (cut, (_, index)) in states.iter().enumerate() {
            let mut bytes = whole[..*length].to_vec();
            match (puts + cut) % 3 {
                0 => bytes.extend([0; 777]),
                1 => bytes.extend(whole[*length..].iter().take(100)),
                _ => {}
            }
            std::fs::write(&pack, bytes).unwrap();
            std::fs::remove_dir_all(dir.path().join("index")).unwrap();
            copy(index, &dir.path().join("index"));
            let store = open(dir.path());
            all_there(&store, (puts + 1) * 3);
            put_some(&store, 100..101);
            drop(store);
            assert_eq!(open(dir.path()).get(&ChunkId::of(&chunk(100))).unwrap(), Some(chunk(100)));
        }
    }
}
