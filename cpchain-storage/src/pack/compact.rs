//! Compaction: what still lives in the pack with the most dead bytes is written again, and the pack is deleted.
//!
//! Interrupted at any point, nothing is lost: a pack is deleted after its live frames are durable elsewhere, and leaves the
//! catalog before it leaves the folder.

use std::{cmp::Reverse, ops::ControlFlow, sync::PoisonError};

use bytes::Bytes;

use super::{
    disk::{self, PACK_HEADER, io_error},
    frame::{Frame, FrameKind},
    heal::Cursor,
    scan::{Found, scan},
    store::{PackStore, lock},
};
use crate::{
    chunk::{ChunkId, StoreError},
    index::{IndexStore, Location},
};

/// Bytes that are written again between two waits of those who put.
const STEP: u64 = 8 << 20;
/// Frames that are looked at in one step.
const FRAMES: usize = 65_536;

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compaction {
    /// Packs that were deleted.
    pub packs: usize,
    /// Chunks that were written again.
    pub moved: usize,
    /// Chunks that were damaged and are missing now.
    pub damaged: usize,
    /// Bytes of the deleted packs.
    pub freed_bytes: u64,
}

impl Compaction {
    fn add(&mut self, other: Self) {
        self.packs += other.packs;
        self.moved += other.moved;
        self.damaged += other.damaged;
        self.freed_bytes += other.freed_bytes;
    }
}

/// How far a pack has been read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pack: u32,
    offset: u64,
}

impl<I: IndexStore> PackStore<I> {
    /// Compacts until at most [`PackOptions::max_dead_percent`](super::PackOptions) of the packs are dead. Others may read
    /// and put meanwhile: it is done in steps, as [`maintain`](Self::maintain) does.
    ///
    /// # Errors
    /// [`StoreError`]; what was done stays done.
    pub fn compact(&self) -> Result<Compaction, StoreError> {
        let mut round = lock(&self.round);
        let mut sum = Compaction::default();
        loop {
            let (done, busy) = self.compact_step(&mut round.place, STEP, 0)?;
            sum.add(done);
            if !busy {
                return Ok(sum);
            }
        }
    }

