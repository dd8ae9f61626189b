//! What every [`IndexStore`] must pass: run it on your own.

use super::{Change, Checkpoint, IndexStore, Location};
use crate::chunk::{ChunkId, Lease};

/// Which promise an index broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the index breaks its promise: {0}")]
pub struct Broken(pub String);

/// Runs the suite on an empty index, with `reopen` to close and open it again (give it back as it is if it is in memory).
///
/// ```
/// use cpchain_storage::index::{MemoryIndex, conformance};
/// conformance::check(MemoryIndex::default(), |index| index)?;
/// # Ok::<(), conformance::Broken>(())
/// ```
///
/// # Errors
/// [`Broken`] names the promise.
pub fn check<I: IndexStore>(index: I, reopen: impl Fn(I) -> I) -> Result<(), Broken> {
    let fail = |what: &str| Err(Broken(what.to_owned()));
    let called = |error: super::IndexError| Broken(error.to_string());
    let id = |n: u64| ChunkId::of(&n.to_le_bytes());
    let at = |n: u64| Location { pack: 1, length: n as u32, offset: n * 100, lease: Lease(n), lease_pack: 2 };
    let mut mark = Checkpoint { pack: 1, offset: 0, entries: 0, fingerprint: 0 };

    if index.checkpoint().map_err(called)?.is_some() || index.get(&id(0)).map_err(called)?.is_some() {
        return fail("a new index is empty");
    }
    let sets: Vec<_> = (0..100).map(|n| Change::Set(id(n), at(n))).collect();
    for n in 0..100 {
        mark.toggle(&id(n), &at(n));
    }
    (mark.entries, mark.offset) = (100, 10_000);
    index.apply(&sets, &mark).map_err(called)?;
    if index.get(&id(7)).map_err(called)? != Some(at(7)) || index.checkpoint().map_err(called)? != Some(mark) {
        return fail("what was applied is there");
    }
    if page_through(&index, 7)? != 100 || page_through(&index, 1000)? != 100 {
        return fail("pages give every entry once, ascending, and nothing else");
    }
    let last_wins =
        [Change::Set(id(3), at(4)), Change::Remove(id(3)), Change::Set(id(3), at(5)), Change::Remove(id(9))];
    mark.offset += 1;
    index.apply(&last_wins, &mark).map_err(called)?;
    if index.get(&id(3)).map_err(called)? != Some(at(5)) || index.get(&id(9)).map_err(called)?.is_some() {
        return fail("changes are applied in their order");
    }
    index.flush().map_err(called)?;
    let index = reopen(index);
    if index.checkpoint().map_err(called)? != Some(mark) || index.get(&id(3)).map_err(called)? != Some(at(5)) {
        return fail("a closed index comes back as it was");
    }
    index.reset().map_err(called)?;
    if index.checkpoint().map_err(called)?.is_some() || page_through(&index, 10)? != 0 {
        return fail("a reset index is empty");
    }
    index.apply(&sets, &mark).map_err(called)?;
    if index.get(&id(9)).map_err(called)? != Some(at(9)) {
        return fail("a reset index works");
    }
    Ok(())
}

fn page_through(index: &impl IndexStore, limit: usize) -> Result<usize, Broken> {
    let mut after: Option<ChunkId> = None;
    let mut count = 0;
    loop {
        let page = index.page(after.as_ref(), limit).map_err(|error| Broken(error.to_string()))?;
        for (id, _) in &page {
            if after.is_some_and(|last| last >= *id) {
                return Err(Broken("pages ascend".to_owned()));
            }
            after = Some(*id);
        }
        count += page.len();
        if page.len() < limit {
            return Ok(count);
        }
    }
}
