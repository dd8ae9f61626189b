//! Writing: frames are appended under one lock and made durable under another, so that all who wait share a sync.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    sync::{Arc, PoisonError},
};

use bytes::Bytes;

use super::{
    files::{self, PACK_HEADER, io_error, write_all_at},
    frame::{FRAME_HEADER, Frame, FrameKind},
    store::{PackStore, lock},
};
use crate::{
    chunk::{ChunkId, Lease, StoreError},
    index::{Change, Checkpoint, IndexError, IndexStore, Location},
};

/// The end of the packs, where frames are appended.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) pack: u32,
    pub(super) file: Arc<File>,
    pub(super) offset: u64,
    /// Written, not yet synced, in order.
    pending: Vec<Write>,
    /// Packs left behind with unsynced frames.
    unsynced: Vec<Arc<File>>,
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
    pub(super) syncs: u64,
    sequence: u64,
    /// The end of what is synced; `None` while the store is being opened.
    pub(super) synced: Option<(u32, u64)>,
    poisoned: bool,
}

/// A frame as the index sees it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Write {
    Chunk(ChunkId, Location),
    Renewal(ChunkId, Lease),
}

impl Write {
    pub(super) const fn of(frame: Frame, pack: u32, offset: u64) -> Self {
        match frame.kind {
            FrameKind::Chunk => {
                Self::Chunk(frame.id, Location { pack, length: frame.length, offset, lease: frame.lease })
            }
            FrameKind::Renewal => Self::Renewal(frame.id, frame.lease),
        }
    }
}

impl Writer {
    pub(super) fn new(pack: u32, file: Arc<File>) -> Self {
        let (pending, unsynced) = (Vec::new(), Vec::new());
        Self { pack, file, offset: PACK_HEADER, pending, unsynced, sequence: 0, poisoned: false }
    }
}

impl Committed {
    /// Bytes of `pack` that may be read into the index.
    pub(super) const fn limit(&self, pack: u32) -> u64 {
        match self.synced {
            Some((synced, _)) if pack > synced => 0,
            Some((synced, end)) if pack == synced => end,
            _ => u64::MAX,
        }
    }

    fn count(&mut self, id: &ChunkId, old: Option<&Location>, new: Option<&Location>) {
        let size = |location: &Location| FRAME_HEADER as u64 + u64::from(location.length);
        if let Some(old) = old {
            self.checkpoint.toggle(id, old);
            self.checkpoint.entries = self.checkpoint.entries.saturating_sub(1);
            let live = self.live.entry(old.pack).or_default();
            *live = live.saturating_sub(size(old));
        }
        if let Some(new) = new {
            self.checkpoint.toggle(id, new);
            self.checkpoint.entries += 1;
            *self.live.entry(new.pack).or_default() += size(new);
        }
    }
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
        let mut buffer = Vec::new();
        let mut writes = Vec::new();
        let mut taken = 0;
        for (frame, body) in frames {
            let offset = writer.offset + buffer.len() as u64;
            if taken > 0 && offset >= self.options.pack_len {
                break;
            }
            buffer.extend_from_slice(&frame.to_bytes());
            buffer.extend_from_slice(body);
            writes.push(Write::of(*frame, writer.pack, offset));
            taken += 1;
        }
        if let Err(source) = write_all_at(&writer.file, &buffer, writer.offset) {
            // Half a frame must not lie before the next one.
            if writer.file.set_len(writer.offset).is_err() {
                writer.poisoned = true;
            }
            return Err(io_error("writing to a pack")(source));
        }
        writer.offset += buffer.len() as u64;
        writer.pending.append(&mut writes);
        Ok(frames.get(taken..).unwrap_or_default())
    }

    fn roll(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let next = writer.pack.checked_add(1).ok_or(StoreError::Poisoned)?;
        let file = files::create(&self.dir, next)?;
        self.files.write().unwrap_or_else(PoisonError::into_inner).insert(next, file.clone());
        let full = std::mem::replace(&mut writer.file, file);
        writer.unsynced.push(full);
        (writer.pack, writer.offset) = (next, PACK_HEADER);
        Ok(())
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
        let (writes, packs, end, last) = {
            let mut writer = lock(&self.writer);
            let mut packs = std::mem::take(&mut writer.unsynced);
            packs.push(writer.file.clone());
            (std::mem::take(&mut writer.pending), packs, (writer.pack, writer.offset), writer.sequence)
        };
        for pack in packs {
            committed.syncs += 1;
            if let Err(source) = pack.sync_data() {
                // The kernel may have dropped the pages: a later sync would succeed without them.
                committed.poisoned = true;
                lock(&self.writer).poisoned = true;
                return Err(io_error("syncing a pack")(source));
            }
        }
        committed.sequence = last;
        committed.synced = Some(end);
        if let Err(error) = self.apply(&mut committed, &writes, end) {
            tracing::warn!(%error, "index failed, reading the packs");
            self.rebuild(&mut committed)?;
        }
        Ok(())
    }

    /// Brings durable frames into the index, with the end of the last one.
    pub(super) fn apply(&self, committed: &mut Committed, writes: &[Write], end: (u32, u64)) -> Result<(), IndexError> {
        // Entries as they will be, for ids that occur more than once.
        let mut changed: HashMap<ChunkId, Option<Location>> = HashMap::new();
        let mut changes = Vec::with_capacity(writes.len());
        for write in writes {
            let (Write::Chunk(id, _) | Write::Renewal(id, _)) = write;
            let old = match changed.get(id) {
                Some(known) => *known,
                None => self.index.get(id)?,
            };
            let new = match (write, old) {
                (Write::Chunk(_, new), old) => {
                    let lease = old.map_or(new.lease, |old| old.lease.max(new.lease));
                    Location { lease, ..*new }
                }
                (Write::Renewal(_, lease), Some(old)) => Location { lease: old.lease.max(*lease), ..old },
                (Write::Renewal(..), None) => continue,
            };
            committed.count(id, old.as_ref(), Some(&new));
            changed.insert(*id, Some(new));
            changes.push(Change::Set(*id, new));
        }
        (committed.checkpoint.pack, committed.checkpoint.offset) = end;
        self.index.apply(&changes, &committed.checkpoint)
    }

    /// Takes entries out of the index.
    pub(super) fn forget(&self, removals: &[Change]) -> Result<(), StoreError> {
        if removals.is_empty() {
            return Ok(());
        }
        let mut committed = lock(&self.committed);
        let remove = |committed: &mut Committed| {
            for removal in removals {
                if let Change::Remove(id) = removal
                    && let Some(old) = self.index.get(id)?
                {
                    committed.count(id, Some(&old), None);
                }
            }
            self.index.apply(removals, &committed.checkpoint)
        };
        remove(&mut committed).or_else(|error| {
            tracing::warn!(%error, "index failed, reading the packs");
            self.rebuild(&mut committed)?;
            remove(&mut committed).map_err(|error| StoreError::Index(error.to_string()))
        })
    }
}
