//! Entries whose frame is damaged or gone: finding them, and finding other copies.

use std::{collections::HashMap, ops::ControlFlow};

use super::{
    commit::Write,
    disk::PACK_HEADER,
    frame::{FRAME_HEADER, FrameKind},
    scan::{Found, scan},
    store::PackStore,
};
use crate::{
    chunk::{ChunkId, StoreError},
    index::{IndexError, IndexStore, Location},
};

/// Entries that are looked at together.
pub(super) const PAGE: usize = 4096;

/// Where the frame of an entry ends.
pub(super) const fn end_of(at: &Location) -> u64 {
    at.offset.saturating_add(FRAME_HEADER as u64 + at.length as u64)
}

/// Goes through an index from front to end, a page at a time.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    after: Option<ChunkId>,
}

impl Cursor {
    /// The next entries that are `wanted`, about a page of them; none at the end.
    pub(super) fn next(
        &mut self,
        index: &dyn IndexStore,
        wanted: impl Fn(&Location) -> bool,
    ) -> Result<Vec<(ChunkId, Location)>, IndexError> {
        let mut found = Vec::new();
        while found.len() < PAGE {
            let page = index.page(self.after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            self.after = Some(*last);
            found.extend(page.into_iter().filter(|(_, at)| wanted(at)));
        }
        Ok(found)
    }
}

impl<I: IndexStore> PackStore<I> {
    /// Whole copies of chunks elsewhere than their entries say, by reading all frame headers.
    pub(super) fn other_copies(
        &self,
        entries: &[(ChunkId, Location)],
    ) -> Result<HashMap<ChunkId, Location>, StoreError> {
        let wanted: HashMap<_, _> = entries.iter().copied().collect();
        let mut others = HashMap::new();
        for (pack, file) in self.packs(..) {
            scan(&*file, PACK_HEADER, u64::MAX, false, |found| {
                if let Found::Frame { offset, frame, good: true } = found
                    && frame.kind == FrameKind::Chunk
                    && let Some(old) = wanted.get(&frame.id)
                    && (old.pack, old.offset) != (pack, offset)
                {
                    let write = Write::of(frame, pack, offset);
                    if let (Some(at), Write::Chunk(id, here)) = (write.onto(Some(*old)), write)
                        && matches!(self.read(&id, &here), Ok(Some(_)))
                    {
                        others.insert(id, at);
                    }
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(others)
    }
}
