//! Asking and reading answers.

use alloc::{sync::Arc, vec::Vec};

use zeroize::Zeroizing;

use super::{
    bucket::{self, PAGE, SegmentKeys, TermTag},
    index::{KeywordIndex, Segment},
    lwe::{self, PublicMatrix, Secret, Small},
    parameters::SCALE,
    wire::{self, Kind, Reader},
};
use crate::{
    aead::Key,
    counter::{CounterError, CounterStore, SealCounter},
    entropy::{Entropy, EntropyError},
    hash::{Digest, Domain},
    search::{SearchClient, SearchError, Term},
};

const QUERY: Domain = Domain::new("cpchain/crypto/search/keyword-query/v1");

/// One page of the records of a term: the first has the first [`Lookup::PAGE`] of each segment, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lookup {
    /// What is looked for.
    pub term: Term,
    /// Which page, from 0.
    pub page: u32,
}

impl Lookup {
    /// Records that a page has from each segment, at most.
    pub const PAGE: usize = PAGE;

    /// So many pages of a term, from the first on.
    pub fn pages(term: Term, count: u32) -> Vec<Self> {
        (0..count).map(|page| Self { term, page }).collect()
    }
}

/// What a lookup found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Numbers of the records, ascending and each once.
    pub records: Vec<u64>,
    /// Is there another page? If not, the records of this page and those before it are all that the table has.
    pub more: bool,
}

/// Why no query could be prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError<E> {
    /// The query could not be consumed durably.
    #[error("the query could not be consumed: {0}")]
    Counter(CounterError<E>),
    /// The source of randomness failed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Asks about one table.
///
/// Nearly all work of a query does not depend on the question: [`prepare`](Self::prepare) does it beforehand, and
/// [`query`](SearchClient::query) then takes microseconds. Each query takes a number from the counter **before** anything is computed for it, and its
/// secret depends on that number, on a key of this asker and on fresh entropy. So no secret serves two queries as long as either the counter or the
/// entropy does what it promises: not after a crash at any point, not with entropy that repeats, not with a counter that was rolled back
/// (`no_query_is_used_twice`). Prepared queries are in memory alone, and wiped when dropped.
pub struct KeywordClient<S> {
    index: KeywordIndex,
    key: Key,
    counter: SealCounter<S>,
    prepared: Vec<Prepared>,
}

/// A query of nothing: encryptions of zeros, waiting for a question.
struct Prepared {
    nonce: [u8; 16],
    /// One for each fetch.
    secrets: Vec<Secret>,
    /// For each segment, one for each fetch.
    samples: Vec<Vec<Secret>>,
    dummies: Small,
    segments: Vec<Arc<Segment>>,
    view: Digest,
}

/// The half of a query that stays with the client. Wiped when dropped.
pub struct Pending {
    nonce: [u8; 16],
    secrets: Vec<Secret>,
    /// What each fetch is for; the last ones for nothing.
    aims: Vec<Option<(TermTag, u32)>>,
    /// For each segment, the bucket of each fetch.
    places: Vec<Vec<usize>>,
    segments: Vec<Arc<Segment>>,
    view: Digest,
}

impl<S: CounterStore> KeywordClient<S> {
    /// Asks about the table of `index`. `key` is of this asker alone, and so is `counter`.
    pub const fn new(index: KeywordIndex, key: Key, counter: SealCounter<S>) -> Self {
        Self { index, key, counter, prepared: Vec::new() }
    }

    /// The index.
    pub const fn index(&self) -> &KeywordIndex {
        &self.index
    }

    /// The index, for appending. Queries that were prepared for its state before are of no use after a change and are dropped.
    pub const fn index_mut(&mut self) -> &mut KeywordIndex {
        &mut self.index
    }

    /// Index and counter, for closing them.
    pub fn into_parts(self) -> (KeywordIndex, SealCounter<S>) {
        (self.index, self.counter)
    }

    /// Queries that are prepared for the present state of the index.
    pub fn prepared(&self) -> usize {
        let view = self.index.view();
        self.prepared.iter().filter(|prepared| prepared.view == view).count()
    }

    /// Consumes a query number durably and computes all of a query that does not depend on the question.
    ///
    /// # Errors
    /// [`PrepareError`]; a number may be lost then, and it may be tried again.
    pub fn prepare(&mut self, entropy: &mut dyn Entropy) -> Result<(), PrepareError<S::Error>> {
        let slot = self.counter.next().map_err(PrepareError::Counter)?;
        let (kernel, table) = (self.index.kernel, self.index.table);
        let mut fresh = Zeroizing::new([0; 32]);
        entropy.fill(fresh.as_mut_slice())?;
        let number = [slot.interval().0.to_le_bytes().as_slice(), &slot.index().to_le_bytes()].concat();
        let id = table.id();
        let derive = |part: &[u8]| {
            let parts = [self.key.expose(), id.0.as_slice(), &number, &*fresh, part];
            Zeroizing::new(Digest::of(QUERY, &parts).0)
        };
        let mut small = Small::new(&derive(b"secrets and errors"));
        let secrets: Vec<_> = (0..table.fetches()).map(|_| small.take(table.parameters().dimension())).collect();
        let encrypt = |segment: &Arc<Segment>| {
            let errors = secrets.iter().map(|_| small.take(segment.head.buckets as usize)).collect();
            PublicMatrix::new(&table, segment.head).encrypt_zeros(kernel, &secrets, errors)
        };
        let samples = self.index.segments.iter().map(encrypt).collect();
        let nonce = derive(b"nonce").first_chunk().copied().unwrap_or_default();
        let (segments, view) = (self.index.segments.clone(), self.index.view());
        let dummies = Small::new(&derive(b"dummies"));
        self.prepared.retain(|prepared| prepared.view == view);
        self.prepared.push(Prepared { nonce, secrets, samples, dummies, segments, view });
        Ok(())
    }

