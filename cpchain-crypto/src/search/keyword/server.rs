//! The host: keeps the sealed buckets, or its share of them, and answers.

use alloc::{vec, vec::Vec};

use super::{
    index::KeywordIndex,
    kernel::Matrix,
    wire::{self, Head, KeywordTable, Kind, Reader, Shares},
};
use crate::{
    hash::Digest,
    search::{Kernel, SearchError, SearchServer},
};

/// Which part of every segment a host keeps: one of several equal runs of buckets.
///
/// Queries go to all hosts as they are, and [`add_answers`] makes one answer of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shard {
    number: u8,
    of: u8,
}

impl Shard {
    /// All of the table.
    pub const WHOLE: Self = Self { number: 0, of: 1 };

    /// Shard `number` (from 0) of `of` (1 to 64).
    pub const fn new(number: u8, of: u8) -> Option<Self> {
        if number < of && of <= 64 { Some(Self { number, of }) } else { None }
    }

    /// Its buckets of a segment: first, and one behind the last.
    const fn range(self, buckets: usize) -> (usize, usize) {
        let (number, of) = (self.number as usize, self.of as usize);
        (buckets * number / of, buckets * (number + 1) / of)
    }
}

/// A host of one table, or of a shard of it. Holds no key; what it stores and sees is uniform noise to it.
///
/// Memory: as many bytes as its buckets have.
pub struct KeywordServer {
    table: KeywordTable,
    shard: Shard,
    max_bytes: u64,
    kernel: Kernel,
    /// Updates so far.
    applied: u32,
    segments: Vec<Stored>,
    view: Digest,
}

struct Stored {
    head: Head,
    matrix: Matrix,
}

/// A query that was read: what to answer to, and for each segment the numbers of each fetch.
struct Asked {
    nonce: [u8; 16],
    vectors: Vec<Vec<Vec<u32>>>,
}

impl KeywordServer {
    /// An empty table, or shard, of at most `max_bytes` bytes of buckets.
    pub fn new(table: KeywordTable, shard: Shard, max_bytes: u64) -> Self {
        let view = wire::view(&table, 0, core::iter::empty());
        Self { table, shard, max_bytes, kernel: Kernel::best(), applied: 0, segments: Vec::new(), view }
    }

    /// Computes with this kernel in place of the best.
    pub const fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// The table that is hosted.
    pub const fn table(&self) -> KeywordTable {
        self.table
    }

    /// What is kept of it.
    pub const fn shard(&self) -> Shard {
        self.shard
    }

    /// Bytes of buckets that it may have.
    pub const fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Updates that were applied: the number of the next one.
    pub const fn applied(&self) -> u32 {
        self.applied
    }

