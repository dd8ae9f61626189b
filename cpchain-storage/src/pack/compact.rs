//! Compaction: what still lives in mostly dead packs is written again, and the packs are deleted.

use std::sync::PoisonError;

use super::{
    files,
    frame::{Frame, FrameKind},
    scan::{Found, scan},
    store::{PackStore, lock, renewal},
};
use crate::{
    chunk::StoreError,
    index::{Change, IndexStore},
};

/// Frames that are written again in one go.
const BATCH: usize = 32;

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

impl<I: IndexStore> PackStore<I> {
    /// Rewrites every full pack whose live bytes are below [`PackOptions::compact_below_percent`](super::PackOptions).
    /// Others may read and put meanwhile. Interrupted at any point, nothing is lost: a pack is deleted after its
    /// live chunks are durable elsewhere.
    ///
    /// # Errors
    /// [`StoreError`]; the packs that were not finished stay.
    pub fn compact(&self) -> Result<Compaction, StoreError> {
        let mut report = Compaction::default();
        let active = lock(&self.writer).pack;
        let packs: Vec<_> = {
            let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
            files.range(..active).map(|(pack, file)| (*pack, file.clone())).collect()
        };
        for (pack, file) in packs {
            let length = files::len(&file)?;
            let live = lock(&self.committed).live.get(&pack).copied().unwrap_or(0);
            if u128::from(live) * 100 >= u128::from(length) * u128::from(self.options.compact_below_percent) {
                continue;
            }
            let mut frames = Vec::new();
            scan(&file, files::PACK_HEADER, u64::MAX, false, |found| {
                if let Found::Frame { offset, frame, .. } = found {
                    frames.push((offset, frame));
                }
                Ok(())
            })?;
            for batch in frames.chunks(BATCH) {
                self.rewrite(pack, batch, &mut report)?;
            }
            // A chunk that was put between the scan and now lies elsewhere: the pack must be empty.
            if lock(&self.committed).live.get(&pack).is_some_and(|live| *live > 0) {
                continue;
            }
            self.files.write().unwrap_or_else(PoisonError::into_inner).remove(&pack);
            lock(&self.committed).live.remove(&pack);
            files::delete(&self.dir, pack)?;
            report.packs += 1;
            report.freed_bytes += length;
        }
        Ok(report)
    }

    fn rewrite(&self, pack: u32, batch: &[(u64, Frame)], report: &mut Compaction) -> Result<(), StoreError> {
        let _all = self.forgetting.write().unwrap_or_else(PoisonError::into_inner);
        let mut again = Vec::with_capacity(batch.len());
        let mut lost = Vec::new();
        for (offset, frame) in batch {
            let Some(location) = self.ask(|index| index.get(&frame.id))? else { continue };
            let is_here = (location.pack, location.offset) == (pack, *offset);
            match frame.kind {
                FrameKind::Chunk if is_here => match self.read(&frame.id, &location) {
                    Ok(Some(body)) => {
                        again.push((Frame { lease: location.lease, ..*frame }, body));
                        report.moved += 1;
                    }
                    _ => lost.push(Change::Remove(frame.id)),
                },
                // The renewal of a chunk in an older pack must outlive this pack.
                FrameKind::Renewal if location.pack != pack => {
                    again.push((renewal(frame.id, location.lease), bytes::Bytes::new()));
                }
                _ => {}
            }
        }
        report.damaged += lost.len();
        self.forget(&lost)?;
        self.write(&again)
    }
}