    /// A prepared query for the present state, made if there is none.
    fn take(&mut self, entropy: &mut dyn Entropy) -> Result<Prepared, SearchError> {
        if self.prepared() == 0 {
            self.prepare(entropy).map_err(|error| match error {
                PrepareError::Counter(_) => SearchError::Counter,
                PrepareError::Entropy(error) => error.into(),
            })?;
        }
        let view = self.index.view();
        self.prepared.retain(|prepared| prepared.view == view);
        self.prepared.pop().ok_or(SearchError::Counter)
    }
}

impl<S: CounterStore> SearchClient for KeywordClient<S> {
    /// At most as many lookups as the table fetches at a time; what is missing is filled up with fetches of random buckets.
    type Question = [Lookup];
    type Pending = Pending;
    /// A page for each lookup.
    type Found = Vec<Page>;

    fn query(&mut self, question: &[Lookup], entropy: &mut dyn Entropy) -> Result<(Vec<u8>, Pending), SearchError> {
        let table = self.index.table;
        if question.len() > table.fetches() {
            return Err(SearchError::Fetches);
        }
        let mut prepared = self.take(entropy)?;
        let mut aims: Vec<_> =
            question.iter().map(|lookup| Some((bucket::tag(&self.index.key, &lookup.term), lookup.page))).collect();
        aims.resize(table.fetches(), None);
        let words: usize = prepared.samples.iter().flatten().map(|sample| sample.len()).sum();
        let mut out = wire::start(Kind::Query, &table, 32 + 16 + 4 * words);
        out.extend(prepared.view.0);
        out.extend(prepared.nonce);
        let mut places = Vec::with_capacity(prepared.segments.len());
        for (segment, mut samples) in prepared.segments.iter().zip(prepared.samples) {
            let keys = SegmentKeys::new(&self.index.key, &table, segment.head);
            let mut of_segment = Vec::with_capacity(aims.len());
            for (aim, sample) in aims.iter().zip(&mut samples) {
                let place = match aim {
                    Some((tag, page)) => keys.place(tag, *page),
                    None => prepared.dummies.below(sample.len()),
                };
                if let Some(number) = sample.get_mut(place) {
                    *number = number.wrapping_add(SCALE);
                }
                of_segment.push(place);
                wire::put_words(&mut out, sample);
            }
            places.push(of_segment);
        }
        let Prepared { nonce, secrets, segments, view, .. } = prepared;
        Ok((out, Pending { nonce, secrets, aims, places, segments, view }))
    }

    fn decode(&self, pending: Pending, answer: &[u8]) -> Result<Vec<Page>, SearchError> {
        let table = self.index.table;
        let mut reader = Reader::open_for(Kind::Answer, &table, answer)?;
        if reader.take()? != pending.view.0 {
            return Err(SearchError::Stale);
        }
        if reader.take()? != pending.nonce {
            return Err(SearchError::Tampered);
        }
        if !wire::Shares::read(&mut reader)?.complete() {
            return Err(SearchError::Incomplete);
        }
        let mut pages: Vec<_> = pending.aims.iter().map(|_| Page { records: Vec::new(), more: false }).collect();
        for (segment, places) in pending.segments.iter().zip(&pending.places) {
            let keys = SegmentKeys::new(&self.index.key, &table, segment.head);
            for (((secret, place), aim), page) in pending.secrets.iter().zip(places).zip(&pending.aims).zip(&mut pages)
            {
                let answer = reader.words(table.parameters().bucket_len())?;
                let mut bucket = lwe::read(self.index.kernel, &answer, &segment.hint, secret);
                // Fetches that nobody asked for are opened, too: a false answer to any of them is seen alike.
                let entries = keys.open(*place, &mut bucket)?;
                let Some((tag, number)) = aim else { continue };
                for entry in entries.filter(|entry| entry.tag == tag && entry.page == *number) {
                    page.records.extend(entry.records());
                    page.more |= entry.more;
                }
            }
        }
        reader.end()?;
        for page in &mut pages {
            page.records.sort_unstable();
            page.records.dedup();
        }
        pages.truncate(pending.aims.iter().flatten().count());
        Ok(pages)
    }
}

impl<S> core::fmt::Debug for KeywordClient<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "KeywordClient({:?}, {} prepared)", self.index, self.prepared.len())
    }
}

impl core::fmt::Debug for Pending {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Pending({:?})", self.view)
    }
}
