//! Writing: frames are appended under one lock and made durable under another, so that all who wait share a sync.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, atomic::Ordering},
};

use bytes::Bytes;

use super::{
    catalog::Catalog,
    disk::{self, PACK_HEADER, PackFile, io_error},
    frame::{FRAME_HEADER, Frame, FrameKind},
    store::{PackStore, index_error, lock},
};
use crate::{
    chunk::{ChunkId, Lease, StoreError},
    index::{Change, Checkpoint, IndexError, IndexStore, Location},
};

/// Frames that are handed to the system in one call.
const FRAMES: usize = 4096;

/// The end of the packs, where frames are appended.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) pack: u32,
    pub(super) file: Arc<dyn PackFile>,
    pub(super) offset: u64,
    /// Written, not yet synced, in order.
    pending: Vec<Write>,
    /// Packs left behind with unsynced frames: number, length, file.
    unsynced: Vec<(u32, u64, Arc<dyn PackFile>)>,
    /// Number of the last write.
    sequence: u64,
    poisoned: bool,
}

/// What is durable and in the index.
#[derive(Debug, Default)]
pub(super) struct Committed {
    pub(super) checkpoint: Checkpoint,
    /// Bytes of live frames by pack.
    pub(super) live: BTreeMap<u32, u64>,
    pub(super) catalog: Catalog,
    pub(super) syncs: u64,
    sequence: u64,
    /// The end of what is synced; `None` while the store is being opened.
    pub(super) synced: Option<(u32, u64)>,
    /// The disk could not read some of the pack that was read last.
    pub(super) unreadable: bool,
    poisoned: bool,
}

/// A frame as the index sees it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Write {
    Chunk(ChunkId, Location),
    Renewal { id: ChunkId, lease: Lease, pack: u32 },
}

impl Write {
    pub(super) const fn of(frame: Frame, pack: u32, offset: u64) -> Self {
        let Frame { id, lease, length, .. } = frame;
        match frame.kind {
            FrameKind::Chunk => Self::Chunk(id, Location { pack, length, offset, lease, lease_pack: pack }),
            FrameKind::Renewal => Self::Renewal { id, lease, pack },
        }
    }

    pub(super) const fn id(&self) -> &ChunkId {
        match self {
            Self::Chunk(id, _) | Self::Renewal { id, .. } => id,
        }
    }

    /// The entry after this frame.
    pub(super) fn onto(&self, old: Option<Location>) -> Option<Location> {
        match (*self, old) {
            // The copy of a chunk does not take away what a later renewal gave.
            (Self::Chunk(_, new), Some(old)) if old.lease > new.lease => {
                Some(Location { lease: old.lease, lease_pack: old.lease_pack, ..new })
            }
            (Self::Chunk(_, new), _) => Some(new),
            (Self::Renewal { lease, pack, .. }, Some(old)) if lease >= old.lease => {
                Some(Location { lease, lease_pack: pack, ..old })
            }
            (Self::Renewal { .. }, old) => old,
        }
    }
}

impl Writer {
    pub(super) fn new(pack: u32, file: Arc<dyn PackFile>) -> Self {
        let (pending, unsynced) = (Vec::new(), Vec::new());
        Self { pack, file, offset: PACK_HEADER, pending, unsynced, sequence: 0, poisoned: false }
    }
}

impl Committed {
    pub(super) fn new(catalog: Catalog) -> Self {
        Self { catalog, ..Self::default() }
    }

    /// Bytes of `pack` that may be read into the index.
    pub(super) const fn limit(&self, pack: u32) -> u64 {
        match self.synced {
            Some((synced, _)) if pack > synced => 0,
            Some((synced, end)) if pack == synced => end,
            _ => u64::MAX,
        }
    }

    /// Counts an entry's frames in.
    pub(super) fn count_in(&mut self, id: &ChunkId, entry: &Location) {
        self.checkpoint.toggle(id, entry);
        self.checkpoint.entries += 1;
        for (pack, bytes) in frames_of(entry) {
            *self.live.entry(pack).or_default() += bytes;
        }
    }