    /// Bytes of all buckets here.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|stored| (stored.matrix.columns() * stored.matrix.rows()) as u64).sum()
    }

    /// The update that made a segment (from 0, the oldest first), for an owner who wants to merge segments. None from a host of a shard.
    pub fn update(&self, segment: usize) -> Option<Vec<u8>> {
        let stored = self.segments.get(segment).filter(|_| self.shard == Shard::WHOLE)?;
        let mut out = wire::start(Kind::Update, &self.table, Head::LEN);
        out.extend(stored.head.to_bytes());
        out.extend(stored.matrix.to_columns());
        Some(out)
    }

    /// The state as bytes: its buckets as they were received.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = wire::start(Kind::Server, &self.table, self.bytes() as usize);
        out.extend([self.shard.number, self.shard.of]);
        out.extend(self.applied.to_le_bytes());
        for stored in &self.segments {
            out.extend(stored.head.to_bytes());
            out.extend(stored.matrix.to_columns());
        }
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`SearchError::Format`]; [`SearchError::TooMany`] for more than `max_bytes` bytes of buckets.
    pub fn from_bytes(bytes: &[u8], max_bytes: u64) -> Result<Self, SearchError> {
        let (mut reader, table) = Reader::open(Kind::Server, bytes)?;
        let [number, of] = reader.take()?;
        let shard = Shard::new(number, of).ok_or(Kind::Server.error())?;
        let mut server = Self::new(table, shard, max_bytes);
        server.applied = u32::from_le_bytes(reader.take()?);
        while !reader.rest().is_empty() {
            let head = Head::read(&mut reader)?;
            if server.segments.len() >= KeywordIndex::MAX_SEGMENTS || head.sequence >= server.applied {
                return Err(Kind::Server.error());
            }
            let (first, end) = shard.range(head.buckets as usize);
            let columns = reader.slice((end - first) * table.parameters().bucket_len())?;
            server.check_room(server.segments.len(), columns.len())?;
            server.segments.push(server.store(head, columns));
        }
        server.refresh_view();
        Ok(server)
    }

    /// Answers several queries, of one client or of many, in one pass over the table: several times faster than one by one.
    pub fn answer_batch(&self, queries: &[&[u8]]) -> Vec<Result<Vec<u8>, SearchError>> {
        let mut asked: Vec<_> = queries.iter().map(|query| self.read_query(query)).collect();
        let mut answers: Vec<_> =
            asked.iter().map(|asked| asked.as_ref().map(|asked| self.start(asked)).map_err(|e| *e)).collect();
        let set = self.table.parameters();
        for (segment, stored) in self.segments.iter().enumerate() {
            let vectors: Vec<Vec<u32>> = asked
                .iter_mut()
                .flatten()
                .filter_map(|asked| asked.vectors.get_mut(segment))
                .flat_map(core::mem::take)
                .collect();
            let mut sums = vec![vec![0; set.bucket_len()]; vectors.len()];
            let borrowed: Vec<&[u32]> = vectors.iter().map(Vec::as_slice).collect();
            self.kernel.multiply_matrix(&stored.matrix, &borrowed, &mut sums);
            for (answer, sums) in answers.iter_mut().flatten().zip(sums.chunks(self.table.fetches())) {
                sums.iter().for_each(|sums| wire::put_words(answer, sums));
            }
        }
        answers
    }

    fn start(&self, asked: &Asked) -> Vec<u8> {
        let words = self.segments.len() * self.table.fetches() * self.table.parameters().bucket_len();
        let mut out = wire::start(Kind::Answer, &self.table, 64 + 4 * words);
        out.extend(self.view.0);
        out.extend(asked.nonce);
        out.extend(Shares::one(self.shard.number, self.shard.of).to_bytes());
        out
    }

    fn read_query(&self, query: &[u8]) -> Result<Asked, SearchError> {
        let mut reader = Reader::open_for(Kind::Query, &self.table, query)?;
        if reader.take()? != self.view.0 {
            return Err(SearchError::Stale);
        }
        let nonce = reader.take()?;
        let buckets: usize = self.segments.iter().map(|stored| stored.head.buckets as usize).sum();
        if reader.rest().len() != 4 * buckets * self.table.fetches() {
            return Err(Kind::Query.error());
        }
        let mut vectors = Vec::with_capacity(self.segments.len());
        for stored in &self.segments {
            let buckets = stored.head.buckets as usize;
            let (first, end) = self.shard.range(buckets);
            let mut of_segment = Vec::with_capacity(self.table.fetches());
            for _ in 0..self.table.fetches() {
                reader.slice(4 * first)?;
                of_segment.push(reader.words(end - first)?);
                reader.slice(4 * (buckets - end))?;
            }
            vectors.push(of_segment);
        }
        Ok(Asked { nonce, vectors })
    }

    /// May `more` bytes come in place of the segments from `keep` on?
    fn check_room(&self, keep: usize, more: usize) -> Result<(), SearchError> {
        let kept: usize =
            self.segments.iter().take(keep).map(|stored| stored.matrix.columns() * stored.matrix.rows()).sum();
        if kept as u64 + more as u64 > self.max_bytes { Err(SearchError::TooMany) } else { Ok(()) }
    }

    fn store(&self, head: Head, columns: &[u8]) -> Stored {
        Stored { head, matrix: Matrix::from_columns(self.table.parameters().bucket_len(), columns) }
    }

    fn refresh_view(&mut self) {
        self.view = wire::view(&self.table, self.applied, self.segments.iter().map(|stored| stored.head));
    }
}

impl SearchServer for KeywordServer {
    fn apply(&mut self, update: &[u8]) -> Result<(), SearchError> {
        let mut reader = Reader::open_for(Kind::Update, &self.table, update)?;
        let head = Head::read(&mut reader)?;
        let bucket_len = self.table.parameters().bucket_len();
        let (first, end) = self.shard.range(head.buckets as usize);
        reader.slice(first * bucket_len)?;
        let columns = reader.slice((end - first) * bucket_len)?;
        reader.slice((head.buckets as usize - end) * bucket_len)?;
        reader.end()?;
        if head.sequence < self.applied {
            return Ok(());
        }
        if head.sequence > self.applied || head.keep as usize > self.segments.len() {
            return Err(SearchError::NotNext { blocks: self.applied });
        }
        let (keep, after) = (head.keep as usize, self.applied.checked_add(1).ok_or(SearchError::TooMany)?);
        if keep >= KeywordIndex::MAX_SEGMENTS {
            return Err(SearchError::TooMany);
        }
        self.check_room(keep, columns.len())?;
        let stored = self.store(head, columns);
        self.segments.truncate(keep);
        self.segments.push(stored);
        self.applied = after;
        self.refresh_view();
        Ok(())
    }

    fn answer(&self, query: &[u8]) -> Result<Vec<u8>, SearchError> {
        self.answer_batch(&[query]).pop().unwrap_or(Err(Kind::Query.error()))
    }
}

/// Makes one answer of those of several shards, in any order and in any grouping. Needs no key: it is what a coordinator does, so that the client gets
/// one answer of the length that one host would have given.
///
/// # Errors
/// [`SearchError::Format`]; [`SearchError::Stale`] for answers to different queries or of different states, or two of one shard.
pub fn add_answers(answers: &[&[u8]]) -> Result<Vec<u8>, SearchError> {
    let format = Kind::Answer.error();
    let (first, others) = answers.split_first().ok_or(format)?;
    let mut sum = wire::Answer::read(first)?;
    for other in others {
        sum.add(&wire::Answer::read(other)?)?;
    }
    Ok(sum.to_bytes())
}

impl core::fmt::Debug for KeywordServer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "KeywordServer({:?}, {:?}, {} segments)", self.table, self.shard, self.segments.len())
    }
}