    /// One step: at most about `budget` bytes are written. `true` if there is more to do. Fewer than `floor` dead bytes
    /// are left alone.
    pub(super) fn compact_step(
        &self,
        place: &mut Option<Place>,
        budget: u64,
        floor: u64,
    ) -> Result<(Compaction, bool), StoreError> {
        let mut done = Compaction::default();
        let Some(Place { pack, offset }) = (match place.take() {
            Some(place) => Some(place),
            None => self.deadest(floor)?.map(|pack| Place { pack, offset: PACK_HEADER }),
        }) else {
            return Ok((done, false));
        };
        let Some((_, file)) = self.packs(pack..=pack).pop() else { return Ok((done, true)) };
        let _all = self.forgetting.write().unwrap_or_else(PoisonError::into_inner);
        let (mut needed, mut bytes, mut frames) = (Vec::new(), 0, 0);
        let scanned = if lock(&self.committed).live(pack) == 0 {
            None
        } else {
            let scanned = scan(&*file, offset, u64::MAX, false, |found| {
                frames += 1;
                if let Found::Frame { offset, frame, .. } = found
                    && let Some(entry) = self.ask(|index| index.get(&frame.id))?
                    && is_needed(&entry, &frame, pack, offset)
                {
                    bytes += frame.len();
                    needed.push((frame.id, entry));
                }
                Ok(if bytes >= budget || frames >= FRAMES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            (scanned.at < disk::len(&*file)?).then_some(scanned.at)
        };
        self.rewrite(pack, &needed, &mut done)?;
        if let Some(offset) = scanned {
            *place = Some(Place { pack, offset });
            return Ok((done, true));
        }
        // Entries whose frames the scan cannot see: their headers are damaged, their bodies may be whole.
        while lock(&self.committed).live(pack) > 0 {
            let unseen =
                self.ask(|index| Cursor::default().next(index, |at| at.pack == pack || at.lease_pack == pack))?;
            if unseen.is_empty() {
                break;
            }
            self.rewrite(pack, &unseen, &mut done)?;
        }
        done.freed_bytes += disk::len(&*file)?;
        done.packs += 1;
        self.delete(pack)?;
        Ok((done, true))
    }

    /// The full pack with the largest share of dead bytes, if more is dead than there may be. The pack that is being written
    /// is ended if it is the one.
    fn deadest(&self, floor: u64) -> Result<Option<u32>, StoreError> {
        let mut packs = Vec::new();
        {
            let committed = lock(&self.committed);
            let active = lock(&self.writer).pack;
            for (pack, file) in self.packs(..=active) {
                let synced = disk::len(&*file)?.min(committed.limit(pack));
                let bytes = synced.saturating_sub(PACK_HEADER);
                packs.push((pack, bytes, bytes.saturating_sub(committed.live(pack))));
            }
        }
        let (bytes, dead) = packs.iter().fold((0, 0), |(bytes, dead), pack| (bytes + pack.1, dead + pack.2));
        if dead <= floor || u128::from(dead) * 100 <= u128::from(bytes) * u128::from(self.options.max_dead_percent) {
            return Ok(None);
        }
        packs.retain(|pack| pack.2 > 0);
        packs.sort_by_key(|(_, bytes, dead)| Reverse(u128::from(*dead) * 1_000_000 / u128::from((*bytes).max(1))));
        for (pack, ..) in packs {
            match self.end_pack(pack) {
                Ok(()) => return Ok(Some(pack)),
                // No room for a new pack: another one may be dead altogether.
                Err(StoreError::Full { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// If this is the pack that is being written, begins the next one.
    fn end_pack(&self, pack: u32) -> Result<(), StoreError> {
        {
            let mut writer = lock(&self.writer);
            if writer.pack != pack {
                return Ok(());
            }
            self.roll(&mut writer)?;
        }
        self.commit_all()
    }

    /// Writes again what entries need of a pack: chunks that lie in it, leases of chunks that lie elsewhere. Nobody renews
    /// or forgets meanwhile.
    fn rewrite(&self, pack: u32, entries: &[(ChunkId, Location)], done: &mut Compaction) -> Result<(), StoreError> {
        let mut again = Vec::with_capacity(entries.len());
        let mut lost = Vec::new();
        for (id, entry) in entries {
            if entry.pack != pack {
                again.push((Frame::renewal(*id, entry.lease), Bytes::new()));
            } else if let Ok(Some(body)) = self.read(id, entry) {
                let frame = Frame { kind: FrameKind::Chunk, length: entry.length, lease: entry.lease, id: *id };
                again.push((frame, body));
                done.moved += 1;
            } else {
                lost.push((*id, *entry));
            }
        }
        done.damaged += lost.len();
        self.forget(&lost)?;
        self.write(&again)
    }

    fn delete(&self, pack: u32) -> Result<(), StoreError> {
        let mut committed = lock(&self.committed);
        committed.live.remove(&pack);
        committed.catalog.remove(pack);
        match committed.catalog.save(&*self.disk) {
            // On a full disk the pack must go first. Should the power go in between, the pack is reported as missing.
            Ok(()) | Err(StoreError::Full { .. }) => {}
            Err(error) => return Err(error),
        }
        self.files.write().unwrap_or_else(PoisonError::into_inner).remove(&pack);
        self.disk.delete(pack).map_err(io_error("deleting a pack"))?;
        self.disk.sync_names().map_err(io_error("syncing the folder"))?;
        committed.catalog.save(&*self.disk)
    }
}

/// Does the entry stand on this frame?
fn is_needed(entry: &Location, frame: &Frame, pack: u32, offset: u64) -> bool {
    match frame.kind {
        FrameKind::Chunk => (entry.pack, entry.offset) == (pack, offset),
        FrameKind::Renewal => entry.pack != pack && entry.lease_pack == pack && entry.lease == frame.lease,
    }
}
