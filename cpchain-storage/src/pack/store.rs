//! The store itself: opening, reading and putting.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use bytes::Bytes;

use super::{
    commit::{Committed, Write, Writer},
    files::{self, PACK_HEADER, io_error, read_exact_at},
    frame::{FRAME_HEADER, Frame, FrameKind},
    scan::scan,
};
use crate::{
    chunk::{ChunkId, ChunkStore, Lease, MAX_CHUNK_LEN, StoreError},
    index::{Change, Checkpoint, IndexError, IndexStore, Location},
};

/// How a [`PackStore`] behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackOptions {
    /// A new pack is begun after this many bytes.
    pub pack_len: u64,
    /// Packs of which fewer percent are live are rewritten by [`PackStore::compact`].
    pub compact_below_percent: u8,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self { pack_len: 256 << 20, compact_below_percent: 50 }
    }
}

/// Figures of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackStats {
    /// Chunks.
    pub chunks: u64,
    /// Bytes of their frames.
    pub live_bytes: u64,
    /// Bytes of all packs.
    pub pack_bytes: u64,
    /// Number of packs.
    pub packs: usize,
    /// How often packs were synced since the store was opened.
    pub syncs: u64,
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
    pub(super) dir: PathBuf,
    pub(super) options: PackOptions,
    pub(super) index: I,
    pub(super) files: RwLock<BTreeMap<u32, Arc<File>>>,
    pub(super) writer: Mutex<Writer>,
    /// Whoever holds it syncs packs and changes the index. Locked before `writer`, never after.
    pub(super) committed: Mutex<Committed>,
    /// Read-locked while a put relies on a chunk being there, write-locked while chunks are forgotten. Locked first.
    pub(super) forgetting: RwLock<()>,
    /// Locked by the operating system while the store is open.
    _lock: File,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<I: IndexStore> PackStore<I> {
    /// Opens the store in `dir`, or makes it. A torn tail is cut off; the index is checked, brought up to date, or
    /// rebuilt.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Io`], [`StoreError::Index`].
    pub fn open(dir: impl AsRef<Path>, options: PackOptions, index: I) -> Result<Self, StoreError> {
        let dir = dir.as_ref().to_path_buf();
        std::fs::create_dir_all(&dir).map_err(io_error("making the store's folder"))?;
        let lock_file = File::create(dir.join("lock")).map_err(io_error("making the lock file"))?;
        match lock_file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(StoreError::InUse),
            Err(std::fs::TryLockError::Error(source)) => return Err(io_error("locking the folder")(source)),
        }
        let mut packs = files::open_all(&dir)?;
        if packs.is_empty() {
            packs.insert(1, files::create(&dir, 1)?);
        }
        let (pack, file) = packs.last_key_value().map(|(n, file)| (*n, file.clone())).ok_or(StoreError::Poisoned)?;
        let store = Self {
            writer: Mutex::new(Writer::new(pack, file.clone())),
            committed: Mutex::default(),
            forgetting: RwLock::default(),
            files: RwLock::new(packs),
            dir,
            options,
            index,
            _lock: lock_file,
        };
        {
            let mut committed = lock(&store.committed);
            if !store.index_is_right(&mut committed).unwrap_or(false) {
                store.rebuild(&mut committed)?;
            }
            store.catch_up(&mut committed, true)?;
            let end = committed.checkpoint.offset;
            if files::len(&file)? > end {
                tracing::warn!(pack, end, "cutting a torn tail");
                file.set_len(end).and_then(|()| file.sync_data()).map_err(io_error("cutting a torn tail"))?;
            }
            committed.synced = Some((pack, end));
            lock(&store.writer).offset = end;
        }
        Ok(store)
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
            pack_bytes += files::len(file)?;
        }
        Ok(PackStats {
            chunks: committed.checkpoint.entries,
            live_bytes: committed.live.values().sum(),
            pack_bytes,
            packs: files.len(),
            syncs: committed.syncs,
        })
    }

    /// Reads every entry of the index and compares it with its checkpoint; takes over checkpoint and live bytes.
    fn index_is_right(&self, committed: &mut Committed) -> Result<bool, IndexError> {
        let Some(claimed) = self.index.checkpoint()? else { return Ok(false) };
        let mut found = Checkpoint { entries: 0, fingerprint: 0, ..claimed };
        let mut live = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.index.page(after.as_ref(), 4096)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (id, location) in &page {
                found.entries += 1;
                found.toggle(id, location);
                *live.entry(location.pack).or_default() += FRAME_HEADER as u64 + u64::from(location.length);
            }
        }
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let has_packs = live.keys().all(|pack| files.contains_key(pack));
        let is_behind = files.get(&claimed.pack).is_some_and(|f| files::len(f).is_ok_and(|len| claimed.offset <= len));
        if found == claimed && has_packs && is_behind && claimed.offset >= PACK_HEADER {
            committed.checkpoint = claimed;
            committed.live = live;
            return Ok(true);
        }
        Ok(false)
    }

    /// Empties the index and fills it from all that is committed. The caller holds the lock.
    pub(super) fn rebuild(&self, committed: &mut Committed) -> Result<(), StoreError> {
        let is_new = || -> Result<bool, IndexError> {
            Ok(self.index.checkpoint()?.is_none() && self.index.page(None, 1)?.is_empty())
        };
        if !is_new().unwrap_or(false) {
            tracing::warn!(dir = %self.dir.display(), "the index is wrong, reading the packs");
            self.index.reset().map_err(|error| StoreError::Index(error.to_string()))?;
        }
        committed.live.clear();
        let first = self.files.read().unwrap_or_else(PoisonError::into_inner).keys().next().copied();
        committed.checkpoint = Checkpoint { pack: first.unwrap_or(1), offset: PACK_HEADER, ..Checkpoint::default() };
        self.catch_up(committed, false)
    }

    /// Reads the packs after the checkpoint into the index.
    pub(super) fn catch_up(&self, committed: &mut Committed, check_bodies: bool) -> Result<(), StoreError> {
        let packs: Vec<_> = {
            let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
            files.range(committed.checkpoint.pack..).map(|(pack, file)| (*pack, file.clone())).collect()
        };
        for (pack, file) in packs {
            let from = if pack == committed.checkpoint.pack { committed.checkpoint.offset } else { PACK_HEADER };
            // What is written but not yet synced is the next committer's business.
            let to = committed.limit(pack);
            let mut writes = Vec::new();
            let end = scan(&file, from, to, check_bodies, |found| {
                if let super::scan::Found::Frame { offset, frame, good: true } = found {
                    writes.push(Write::of(frame, pack, offset));
                    if writes.len() == 4096 {
                        let at = (pack, offset + frame.len());
                        self.apply(committed, &std::mem::take(&mut writes), at)
                            .map_err(|error| StoreError::Index(error.to_string()))?;
                    }
                }
                Ok(())
            })?;
            self.apply(committed, &writes, (pack, end)).map_err(|error| StoreError::Index(error.to_string()))?;
        }
        Ok(())
    }

    /// Asks the index, and once more after a rebuild if it fails.
    pub(super) fn ask<T>(&self, call: impl Fn(&I) -> Result<T, IndexError>) -> Result<T, StoreError> {
        call(&self.index).or_else(|_| {
            let mut committed = lock(&self.committed);
            // Another thread may have rebuilt it in the meantime.
            call(&self.index).or_else(|error| {
                tracing::warn!(%error, "index failed, reading the packs");
                self.rebuild(&mut committed)?;
                call(&self.index).map_err(|error| StoreError::Index(error.to_string()))
            })
        })
    }

    /// The chunk at `location`, if it is there and whole. `Err(())`: its pack is gone.
    pub(super) fn read(&self, id: &ChunkId, location: &Location) -> Result<Option<Bytes>, ()> {
        let file = self.files.read().unwrap_or_else(PoisonError::into_inner).get(&location.pack).cloned().ok_or(())?;
        if location.length as usize > MAX_CHUNK_LEN {
            return Ok(None);
        }
        let mut bytes = vec![0; FRAME_HEADER + location.length as usize];
        if let Err(error) = read_exact_at(&file, &mut bytes, location.offset) {
            tracing::warn!(%id, %error, "chunk does not read");
            return Ok(None);
        }
        let bytes = Bytes::from(bytes).slice(FRAME_HEADER..);
        if id.matches(&bytes) {
            return Ok(Some(bytes));
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

    fn put_batch(&self, chunks: &[Bytes], lease: Lease) -> Result<Vec<ChunkId>, StoreError> {
        if let Some(bad) = chunks.iter().find(|chunk| chunk.is_empty() || chunk.len() > MAX_CHUNK_LEN) {
            return Err(StoreError::ChunkLength(bad.len()));
        }
        let ids: Vec<_> = chunks.iter().map(|chunk| ChunkId::of(chunk)).collect();
        let _keep = self.forgetting.read().unwrap_or_else(PoisonError::into_inner);
        let mut seen = BTreeSet::new();
        let mut frames = Vec::with_capacity(chunks.len());
        for (id, chunk) in ids.iter().zip(chunks) {
            if !seen.insert(id) {
                continue;
            }
            let known = self.ask(|index| index.get(id))?;
            let whole = known.filter(|location| matches!(self.read(id, location), Ok(Some(_))));
            match whole {
                Some(location) if location.lease >= lease => {}
                Some(_) => frames.push((renewal(*id, lease), Bytes::new())),
                None => {
                    let length = chunk.len() as u32;
                    frames.push((Frame { kind: FrameKind::Chunk, length, lease, id: *id }, chunk.clone()));
                }
            }
        }
        self.write(&frames)?;
        Ok(ids)
    }

    fn renew(&self, ids: &[ChunkId], lease: Lease) -> Result<usize, StoreError> {
        let _keep = self.forgetting.read().unwrap_or_else(PoisonError::into_inner);
        let (mut known, mut frames) = (0, Vec::new());
        for id in ids {
            if let Some(location) = self.ask(|index| index.get(id))? {
                known += 1;
                if location.lease < lease {
                    frames.push((renewal(*id, lease), Bytes::new()));
                }
            }
        }
        self.write(&frames)?;
        Ok(known)
    }

    fn expire(&self, now_ms: u64) -> Result<usize, StoreError> {
        let _all = self.forgetting.write().unwrap_or_else(PoisonError::into_inner);
        let (mut after, mut count) = (None, 0);
        loop {
            let page = self.ask(|index| index.page(after.as_ref(), 4096))?;
            let Some((last, _)) = page.last() else { return Ok(count) };
            after = Some(*last);
            let over: Vec<_> =
                page.iter().filter(|(_, at)| at.lease.is_over(now_ms)).map(|(id, _)| Change::Remove(*id)).collect();
            count += over.len();
            self.forget(&over)?;
        }
    }
}

pub(super) const fn renewal(id: ChunkId, lease: Lease) -> Frame {
    Frame { kind: FrameKind::Renewal, length: 0, lease, id }
}
