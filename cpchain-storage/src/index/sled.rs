//! The default index on disk, over sled 0.34.
//!
//! After a power cut sled may have lost writes, or panic while it opens or reads. So every call into it is contained: a
//! panic becomes an [`IndexError`], and a database that does not open is moved aside and replaced by an empty one, which the
//! store then fills from its packs.
//!
//! How it is kept small and cheap (`lab store` measures both; where memory is short take `RedbIndex`, feature `redb`):
//! - Few keys: sled keeps pages of about a dozen, with some memory for each, and works on every key that changes. So neighbouring
//!   entries share a key ([`run`]).
//! - Short values: what was used last in each of its shards seems to stay in memory whatever the capacity of its cache. A run has 8 entries
//!   at most.
//! - Neither single changes nor thousands: with larger batches more stayed in memory. So changes wait until there are some hundred
//!   ([`Pending`]); [`flush`](IndexStore::flush) or closing the index gives it the rest.

use std::{
    ops::Bound::{Excluded, Included},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
    time::Duration,
};

use super::{
    Change, Checkpoint, IndexError, IndexStore, Location,
    contain::{close, contain, set_aside},
    pending::Pending,
    run,
};
use crate::chunk::ChunkId;

/// Below the keys of all runs; the number is the version of the layout.
const CHECKPOINT: &[u8] = &[0, 2];
const CACHE_BYTES: u64 = 1 << 20;
/// A database that was just closed holds its lock a moment longer.
const OPEN_ATTEMPTS: u32 = 10;
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// An [`IndexStore`] over sled.
#[derive(Debug)]
pub struct SledIndex {
    path: PathBuf,
    /// Locked before `db`. Who reads both holds it all the while, so that no change is missed on its way.
    pending: RwLock<Pending>,
    db: RwLock<Option<sled::Db>>,
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Sled(#[from] sled::Error),
    #[error("{0} is damaged")]
    Damaged(&'static str),
}

type Entry = (ChunkId, Location);

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
        let index = Self { path, pending: RwLock::default(), db: RwLock::new(Some(db)) };
        // A damaged one is found when the store asks for it.
        let written = index.with(checkpoint_of).unwrap_or_default();
        *index.pending.write().unwrap_or_else(PoisonError::into_inner) = Pending::after(written);
        Ok(index)
    }

    fn with<T>(&self, call: impl FnOnce(&sled::Db) -> Result<T, Fault>) -> Result<T, IndexError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or_else(|| IndexError("it is closed".to_owned()))?;
        contain(|| call(db))
    }

    /// Gives sled what it does not have yet, with the checkpoint, all or nothing.
    fn write(&self, pending: &mut Pending) -> Result<(), IndexError> {
        let Some((changes, checkpoint)) = pending.all() else { return Ok(()) };
        self.with(|db| {
            let mut batch = sled::Batch::default();
            let mut changes = changes.iter().map(|(id, change)| (*id, *change)).peekable();
            while let Some((id, _)) = changes.peek() {
                let (key, run) = run_of(db, id)?;
                let end = db.range::<&[u8], _>((Excluded(&key[..]), Excluded(run::END))).next().transpose()?;
                let is_of_run = |(id, _): &(ChunkId, _)| end.as_ref().is_none_or(|(end, _)| run::key(id)[..] < end[..]);
                let run = run::change(run, std::iter::from_fn(|| changes.next_if(is_of_run)));
                let mut pieces = run::cut(&run).into_iter();
                match pieces.next() {
                    Some(piece) if !piece.is_empty() => batch.insert(&key[..], run::encode(piece)),
                    _ => batch.remove(&key[..]),
                }
                for piece in pieces {
                    if let Some((first, _)) = piece.first() {
                        batch.insert(&run::key(first)[..], run::encode(piece));
                    }
                }
            }
            batch.insert(CHECKPOINT, checkpoint.to_bytes().as_slice());
            Ok(db.apply_batch(batch)?)
        })?;
        pending.done();
        Ok(())
    }
}

