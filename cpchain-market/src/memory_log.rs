//! A listing log in memory, for one process.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use cpchain_crypto::{Digest, Domain, PublicKey};

use crate::{
    book::{ChainRecord, PreviewDraw},
    listing::{Action, RevisionId, SignedOperation},
    log::{Cursor, ListingLog, LogEntry, LogError, Origin, Page},
    units::Height,
};

const RANDOMNESS: Domain = Domain::new("cpchain/market/memory-log-randomness/v1");

/// A [`ListingLog`] whose blocks are made by [`seal_block`](Self::seal_block): for a market of one operator, for
/// demonstrations and for tests. Each block draws the previews that were offered in the one before, as a chain does.
///
/// ```
/// use cpchain_market::{Cursor, Height, ListingLog, MemoryLog};
/// let log = MemoryLog::default();
/// assert_eq!(log.seal_block(), Height(1));
/// assert!(log.read(Cursor::START, 10)?.entries.is_empty());
/// # Ok::<(), cpchain_market::LogError>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryLog(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tip: u64,
    entries: BTreeMap<Cursor, (Origin, Vec<u8>)>,
    places: BTreeMap<RevisionId, Cursor>,
    waiting: Vec<(Origin, Vec<u8>)>,
    /// Previews that the next block draws.
    offered: Vec<(PublicKey, Digest)>,
    /// Those that were offered: each is drawn once.
    drawn: BTreeSet<(PublicKey, Digest)>,
    seen: BTreeSet<RevisionId>,
}

impl MemoryLog {
    /// Makes the next block out of all that was appended since the last one.
    pub fn seal_block(&self) -> Height {
        let mut inner = self.inner();
        inner.tip += 1;
        let height = Height(inner.tip);
        let draws = core::mem::take(&mut inner.offered).into_iter().map(|(seller, manifest)| {
            let randomness = Digest::of(RANDOMNESS, &[&height.0.to_be_bytes()]);
            let record = ChainRecord::Draw(PreviewDraw { seller, manifest, randomness });
            (Origin::Chain, record.to_bytes())
        });
        let entries: Vec<_> = draws.collect();
        let waiting = core::mem::take(&mut inner.waiting);
        for (index, (origin, bytes)) in (0u32..).zip(entries.into_iter().chain(waiting)) {
            let at = Cursor { height, index };
            if origin == Origin::Party
                && let Ok(operation) = SignedOperation::from_bytes(&bytes)
            {
                inner.places.entry(operation.id()).or_insert(at);
                if let Action::OfferPreview(offer) = &operation.operation().action {
                    let of = (operation.operation().seller, offer.manifest);
                    if inner.drawn.insert(of) {
                        inner.offered.push(of);
                    }
                }
            }
            inner.entries.insert(at, (origin, bytes));
        }
        height
    }

    /// Puts a record into the next block, as the chain's modules do when an order ends.
    pub fn record(&self, record: &ChainRecord) {
        self.inner().waiting.push((Origin::Chain, record.to_bytes()));
    }

    /// Puts bytes into the next block as they are, valid or not: a chain takes what its proposers put in.
    pub fn append_unchecked(&self, bytes: Vec<u8>) {
        self.inner().waiting.push((Origin::Party, bytes));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ListingLog for MemoryLog {
    fn append(&self, operation: &SignedOperation) -> Result<(), LogError> {
        let mut inner = self.inner();
        if inner.seen.insert(operation.id()) {
            inner.waiting.push((Origin::Party, operation.as_bytes().to_vec()));
        }
        Ok(())
    }

    fn position(&self, id: RevisionId) -> Result<Option<Cursor>, LogError> {
        Ok(self.inner().places.get(&id).copied())
    }

    fn tip(&self) -> Result<Height, LogError> {
        Ok(Height(self.inner().tip))
    }

    fn read(&self, from: Cursor, limit: usize) -> Result<Page, LogError> {
        let inner = self.inner();
        let limit = limit.max(1);
        let entries: Vec<_> = inner
            .entries
            .range(from..)
            .take(limit)
            .map(|(at, (origin, bytes))| LogEntry { at: *at, origin: *origin, bytes: bytes.clone() })
            .collect();
        let end = Cursor { height: Height(inner.tip), index: 0 }.next_block();
        let next = match entries.last() {
            Some(last) if entries.len() == limit => last.at.next(),
            _ => end.max(from),
        };
        Ok(Page { entries, next })
    }
}
