//! Tables on disk: what was accepted is there after a stop anywhere, and nothing else is.
#![cfg(feature = "search")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{fs, path::Path};

use cpchain_crypto::{
    Key, SeededEntropy,
    search::{
        SearchError, SearchServer, Term,
        keyword::{KeywordIndex, KeywordServer, ParameterSet, Posting, Shard},
        store::{HostStore, StoreError},
    },
};

const MAX: u64 = 1 << 24;

fn index() -> KeywordIndex {
    KeywordIndex::new(Key::from_bytes([8; 32]), ParameterSet::Bucket1K, 1).unwrap()
}

fn empty() -> KeywordServer {
    KeywordServer::new(index().table(), Shard::WHOLE, MAX)
}

fn updates(count: u64) -> Vec<Vec<u8>> {
    let (mut index, mut entropy) = (index(), SeededEntropy::new(&[3; 32]));
    let posting = |record| Posting { term: Term::new("t", b"x"), record };
    (0..count).map(|record| index.append(&[posting(record)], &mut entropy).unwrap()).collect()
}

fn open(folder: &Path) -> Result<HostStore<KeywordServer>, StoreError> {
    HostStore::open(folder, empty())
}

/// The state in memory after the first so many updates.
fn plain(updates: &[Vec<u8>]) -> Vec<u8> {
    let mut server = empty();
    updates.iter().for_each(|update| server.apply(update).unwrap());
    server.to_bytes()
}

#[test]
fn a_file_that_ends_anywhere_is_opened() {
    let (folder, updates) = (tempfile::tempdir().unwrap(), updates(3));
    let mut ends = Vec::new();
    let mut store = open(folder.path()).unwrap();
    ends.push(store.len_on_disk());
    for update in &updates {
        store.apply(update).unwrap();
        ends.push(store.len_on_disk());
    }
    drop(store);
    let file = folder.path().join("table-00000000");
    let whole = fs::read(&file).unwrap();
    assert_eq!(whole.len() as u64, ends[3]);
    let around =
        ends.iter().flat_map(|end| [end.saturating_sub(1), *end, end + 1, end + 7, end + 8, end + 40, end + 999]);
    for cut in around.filter(|cut| *cut <= ends[3] && *cut >= ends[0]) {
        fs::write(&file, &whole[..cut as usize]).unwrap();
        let mut store = open(folder.path()).unwrap();
        let there = ends.iter().rposition(|end| *end <= cut).unwrap();
        assert_eq!(store.server().to_bytes(), plain(&updates[..there]), "{cut}");
        assert_eq!(fs::metadata(&file).unwrap().len(), ends[there]);
        // And it goes on from there.
        updates[there..].iter().for_each(|update| store.apply(update).unwrap());
        assert_eq!(store.server().to_bytes(), plain(&updates));
    }
    // The last record has its length, but not yet its bytes.
    let mut torn = whole.clone();
    torn[ends[2] as usize + 100..].fill(0);
    fs::write(&file, &torn).unwrap();
    assert_eq!(open(folder.path()).unwrap().server().to_bytes(), plain(&updates[..2]));
    // Not even the table that it begins with.
    fs::write(&file, &whole[..ends[0] as usize - 1]).unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::Damaged { .. })));
}

#[test]
fn damage_is_not_taken_for_a_torn_end() {
    let (folder, updates) = (tempfile::tempdir().unwrap(), updates(2));
    let mut store = open(folder.path()).unwrap();
    updates.iter().for_each(|update| store.apply(update).unwrap());
    drop(store);
    let file = folder.path().join("table-00000000");
    let whole = fs::read(&file).unwrap();
    for at in [0, 20, 60, 400] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&file, &damaged).unwrap();
        assert!(matches!(open(folder.path()), Err(StoreError::Damaged { .. })), "{at}");
    }
    fs::write(&file, &whole).unwrap();
    let other = KeywordIndex::new(Key::from_bytes([1; 32]), ParameterSet::Bucket1K, 1).unwrap();
    let of_other = HostStore::open(folder.path(), KeywordServer::new(other.table(), Shard::WHOLE, MAX));
    assert!(matches!(of_other, Err(StoreError::Damaged { why: SearchError::OtherTable, .. })));
}

#[test]
fn what_is_refused_is_not_kept() {
    let (folder, updates) = (tempfile::tempdir().unwrap(), updates(3));
    let mut store = open(folder.path()).unwrap();
    store.apply(&updates[0]).unwrap();
    let length = store.len_on_disk();
    assert_eq!(store.apply(&updates[2]), Err(SearchError::NotNext { blocks: 1 }));
    assert!(store.apply(b"no update").is_err());
    assert_eq!(store.len_on_disk(), length);
    drop(store);
    let file = folder.path().join("table-00000000");
    assert_eq!(fs::metadata(&file).unwrap().len(), length);
    assert_eq!(open(folder.path()).unwrap().server().to_bytes(), plain(&updates[..1]));
}

#[test]
fn folding_survives_a_stop() {
    let (folder, updates) = (tempfile::tempdir().unwrap(), updates(2));
    let mut store = open(folder.path()).unwrap();
    store.apply(&updates[0]).unwrap();
    let old = fs::read(folder.path().join("table-00000000")).unwrap();
    store.fold().unwrap();
    assert!(!folder.path().join("table-00000000").exists());
    store.apply(&updates[1]).unwrap();
    drop(store);
    // Before the old file was removed, and while a third one was written.
    fs::write(folder.path().join("table-00000000"), old).unwrap();
    fs::write(folder.path().join("new"), b"CPS1").unwrap();
    let store = open(folder.path()).unwrap();
    assert_eq!(store.server().to_bytes(), plain(&updates));
    assert!(!folder.path().join("table-00000000").exists());
}

#[test]
fn a_folder_is_open_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::InUse)));
    drop(store);
    open(folder.path()).unwrap();
}