/// The bytes of the run that an entry is in, and its key.
fn run_bytes(db: &sled::Db, id: &ChunkId) -> Result<Option<(sled::IVec, sled::IVec)>, Fault> {
    let range = (Included(run::FIRST), Included(&run::key(id)[..]));
    Ok(db.range::<&[u8], _>(range).next_back().transpose()?)
}

fn run_of(db: &sled::Db, id: &ChunkId) -> Result<(sled::IVec, Vec<Entry>), Fault> {
    match run_bytes(db, id)? {
        Some((key, bytes)) => Ok((key, run::decode(&bytes).ok_or(Fault::Damaged("a run"))?)),
        None => Ok((run::FIRST.into(), Vec::new())),
    }
}

fn checkpoint_of(db: &sled::Db) -> Result<Option<Checkpoint>, Fault> {
    let decode = |value: sled::IVec| Checkpoint::from_bytes(&value).ok_or(Fault::Damaged("its checkpoint"));
    db.get(CHECKPOINT)?.map(decode).transpose()
}

impl IndexStore for SledIndex {
    fn get(&self, id: &ChunkId) -> Result<Option<Location>, IndexError> {
        let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(changed) = pending.get(id) {
            return Ok(changed);
        }
        self.with(|db| match run_bytes(db, id)? {
            Some((_, bytes)) => run::find(&bytes, id).map_err(|()| Fault::Damaged("a run")),
            None => Ok(None),
        })
    }

    fn apply(&self, changes: &[Change], checkpoint: &Checkpoint) -> Result<(), IndexError> {
        let mut pending = self.pending.write().unwrap_or_else(PoisonError::into_inner);
        pending.take_in(changes, checkpoint);
        if pending.is_due() { self.write(&mut pending) } else { Ok(()) }
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, IndexError> {
        let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner);
        match pending.checkpoint() {
            Some(checkpoint) => Ok(Some(checkpoint)),
            None => self.with(checkpoint_of),
        }
    }

    fn page(&self, after: Option<&ChunkId>, limit: usize) -> Result<Vec<(ChunkId, Location)>, IndexError> {
        let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner);
        self.with(|db| {
            let first = after.map_or(Ok(None), |id| run_bytes(db, id))?;
            let from = first.as_ref().map_or(run::FIRST, |(key, _)| &key[..]);
            let runs = db.range::<&[u8], _>((Included(from), Excluded(run::END)));
            let rows = runs.flat_map(|run| {
                let run = run.map_err(Fault::from);
                let run = run.and_then(|(_, bytes)| run::decode(&bytes).ok_or(Fault::Damaged("a run")));
                let (run, error) = run.map_or_else(|error| (Vec::new(), Some(error)), |run| (run, None));
                run.into_iter().map(Ok).chain(error.map(Err))
            });
            let is_after =
                |row: &Result<Entry, Fault>| !matches!((row, after), (Ok((id, _)), Some(after)) if id <= after);
            pending.page(after, limit, rows.filter(is_after))
        })
    }

    fn reset(&self) -> Result<(), IndexError> {
        let mut pending = self.pending.write().unwrap_or_else(PoisonError::into_inner);
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        *pending = Pending::default();
        if let Some(old) = db.take() {
            close(old);
        }
        set_aside(&self.path)?;
        *db = Some(open(&self.path).map_err(|error| IndexError(format!("{error:?}")))?);
        Ok(())
    }

    fn flush(&self) -> Result<(), IndexError> {
        let mut pending = self.pending.write().unwrap_or_else(PoisonError::into_inner);
        self.write(&mut pending)?;
        self.with(|db| Ok(db.flush()?)).map(drop)
    }
}

impl Drop for SledIndex {
    /// What sled does not have yet need not be read from the packs again.
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            tracing::debug!(%error, "index not flushed");
        }
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
