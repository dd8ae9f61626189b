//! Changes that an index has taken and not yet given to its database.
//!
//! Databases do some hundred changes in one go with far less work than one by one. Nothing is lost by waiting: packs are the
//! truth, and the checkpoint in the database stays at the changes that are in it, so a store that opens after a crash reads
//! what came later from its packs. That is at most [`Pending::PACKED`] bytes, and a commit.

use std::{collections::BTreeMap, ops::Bound};

use super::{Change, Checkpoint, Location};
use crate::chunk::ChunkId;

#[derive(Debug, Default)]
pub(super) struct Pending {
    /// The last change of each chunk; `None`: it is not there any more.
    changes: BTreeMap<ChunkId, Option<Location>>,
    /// After the last change.
    checkpoint: Option<Checkpoint>,
    /// After the last change that the database has.
    written: Option<Checkpoint>,
}

impl Pending {
    /// Changes that are worth a write to the database.
    const MANY: usize = 256;
    /// Bytes of packs that a store may have to read after a crash.
    const PACKED: u64 = 64 << 20;

    /// Waiting for a database that has this checkpoint.
    pub(super) fn after(written: Option<Checkpoint>) -> Self {
        Self { written, ..Self::default() }
    }

    pub(super) fn take_in(&mut self, changes: &[Change], checkpoint: &Checkpoint) {
        self.changes.extend(changes.iter().map(|change| match change {
            Change::Set(id, location) => (*id, Some(*location)),
            Change::Remove(id) => (*id, None),
        }));
        self.checkpoint = Some(*checkpoint);
    }

    /// Should the database have them now?
    pub(super) fn is_due(&self) -> bool {
        let (Some(now), Some(written)) = (self.checkpoint, self.written) else { return self.checkpoint.is_some() };
        let is_far = now.pack != written.pack || now.offset.saturating_sub(written.offset) >= Self::PACKED;
        is_far || self.changes.len() >= Self::MANY
    }

    /// All changes by id, and the checkpoint after them, if there is anything that the database does not have.
    pub(super) fn all(&self) -> Option<(&BTreeMap<ChunkId, Option<Location>>, &Checkpoint)> {
        self.checkpoint.as_ref().map(|checkpoint| (&self.changes, checkpoint))
    }

    /// The database has them all.
    pub(super) fn done(&mut self) {
        self.changes.clear();
        self.written = self.checkpoint.take().or(self.written);
    }

    /// What is to be said of a chunk, if it changed: there, or not.
    pub(super) fn get(&self, id: &ChunkId) -> Option<Option<Location>> {
        self.changes.get(id).copied()
    }

    pub(super) fn checkpoint(&self) -> Option<Checkpoint> {
        self.checkpoint
    }

    /// A page of `rows`, the database's entries with ids above `after`, with the changes in it.
    pub(super) fn page<E>(
        &self,
        after: Option<&ChunkId>,
        limit: usize,
        mut rows: impl Iterator<Item = Result<(ChunkId, Location), E>>,
    ) -> Result<Vec<(ChunkId, Location)>, E> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut changes = self.changes.range::<ChunkId, _>((from, Bound::Unbounded)).peekable();
        let mut row = rows.next().transpose()?;
        let mut page = Vec::new();
        while page.len() < limit {
            match (row, changes.peek()) {
                (Some(entry), change) if change.is_none_or(|(id, _)| entry.0 < **id) => {
                    page.push(entry);
                    row = rows.next().transpose()?;
                }
                (_, Some((id, change))) => {
                    if row.is_some_and(|(of, _)| of == **id) {
                        row = rows.next().transpose()?;
                    }
                    page.extend(change.map(|location| (**id, location)));
                    changes.next();
                }
                _ => break,
            }
        }
        Ok(page)
    }
}
