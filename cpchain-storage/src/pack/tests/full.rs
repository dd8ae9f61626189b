//! A full disk, a disk that fails to sync, an index that cannot be written.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{
    chunk,
    fault::{FaultDisk, Random},
    model::{Acknowledged, open},
};
use crate::{
    chunk::{ChunkId, ChunkStore as _, Lease, StoreError},
    index::{Change, Checkpoint, IndexError, IndexStore, Location, MemoryIndex},
    pack::IndexState,
};

#[test]
fn a_full_disk_is_read_and_takes_puts_again_when_there_is_room() {
    // Wherever in a write, a roll or a compaction the disk is full.
    for space in (0..60_000).step_by(2311) {
        let place = format!("{space} bytes free");
        let disk = FaultDisk::default();
        let store = open(&disk, MemoryIndex::default()).unwrap();
        let mut random = Random::new(space);
        let mut acknowledged = Acknowledged::new();
        disk.set_space(Some(space));
        let refused = (0..10_000).find_map(|_| acknowledged.work(&store, &mut random).err()).unwrap();
        assert!(matches!(refused, StoreError::Full { .. }), "{place}: {refused}");
        acknowledged.check(&store, &place);
        assert!(matches!(store.put(vec![1; 60_000].into(), Lease(9)), Err(StoreError::Full { .. })), "{place}");
        acknowledged.check(&store, &place);
        disk.set_space(Some(200_000));
        for _ in 0..20 {
            acknowledged.work(&store, &mut random).unwrap();
        }
        acknowledged.check(&store, &place);
        disk.set_space(Some(0));
        drop(store);
        let store = open(&disk, MemoryIndex::default()).unwrap();
        assert_eq!(store.recovery().findings.damaged, 0, "{place}");
        acknowledged.check(&store, &place);
    }
}

#[test]
fn a_full_disk_is_emptied_by_expiry_and_compaction() {
    let disk = FaultDisk::default();
    let store = open(&disk, MemoryIndex::default()).unwrap();
    for n in 0..40 {
        store.put(chunk(n), Lease(if n % 5 == 0 { 100 } else { 1 })).unwrap();
    }
    disk.set_space(Some(0));
    assert!(matches!(store.put(chunk(99), Lease(100)), Err(StoreError::Full { .. })));
    // Packs that are dead altogether need no room to be collected.
    store.expire(Lease::GRACE_MS + 101).unwrap();
    assert!(store.compact().unwrap().packs > 3);
    store.put(chunk(99), Lease(100)).unwrap();
    assert_eq!(store.get(&ChunkId::of(&chunk(99))).unwrap(), Some(chunk(99)));
}

#[test]
fn a_failed_sync_ends_all_writing_and_no_reading() {
    let disk = FaultDisk::default();
    let store = open(&disk, MemoryIndex::default()).unwrap();
    let id = store.put(chunk(1), Lease(5)).unwrap();
    disk.fail_syncs(true);
    assert!(matches!(store.put(chunk(2), Lease(5)), Err(StoreError::Io { .. })));
    disk.fail_syncs(false);
    assert!(matches!(store.put(chunk(3), Lease(5)), Err(StoreError::Poisoned)));
    assert_eq!(store.get(&id).unwrap(), Some(chunk(1)));
    drop(store);
    let store = open(&disk, MemoryIndex::default()).unwrap();
    store.put(chunk(3), Lease(5)).unwrap();
    assert_eq!(store.get(&id).unwrap(), Some(chunk(1)));
}

/// An index that cannot be written from some time on.
#[derive(Debug, Default)]
struct Stuck {
    index: MemoryIndex,
    is_stuck: AtomicBool,
}

impl Stuck {
    fn refuse(&self) -> Result<(), IndexError> {
        if self.is_stuck.load(Ordering::Relaxed) { Err(IndexError("disk full".to_owned())) } else { Ok(()) }
    }
}

impl IndexStore for Stuck {
    fn get(&self, id: &ChunkId) -> Result<Option<Location>, IndexError> {
        self.index.get(id)
    }
    fn apply(&self, changes: &[Change], checkpoint: &Checkpoint) -> Result<(), IndexError> {
        self.refuse()?;
        self.index.apply(changes, checkpoint)
    }
    fn checkpoint(&self) -> Result<Option<Checkpoint>, IndexError> {
        self.index.checkpoint()
    }
    fn page(&self, after: Option<&ChunkId>, limit: usize) -> Result<Vec<(ChunkId, Location)>, IndexError> {
        self.index.page(after, limit)
    }
    fn reset(&self) -> Result<(), IndexError> {
        self.refuse()?;
        self.index.reset()
    }
    fn flush(&self) -> Result<(), IndexError> {
        self.refuse()
    }
}

#[test]
fn an_index_that_cannot_be_written_is_kept_in_memory() {
    let disk = FaultDisk::default();
    let store = open(&disk, Stuck::default()).unwrap();
    let first = store.put(chunk(1), Lease(5)).unwrap();
    store.own_index.is_stuck.store(true, Ordering::Relaxed);
    let second = store.put(chunk(2), Lease(5)).unwrap();
    assert!(store.stats().unwrap().index_in_memory);
    for (id, n) in [(first, 1), (second, 2)] {
        assert_eq!(store.get(&id).unwrap(), Some(chunk(n)));
    }
    // It is used again once it can be.
    store.own_index.is_stuck.store(false, Ordering::Relaxed);
    assert_eq!(store.doctor().unwrap().index, IndexState::Right);
    assert!(!store.stats().unwrap().index_in_memory);
    assert_eq!(store.own_index.get(&second).unwrap().map(|at| at.length), Some(chunk(2).len() as u32));
}
