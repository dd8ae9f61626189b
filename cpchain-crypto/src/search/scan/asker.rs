//! Queries that are consumed before they are made.

use zeroize::Zeroizing;

use super::{Pending, ScanIndex, Table, wire::Masks};
use crate::{
    aead::Key,
    counter::{CounterStore, SealCounter},
    entropy::{Entropy, SeededEntropy},
    hash::{Digest, Domain},
    search::{Predicate, SearchClient, SearchError},
};

const QUERY: Domain = Domain::new("cpchain/crypto/search/scan-query/v1");

/// Asks about one table, and takes a number from a durable counter for each query.
///
/// The number is consumed **before** anything is computed, and the secrets of the query depend on it, on a key of this asker and on fresh
/// entropy. So no secret serves two queries as long as either the counter or the
/// entropy does what it promises: not after a crash at any point, not with entropy that repeats, not with a counter that was rolled back
/// (`no_query_is_used_twice`). Masks are those of the table, so the host computes no sums with them; if the index keeps a hint, they are not sent either.
pub struct ScanClient<S> {
    index: ScanIndex,
    key: Key,
    counter: SealCounter<S>,
}

impl<S: CounterStore> ScanClient<S> {
    /// Asks about the table of `index`. `key` is of this asker alone, and so is `counter`.
    pub const fn new(index: ScanIndex, key: Key, counter: SealCounter<S>) -> Self {
        Self { index, key, counter }
    }

    /// The index.
    pub const fn index(&self) -> &ScanIndex {
        &self.index
    }

    /// The index, for appending.
    pub const fn index_mut(&mut self) -> &mut ScanIndex {
        &mut self.index
    }

    /// Index and counter, for closing them.
    pub fn into_parts(self) -> (ScanIndex, SealCounter<S>) {
        (self.index, self.counter)
    }
}

impl<S: CounterStore> SearchClient for ScanClient<S> {
    /// One predicate for each field; a record is found if all match.
    type Question = [Predicate];
    type Pending = Pending;
    /// The numbers of the records found, ascending, from 0 in the order of appending.
    type Found = Vec<u64>;

    fn query(&mut self, question: &[Predicate], entropy: &mut dyn Entropy) -> Result<(Vec<u8>, Pending), SearchError> {
        let mut fresh = consume(&mut self.counter, &self.key, &self.index.table(), entropy)?;
        let masks = if self.index.has_hint() { Masks::Held } else { Masks::Kept };
        self.index.ask(question, masks, &mut fresh)
    }

    fn decode(&self, pending: Pending, answer: &[u8]) -> Result<Vec<u64>, SearchError> {
        self.index.decode(pending, answer)
    }
}

/// Takes a number from the counter, and makes of it, the key and fresh entropy what the secrets of one query are drawn from.
pub(super) fn consume<S: CounterStore>(
    counter: &mut SealCounter<S>,
    key: &Key,
    table: &Table,
    entropy: &mut dyn Entropy,
) -> Result<SeededEntropy, SearchError> {
    let slot = counter.next().map_err(|_| SearchError::Counter)?;
    let mut fresh = Zeroizing::new([0; 32]);
    entropy.fill(fresh.as_mut_slice())?;
    let number = [slot.interval().0.to_le_bytes().as_slice(), &slot.index().to_le_bytes()].concat();
    let table = table.to_bytes();
    let parts = [key.expose(), table.as_slice(), &number, &*fresh];
    let seed = Zeroizing::new(Digest::of(QUERY, &parts).0);
    Ok(SeededEntropy::new(&seed))
}

impl<S> core::fmt::Debug for ScanClient<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ScanClient({:?})", self.index)
    }
}
