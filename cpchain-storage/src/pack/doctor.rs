//! The doctor: reads every byte, says what is wrong, and leaves an index that knows only what is whole.

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
    path::Path,
    sync::PoisonError,
};

use super::{
    catalog::Catalog,
    disk::{self, Disk as _, PACK_HEADER, PackFile, io_error},
    folder::Folder,
    frame::{Frame, FrameKind},
    heal::Cursor,
    report::{Damage, DoctorReport, Findings, IndexState},
    scan::{Found, scan},
    store::{PackStore, index_error, lock},
};
use crate::{
    chunk::{ChunkId, StoreError},
    index::{IndexStore, Location},
};

impl<I: IndexStore> PackStore<I> {
    /// Verifies all packs against the hashes in them, and the index against the packs. Entries of damaged chunks are led to
    /// another copy or taken out; an index that disagrees in any other way is rebuilt. Puts and removals wait, reads go on
    /// but for the time of a rebuild.
    ///
    /// Chunks that had expired and been forgotten, but not compacted away, are there again after a rebuild until the next
    /// expiry.
    ///
    /// # Errors
    /// [`StoreError`]; damage is reported, not an error.
    pub fn doctor(&self) -> Result<DoctorReport, StoreError> {
        let _all = self.forgetting.write().unwrap_or_else(PoisonError::into_inner);
        let mut report = DoctorReport::default();
        // Chunks that the index places where a whole one lies.
        let mut agreeing = 0;
        for (pack, file) in self.packs(..) {
            let to = lock(&self.committed).limit(pack);
            examine(&*file, pack, to, &mut report, |frame, offset| {
                let entry = self.ask(|index| index.get(&frame.id))?;
                agreeing += u64::from(entry.is_some_and(|at| (at.pack, at.offset) == (pack, offset)));
                Ok(())
            })?;
        }
        let damages = report.findings.damages.clone();
        let is_hurt = |at: &Location| damages.iter().any(|damage| damage.hits(at.pack, at.offset));
        let hurt = if damages.is_empty() { 0 } else { self.count(is_hurt)? };
        let is_right = {
            let mut committed = lock(&self.committed);
            let walk = self.walk_index().ok().flatten();
            let is_right = walk.is_some_and(|walk| walk.checkpoint.entries == agreeing + hurt);
            let in_memory = self.spare_index.read().unwrap_or_else(PoisonError::into_inner).is_some();
            if !is_right || in_memory {
                self.rebuild(&mut committed)?;
            }
            is_right
        };
        report.index = if is_right { IndexState::Right } else { IndexState::Rebuilt };
        if !damages.is_empty() {
            self.heal(is_hurt, &mut report.findings)?;
        }
        report.chunks = lock(&self.committed).checkpoint.entries;
        Ok(report)
    }

    fn count(&self, wanted: impl Fn(&Location) -> bool) -> Result<u64, StoreError> {
        let (mut cursor, mut count) = (Cursor::default(), 0);
        let _committed = lock(&self.committed);
        loop {
            let page = self.with_index(|index| cursor.next(index, &wanted)).map_err(index_error)?;
            if page.is_empty() {
                return Ok(count);
            }
            count += page.len() as u64;
        }
    }

    /// Leads the entries of damaged frames to whole copies, or takes them out. The caller lets nobody put or forget.
    fn heal(&self, is_hurt: impl Fn(&Location) -> bool, findings: &mut Findings) -> Result<(), StoreError> {
        let mut cursor = Cursor::default();
        loop {
            let hurt = {
                let _committed = lock(&self.committed);
                self.with_index(|index| cursor.next(index, &is_hurt)).map_err(index_error)?
            };
            if hurt.is_empty() {
                return Ok(());
            }
            let (mut again, mut broken) = (Vec::new(), Vec::new());
            for (id, at) in hurt {
                // Only its header is damaged.
                if let Ok(Some(body)) = self.read(&id, &at) {
                    again.push((Frame { kind: FrameKind::Chunk, length: at.length, lease: at.lease, id }, body));
                } else {
                    broken.push((id, at));
                }
            }
            self.write(&again)?;
            let others = if broken.is_empty() { HashMap::new() } else { self.other_copies(&broken)? };
            broken.iter().filter(|(id, _)| !others.contains_key(id)).for_each(|(id, _)| findings.lose(*id));
            self.replace(&mut lock(&self.committed), &broken, &others).map_err(index_error)?;
        }
    }
}

/// Reads a pack into the report and shows all whole chunks.
fn examine(
    file: &dyn PackFile,
    pack: u32,
    to: u64,
    report: &mut DoctorReport,
    mut chunk: impl FnMut(&Frame, u64) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    report.packs += 1;
    report.bytes += disk::len(file)?.min(to);
    scan(file, PACK_HEADER, to, true, |found| {
        match found {
            Found::Frame { offset, frame, good: true } => {
                report.frames += 1;
                if frame.kind == FrameKind::Chunk {
                    chunk(&frame, offset)?;
                }
            }
            Found::Frame { offset, frame, good: false } => {
                let chunk = Some(frame.id);
                report.findings.damage(Damage { pack, offset, length: frame.len(), chunk });
            }
            Found::Garbage { offset, length } => {
                report.findings.damage(Damage { pack, offset, length, chunk: None });
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(())
}

/// Examines the folder of a store that nobody has open, and changes nothing in it. The index is not looked at, so what lay
/// in a pack that is gone, or under a damaged frame header, is named by its place alone.
///
/// ```
/// # use cpchain_storage::{ChunkStore, Lease, PackOptions, PackStore, index::MemoryIndex, pack};
/// # let dir = tempfile::tempdir()?;
/// PackStore::open(dir.path(), PackOptions::default(), MemoryIndex::default())?.put("x".into(), Lease::FOREVER)?;
/// let report = pack::examine_folder(dir.path())?;
/// assert!(report.is_healthy() && report.chunks == 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`StoreError::InUse`], [`StoreError::Io`], [`StoreError::Version`]; damage is reported, not an error.
pub fn examine_folder(dir: impl AsRef<Path>) -> Result<DoctorReport, StoreError> {
    let folder = Folder::read_only(dir.as_ref())?;
    let mut packs = folder.list().map_err(io_error("listing the packs"))?;
    packs.sort_unstable();
    let mut report = DoctorReport::default();
    let mut lengths = HashMap::new();
    let mut whole: HashSet<ChunkId> = HashSet::new();
    for pack in packs {
        let file = folder.open(pack).map_err(io_error("opening a pack"))?;
        disk::check_version(&*file, pack)?;
        lengths.insert(pack, disk::len(&*file)?);
        examine(&*file, pack, u64::MAX, &mut report, |frame, _| {
            whole.insert(frame.id);
            Ok(())
        })?;
    }
    if let Some(catalog) = Catalog::read(&folder) {
        catalog.missing(|pack| lengths.get(&pack).copied()).for_each(|damage| report.findings.damage(damage));
    }
    let damaged: HashSet<_> = report.findings.damages.iter().filter_map(|damage| damage.chunk).collect();
    damaged.difference(&whole).for_each(|id| report.findings.lose(*id));
    report.chunks = whole.len() as u64;
    Ok(report)
}
