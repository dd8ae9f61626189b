//! The default index on disk, over sled 0.34.
//!
//! After a power cut sled may have lost writes, or panic while it opens or reads. So every call into it is contained: a
//! panic becomes an [`IndexError`], and a database that does not open is moved aside and replaced by an empty one, which the
//! store then fills from its packs. Values are 28 bytes, so that sled never makes blob files.

use std::{
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
    time::Duration,
};

use super::{
    Change, Checkpoint, IndexError, IndexStore, Location,
    contain::{close, contain, damaged, set_aside},
};
use crate::chunk::ChunkId;

/// Shorter than a chunk id, so that it is none.
const CHECKPOINT: &[u8] = b"checkpoint";
const CACHE_BYTES: u64 = 16 << 20;
/// A database that was just closed holds its lock a moment longer.
const OPEN_ATTEMPTS: u32 = 10;
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// An [`IndexStore`] over sled.
#[derive(Debug)]
pub struct SledIndex {
    path: PathBuf,
    db: RwLock<Option<sled::Db>>,
}

impl SledIndex {
    /// Opens the index in the folder `path`, or makes it. One that does not open is moved aside and an empty one made.
    ///
    /// # Errors
    /// [`IndexError`] when not even an empty index can be made there, or another process has it open.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, IndexError> {
        let path = path.as_ref().to_path_buf();
        let db = match open(&path) {
            Ok(db) => db,
            Err(OpenError::Locked) => return Err(IndexError("another process has it open".to_owned())),
            Err(OpenError::Broken(why)) => {
                tracing::warn!(path = %path.display(), why, "index does not open, starting a new one");
                set_aside(&path)?;
                open(&path).map_err(|error| IndexError(format!("{error:?}")))?
            }
        };
        Ok(Self { path, db: RwLock::new(Some(db)) })
    }

    fn with<T>(&self, call: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, IndexError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or_else(|| IndexError("it is closed".to_owned()))?;
        contain(|| call(db))
    }
}

impl IndexStore for SledIndex {
    fn get(&self, id: &ChunkId) -> Result<Option<Location>, IndexError> {
        self.with(|db| db.get(id.as_bytes()))?.map(|value| location(&value)).transpose()
    }

    fn apply(&self, changes: &[Change], checkpoint: &Checkpoint) -> Result<(), IndexError> {
        let mut batch = sled::Batch::default();
        for change in changes {
            match change {
                Change::Set(id, location) => batch.insert(id.as_bytes(), &location.to_bytes()),
                Change::Remove(id) => batch.remove(id.as_bytes()),
            }
        }
        batch.insert(CHECKPOINT, checkpoint.to_bytes().as_slice());
        self.with(|db| db.apply_batch(batch))
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, IndexError> {
        let value = self.with(|db| db.get(CHECKPOINT))?;
        let decode = |value: sled::IVec| Checkpoint::from_bytes(&value).ok_or_else(|| damaged("its checkpoint"));
        value.map(decode).transpose()
    }

    fn page(&self, after: Option<&ChunkId>, limit: usize) -> Result<Vec<(ChunkId, Location)>, IndexError> {
        let from = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_bytes().as_slice()));
        let range = (from, Bound::Unbounded::<&[u8]>);
        let rows = self.with(|db| {
            let rows = db.range::<&[u8], _>(range).filter(|row| row.as_ref().map_or(true, |(key, _)| key.len() == 32));
            rows.take(limit).collect::<sled::Result<Vec<_>>>()
        })?;
        let decode = |(key, value): &(sled::IVec, sled::IVec)| {
            Ok((ChunkId::from_slice(key).ok_or_else(|| damaged("a key"))?, location(value)?))
        };
        rows.iter().map(decode).collect()
    }

    fn reset(&self) -> Result<(), IndexError> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = db.take() {
            close(old);
        }
        set_aside(&self.path)?;
        *db = Some(open(&self.path).map_err(|error| IndexError(format!("{error:?}")))?);
        Ok(())
    }

    fn flush(&self) -> Result<(), IndexError> {
        self.with(|db| db.flush()).map(|_| ())
    }
}

impl Drop for SledIndex {
    fn drop(&mut self) {
        if let Some(db) = self.db.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            close(db);
        }
    }
}

#[derive(Debug)]
enum OpenError {
    Locked,
    Broken(String),
}

fn open(path: &Path) -> Result<sled::Db, OpenError> {
    let mut attempt = 1;
    loop {
        let config = sled::Config::new()
            .path(path)
            .flush_every_ms(None)
            .mode(sled::Mode::LowSpace)
            .cache_capacity(CACHE_BYTES)
            .use_compression(false);
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(sled::Error::Io(error))) if error.to_string().contains("could not acquire lock") => {
                if attempt == OPEN_ATTEMPTS {
                    return Err(OpenError::Locked);
                }
                attempt += 1;
                std::thread::sleep(OPEN_PAUSE);
            }
            Ok(Err(error)) => return Err(OpenError::Broken(error.to_string())),
            Err(_) => return Err(OpenError::Broken("it panicked".to_owned())),
        }
    }
}

fn location(value: &[u8]) -> Result<Location, IndexError> {
    Location::from_bytes(value).ok_or_else(|| damaged("a location"))
}
