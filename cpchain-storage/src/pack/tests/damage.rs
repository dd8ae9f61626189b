//! Damage in packs: the store opens, serves what is whole, and says what is lost.

use std::collections::BTreeSet;

use super::{chunk, fault::FaultDisk, model::open};
use crate::{
    chunk::{ChunkId, ChunkStore as _, Lease},
    index::{IndexStore, MemoryIndex},
    pack::{IndexState, PackStore},
};

const CHUNKS: u64 = 60;

/// A disk with several packs, and its index.
fn filled() -> (FaultDisk, MemoryIndex) {
    let disk = FaultDisk::default();
    let store = open(&disk, MemoryIndex::default()).unwrap();
    for n in 0..CHUNKS {
        store.put(chunk(n), Lease::FOREVER).unwrap();
    }
    assert!(disk.packs().len() > 5);
    (disk, store.own_index)
}

fn id(n: u64) -> ChunkId {
    ChunkId::of(&chunk(n))
}

/// The chunks that are not there.
fn missing(store: &PackStore<impl IndexStore>) -> BTreeSet<ChunkId> {
    let read = |n: &u64| {
        let found = store.get(&id(*n)).unwrap();
        assert!(found.as_ref().is_none_or(|found| *found == chunk(*n)));
        found.is_some()
    };
    (0..CHUNKS).filter(|n| !read(n)).map(id).collect()
}

/// The chunks in bytes of a pack.
fn chunks_in(index: &MemoryIndex, pack: u32, bytes: std::ops::Range<u64>) -> BTreeSet<ChunkId> {
    let entries = index.page(None, 1000).unwrap();
    let hit = |at: &crate::index::Location| {
        at.pack == pack && at.offset < bytes.end && bytes.start < at.offset + 64 + u64::from(at.length)
    };
    entries.iter().filter(|(_, at)| hit(at)).map(|(id, _)| *id).collect()
}

/// Damage, the index given or lost: exactly the chunks of `hit` are missing, the doctor names them, and a put heals.
fn costs(disk: &FaultDisk, index: MemoryIndex, hit: &BTreeSet<ChunkId>, named_at_open: bool) {
    assert!(!hit.is_empty());
    let store = open(disk, index).unwrap();
    assert_eq!(&missing(&store), hit);
    let mut lost: BTreeSet<_> = store.recovery().findings.lost_chunks.iter().copied().collect();
    assert_eq!(lost.is_empty(), !named_at_open);
    let report = store.doctor().unwrap();
    lost.extend(report.findings.lost_chunks);
    assert_eq!(&lost, hit);
    assert_eq!(report.chunks, CHUNKS - hit.len() as u64);
    for n in 0..CHUNKS {
        assert_eq!(store.contains(&id(n)).unwrap(), !hit.contains(&id(n)));
        store.put(chunk(n), Lease::FOREVER).unwrap();
    }
    assert!(missing(&store).is_empty());
    assert_eq!(store.doctor().unwrap().findings.lost, 0);
}

/// The same without the index: what has lost its header as well has no name any more, but a place.
fn costs_without_index(disk: &FaultDisk, hit: &BTreeSet<ChunkId>) {
    let store = open(disk, MemoryIndex::default()).unwrap();
    assert_eq!(&missing(&store), hit);
    let report = store.doctor().unwrap();
    let places = report.findings.damages.iter().chain(&store.recovery().findings.damages);
    assert!(places.count() > 0);
    assert!(report.findings.lost_chunks.iter().all(|id| hit.contains(id)));
}

#[test]
fn a_zeroed_page_costs_the_chunks_in_it() {
    for at in (0..15_000).step_by(1111) {
        let (disk, index) = filled();
        let bytes = at..(at + 4096).min(disk.pack_len(2));
        disk.edit(2, |pack| pack[bytes.start as usize..bytes.end as usize].fill(0));
        let hit = chunks_in(&index, 2, bytes.clone());
        let headers_only: BTreeSet<_> = missing(&open(&disk, index).unwrap());
        // A chunk whose header alone is gone can still be read with the index.
        assert!(headers_only.is_subset(&hit));
        let (_, index) = filled();
        costs(&disk, index, &headers_only, false);
        let (disk, _) = filled();
        disk.edit(2, |pack| pack[bytes.start as usize..bytes.end as usize].fill(0));
        costs_without_index(&disk, &hit);
    }
}

#[test]
fn a_bad_sector_costs_the_chunks_in_it() {
    for pack in [2, 3] {
        let (disk, index) = filled();
        let bytes = 5000..9096;
        disk.spoil(pack, bytes.clone());
        let hit = missing(&open(&disk, index).unwrap());
        assert!(hit.is_subset(&chunks_in(&filled().1, pack, bytes)));
        costs(&disk, filled().1, &hit, false);
    }
    // At the end, where frames are appended: nothing is cut off, nothing is written there.
    let (disk, index) = filled();
    let last = *disk.packs().last().unwrap();
    let end = disk.pack_len(last);
    disk.spoil(last, 16..end);
    let hit = chunks_in(&index, last, 16..end);
    drop(open(&disk, MemoryIndex::default()).unwrap());
    assert_eq!(disk.pack_len(last), end);
    costs_without_index(&disk, &hit);
}

