//! The owner's side of a table: what its segments are, and how postings become updates.

use alloc::{sync::Arc, vec::Vec};

use super::{
    bucket::{self, SegmentKeys, TermTag},
    kernel::Matrix,
    lwe::PublicMatrix,
    parameters::ParameterSet,
    wire::{self, Head, KeywordTable, Kind, Reader},
};
use crate::{
    aead::Key,
    entropy::Entropy,
    hash::{Digest, Domain},
    search::{Kernel, SearchError, Term},
};

const TABLE: Domain = Domain::new("cpchain/crypto/search/keyword-table/v1");

/// "This record has this term."
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Posting {
    /// What can be asked for.
    pub term: Term,
    /// The number of the record, below 2⁴⁰.
    pub record: u64,
}

/// The owner of a table, or a reader to whom the owner gave key and state: the segments with their hints. Asks through
/// [`KeywordClient`](super::KeywordClient).
///
/// The state ([`to_bytes`](Self::to_bytes)) is stored before an update is sent. A state that was rolled back makes hosts refuse queries as
/// stale; it never seals under a key twice, for each sealing has a random salt. Postings themselves are not kept.
pub struct KeywordIndex {
    pub(super) key: Key,
    pub(super) table: KeywordTable,
    pub(super) kernel: Kernel,
    /// Updates so far.
    applied: u32,
    pub(super) segments: Vec<Arc<Segment>>,
}

/// A segment as its owner knows it.
pub(super) struct Segment {
    pub(super) head: Head,
    /// For each element of a secret, one number for each byte of a bucket.
    pub(super) hint: Vec<u32>,
}

impl KeywordIndex {
    /// Segments, at most: [`compact`](Self::compact) before there are more.
    pub const MAX_SEGMENTS: usize = 16;

    /// A new table under a key of its own (for a stream: [`StreamSecret::derive`](crate::key_tree::StreamSecret::derive)). Every query
    /// will fetch `fetches` (1 to 8) buckets from each segment, whatever it asks.
    ///
    /// # Errors
    /// [`SearchError::Fetches`].
    pub fn new(key: Key, set: ParameterSet, fetches: usize) -> Result<Self, SearchError> {
        let id = Digest::of(TABLE, &[key.expose(), &[set as u8], &(fetches as u64).to_le_bytes()]);
        let table = KeywordTable::new(id, set, fetches)?;
        Ok(Self { key, table, kernel: Kernel::best(), applied: 0, segments: Vec::new() })
    }

    /// Computes with this kernel in place of the best.
    pub const fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// What a host needs to know about the table.
    pub const fn table(&self) -> KeywordTable {
        self.table
    }

