//! Random work on a store, and what must be true of it whatever happens.

use std::collections::BTreeMap;

use super::{
    chunk,
    fault::{FaultDisk, Random},
};
use crate::{
    chunk::{ChunkId, ChunkStore as _, Lease, StoreError},
    index::IndexStore,
    pack::{PackOptions, PackStore},
};

pub(super) const OPTIONS: PackOptions = PackOptions { pack_len: 20_000, max_dead_percent: 8 };

pub(super) fn open<I: IndexStore>(disk: &FaultDisk, index: I) -> Result<PackStore<I>, StoreError> {
    PackStore::open_on(Box::new(disk.clone()), OPTIONS, index)
}

/// What was acknowledged.
#[derive(Debug)]
pub(super) struct Acknowledged {
    /// Leases by the number of the chunk.
    leases: BTreeMap<u64, u64>,
    now_ms: u64,
    next: u64,
    pub(super) puts: u64,
}

impl Acknowledged {
    pub(super) const fn new() -> Self {
        Self { leases: BTreeMap::new(), now_ms: 1, next: 0, puts: 0 }
    }

    /// Does one thing to the store.
    pub(super) fn work<I: IndexStore>(&mut self, store: &PackStore<I>, random: &mut Random) -> Result<(), StoreError> {
        let lease = self.now_ms + random.below(40);
        match random.below(8) {
            0..=3 => {
                let numbers: Vec<_> = (0..=random.below(4)).map(|n| self.next + n).collect();
                // One of them was put before.
                let numbers = numbers.into_iter().chain(self.any(random)).collect::<Vec<_>>();
                self.next += 4;
                let chunks: Vec<_> = numbers.iter().map(|n| chunk(*n)).collect();
                store.put_batch(&chunks, Lease(lease))?;
                numbers.into_iter().for_each(|n| self.extend(n, lease));
                self.puts += 1;
            }
            4 => {
                let numbers: Vec<_> = (0..3).filter_map(|_| self.any(random)).collect();
                let ids: Vec<_> = numbers.iter().map(|n| ChunkId::of(&chunk(*n))).collect();
                assert_eq!(store.renew(&ids, Lease(lease))?, ids.len());
                numbers.into_iter().for_each(|n| self.extend(n, lease));
            }
            5 => {
                self.now_ms += random.below(4);
                let now = self.now_ms;
                // Forgotten or not: nothing is promised from now on.
                self.leases.retain(|_, lease| *lease >= now);
                store.expire(now + Lease::GRACE_MS)?;
            }
            6 => {
                store.maintain(self.now_ms + Lease::GRACE_MS, random.below(10_000))?;
            }
            _ => {
                store.compact()?;
            }
        }
        Ok(())
    }

    fn extend(&mut self, n: u64, lease: u64) {
        let known = self.leases.entry(n).or_default();
        *known = lease.max(*known);
    }

    fn any(&self, random: &mut Random) -> Option<u64> {
        let count = self.leases.len() as u64;
        (count > 0).then(|| self.leases.keys().nth(random.below(count) as usize).copied()).flatten()
    }

    /// All that was acknowledged is there, with its lease; and the figures of the store are right.
    pub(super) fn check<I: IndexStore>(&self, store: &PackStore<I>, place: &str) {
        for (n, lease) in &self.leases {
            let id = ChunkId::of(&chunk(*n));
            assert_eq!(store.get(&id).unwrap(), Some(chunk(*n)), "{place}: chunk {n}");
            let entry = store.ask(|index| index.get(&id)).unwrap().unwrap();
            assert!(entry.lease.0 >= *lease, "{place}: lease of chunk {n}: {entry:?}, {lease} was acknowledged");
        }
        let committed = crate::pack::store::lock(&store.committed);
        let walk = store.walk_index().unwrap().unwrap_or_else(|| panic!("{place}: the index is not right"));
        let live =
            |live: &BTreeMap<u32, u64>| live.iter().map(|(n, b)| (*n, *b)).filter(|(_, b)| *b > 0).collect::<Vec<_>>();
        assert_eq!(live(&walk.live), live(&committed.live), "{place}");
        assert_eq!(walk.checkpoint, committed.checkpoint, "{place}");
    }
}
