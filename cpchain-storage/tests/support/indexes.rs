//! Stores over each index that lives on a disk, for tests that hold for all of them.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use cpchain_storage::{
    ChunkId, ChunkStore, PackOptions, PackStore, StoreError,
    index::{IndexStore, RedbIndex, SledIndex},
};

/// An index that is kept in a file or folder.
pub(crate) trait OnDisk: IndexStore + Sized + 'static {
    const NAME: &'static str;
    fn open(path: &Path) -> Self;
}

impl OnDisk for SledIndex {
    const NAME: &'static str = "sled";
    fn open(path: &Path) -> Self {
        Self::open(path).unwrap()
    }
}

impl OnDisk for RedbIndex {
    const NAME: &'static str = "redb";
    fn open(path: &Path) -> Self {
        let is_free = |_: &u32| Self::open(path).inspect_err(|_| pause()).is_ok();
        let _ = (0..100).find(is_free);
        Self::open(path).unwrap()
    }
}

/// A process that another test is just starting has all our files until it runs its own program: it will let go of them.
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(10));
}

/// A store with its packs and its index in `dir`.
pub(crate) fn open<I: OnDisk>(dir: &Path, pack_len: u64) -> PackStore<I> {
    let options = PackOptions { pack_len, ..PackOptions::default() };
    for _ in 0..200 {
        match PackStore::open(dir.join("packs"), options, I::open(&dir.join("index"))) {
            Err(StoreError::InUse) => pause(),
            opened => return opened.unwrap(),
        }
    }
    panic!("the folder stays in use");
}

/// How often a test repeats what it does: `STORE_ROUNDS`, or less.
pub(crate) fn rounds(default: usize) -> usize {
    std::env::var("STORE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(default)
}

/// Chunk `n` of some kilobytes, like no other.
pub(crate) fn chunk(n: u64) -> Bytes {
    (0..50 + n * 131 % 5000).map(|i| (i * 7 + n) as u8).chain(n.to_le_bytes()).collect::<Vec<_>>().into()
}

/// How many of the chunks are there. One that reads is right.
pub(crate) fn whole(store: &impl ChunkStore, numbers: impl IntoIterator<Item = u64>) -> usize {
    let read = |n: &u64| {
        let found = store.get(&ChunkId::of(&chunk(*n))).unwrap();
        assert!(found.as_ref().is_none_or(|found| *found == chunk(*n)), "wrong bytes for chunk {n}");
        found.is_some()
    };
    numbers.into_iter().filter(read).count()
}

/// All files below a folder.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Copies a file, or a folder with all in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        std::fs::copy(from, to).unwrap();
        return;
    }
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        copy(&path, &to.join(path.file_name().unwrap()));
    }
}

/// Deletes a file or a folder, if it is there.
pub(crate) fn remove(path: &Path) {
    if path.is_dir() {
        std::fs::remove_dir_all(path).unwrap();
    } else if path.exists() {
        std::fs::remove_file(path).unwrap();
    }
}
