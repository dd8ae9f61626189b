//! An index in one redb file, for those who want no sled.
//!
//! Packs are the truth, so a commit of the index need not be synced each time: every 64th is, and carries the ones before it.
//! After a crash the store reads what came after from its packs. redb checks no sums while it reads: the fingerprint of the
//! [`Checkpoint`] does, when the store is opened.

use std::{
    fmt,
    ops::Bound,
    path::{Path, PathBuf},
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

use ::redb::{
    Builder, Database, DatabaseError, Durability, Error, Key, ReadOnlyTable, ReadableDatabase as _, TableDefinition,
    TableError, Value,
};

use cpchain_crypto::Digest;

use super::{
    Change, Checkpoint, IndexError, IndexStore, Location,
    contain::{close, contain, damaged, set_aside},
};
use crate::chunk::ChunkId;

const ENTRIES: TableDefinition<'_, &[u8; 32], &[u8; Location::LEN]> = TableDefinition::new("entries");
const MARK: TableDefinition<'_, (), &[u8; Checkpoint::LEN]> = TableDefinition::new("checkpoint");
const CACHE_BYTES: usize = 8 << 20;
/// Commits that share a sync.
const COMMITS: u32 = 64;

/// Where the database lies.
pub(crate) trait Place: fmt::Debug + Send + Sync {
    /// Opens the database, or makes it.
    fn open(&self, builder: Builder) -> Result<Database, DatabaseError>;
    /// Makes room for a new one.
    fn clear(&self) -> Result<(), IndexError>;
}

impl Place for PathBuf {
    fn open(&self, builder: Builder) -> Result<Database, DatabaseError> {
        builder.create(self)
    }

    fn clear(&self) -> Result<(), IndexError> {
        set_aside(self)
    }
}

/// An [`IndexStore`] over redb.
#[derive(Debug)]
pub struct RedbIndex {
    place: Box<dyn Place>,
    database: RwLock<Option<Database>>,
    commits: AtomicU32,
}

impl RedbIndex {
    /// Opens the index in the file `path`, or makes it. One that does not open is moved aside and an empty one made.
    ///
    /// # Errors
    /// [`IndexError`] when not even an empty index can be made there, or another process has it open.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, IndexError> {
        let path = path.as_ref().to_path_buf();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| IndexError(format!("making its folder: {error}")))?;
        }
        Self::open_at(Box::new(path))
    }

    pub(crate) fn open_at(place: Box<dyn Place>) -> Result<Self, IndexError> {
        let database = match open(&*place) {
            Ok(database) => database,
            Err(OpenError::Locked) => return Err(IndexError("another process has it open".to_owned())),
            Err(OpenError::Broken(why)) => {
                tracing::warn!(?place, why, "index does not open, starting a new one");
                place.clear()?;
                open(&*place).map_err(|error| IndexError(format!("{error:?}")))?
            }
        };
        Ok(Self { place, database: RwLock::new(Some(database)), commits: AtomicU32::new(0) })
    }

    fn with<T>(&self, call: impl FnOnce(&Database) -> Result<T, Error>) -> Result<T, IndexError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or_else(|| IndexError("it is closed".to_owned()))?;
        contain(|| call(database))
    }

    fn commit(&self, changes: &[Change], checkpoint: Option<&Checkpoint>, sync: bool) -> Result<(), IndexError> {
        self.with(|database| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(if sync { Durability::Immediate } else { Durability::None })?;
            {
                let mut entries = transaction.open_table(ENTRIES)?;
                for change in changes {
                    match change {
                        Change::Set(id, location) => entries.insert(id.as_bytes(), &location.to_bytes())?,
                        Change::Remove(id) => entries.remove(id.as_bytes())?,
                    };
                }
            }
            if let Some(checkpoint) = checkpoint {
                transaction.open_table(MARK)?.insert((), &checkpoint.to_bytes())?;
            }
            transaction.commit()?;
            Ok(())
        })
    }
}

impl IndexStore for RedbIndex {
    fn get(&self, id: &ChunkId) -> Result<Option<Location>, IndexError> {
        let value = self.with(|database| {
            let Some(entries) = table(database, ENTRIES)? else { return Ok(None) };
            Ok(entries.get(id.as_bytes())?.map(|value| *value.value()))
        })?;
        value.map(|value| location(&value)).transpose()
    }

    fn apply(&self, changes: &[Change], checkpoint: &Checkpoint) -> Result<(), IndexError> {
        let commits = self.commits.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        self.commit(changes, Some(checkpoint), commits.is_multiple_of(COMMITS))
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, IndexError> {
        let value = self.with(|database| {
            let Some(mark) = table(database, MARK)? else { return Ok(None) };
            Ok(mark.get(())?.map(|value| *value.value()))
        })?;
        value.map(|value| Checkpoint::from_bytes(&value).ok_or_else(|| damaged("its checkpoint"))).transpose()
    }

    fn page(&self, after: Option<&ChunkId>, limit: usize) -> Result<Vec<(ChunkId, Location)>, IndexError> {
        let rows = self.with(|database| {
            let Some(entries) = table(database, ENTRIES)? else { return Ok(Vec::new()) };
            let from = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_bytes()));
            let rows = entries.range::<&[u8; 32]>((from, Bound::Unbounded))?.take(limit);
            rows.map(|row| row.map(|(key, value)| (*key.value(), *value.value())))
                .collect::<Result<Vec<_>, _>>()
                .map_err(Error::from)
        })?;
        let decode = |(key, value): &([u8; 32], [u8; Location::LEN])| Ok((ChunkId(Digest(*key)), location(value)?));
        rows.iter().map(decode).collect()
    }

    fn reset(&self) -> Result<(), IndexError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = database.take() {
            close(old);
        }
        self.place.clear()?;
        *database = Some(open(&*self.place).map_err(|error| IndexError(format!("{error:?}")))?);
        Ok(())
    }

    fn flush(&self) -> Result<(), IndexError> {
        self.commit(&[], None, true)
    }
}

impl Drop for RedbIndex {
    /// What was not synced yet need not be read from the packs again.
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            tracing::debug!(%error, "index not flushed");
        }
        if let Some(database) = self.database.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            close(database);
        }
    }
}

#[derive(Debug)]
enum OpenError {
    Locked,
    Broken(String),
}

fn open(place: &dyn Place) -> Result<Database, OpenError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let mut is_locked = false;
    let opened = contain(|| {
        let opened = place.open(builder);
        is_locked = matches!(opened, Err(DatabaseError::DatabaseAlreadyOpen));
        opened
    });
    opened.map_err(|error| if is_locked { OpenError::Locked } else { OpenError::Broken(error.0) })
}

/// A table to read; `None` before the first commit.
fn table<K: Key + 'static, V: Value + 'static>(
    database: &Database,
    name: TableDefinition<'_, K, V>,
) -> Result<Option<ReadOnlyTable<K, V>>, Error> {
    match database.begin_read()?.open_table(name) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn location(value: &[u8]) -> Result<Location, IndexError> {
    Location::from_bytes(value).ok_or_else(|| damaged("a location"))
}
