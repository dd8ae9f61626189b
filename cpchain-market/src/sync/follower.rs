//! Chain → local.

use std::collections::BTreeMap;

use crate::{
    catalog::{Catalog, CatalogError, Entry},
    listing::{
        ListingError, ListingId, SignedOperation,
        rule::{self, Known, Skip},
    },
    log::{Cursor, ListingLog, LogError, Page},
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
        let mut changed: BTreeMap<ListingId, Entry> = BTreeMap::new();
        let mut last = None;
        let operations = SignedOperation::from_many(entries.iter().map(|entry| entry.bytes.as_slice()));
        for (entry, operation) in entries.iter().zip(operations) {
            if entry.at < from || entry.at >= next || last.is_some_and(|last| entry.at <= last) {
                return Err(FollowError::Backwards { from, found: entry.at });
            }
            last = Some(entry.at);
            match judge(operation, &changed, catalog)? {
                Ok(operation) => {
                    changed.insert(operation.listing_id(), Entry { operation, at: entry.at });
                    progress.applied += 1;
                }
                Err(skip) => progress.skipped.push((entry.at, skip)),
            }
        }
        if !progress.caught_up {
            let changed: Vec<_> = changed.into_values().collect();
            catalog.apply(&changed, next)?;
        }
        Ok(progress)
    }
}

/// The verified operation if it changes the catalogue, else why every market skips it.
fn judge(
    operation: Result<SignedOperation, ListingError>,
    changed: &BTreeMap<ListingId, Entry>,
    catalog: &dyn Catalog,
) -> Result<Result<SignedOperation, Skip>, CatalogError> {
    let operation = match operation {
        Ok(operation) => operation,
        Err(error) => return Ok(Err(error.into())),
    };
    let id = operation.listing_id();
    let known = match changed.get(&id) {
        Some(entry) => Some(Known::from(&entry.operation)),
        None => catalog.get(id)?.map(|entry| Known::from(&entry.operation)),
    };
    Ok(rule::decide(known.as_ref(), &operation).map(|()| operation))
}
