//! The doctor: reads every byte, says what is wrong, and leaves an index that knows only what is whole.

use std::sync::PoisonError;

use super::{
    commit::Write,
    files::{self, PACK_HEADER},
    scan::{Found, scan},
    store::{PackStore, lock},
};
use crate::{
    chunk::{ChunkId, StoreError},
    index::{Checkpoint, IndexStore},
};

/// Damages that are listed one by one.
const LISTED: usize = 1024;

/// A place in a pack that is not what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// The pack.
    pub pack: u32,
    /// Where in it.
    pub offset: u64,
    /// Bytes concerned.
    pub length: u64,
    /// The chunk, if its header is whole: fetch it again.
    pub chunk: Option<ChunkId>,
}

/// What the doctor found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DoctorReport {
    /// Packs read.
    pub packs: usize,
    /// Bytes read.
    pub bytes: u64,
    /// Whole frames.
    pub frames: u64,
    /// Chunks that can be read.
    pub chunks: u64,
    /// Damaged places, in all.
    pub damaged: u64,
    /// The first 1024 of them.
    pub damages: Vec<Damage>,
    /// Did the index agree with the packs before? It does now.
    pub index_agreed: bool,
}

impl<I: IndexStore> PackStore<I> {
    /// Verifies all packs against the hashes in them and rebuilds the index from what is whole. Puts and removals wait, reads
    /// may find a chunk missing meanwhile.
    ///
    /// Chunks that had expired and been forgotten, but not compacted away, are there again until the next expiry.
    ///
    /// # Errors
    /// [`StoreError`]; damage is reported, not an error.
    pub fn doctor(&self) -> Result<DoctorReport, StoreError> {
        let _all = self.forgetting.write().unwrap_or_else(PoisonError::into_inner);
        let mut committed = lock(&self.committed);
        let packs: Vec<_> = {
            let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
            files.iter().map(|(pack, file)| (*pack, file.clone())).collect()
        };
        let before = self.index.checkpoint().ok().flatten();
        self.index.reset().map_err(|error| StoreError::Index(error.to_string()))?;
        committed.live.clear();
        let first = packs.first().map_or(1, |(pack, _)| *pack);
        committed.checkpoint = Checkpoint { pack: first, offset: PACK_HEADER, ..Checkpoint::default() };
        let mut report = DoctorReport::default();
        for (pack, file) in packs {
            report.packs += 1;
            let to = committed.limit(pack).min(files::len(&file)?);
            report.bytes += to;
            let mut writes = Vec::new();
            let end = scan(&file, PACK_HEADER, to, true, |found| {
                let damage = match found {
                    Found::Frame { offset, frame, good: true } => {
                        report.frames += 1;
                        writes.push(Write::of(frame, pack, offset));
                        return Ok(());
                    }
                    Found::Frame { offset, frame, good: false } => {
                        Damage { pack, offset, length: frame.len(), chunk: Some(frame.id) }
                    }
                    Found::Garbage { offset, length } => Damage { pack, offset, length, chunk: None },
                };
                report.damaged += 1;
                if report.damages.len() < LISTED {
                    report.damages.push(damage);
                }
                Ok(())
            })?;
            // Garbage at the end has been looked at too.
            let at = (pack, end.max(to));
            self.apply(&mut committed, &writes, at).map_err(|error| StoreError::Index(error.to_string()))?;
        }
        report.chunks = committed.checkpoint.entries;
        let content = |mark: Checkpoint| (mark.entries, mark.fingerprint);
        report.index_agreed = before.map(content) == Some(content(committed.checkpoint));
        Ok(report)
    }
}