#[test]
fn a_missing_pack_is_named_with_its_chunks() {
    for pack in [1, 3] {
        let (disk, index) = filled();
        let hit = chunks_in(&index, pack, 0..u64::MAX);
        let len = disk.pack_len(pack);
        disk.lose(pack);
        let store = open(&disk, index).unwrap();
        let damage = store.recovery().findings.damages[0];
        assert_eq!((damage.pack, damage.offset, damage.length), (pack, 0, len));
        drop(store);
        // The catalog has taken note: it is said once.
        assert_eq!(open(&disk, MemoryIndex::default()).unwrap().recovery().findings.damaged, 0);
        let (disk, index) = filled();
        disk.lose(pack);
        costs(&disk, index, &hit, true);
        let (disk, _) = filled();
        disk.lose(pack);
        costs_without_index(&disk, &hit);
    }
}

#[test]
fn the_last_pack_may_be_missing() {
    let (disk, index) = filled();
    let last = *disk.packs().last().unwrap();
    let hit = chunks_in(&index, last, 0..u64::MAX);
    disk.lose(last);
    costs(&disk, index, &hit, true);
    assert!(!disk.packs().contains(&last), "its number is not used again");
}

#[test]
fn a_shortened_pack_costs_what_it_lost() {
    let last = *filled().0.packs().last().unwrap();
    for (pack, left) in [(2, 9000), (2, 3), (last, 1000)] {
        let (disk, index) = filled();
        disk.edit(pack, |bytes| bytes.truncate(left));
        let hit = chunks_in(&index, pack, left as u64..u64::MAX);
        costs(&disk, index, &hit, true);
        let (disk, _) = filled();
        disk.edit(pack, |bytes| bytes.truncate(left));
        let store = open(&disk, MemoryIndex::default()).unwrap();
        assert_eq!(missing(&store), hit);
        if pack == 2 {
            let damage = store.recovery().findings.damages[0];
            assert_eq!((damage.pack, damage.offset), (pack, left as u64));
        }
    }
}

#[test]
fn a_lost_catalog_costs_nothing() {
    for catalog in [None, Some(vec![1; 40])] {
        let (disk, index) = filled();
        disk.set_catalog(catalog);
        let store = open(&disk, index).unwrap();
        assert!(missing(&store).is_empty());
        assert_eq!((store.recovery().findings.damaged, store.recovery().index), (0, IndexState::Right));
    }
}

#[test]
fn a_chunk_that_looks_like_frames_hides_nothing() {
    let disk = FaultDisk::default();
    let store = open(&disk, MemoryIndex::default()).unwrap();
    // The body begins with the header of a chunk that would reach over the next one.
    let evil = crate::pack::frame::Frame {
        kind: crate::pack::frame::FrameKind::Chunk,
        length: 3000,
        lease: Lease::FOREVER,
        id: ChunkId::of(b"evil"),
    };
    store.put(evil.to_bytes().to_vec().into(), Lease::FOREVER).unwrap();
    let good = store.put(chunk(30), Lease::FOREVER).unwrap();
    store.put(chunk(31), Lease::FOREVER).unwrap();
    drop(store);
    disk.edit(1, |pack| pack[16] ^= 1);
    let store = open(&disk, MemoryIndex::default()).unwrap();
    assert_eq!(store.get(&good).unwrap(), Some(chunk(30)));
    assert!(!store.contains(&ChunkId::of(b"evil")).unwrap());
}

#[test]
fn a_copy_that_is_damaged_does_not_hide_one_that_is_whole() {
    let disk = FaultDisk::default();
    let store = open(&disk, MemoryIndex::default()).unwrap();
    let twice = store.put(chunk(30), Lease::FOREVER).unwrap();
    // The index forgets it, so that it is put once more.
    let at = store.own_index.get(&twice).unwrap().unwrap();
    store.forget(&[(twice, at)]).unwrap();
    store.put(chunk(30), Lease::FOREVER).unwrap();
    let second = store.own_index.get(&twice).unwrap().unwrap().offset as usize;
    let index = store.own_index;
    disk.edit(1, |pack| pack[second + 64] ^= 1);
    // Not without an index, and not with one that says the damaged one: then the doctor finds the other.
    assert_eq!(open(&disk, MemoryIndex::default()).unwrap().get(&twice).unwrap(), Some(chunk(30)));
    let store = open(&disk, index).unwrap();
    assert_eq!(store.get(&twice).unwrap(), None);
    assert_eq!(store.doctor().unwrap().findings.lost, 0);
    assert_eq!(store.get(&twice).unwrap(), Some(chunk(30)));
}
