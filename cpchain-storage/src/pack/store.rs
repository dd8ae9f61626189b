//! The store itself: its parts, reading and putting.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;

use super::{
    commit::{Committed, Writer},
    disk::{self, Disk, PackFile},
    folder::Folder,
    frame::{FRAME_HEADER, Frame, FrameKind},
    maintain::Round,
    report::Recovery,
};
use crate::{
    chunk::{ChunkId, ChunkStore, HashedChunk, Lease, MAX_CHUNK_LEN, StoreError},
    index::{IndexError, IndexStore, Location, MemoryIndex},
};

/// How a [`PackStore`] behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackOptions {
    /// A new pack is begun after this many bytes.
    pub pack_len: u64,
    /// Compaction begins when more than this many percent of the packs are dead bytes (0 to 99): the disk then holds at most
    /// `100 / (100 - max_dead_percent)` of what lives. 8 gives 1.09; a higher value writes less again.
    pub max_dead_percent: u8,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self { pack_len: 256 << 20, max_dead_percent: 8 }
    }
}

/// Figures of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackStats {
    /// Chunks.
    pub chunks: u64,
    /// Bytes of the frames that are needed for them.
    pub live_bytes: u64,
    /// Bytes of all packs.
    pub pack_bytes: u64,
    /// Number of packs.
    pub packs: usize,
    /// How often packs were synced since the store was opened.
    pub syncs: u64,
    /// The index could not be written (a full disk?) and is kept in memory until the store is opened again or
    /// [`PackStore::doctor`] is called.
    pub index_in_memory: bool,
}

/// A durable [`ChunkStore`] in a folder of its own. See the [module](crate::pack) for what it promises.
///
/// ```
/// use cpchain_storage::{ChunkStore, Lease, PackOptions, PackStore, index::MemoryIndex};
/// # let dir = tempfile::tempdir()?;
/// let store = PackStore::open(dir.path(), PackOptions::default(), MemoryIndex::default())?;
/// let id = store.put("sealed".into(), Lease::FOREVER)?;
/// assert_eq!(store.get(&id)?.as_deref(), Some(&b"sealed"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PackStore<I: IndexStore> {
    pub(super) disk: Box<dyn Disk>,
    pub(super) options: PackOptions,
    pub(super) own_index: I,
    /// Takes the place of an index that can no longer be written.
    pub(super) spare_index: RwLock<Option<Arc<MemoryIndex>>>,
    /// Odd while the index must not be asked: it is being rebuilt, or that failed.
    pub(super) epoch: AtomicU64,
    pub(super) files: RwLock<BTreeMap<u32, Arc<dyn PackFile>>>,
    pub(super) writer: Mutex<Writer>,
    /// Whoever holds it syncs packs and changes the index. Locked before `writer`, never after.
    pub(super) committed: Mutex<Committed>,
    /// Read-locked while a put relies on a chunk being there, write-locked while chunks are forgotten. Locked before the
    /// two above.
    pub(super) forgetting: RwLock<()>,
    /// Where upkeep goes on. Locked first.
    pub(super) round: Mutex<Round>,
    pub(super) recovery: Recovery,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn index_error(error: IndexError) -> StoreError {
    StoreError::Index(error.to_string())
}

impl<I: IndexStore> PackStore<I> {
    /// Opens the store in `dir`, or makes it. A torn tail is cut off; the index is checked, brought up to date, or
    /// rebuilt; damage does not keep it from opening: [`recovery`](Self::recovery) says what was found.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Io`], [`StoreError::Full`], [`StoreError::Version`].
    pub fn open(dir: impl AsRef<Path>, options: PackOptions, index: I) -> Result<Self, StoreError> {
        Self::open_on(Box::new(Folder::open(dir.as_ref())?), options, index)
    }

    /// What opening found and did.
    pub const fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Figures of the store.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn stats(&self) -> Result<PackStats, StoreError> {
        let committed = lock(&self.committed);
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let mut pack_bytes = 0;
        for file in files.values() {
            pack_bytes += disk::len(&**file)?;
        }
        Ok(PackStats {
            chunks: committed.checkpoint.entries,
            live_bytes: committed.live.values().sum(),
            pack_bytes,
            packs: files.len(),
            syncs: committed.syncs,
            index_in_memory: self.spare_index.read().unwrap_or_else(PoisonError::into_inner).is_some(),
        })
    }

    /// Calls the index that is in use. For those who hold `committed`; others [`ask`](Self::ask).
    pub(super) fn with_index<T>(
        &self,
        call: impl FnOnce(&dyn IndexStore) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        match &*self.spare_index.read().unwrap_or_else(PoisonError::into_inner) {
            Some(spare) => call(&**spare),
            None => call(&self.own_index),
        }
    }

