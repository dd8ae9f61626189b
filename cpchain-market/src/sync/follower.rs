//! Chain → local.

use std::collections::BTreeMap;

use crate::{
    book::{
        ChainRecord, Fact, FactKey,
        rule::{self, Changes, Refusal, View},
    },
    catalog::{Catalog, CatalogError, Entry},
    listing::{ListingError, ListingId, SignedOperation, rule::Skip},
    log::{Cursor, ListingLog, LogEntry, LogError, Origin, Page},
};

/// Why a step was cut short. The catalogue is as it was.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The log cannot be reached: call again later.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The catalogue failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The log broke its promise to read forward.
    #[error("the log answered a read from {from} with {found}: it must only go forward")]
    Backwards {
        /// Where the read began.
        from: Cursor,
        /// What the log said.
        found: Cursor,
    },
}

/// What one step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Operations that changed the catalogue.
    pub applied: usize,
    /// Operations that every market skips, and why.
    pub skipped: Vec<(Cursor, Skip)>,
    /// Where the next step reads on.
    pub cursor: Cursor,
    /// There was nothing new to read.
    pub caught_up: bool,
    /// The catalogue was broken and begins again from the start of the log.
    pub rebuilt: bool,
}

/// The chain synchroniser. It has no state but the catalogue's cursor.
#[derive(Debug, Clone, Copy)]
pub struct Follower {
    batch: usize,
}

impl Default for Follower {
    /// Up to 5,000 operations a step: a commit costs as much as a thousand of them.
    fn default() -> Self {
        Self { batch: 5000 }
    }
}

impl Follower {
    /// Reads up to `batch` (at least 1) operations a step, and commits them together.
    pub const fn with_batch(batch: usize) -> Self {
        Self { batch: if batch == 0 { 1 } else { batch } }
    }

    /// Reads on from the catalogue's cursor and commits what it found, with the new cursor, at once.
    ///
    /// A catalogue that reports itself broken is reset and filled again from the start of the log.
    ///
    /// # Errors
    /// [`FollowError`].
    pub fn step(&self, log: &dyn ListingLog, catalog: &mut dyn Catalog) -> Result<Progress, FollowError> {
        match self.advance(log, catalog) {
            Err(FollowError::Catalog(CatalogError::Broken(reason))) => {
                tracing::warn!(reason, "the catalogue is broken and is rebuilt from the log");
                catalog.reset()?;
                Ok(Progress { rebuilt: true, ..self.advance(log, catalog)? })
            }
            other => other,
        }
    }

    /// Steps until there is nothing new.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn catch_up(&self, log: &dyn ListingLog, catalog: &mut dyn Catalog) -> Result<Cursor, FollowError> {
        loop {
            let progress = self.step(log, catalog)?;
            if progress.caught_up {
                return Ok(progress.cursor);
            }
        }
    }

    fn advance(&self, log: &dyn ListingLog, catalog: &mut dyn Catalog) -> Result<Progress, FollowError> {
        let from = catalog.cursor()?;
        let Page { entries, next } = log.read(from, self.batch)?;
        if next < from {
            return Err(FollowError::Backwards { from, found: next });
        }
        let mut progress =
            Progress { applied: 0, skipped: Vec::new(), cursor: next, caught_up: next == from, rebuilt: false };
        let mut ahead = Ahead { entries: BTreeMap::new(), facts: BTreeMap::new(), catalog };
        let mut last = None;
        let operations = SignedOperation::from_many(entries.iter().map(|entry| entry.bytes.as_slice()));
        for (entry, operation) in entries.iter().zip(operations) {
            if entry.at < from || entry.at >= next || last.is_some_and(|last| entry.at <= last) {
                return Err(FollowError::Backwards { from, found: entry.at });
            }
            last = Some(entry.at);
            match judge(entry, operation, &ahead) {
                Ok(changes) => {
                    ahead.add(changes);
                    progress.applied += 1;
                }
                Err(Refusal::Skip(skip)) => progress.skipped.push((entry.at, skip)),
                Err(Refusal::Unknown(error)) => return Err(error.into()),
            }
        }
        let entries: Vec<_> = ahead.entries.into_values().collect();
        let facts: Vec<_> = ahead.facts.into_iter().collect();
        if !progress.caught_up {
            catalog.commit(&entries, &facts, next)?;
        }
        Ok(progress)
    }
}

/// What one entry of the log changes, or why every market skips it.
fn judge(
    entry: &LogEntry,
    operation: Result<SignedOperation, ListingError>,
    ahead: &Ahead<'_>,
) -> Result<Changes, Refusal<CatalogError>> {
    match entry.origin {
        Origin::Party => rule::operation(operation.map_err(Skip::from)?, entry.at, ahead),
        Origin::Chain => {
            let record = ChainRecord::from_bytes(&entry.bytes).map_err(|_| Skip::Record)?;
            rule::record(&record, entry.at, ahead)
        }
    }
}

/// A catalogue and what is not yet committed to it.
struct Ahead<'a> {
    entries: BTreeMap<ListingId, Entry>,
    facts: BTreeMap<FactKey, Fact>,
    catalog: &'a dyn Catalog,
}

impl Ahead<'_> {
    fn add(&mut self, changes: Changes) {
        self.entries.extend(changes.entry.map(|entry| (entry.operation.listing_id(), entry)));
        self.facts.extend(changes.facts);
    }
}

impl View for Ahead<'_> {
    type Error = CatalogError;

    fn entry(&self, id: ListingId) -> Result<Option<Entry>, CatalogError> {
        self.entries.get(&id).map_or_else(|| self.catalog.get(id), |entry| Ok(Some(entry.clone())))
    }

    fn fact(&self, key: FactKey) -> Result<Option<Fact>, CatalogError> {
        self.facts.get(&key).map_or_else(|| self.catalog.fact(key), |fact| Ok(Some(fact.clone())))
    }
}
