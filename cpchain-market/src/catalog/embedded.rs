//! The catalogue in one directory: rows in sled, search in tantivy.

use std::{
    borrow::Cow,
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use cpchain_crypto::Digest;

use super::{
    Catalog, CatalogError, Entry, Hit,
    query::{Kind, MAX_HITS, MAX_QUERY, Query},
    rows::{self, Rows},
    text::{Change, TextIndex},
};
use crate::{
    book::{Fact, FactKey, Ratings},
    listing::ListingId,
    log::Cursor,
};

/// How many listings that fit a little worse are compared by their ratings with those asked for.
const BESIDE: usize = 10;
/// A listing is taken to have so many ratings of 3 beside its own: one happy friend proves little.
const DOUBT: u64 = 5;

/// By how much ratings raise or lower what fits: 1 without any, never below 0.75 or above 1.25.
fn favour(ratings: Ratings) -> f32 {
    let count = ratings.count.saturating_add(DOUBT);
    let sum = ratings.sum.saturating_add(3 * DOUBT);
    // Mean between 1 and 5, in thousandths: small enough for a float to hold exactly.
    let mean = sum.saturating_mul(1000).checked_div(count).unwrap_or(3000).min(5000) as f32;
    1.0 + (mean - 3000.0) / 8000.0
}

/// A [`Catalog`] embedded in the process, in a directory of its own.
///
/// Nothing in it is worth a backup. The rows are checked when it is opened and thrown away if they are not what was written; the search
/// index is built anew from the rows whenever it is missing, broken or not over the same rows.
///
/// ```
/// use cpchain_market::{MemoryLog, catalog::{Catalog, Query, TantivyCatalog}, sync::Follower};
/// let dir = tempfile::tempdir()?;
/// let mut catalog = TantivyCatalog::open(dir.path())?;
/// Follower::default().catch_up(&MemoryLog::default(), &mut catalog)?;
/// assert!(catalog.search(&Query::new("hourly temperature in Seattle"))?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TantivyCatalog {
    // Fields are dropped in this order: the lock last.
    text: Option<TextIndex>,
    rows: Rows,
    text_path: PathBuf,
    _lock: File,
}

impl TantivyCatalog {
    /// Opens the catalogue in `directory`, or makes a new one.
    ///
    /// # Errors
    /// [`CatalogError::Io`], also when another process has it open.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, CatalogError> {
        let directory = directory.as_ref();
        let io = |error: std::io::Error| CatalogError::Io(error.to_string());
        std::fs::create_dir_all(directory).map_err(io)?;
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).open(directory.join("lock")).map_err(io)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => CatalogError::Io("another process has the catalogue open".into()),
            TryLockError::Error(error) => io(error),
        })?;
        let rows = Rows::open(&directory.join("rows"))?;
        let text_path = directory.join("index");
        let mut catalog = Self { text: None, rows, text_path, _lock: lock };
        match TextIndex::open(&catalog.text_path) {
            Ok(text) if text.label() == Some(&catalog.label()) => catalog.text = Some(text),
            Ok(text) => {
                catalog.text = Some(text);
                catalog.index_again()?;
            }
            Err(error) => {
                tracing::warn!(%error, "the search index does not open and is built anew");
                catalog.index_again()?;
            }
        }
        Ok(catalog)
    }

    /// What a commit of the index over the rows as they are is labelled with.
    fn label(&self) -> String {
        self.rows.fingerprint().to_string()
    }

    /// Builds the index from the rows; the old one goes in the same commit, or with its files if it cannot be opened.
    fn index_again(&mut self) -> Result<(), CatalogError> {
        let label = self.label();
        let mut text = match self.text.take() {
            Some(text) => text,
            None => {
                rows::wipe(&self.text_path)?;
                TextIndex::open(&self.text_path)?
            }
        };
        text.clear()?;
        text.apply(
            self.rows
                .operations()
                .map(|row| row.map(|(id, operation)| Change { id, operation: Cow::Owned(operation), replaces: false })),
            &label,
        )?;
        self.text = Some(text);
        Ok(())
    }
}

impl Catalog for TantivyCatalog {
    fn cursor(&self) -> Result<Cursor, CatalogError> {
        Ok(self.rows.cursor())
    }

    fn get(&self, id: ListingId) -> Result<Option<Entry>, CatalogError> {
        self.rows.get(id)
    }

    fn commit(&mut self, entries: &[Entry], facts: &[(FactKey, Fact)], next: Cursor) -> Result<(), CatalogError> {
        if self.text.is_none() {
            self.index_again()?;
        }
        let replaced = self.rows.apply(entries, facts, next)?;
        if entries.is_empty() {
            return Ok(());
        }
        let label = self.label();
        let changes = entries.iter().map(|entry| {
            let id = entry.operation.listing_id();
            let operation = Cow::Borrowed(entry.operation.operation());
            Ok(Change { id, operation, replaces: replaced.contains(&id) })
        });
        let indexed = match &mut self.text {
            Some(text) => text.apply(changes, &label),
            None => Ok(()),
        };
        match indexed {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "the search index failed and is built anew");
                self.text = None;
                self.index_again()
            }
        }
    }

    fn search(&self, query: &Query) -> Result<Vec<Hit>, CatalogError> {
        if query.text.len() > MAX_QUERY || query.limit == 0 || query.limit > MAX_HITS {
            return Err(CatalogError::Query);
        }
        let text = self.text.as_ref().ok_or_else(|| CatalogError::Broken("there is no search index".into()))?;
        let mut hits = text.search(query, query.limit + BESIDE, self.rows.cursor().height)?;
        if query.kind == Kind::Offers && !query.text.is_empty() {
            for hit in &mut hits {
                hit.score *= favour(self.standing(hit.id)?.ratings);
            }
            hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        }
        hits.truncate(query.limit);
        for hit in &hits {
            let entry = self.rows.get(hit.id)?;
            let there = entry.is_some_and(|entry| match query.kind {
                Kind::Offers => entry.operation.content().is_some(),
                Kind::Wanted => entry.operation.wanted().is_some(),
            });
            if !there {
                return Err(CatalogError::Broken(format!("the index holds listing {}, the rows do not", hit.id)));
            }
        }
        Ok(hits)
    }

    fn fact(&self, key: FactKey) -> Result<Option<Fact>, CatalogError> {
        self.rows.fact(&key)
    }

    fn facts(&self, prefix: &[u8], after: Option<FactKey>, limit: usize) -> Result<Vec<(FactKey, Fact)>, CatalogError> {
        self.rows.facts(prefix, after, limit)
    }

    fn digest(&self) -> Result<Digest, CatalogError> {
        self.rows.digest()
    }

    fn reset(&mut self) -> Result<(), CatalogError> {
        self.rows.reset()?;
        self.index_again()
    }
}
