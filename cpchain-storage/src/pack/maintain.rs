//! Upkeep in small steps: forgetting what expired, and compaction by the store's policy.

use std::sync::PoisonError;

use super::{
    compact::{Compaction, Place},
    heal::PAGE,
    store::{PackStore, lock},
};
use crate::{
    chunk::{ChunkId, StoreError},
    index::IndexStore,
};

/// Where upkeep goes on.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The last entry that was looked at for its lease.
    after: Option<ChunkId>,
    /// The pack that is being compacted.
    pub(super) place: Option<Place>,
}

/// What a step of upkeep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Upkeep {
    /// Chunks whose lease and grace are over, now forgotten.
    pub expired: usize,
    /// What was compacted.
    pub compaction: Compaction,
    /// Is there more to do now? If not, come back when time has passed.
    pub more: bool,
}

impl<I: IndexStore> PackStore<I> {
    /// One step of upkeep: looks at the leases of the next 4096 chunks, and writes at most about `budget` bytes (and one
    /// chunk more) again where compaction is due by [`PackOptions`](super::PackOptions). Puts wait while a step writes, at
    /// 8 MiB some ten milliseconds; reads do not.
    ///
    /// ```
    /// # use cpchain_storage::{ChunkStore, Lease, PackOptions, PackStore, index::MemoryIndex};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = PackStore::open(dir.path(), PackOptions::default(), MemoryIndex::default())?;
    /// # let now_ms = Lease::GRACE_MS + 1001;
    /// store.put("short-lived".into(), Lease::until(1000))?;
    /// // Once an hour, say:
    /// while store.maintain(now_ms, 8 << 20)?.more {}
    /// assert_eq!(store.stats()?.chunks, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Full`] if there is no room to write the rest of a pack again. What was done stays done.
    pub fn maintain(&self, now_ms: u64, budget: u64) -> Result<Upkeep, StoreError> {
        let mut round = lock(&self.round);
        let expired = self.expire_page(&mut round.after, now_ms)?;
        // Little is worth no effort: a 64th of a pack.
        let (compaction, busy) = self.compact_step(&mut round.place, budget, self.options.pack_len / 64)?;
        Ok(Upkeep { expired, compaction, more: busy || round.after.is_some() })
    }

    /// Forgets the expired ones of a page of entries, and moves on; `after` is `None` again at the end.
    pub(super) fn expire_page(&self, after: &mut Option<ChunkId>, now_ms: u64) -> Result<usize, StoreError> {
        let _all = self.forgetting.write().unwrap_or_else(PoisonError::into_inner);
        let page = self.ask(|index| index.page(after.as_ref(), PAGE))?;
        let next = page.last().filter(|_| page.len() == PAGE).map(|(id, _)| *id);
        let over: Vec<_> = page.into_iter().filter(|(_, at)| at.lease.is_over(now_ms)).collect();
        self.forget(&over)?;
        *after = next;
        Ok(over.len())
    }
}
