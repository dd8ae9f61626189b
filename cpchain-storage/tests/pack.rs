//! Packs: durable, verified, rebuilt, compacted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    fs::OpenOptions,
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use cpchain_storage::{
    ChunkId, ChunkStore, Lease, MAX_CHUNK_LEN, PackOptions, PackStore, StoreError,
    index::{Change, Checkpoint, IndexError, IndexStore, Location, MemoryIndex, conformance},
    pack::examine_folder,
};

fn open(dir: &Path) -> PackStore<MemoryIndex> {
    PackStore::open(dir, PackOptions::default(), MemoryIndex::default()).unwrap()
}

fn chunk(n: usize) -> Bytes {
    (0..100 + n * 37 % 4000).map(|i| (i * 7 + n) as u8).collect::<Vec<_>>().into()
}

fn pack(dir: &Path, n: u32) -> PathBuf {
    dir.join(format!("{n:08}.pack"))
}

fn flip(path: &Path, at: u64, bit: u8) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at as usize] ^= 1 << bit;
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&bytes[at as usize..=at as usize]).unwrap();
}

#[test]
fn the_index_in_memory_conforms() {
    conformance::check(MemoryIndex::default(), |index| index).unwrap();
}

#[test]
fn chunks_come_back_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let chunks: Vec<_> = (0..50).map(chunk).collect();
    let ids = store.put_batch(&chunks, Lease(5)).unwrap();
    assert!(matches!(
        PackStore::open(dir.path(), PackOptions::default(), MemoryIndex::default()),
        Err(StoreError::InUse)
    ));
    drop(store);
    let store = open(dir.path());
    for (id, chunk) in ids.iter().zip(&chunks) {
        assert!(store.contains(id).unwrap());
        assert_eq!(store.get(id).unwrap().as_ref(), Some(chunk));
    }
    assert_eq!(store.get(&ChunkId::of(b"never put")).unwrap(), None);
    assert_eq!(store.stats().unwrap().chunks, 50);
}

#[test]
fn empty_and_overlong_chunks_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let before = store.stats().unwrap();
    for bad in [Bytes::new(), vec![0; MAX_CHUNK_LEN + 1].into()] {
        let refused = store.put_batch(&[chunk(1), bad.clone()], Lease(5));
        assert!(matches!(refused, Err(StoreError::ChunkLength(length)) if length == bad.len()));
    }
    assert_eq!(store.stats().unwrap(), before);
    store.put(vec![1; MAX_CHUNK_LEN].into(), Lease(5)).unwrap();
}

#[test]
fn a_chunk_is_written_once_and_keeps_the_later_lease() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.put_batch(&[chunk(1), chunk(1)], Lease(1000)).unwrap();
    let once = store.stats().unwrap();
    store.put(chunk(1), Lease(10)).unwrap();
    assert_eq!(store.stats().unwrap().pack_bytes, once.pack_bytes);
    let id = store.put(chunk(1), Lease(2000)).unwrap();
    assert_eq!(store.stats().unwrap().live_bytes, once.live_bytes);
    assert_eq!(store.renew(&[id, ChunkId::of(b"?")], Lease(1500)).unwrap(), 1);
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.expire(Lease::GRACE_MS + 2000).unwrap(), 0);
    assert_eq!(store.expire(Lease::GRACE_MS + 2001).unwrap(), 1);
    assert_eq!(store.get(&id).unwrap(), None);
    assert_eq!(store.stats().unwrap().chunks, 0);
}

#[test]
fn flipped_bits_never_reach_the_caller() {
    let dir = tempfile::tempdir().unwrap();
    let chunks: Vec<_> = (0..8).map(chunk).collect();
    open(dir.path()).put_batch(&chunks, Lease(5)).unwrap();
    let path = pack(dir.path(), 1);
    let clean = std::fs::read(&path).unwrap();
    for at in (0..clean.len()).step_by(61) {
        flip(&path, at as u64, (at % 8) as u8);
        let store = open(dir.path());
        let whole = chunks.iter().filter(|chunk| {
            let read = store.get(&ChunkId::of(chunk)).unwrap();
            assert!(read.is_none() || read.as_ref() == Some(*chunk), "bit at {at}");
            read.is_some()
        });
        // A flipped bit costs the chunk that it hits, and no other.
        assert!(whole.count() >= chunks.len() - 1, "bit at {at}");
        drop(store);
        std::fs::write(&path, &clean).unwrap();
    }
}

#[test]
fn a_damaged_chunk_is_healed_by_a_put() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = store.put(chunk(3), Lease(5)).unwrap();
    flip(&pack(dir.path(), 1), 16 + 64 + 10, 0);
    assert_eq!(store.get(&id).unwrap(), None);
    store.put(chunk(3), Lease(5)).unwrap();
    assert_eq!(store.get(&id).unwrap(), Some(chunk(3)));
    drop(store);
    assert_eq!(open(dir.path()).get(&id).unwrap(), Some(chunk(3)));
}