    /// Buckets of each segment, the oldest first.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = usize> {
        self.segments.iter().map(|segment| segment.head.buckets as usize)
    }

    /// Adds postings as a segment of their own, in any order, and returns the update to send. Segments that exist stay as they are, and
    /// so do their hints: the work is that of the new postings.
    ///
    /// Give whole intervals: hosts see that a segment came, and its size in steps of a quarter, a fifth, a sixth or a seventh.
    ///
    /// # Errors
    /// [`SearchError::Value`] for a record number of 2⁴⁰ or more; [`SearchError::TooMany`] if the postings do not fit into a segment, or there
    /// are [`MAX_SEGMENTS`](Self::MAX_SEGMENTS) already; [`SearchError::Entropy`]. Nothing is added then.
    pub fn append(&mut self, postings: &[Posting], entropy: &mut dyn Entropy) -> Result<Vec<u8>, SearchError> {
        if !postings.iter().all(|posting| bucket::fits(posting.record)) {
            return Err(SearchError::Value);
        }
        let tagged = postings.iter().map(|posting| (bucket::tag(&self.key, &posting.term), posting.record)).collect();
        self.push(self.segments.len(), tagged, entropy)
    }

    /// Merges the last segments into one, and returns the update that replaces them. `updates` are those that made them, the oldest first, as this index
    /// returned them or as a host gave them back ([`KeywordServer::update`](super::KeywordServer::update)): every bucket of them is opened and so verified.
    ///
    /// # Errors
    /// [`SearchError::Format`], [`SearchError::OtherTable`]; [`SearchError::Stale`] if they are not the last segments;
    /// [`SearchError::Tampered`]; as [`append`](Self::append).
    pub fn compact(&mut self, updates: &[&[u8]], entropy: &mut dyn Entropy) -> Result<Vec<u8>, SearchError> {
        let keep = self.segments.len().checked_sub(updates.len()).ok_or(SearchError::Stale)?;
        let mut postings = Vec::new();
        for (segment, update) in self.segments.iter().skip(keep).zip(updates) {
            self.open(segment.head, update, &mut postings)?;
        }
        self.push(keep, postings, entropy)
    }

    /// The state, without the key: heads and hints of the segments.
    pub fn to_bytes(&self) -> Vec<u8> {
        let hints: usize = self.segments.iter().map(|segment| Head::LEN + 4 * segment.hint.len()).sum();
        let mut out = wire::start(Kind::Index, &self.table, 4 + hints);
        out.extend(self.applied.to_le_bytes());
        for segment in &self.segments {
            out.extend(segment.head.to_bytes());
            wire::put_words(&mut out, &segment.hint);
        }
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`SearchError::Format`], and [`SearchError::OtherTable`] if `key` is not the key of this table.
    pub fn from_bytes(key: Key, bytes: &[u8]) -> Result<Self, SearchError> {
        let (mut reader, table) = Reader::open(Kind::Index, bytes)?;
        let mut index = Self::new(key, table.parameters(), table.fetches())?;
        if index.table != table {
            return Err(SearchError::OtherTable);
        }
        index.applied = u32::from_le_bytes(reader.take()?);
        while !reader.rest().is_empty() {
            let head = Head::read(&mut reader)?;
            if index.segments.len() >= Self::MAX_SEGMENTS || head.sequence >= index.applied {
                return Err(Kind::Index.error());
            }
            let hint = reader.words(table.parameters().dimension() * table.parameters().bucket_len())?;
            index.segments.push(Arc::new(Segment { head, hint }));
        }
        Ok(index)
    }

    pub(super) fn view(&self) -> Digest {
        wire::view(&self.table, self.applied, self.segments.iter().map(|segment| segment.head))
    }

    /// Replaces the segments from `keep` on by one of these postings.
    fn push(
        &mut self,
        keep: usize,
        mut postings: Vec<(TermTag, u64)>,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<u8>, SearchError> {
        if keep >= Self::MAX_SEGMENTS {
            return Err(SearchError::TooMany);
        }
        let after = self.applied.checked_add(1).ok_or(SearchError::TooMany)?;
        postings.sort_unstable();
        postings.dedup();
        let numbers = (self.applied, keep as u32);
        let (head, buckets) = bucket::build(&self.key, &self.table, numbers, &postings, entropy)?;
        let set = self.table.parameters();
        let matrix = Matrix::from_columns(set.bucket_len(), &buckets);
        let hint = PublicMatrix::new(&self.table, head).hint(self.kernel, &matrix, set.dimension());
        self.segments.truncate(keep);
        self.segments.push(Arc::new(Segment { head, hint }));
        self.applied = after;
        let mut out = wire::start(Kind::Update, &self.table, Head::LEN + buckets.len());
        out.extend(head.to_bytes());
        out.extend(buckets);
        Ok(out)
    }

    /// The postings of an update.
    fn open(&self, head: Head, update: &[u8], postings: &mut Vec<(TermTag, u64)>) -> Result<(), SearchError> {
        let mut reader = Reader::open_for(Kind::Update, &self.table, update)?;
        if Head::read(&mut reader)? != head {
            return Err(SearchError::Stale);
        }
        let bucket_len = self.table.parameters().bucket_len();
        let mut buckets = reader.slice(head.buckets as usize * bucket_len)?.to_vec();
        reader.end()?;
        let keys = SegmentKeys::new(&self.key, &self.table, head);
        for (number, bucket) in buckets.chunks_exact_mut(bucket_len).enumerate() {
            for entry in keys.open(number, bucket)? {
                postings.extend(entry.records().map(|record| (*entry.tag, record)));
            }
        }
        Ok(())
    }
}

impl core::fmt::Debug for KeywordIndex {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "KeywordIndex({:?}, {} segments)", self.table, self.segments.len())
    }
}
