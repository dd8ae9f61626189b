//! The index against the packs: is it right, and how it is filled from them.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use super::{
    commit::{Committed, Write},
    disk::PACK_HEADER,
    heal::end_of,
    report::{Damage, Recovery},
    scan::{Found, scan},
    store::{PackStore, index_error},
};
use crate::{
    chunk::StoreError,
    index::{Checkpoint, IndexError, IndexStore, MemoryIndex},
};

/// Frames that go into the index together.
const FRAMES: usize = 1024;

/// What an index says of the packs.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) checkpoint: Checkpoint,
    /// Live bytes by pack.
    pub(super) live: BTreeMap<u32, u64>,
    /// Where the last chunk of each pack ends.
    pub(super) reach: BTreeMap<u32, u64>,
}

impl<I: IndexStore> PackStore<I> {
    /// Reads every entry of the index. `None` if they are not what its checkpoint says.
    pub(super) fn walk_index(&self) -> Result<Option<Walk>, IndexError> {
        let Some(claimed) = self.with_index(|index| index.checkpoint())? else { return Ok(None) };
        let mut found = Committed::default();
        let mut reach: BTreeMap<u32, u64> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.with_index(|index| index.page(after.as_ref(), FRAMES))?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (id, at) in &page {
                found.count_in(id, at);
                let end = reach.entry(at.pack).or_default();
                *end = end_of(at).max(*end);
            }
        }
        let Checkpoint { pack, offset, .. } = claimed;
        if (Checkpoint { pack, offset, ..found.checkpoint }) != claimed || offset < PACK_HEADER {
            return Ok(None);
        }
        // An index that is ahead of all packs belongs to others.
        let last = self.packs(..).last().map_or(0, |(pack, _)| *pack);
        let walk = Walk { checkpoint: claimed, live: found.live, reach };
        Ok((claimed.pack <= last).then_some(walk))
    }

    pub(super) fn index_is_new(&self) -> bool {
        let is_new = |index: &dyn IndexStore| Ok(index.checkpoint()?.is_none() && index.page(None, 1)?.is_empty());
        self.with_index(is_new).unwrap_or(false)
    }

    /// Empties the index and fills it from all that is committed; if it does not take it, another one in memory. The
    /// caller holds the lock.
    pub(super) fn rebuild(&self, committed: &mut Committed) -> Result<(), StoreError> {
        self.epoch.fetch_or(1, Ordering::AcqRel);
        *self.spare_index.write().unwrap_or_else(PoisonError::into_inner) = None;
        let emptied = if self.index_is_new() {
            Ok(())
        } else {
            tracing::warn!(disk = ?self.disk, "the index is wrong, reading the packs");
            self.own_index.reset().map_err(index_error)
        };
        match emptied.and_then(|()| self.fill(committed)) {
            Ok(()) => {
                self.epoch.fetch_add(1, Ordering::AcqRel);
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, "the index cannot be rebuilt, keeping it in memory");
                self.rebuild_in_memory(committed)
            }
        }
    }

    /// The same with an index in memory.
    pub(super) fn rebuild_in_memory(&self, committed: &mut Committed) -> Result<(), StoreError> {
        self.epoch.fetch_or(1, Ordering::AcqRel);
        let spare = Arc::new(MemoryIndex::default());
        *self.spare_index.write().unwrap_or_else(PoisonError::into_inner) = Some(spare);
        self.fill(committed)?;
        self.epoch.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    fn fill(&self, committed: &mut Committed) -> Result<(), StoreError> {
        committed.live.clear();
        let first = self.packs(..).first().map_or(1, |(pack, _)| *pack);
        committed.checkpoint = Checkpoint { pack: first, offset: PACK_HEADER, ..Checkpoint::default() };
        self.catch_up(committed, false, &mut Recovery::default())
    }

    /// Reads the packs after the checkpoint into the index. Bodies are read if `check_bodies` says so, and where two copies
    /// of a chunk compete.
    pub(super) fn catch_up(
        &self,
        committed: &mut Committed,
        check_bodies: bool,
        recovery: &mut Recovery,
    ) -> Result<(), StoreError> {
        let Checkpoint { pack: first, offset, .. } = committed.checkpoint;
        let packs = self.packs(first..);
        let last = packs.last().map_or(0, |(pack, _)| *pack);
        for (pack, file) in packs {
            let from = if pack == first { offset } else { PACK_HEADER };
            // What is written but not yet synced is the next committer's business.
            let to = committed.limit(pack);
            let (mut writes, mut damages) = (Vec::new(), Vec::new());
            let scanned = scan(&*file, from, to, check_bodies, |found| {
                match found {
                    Found::Frame { offset, frame, good: true } => {
                        writes.push(Write::of(frame, pack, offset));
                        recovery.replayed += 1;
                        if writes.len() == FRAMES {
                            let end = (pack, offset + frame.len());
                            self.apply(committed, &std::mem::take(&mut writes), end, true).map_err(index_error)?;
                        }
                    }
                    Found::Frame { offset, frame, good: false } => {
                        damages.push(Damage { pack, offset, length: frame.len(), chunk: Some(frame.id) });
                    }
                    Found::Garbage { offset, length } => damages.push(Damage { pack, offset, length, chunk: None }),
                }
                Ok(ControlFlow::Continue(()))
            })?;
            committed.unreadable = scanned.unreadable;
            self.apply(committed, &writes, (pack, scanned.end), true).map_err(index_error)?;
            // What follows the last frame of all was never finished.
            let is_damage = |damage: &Damage| pack < last || damage.offset < scanned.end;
            damages.into_iter().filter(is_damage).for_each(|damage| recovery.findings.damage(damage));
        }
        Ok(())
    }
}