#[test]
fn a_torn_tail_is_cut_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let ids = open(dir.path()).put_batch(&[chunk(1), chunk(2), chunk(3)], Lease(5)).unwrap();
    let path = pack(dir.path(), 1);
    let clean = std::fs::read(&path).unwrap();
    let last = clean.len() - chunk(3).len() - 64;
    for cut in last..clean.len() {
        std::fs::write(&path, &clean[..cut]).unwrap();
        let store = open(dir.path());
        assert_eq!(std::fs::metadata(&path).unwrap().len() as usize, last);
        assert_eq!(store.get(&ids[1]).unwrap(), Some(chunk(2)));
        assert_eq!(store.get(&ids[2]).unwrap(), None);
        assert_eq!(store.put(chunk(3), Lease(5)).unwrap(), ids[2]);
        drop(store);
        assert_eq!(open(dir.path()).get(&ids[2]).unwrap(), Some(chunk(3)), "cut at {cut}");
    }
    // A pack that was made, and whose header was not, when the power went.
    std::fs::write(pack(dir.path(), 2), b"CPP").unwrap();
    let store = open(dir.path());
    assert_eq!(store.get(&ids[0]).unwrap(), Some(chunk(1)));
    store.put(chunk(9), Lease(5)).unwrap();
    drop(store);
    assert_eq!(open(dir.path()).stats().unwrap().chunks, 4);
}

#[test]
fn a_pack_of_another_version_is_refused_and_a_damaged_header_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let id = open(dir.path()).put(chunk(1), Lease(5)).unwrap();
    let path = pack(dir.path(), 1);
    let clean = std::fs::read(&path).unwrap();
    for bit in 0..128 {
        flip(&path, bit / 8, (bit % 8) as u8);
        assert_eq!(open(dir.path()).get(&id).unwrap(), Some(chunk(1)), "bit {bit}");
        std::fs::write(&path, &clean).unwrap();
    }
    let mut header = *b"CPPACK\x02\0\x01\0\0\0\0\0\0\0";
    let sum = blake3::hash(&header[..12]);
    header[12..].copy_from_slice(&sum.as_bytes()[..4]);
    std::fs::write(&path, [&header[..], &clean[16..]].concat()).unwrap();
    let refused = PackStore::open(dir.path(), PackOptions::default(), MemoryIndex::default());
    assert!(matches!(refused, Err(StoreError::Version { pack: 1, version: 2 })));
    assert!(matches!(examine_folder(dir.path()), Err(StoreError::Version { pack: 1, version: 2 })));
}

#[test]
fn puts_from_many_threads_share_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (threads, puts) = (8, 25);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let store = &store;
            scope.spawn(move || {
                for n in 0..puts {
                    let id = store.put(chunk(thread * 1000 + n), Lease(5)).unwrap();
                    assert_eq!(store.get(&id).unwrap(), Some(chunk(thread * 1000 + n)));
                }
            });
        }
    });
    let stats = store.stats().unwrap();
    assert_eq!(stats.chunks as usize, threads * puts);
    assert!(stats.syncs < stats.chunks, "{stats:?}");
    drop(store);
    assert_eq!(open(dir.path()).stats().unwrap().chunks as usize, threads * puts);
}

#[test]
fn compaction_keeps_what_lives() {
    let dir = tempfile::tempdir().unwrap();
    let options = PackOptions { pack_len: 20_000, max_dead_percent: 30 };
    let open = || PackStore::open(dir.path(), options, MemoryIndex::default()).unwrap();
    let store = open();
    let lease = |n: usize| if n.is_multiple_of(4) { Lease(1 << 40) } else { Lease(0) };
    for n in 0..100 {
        store.put(chunk(n), lease(n)).unwrap();
    }
    // Chunk 1 lies in the first pack, its renewal in a later one that is compacted too.
    store.renew(&[ChunkId::of(&chunk(1))], Lease(1 << 40)).unwrap();
    for n in 100..200 {
        store.put(chunk(n), lease(n)).unwrap();
    }
    let full = store.stats().unwrap();
    assert!(full.packs > 5);
    assert_eq!(store.expire(Lease::GRACE_MS + 1).unwrap(), 149);
    let stop = AtomicBool::new(false);
    let report = std::thread::scope(|scope| {
        // Reads and puts go on meanwhile.
        scope.spawn(|| {
            let mut n = 1000;
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(store.get(&ChunkId::of(&chunk(n % 200 / 4 * 4))).unwrap(), Some(chunk(n % 200 / 4 * 4)));
                if n < 1020 {
                    store.put(chunk(n), Lease(1 << 40)).unwrap();
                }
                n += 1;
            }
        });
        let report = store.compact();
        stop.store(true, Ordering::Relaxed);
        report.unwrap()
    });
    assert!(report.packs >= full.packs / 2, "{report:?} of {full:?}");
    assert_eq!(report.damaged, 0);
    assert!(store.stats().unwrap().pack_bytes < full.pack_bytes * 3 / 4);
    drop(store);
    let store = open();
    for n in (0..200).filter(|n: &usize| n.is_multiple_of(4) || *n == 1) {
        assert_eq!(store.get(&ChunkId::of(&chunk(n))).unwrap(), Some(chunk(n)), "{n}");
    }
    // What was read back from the packs still has its lease.
    assert!(store.expire(Lease::GRACE_MS + 1).unwrap() <= 149);
    assert_eq!(store.get(&ChunkId::of(&chunk(1))).unwrap(), Some(chunk(1)));
}

