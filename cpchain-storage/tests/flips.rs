//! Single bits that flip anywhere in packs, catalog and index: none reaches the caller, the store opens, and a put heals.
//!
//! In full: `STORE_ROUNDS=1000 cargo test --release -p cpchain-storage --features redb --test flips`
#![cfg(all(feature = "sled", feature = "redb"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/indexes.rs"]
mod indexes;

use cpchain_storage::{
    ChunkId, ChunkStore, Lease,
    index::{RedbIndex, SledIndex},
};
use indexes::{OnDisk, chunk, copy, files, open, remove, rounds, whole};

const CHUNKS: u64 = 40;
const PACK_LEN: u64 = 30_000;

#[test]
fn no_flipped_bit_reaches_the_caller_sled() {
    no_flipped_bit_reaches_the_caller::<SledIndex>();
}

#[test]
fn no_flipped_bit_reaches_the_caller_redb() {
    no_flipped_bit_reaches_the_caller::<RedbIndex>();
}

fn no_flipped_bit_reaches_the_caller<I: OnDisk>() {
    let dir = tempfile::tempdir().unwrap();
    let (clean, work) = (dir.path().join("clean"), dir.path().join("work"));
    let store = open::<I>(&clean, PACK_LEN);
    for n in 0..CHUNKS {
        store.put(chunk(n), Lease(5)).unwrap();
    }
    drop(store);
    let rounds = rounds(25);
    let (mut missing, mut rebuilt) = (0, 0);
    let mut random = Random(7);
    for round in 0..rounds {
        remove(&work);
        copy(&clean, &work);
        // Every other time in a pack or the catalog, or in the index.
        let below = work.join(["packs", "index"][round % 2]);
        let files = if below.is_dir() { files(&below) } else { vec![below] };
        let files: Vec<_> = files.into_iter().filter(|file| file.metadata().unwrap().len() > 0).collect();
        let file = &files[random.below(files.len())];
        let mut bytes = std::fs::read(file).unwrap();
        // Most bytes of an index are zeros that nobody reads.
        let written: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        let at = written[random.below(written.len())];
        bytes[at] ^= 1 << random.below(8);
        std::fs::write(file, bytes).unwrap();

        let place = format!("round {round}: byte {at} of {}", file.display());
        let store = open::<I>(&work, PACK_LEN);
        let there = whole(&store, 0..CHUNKS) as u64;
        let least = if round % 2 == 0 { CHUNKS - 1 } else { CHUNKS };
        assert!(there >= least, "{place}: {there} of {CHUNKS}");
        missing += CHUNKS - there;
        rebuilt += usize::from(store.recovery().index != cpchain_storage::pack::IndexState::Right);
        // What the caller does: it fetches what is missing and puts it again.
        for n in (0..CHUNKS).filter(|n| store.get(&ChunkId::of(&chunk(*n))).unwrap().is_none()) {
            store.put(chunk(n), Lease(5)).unwrap();
        }
        assert_eq!(whole(&store, 0..CHUNKS) as u64, CHUNKS, "{place}");
        drop(store);
        assert_eq!(whole(&open::<I>(&work, PACK_LEN), 0..CHUNKS) as u64, CHUNKS, "{place}");
    }
    println!("{}: {rounds} bits flipped, {missing} chunks missing until put again, {rebuilt} indexes rebuilt", I::NAME);
}

/// xorshift64*: every run flips the same bits.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}
