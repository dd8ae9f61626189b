//! A listing log in memory, for one process.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    listing::{RevisionId, SignedOperation},
    log::{Cursor, ListingLog, LogEntry, LogError, Page},
    units::Height,
};

/// A [`ListingLog`] whose blocks are made by [`seal_block`](Self::seal_block): for a market of one operator, for
/// demonstrations and for tests.
///
/// ```
/// use cpchain_market::{Cursor, Height, ListingLog, MemoryLog};
/// let log = MemoryLog::default();
/// assert_eq!(log.seal_block(), Height(1));
/// assert!(log.read(Cursor::START, 10)?.entries.is_empty());
/// # Ok::<(), cpchain_market::LogError>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryLog(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tip: u64,
    entries: BTreeMap<Cursor, Vec<u8>>,
    places: BTreeMap<RevisionId, Cursor>,
    waiting: Vec<Vec<u8>>,
    seen: BTreeSet<RevisionId>,
}

impl MemoryLog {
    /// Makes the next block out of all that was appended since the last one.
    pub fn seal_block(&self) -> Height {
        let mut inner = self.inner();
        inner.tip += 1;
        let height = Height(inner.tip);
        for (index, bytes) in (0u32..).zip(core::mem::take(&mut inner.waiting)) {
            let at = Cursor { height, index };
            if let Ok(operation) = SignedOperation::from_bytes(&bytes) {
                inner.places.entry(operation.id()).or_insert(at);
            }
            inner.entries.insert(at, bytes);
        }
        height
    }

    /// Puts bytes into the next block as they are, valid or not: a chain takes what its proposers put in.
    pub fn append_unchecked(&self, bytes: Vec<u8>) {
        self.inner().waiting.push(bytes);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ListingLog for MemoryLog {
    fn append(&self, operation: &SignedOperation) -> Result<(), LogError> {
        let mut inner = self.inner();
        if inner.seen.insert(operation.id()) {
            inner.waiting.push(operation.as_bytes().to_vec());
        }
        Ok(())
    }

    fn position(&self, id: RevisionId) -> Result<Option<Cursor>, LogError> {
        Ok(self.inner().places.get(&id).copied())
    }

    fn tip(&self) -> Result<Height, LogError> {
        Ok(Height(self.inner().tip))
    }

    fn read(&self, from: Cursor, limit: usize) -> Result<Page, LogError> {
        let inner = self.inner();
        let limit = limit.max(1);
        let entries: Vec<_> = inner
            .entries
            .range(from..)
            .take(limit)
            .map(|(at, bytes)| LogEntry { at: *at, bytes: bytes.clone() })
            .collect();
        let end = Cursor { height: Height(inner.tip), index: 0 }.next_block();
        let next = match entries.last() {
            Some(last) if entries.len() == limit => last.at.next(),
            _ => end.max(from),
        };
        Ok(Page { entries, next })
    }
}