    /// Asks the index; waits for one that is being rebuilt, and has one that fails rebuilt.
    pub(super) fn ask<T>(&self, call: impl Fn(&dyn IndexStore) -> Result<T, IndexError>) -> Result<T, StoreError> {
        let mut attempts = 0;
        loop {
            let epoch = self.epoch.load(Ordering::Acquire);
            if epoch.is_multiple_of(2) {
                let answer = self.with_index(&call);
                // An answer of an index that was emptied meanwhile counts for nothing.
                if answer.is_ok() && self.epoch.load(Ordering::Acquire) == epoch {
                    return answer.map_err(index_error);
                }
            }
            let mut committed = lock(&self.committed);
            if self.epoch.load(Ordering::Acquire) == epoch {
                attempts += 1;
                match attempts {
                    ..=2 => self.rebuild(&mut committed)?,
                    // One that fails as soon as it is filled is of no use.
                    _ => self.rebuild_in_memory(&mut committed)?,
                }
            }
        }
    }

    /// The packs of these numbers, ascending.
    pub(super) fn packs(&self, range: impl std::ops::RangeBounds<u32>) -> Vec<(u32, Arc<dyn PackFile>)> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        files.range(range).map(|(pack, file)| (*pack, file.clone())).collect()
    }

    /// The chunk at `location`, if it is there and whole. `Err(())`: its pack is gone.
    pub(super) fn read(&self, id: &ChunkId, location: &Location) -> Result<Option<Bytes>, ()> {
        let file = self.files.read().unwrap_or_else(PoisonError::into_inner).get(&location.pack).cloned().ok_or(())?;
        if location.length as usize > MAX_CHUNK_LEN {
            return Ok(None);
        }
        let mut bytes = vec![0; location.length as usize];
        let Some(body) = location.offset.checked_add(FRAME_HEADER as u64) else { return Ok(None) };
        if let Err(error) = file.read_exact_at(&mut bytes, body) {
            tracing::warn!(%id, %error, "chunk does not read");
            return Ok(None);
        }
        if id.matches(&bytes) {
            return Ok(Some(bytes.into()));
        }
        tracing::warn!(%id, pack = location.pack, offset = location.offset, "chunk is damaged");
        Ok(None)
    }
}

impl<I: IndexStore> ChunkStore for PackStore<I> {
    fn get(&self, id: &ChunkId) -> Result<Option<Bytes>, StoreError> {
        // A compaction may take the pack away between the two steps: then the index knows the new place.
        for _ in 0..3 {
            let Some(location) = self.ask(|index| index.get(id))? else { return Ok(None) };
            if let Ok(chunk) = self.read(id, &location) {
                return Ok(chunk);
            }
        }
        Ok(None)
    }

    fn contains(&self, id: &ChunkId) -> Result<bool, StoreError> {
        Ok(self.ask(|index| index.get(id))?.is_some())
    }

    fn put_hashed(&self, chunks: &[HashedChunk], lease: Lease) -> Result<(), StoreError> {
        let mut lengths = chunks.iter().map(|chunk| chunk.bytes().len());
        if let Some(bad) = lengths.find(|length| *length == 0 || *length > MAX_CHUNK_LEN) {
            return Err(StoreError::ChunkLength(bad));
        }
        let _keep = self.forgetting.read().unwrap_or_else(PoisonError::into_inner);
        let mut seen = BTreeSet::new();
        let mut frames = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let (id, bytes) = (chunk.id(), chunk.bytes());
            if !seen.insert(id) {
                continue;
            }
            let known = self.ask(|index| index.get(id))?;
            let whole = known.filter(|location| matches!(self.read(id, location), Ok(Some(_))));
            match whole {
                Some(location) if location.lease >= lease => {}
                Some(_) => frames.push((Frame::renewal(*id, lease), Bytes::new())),
                None => {
                    let length = bytes.len() as u32;
                    frames.push((Frame { kind: FrameKind::Chunk, length, lease, id: *id }, bytes.clone()));
                }
            }
        }
        self.write(&frames)
    }

    fn renew(&self, ids: &[ChunkId], lease: Lease) -> Result<usize, StoreError> {
        let _keep = self.forgetting.read().unwrap_or_else(PoisonError::into_inner);
        let (mut known, mut frames) = (0, Vec::new());
        for id in ids {
            if let Some(location) = self.ask(|index| index.get(id))? {
                known += 1;
                if location.lease < lease {
                    frames.push((Frame::renewal(*id, lease), Bytes::new()));
                }
            }
        }
        self.write(&frames)?;
        Ok(known)
    }

    fn expire(&self, now_ms: u64) -> Result<usize, StoreError> {
        let (mut after, mut count) = (None, 0);
        loop {
            count += self.expire_page(&mut after, now_ms)?;
            if after.is_none() {
                return Ok(count);
            }
        }
    }
}