/// An index that loses an entry without saying so, or fails, when told to.
#[derive(Debug, Default)]
struct Faulty {
    inner: MemoryIndex,
    fails: AtomicBool,
}

impl IndexStore for Faulty {
    fn get(&self, id: &ChunkId) -> Result<Option<Location>, IndexError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(IndexError("told to".to_owned()));
        }
        self.inner.get(id)
    }
    fn apply(&self, changes: &[Change], checkpoint: &Checkpoint) -> Result<(), IndexError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(IndexError("told to".to_owned()));
        }
        self.inner.apply(changes, checkpoint)
    }
    fn checkpoint(&self) -> Result<Option<Checkpoint>, IndexError> {
        self.inner.checkpoint()
    }
    fn page(&self, after: Option<&ChunkId>, limit: usize) -> Result<Vec<(ChunkId, Location)>, IndexError> {
        self.inner.page(after, limit)
    }
    fn reset(&self) -> Result<(), IndexError> {
        self.fails.store(false, Ordering::Relaxed);
        self.inner.reset()
    }
    fn flush(&self) -> Result<(), IndexError> {
        self.inner.flush()
    }
}

/// Shared, so that it outlives the store.
#[derive(Debug, Default, Clone)]
struct Shared(std::sync::Arc<Faulty>);

impl IndexStore for Shared {
    fn get(&self, id: &ChunkId) -> Result<Option<Location>, IndexError> {
        self.0.get(id)
    }
    fn apply(&self, changes: &[Change], checkpoint: &Checkpoint) -> Result<(), IndexError> {
        self.0.apply(changes, checkpoint)
    }
    fn checkpoint(&self) -> Result<Option<Checkpoint>, IndexError> {
        self.0.checkpoint()
    }
    fn page(&self, after: Option<&ChunkId>, limit: usize) -> Result<Vec<(ChunkId, Location)>, IndexError> {
        self.0.page(after, limit)
    }
    fn reset(&self) -> Result<(), IndexError> {
        self.0.reset()
    }
    fn flush(&self) -> Result<(), IndexError> {
        self.0.flush()
    }
}

#[test]
fn an_index_that_fails_at_work_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let index = Shared::default();
    let store = PackStore::open(dir.path(), PackOptions::default(), index.clone()).unwrap();
    let ids = store.put_batch(&[chunk(1), chunk(2)], Lease(5)).unwrap();
    index.0.fails.store(true, Ordering::Relaxed);
    assert_eq!(store.get(&ids[0]).unwrap(), Some(chunk(1)));
    index.0.fails.store(true, Ordering::Relaxed);
    store.put(chunk(3), Lease(5)).unwrap();
    assert_eq!(store.stats().unwrap().chunks, 3);
}

#[test]
fn an_index_that_silently_lost_or_changed_an_entry_is_rebuilt_at_open() {
    let dir = tempfile::tempdir().unwrap();
    let index = Shared::default();
    let open = || PackStore::open(dir.path(), PackOptions::default(), index.clone()).unwrap();
    let ids = open().put_batch(&(0..30).map(chunk).collect::<Vec<_>>(), Lease(5)).unwrap();
    let mark = index.checkpoint().unwrap().unwrap();
    let old = index.get(&ids[4]).unwrap().unwrap();
    let behind = Checkpoint { offset: mark.offset + 1, ..mark };
    let changed = Location { offset: old.offset + 1, ..old };
    for (changes, mark) in [
        (vec![Change::Remove(ids[4])], mark),
        (vec![Change::Set(ids[4], changed)], mark),
        (vec![Change::Set(ChunkId::of(b"never put"), old)], mark),
        (vec![], behind),
        (vec![], Checkpoint { pack: 9, ..mark }),
    ] {
        index.apply(&changes, &mark).unwrap();
        let store = open();
        assert_eq!(store.get(&ids[4]).unwrap(), Some(chunk(4)), "{changes:?}");
        assert!(!store.contains(&ChunkId::of(b"never put")).unwrap());
        assert_eq!(store.stats().unwrap().chunks, 30);
    }
}
