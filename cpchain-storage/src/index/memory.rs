//! An index in memory: built anew from the packs at each start. For small stores, and as the yardstick of others.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{PoisonError, RwLock},
};

use super::{Change, Checkpoint, IndexError, IndexStore, Location};
use crate::chunk::ChunkId;

/// An [`IndexStore`] in memory, 56 bytes a chunk and the tree around them.
#[derive(Debug, Default)]
pub struct MemoryIndex(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<ChunkId, Location>,
    checkpoint: Option<Checkpoint>,
}

impl IndexStore for MemoryIndex {
    fn get(&self, id: &ChunkId) -> Result<Option<Location>, IndexError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).entries.get(id).copied())
    }

    fn apply(&self, changes: &[Change], checkpoint: &Checkpoint) -> Result<(), IndexError> {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                Change::Set(id, location) => state.entries.insert(*id, *location),
                Change::Remove(id) => state.entries.remove(id),
            };
        }
        state.checkpoint = Some(*checkpoint);
        Ok(())
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, IndexError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).checkpoint)
    }

    fn page(&self, after: Option<&ChunkId>, limit: usize) -> Result<Vec<(ChunkId, Location)>, IndexError> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = state.entries.range::<ChunkId, _>((from, Bound::Unbounded));
        Ok(range.take(limit).map(|(id, location)| (*id, *location)).collect())
    }

    fn reset(&self) -> Result<(), IndexError> {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = State::default();
        Ok(())
    }

    fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }
}