    fn count_out(&mut self, id: &ChunkId, entry: &Location) {
        self.checkpoint.toggle(id, entry);
        self.checkpoint.entries = self.checkpoint.entries.saturating_sub(1);
        for (pack, bytes) in frames_of(entry) {
            let live = self.live.entry(pack).or_default();
            *live = live.saturating_sub(bytes);
        }
    }

    pub(super) fn live(&self, pack: u32) -> u64 {
        self.live.get(&pack).copied().unwrap_or(0)
    }
}

/// The frames that an entry needs, by pack: the chunk, and a renewal if its lease comes from one elsewhere.
fn frames_of(entry: &Location) -> impl Iterator<Item = (u32, u64)> {
    let renewal = (entry.lease_pack != entry.pack).then_some((entry.lease_pack, FRAME_HEADER as u64));
    std::iter::once((entry.pack, FRAME_HEADER as u64 + u64::from(entry.length))).chain(renewal)
}

impl<I: IndexStore> PackStore<I> {
    /// Appends frames and returns when they are durable and in the index.
    pub(super) fn write(&self, frames: &[(Frame, Bytes)]) -> Result<(), StoreError> {
        if frames.is_empty() {
            return Ok(());
        }
        let mut rest = frames;
        let mut sequence = 0;
        while !rest.is_empty() {
            let mut writer = lock(&self.writer);
            if writer.poisoned {
                return Err(StoreError::Poisoned);
            }
            if writer.offset >= self.options.pack_len {
                self.roll(&mut writer)?;
            }
            rest = self.append(&mut writer, rest)?;
            writer.sequence += 1;
            sequence = writer.sequence;
        }
        self.commit(sequence)
    }

    /// Appends frames until the pack is full, returns the others.
    fn append<'f>(
        &self,
        writer: &mut Writer,
        frames: &'f [(Frame, Bytes)],
    ) -> Result<&'f [(Frame, Bytes)], StoreError> {
        let mut end = writer.offset;
        let mut headers = Vec::with_capacity(frames.len().min(FRAMES));
        let mut writes = Vec::with_capacity(frames.len().min(FRAMES));
        for (frame, _) in frames.iter().take(FRAMES) {
            if !writes.is_empty() && end >= self.options.pack_len {
                break;
            }
            writes.push(Write::of(*frame, writer.pack, end));
            headers.push(frame.to_bytes());
            end += frame.len();
        }
        let parts: Vec<&[u8]> =
            headers.iter().zip(frames).flat_map(|(header, (_, body))| [&header[..], body]).collect();
        if let Err(source) = writer.file.write_all_at(&parts, writer.offset) {
            // Half a frame must not lie before the next one.
            if writer.file.set_len(writer.offset).is_err() {
                writer.poisoned = true;
            }
            return Err(io_error("writing to a pack")(source));
        }
        writer.offset = end;
        let taken = writes.len();
        writer.pending.append(&mut writes);
        Ok(frames.get(taken..).unwrap_or_default())
    }

    /// Begins the next pack.
    pub(super) fn roll(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let next = writer.pack.checked_add(1).ok_or(StoreError::Poisoned)?;
        let file = disk::create(&*self.disk, next)?;
        self.files.write().unwrap_or_else(PoisonError::into_inner).insert(next, file.clone());
        let full = std::mem::replace(&mut writer.file, file);
        writer.unsynced.push((writer.pack, writer.offset, full));
        (writer.pack, writer.offset) = (next, PACK_HEADER);
        writer.sequence += 1;
        Ok(())
    }

    /// Makes all that is written durable.
    pub(super) fn commit_all(&self) -> Result<(), StoreError> {
        let sequence = lock(&self.writer).sequence;
        self.commit(sequence)
    }

    /// Makes all writes up to `sequence` durable. The first to come does it for all that have written by then.
    fn commit(&self, sequence: u64) -> Result<(), StoreError> {
        let mut committed = lock(&self.committed);
        if committed.sequence >= sequence {
            return Ok(());
        }
        if committed.poisoned {
            return Err(StoreError::Poisoned);
        }
        let (writes, full, active, end, last) = {
            let mut writer = lock(&self.writer);
            let end = (writer.pack, writer.offset);
            let full = std::mem::take(&mut writer.unsynced);
            (std::mem::take(&mut writer.pending), full, writer.file.clone(), end, writer.sequence)
        };
        for pack in full.iter().map(|(_, _, file)| file).chain([&active]) {
            committed.syncs += 1;
            if let Err(source) = pack.sync() {
                // The kernel may have dropped the pages: a later sync would succeed without them.
                committed.poisoned = true;
                lock(&self.writer).poisoned = true;
                return Err(io_error("syncing a pack")(source));
            }
        }
        committed.sequence = last;
        committed.synced = Some(end);
        for (pack, len, _) in full {
            committed.catalog.seal(pack, len);
        }
        committed.catalog.begin(end.0);
        if let Err(error) = committed.catalog.save(&*self.disk) {
            // It only serves reports, and the next commit tries again.
            tracing::warn!(%error, "catalog not written");
        }
        if !self.epoch.load(Ordering::Acquire).is_multiple_of(2) {
            return self.rebuild(&mut committed);
        }
        self.apply(&mut committed, &writes, end, false).or_else(|error| {
            tracing::warn!(%error, "index failed, reading the packs");
            self.rebuild(&mut committed)
        })
    }

    /// Brings durable frames into the index, with the end of the last one. In `doubt`, a frame takes the place of an older
    /// copy only if it is whole.
    pub(super) fn apply(
        &self,
        committed: &mut Committed,
        writes: &[Write],
        end: (u32, u64),
        doubt: bool,
    ) -> Result<(), IndexError> {
        // Entries as they will be, for ids that occur more than once.
        let mut changed: HashMap<ChunkId, Option<Location>> = HashMap::new();
        let mut changes = Vec::with_capacity(writes.len());
        for write in writes {
            let id = write.id();
            let old = match changed.get(id) {
                Some(known) => *known,
                None => self.with_index(|index| index.get(id))?,
            };
            if let (true, Some(_), Write::Chunk(_, new)) = (doubt, old, write)
                && !matches!(self.read(id, new), Ok(Some(_)))
            {
                continue;
            }
            let new = write.onto(old);
            if new == old {
                continue;
            }
            if let Some(old) = old {
                committed.count_out(id, &old);
            }
            if let Some(new) = new {
                committed.count_in(id, &new);
                changed.insert(*id, Some(new));
                changes.push(Change::Set(*id, new));
            }
        }
        (committed.checkpoint.pack, committed.checkpoint.offset) = end;
        self.with_index(|index| index.apply(&changes, &committed.checkpoint))
    }

    /// Takes entries out of the index, if they still are as given.
    pub(super) fn forget(&self, entries: &[(ChunkId, Location)]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut committed = lock(&self.committed);
        if !self.epoch.load(Ordering::Acquire).is_multiple_of(2) {
            self.rebuild(&mut committed)?;
        }
        let none = HashMap::new();
        self.replace(&mut committed, entries, &none).or_else(|error| {
            tracing::warn!(%error, "index failed, reading the packs");
            self.rebuild(&mut committed)?;
            self.replace(&mut committed, entries, &none).map_err(index_error)
        })
    }

    /// Puts others in the place of entries that still are as given, or nothing. The caller holds the lock.
    pub(super) fn replace(
        &self,
        committed: &mut Committed,
        entries: &[(ChunkId, Location)],
        others: &HashMap<ChunkId, Location>,
    ) -> Result<(), IndexError> {
        let mut changes = Vec::with_capacity(entries.len());
        for (id, entry) in entries {
            if self.with_index(|index| index.get(id))? == Some(*entry) {
                committed.count_out(id, entry);
                if let Some(other) = others.get(id) {
                    committed.count_in(id, other);
                    changes.push(Change::Set(*id, *other));
                } else {
                    changes.push(Change::Remove(*id));
                }
            }
        }
        self.with_index(|index| index.apply(&changes, &committed.checkpoint))
    }
}
