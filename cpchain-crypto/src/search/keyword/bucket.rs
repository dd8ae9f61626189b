//! Postings in buckets: which bucket holds what, sealed under a key of the segment.
//!
//! The records of a term are cut into pages of [`PAGE`]. Each page lies in the bucket that a keyed hash of term and page number says, so
//! that popular terms spread over many buckets, and a client finds a page without asking where it is. A bucket is a row of entries –
//! count, tag, page number unless it is 0, record numbers – that a zero ends, and the tag of its sealing.

use alloc::{vec, vec::Vec};

use super::{
    parameters::ParameterSet,
    wire::{Head, KeywordTable},
};
use crate::{
    aead::{Aead, ChaCha20Poly1305, Key, Nonce, TAG_LEN, Tag},
    entropy::Entropy,
    hash::{Digest, Domain},
    search::{SearchError, Term},
};

const TAG: Domain = Domain::new("cpchain/crypto/search/keyword-tag/v1");
const SEAL: Domain = Domain::new("cpchain/crypto/search/keyword-seal/v1");
const PLACE: Domain = Domain::new("cpchain/crypto/search/keyword-place/v1");

/// Records of a page.
pub(super) const PAGE: usize = 8;
/// Bytes of a term's tag: two of 2³⁰ terms meet with a probability below 2⁻²⁰.
const TAG_BYTES: usize = 10;
/// Bytes of a record number.
const RECORD_BYTES: usize = 5;
/// Set in an entry's count if the term has another page.
const MORE: u8 = 0x80;
/// Set in an entry's count if this page is not the first: its number follows the tag.
const LATER: u8 = 0x40;
const COUNT: u8 = 0x0f;
/// Bytes of a page number.
const NUMBER_BYTES: usize = 3;
/// Buckets of the smallest segment.
const SMALLEST: usize = 256;
/// Salts that are tried for a size.
const TRIES: usize = 4;

/// What the index knows a term by.
pub(super) type TermTag = [u8; TAG_BYTES];

/// The tag of a term in one table.
pub(super) fn tag(key: &Key, term: &Term) -> TermTag {
    let hash = Digest::of(TAG, &[key.expose(), term.as_bytes()]);
    hash.0.first_chunk().copied().unwrap_or_default()
}

/// A record number fits into five bytes.
pub(super) const fn fits(record: u64) -> bool {
    record >> (8 * RECORD_BYTES) == 0
}

/// The keys of one sealing of a segment.
pub(super) struct SegmentKeys {
    cipher: ChaCha20Poly1305,
    place: Key,
    buckets: usize,
}

impl SegmentKeys {
    pub(super) fn new(key: &Key, table: &KeywordTable, head: Head) -> Self {
        let derive =
            |domain| Key::from_bytes(Digest::of(domain, &[key.expose(), &table.to_bytes(), &head.to_bytes()]).0);
        Self { cipher: ChaCha20Poly1305::new(&derive(SEAL)), place: derive(PLACE), buckets: head.buckets as usize }
    }

    /// The bucket of a page.
    pub(super) fn place(&self, tag: &TermTag, page: u32) -> usize {
        let mut input = [0; TAG_BYTES + 4];
        let (to, number) = input.split_at_mut(TAG_BYTES);
        to.copy_from_slice(tag);
        number.copy_from_slice(&page.to_le_bytes());
        let hash = blake3::keyed_hash(self.place.expose(), &input);
        let word = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        ((u128::from(word) * self.buckets as u128) >> 64) as usize
    }

    /// Seals all buckets, whose last bytes are free for it.
    pub(super) fn seal(&self, buckets: &mut [u8], bucket_len: usize) -> Result<(), SearchError> {
        for (number, bucket) in buckets.chunks_exact_mut(bucket_len).enumerate() {
            let (body, end) = bucket.split_at_mut(bucket_len - TAG_LEN);
            let sealed = self.cipher.seal(&Nonce::counter(number as u64, 0), b"", body);
            end.copy_from_slice(&sealed.map_err(|_| SearchError::Value)?.0);
        }
        Ok(())
    }

    /// Opens one bucket in place and returns its entries, or [`SearchError::Tampered`].
    pub(super) fn open<'a>(&self, number: usize, bucket: &'a mut [u8]) -> Result<Entries<'a>, SearchError> {
        let (body, end) = bucket.split_last_chunk_mut::<TAG_LEN>().ok_or(SearchError::Tampered)?;
        let opened = self.cipher.open(&Nonce::counter(number as u64, 0), b"", body, &Tag(*end));
        opened.map_err(|_| SearchError::Tampered)?;
        Ok(Entries(body))
    }
}

/// One page of a term.
pub(super) struct Entry<'a> {
    pub(super) tag: &'a TermTag,
    pub(super) page: u32,
    pub(super) more: bool,
    records: &'a [[u8; RECORD_BYTES]],
}

impl Entry<'_> {
    pub(super) fn records(&self) -> impl Iterator<Item = u64> + '_ {
        self.records.iter().map(|bytes| number(bytes))
    }
}

/// A number of at most eight bytes, the lowest first.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Reads an opened bucket.
pub(super) struct Entries<'a>(&'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (&count, rest) = self.0.split_first().filter(|(count, _)| **count != 0)?;
        let (tag, rest) = rest.split_first_chunk()?;
        let (page, rest) = rest.split_at_checked(if count & LATER == 0 { 0 } else { NUMBER_BYTES })?;
        let (records, rest) = rest.split_at_checked(usize::from(count & COUNT) * RECORD_BYTES)?;
        self.0 = rest;
        Some(Entry { tag, page: number(page) as u32, more: count & MORE != 0, records: records.as_chunks().0 })
    }
}

/// Places sorted postings without duplicates into buckets and seals them, with as few buckets as fit: four sizes for each doubling.
pub(super) fn build(
    key: &Key,
    table: &KeywordTable,
    (sequence, keep): (u32, u32),
    postings: &[(TermTag, u64)],
    entropy: &mut dyn Entropy,
) -> Result<(Head, Vec<u8>), SearchError> {
    let bucket_len = table.parameters().bucket_len();
    let body = bucket_len - TAG_LEN;
    let pages = || postings.chunk_by(|a, b| a.0 == b.0).flat_map(pages_of);
    if postings.chunk_by(|a, b| a.0 == b.0).any(|of_term| of_term.len() > PAGE << (8 * NUMBER_BYTES)) {
        return Err(SearchError::TooMany);
    }
    let total: usize = pages().map(|page| page.len()).sum();
    for buckets in sizes().skip_while(|buckets| buckets * body * 5 < total * 8) {
        for _ in 0..TRIES {
            let mut head = Head { sequence, keep, buckets: buckets as u32, salt: [0; 16] };
            entropy.fill(&mut head.salt)?;
            let keys = SegmentKeys::new(key, table, head);
            let Some(places) = place(pages(), &keys, body) else { continue };
            let mut filled = fill(pages(), &places, &keys, bucket_len);
            keys.seal(&mut filled, bucket_len)?;
            return Ok((head, filled));
        }
    }
    Err(SearchError::TooMany)
}

/// 256, 320, 384, 448, 512, 640, …
fn sizes() -> impl Iterator<Item = usize> {
    let octaves = (0..).map(|octave| SMALLEST << octave).take_while(|size| *size <= ParameterSet::MAX_BUCKETS);
    octaves
        .flat_map(|size| (4..8).map(move |quarters| size / 4 * quarters))
        .filter(|size| *size <= ParameterSet::MAX_BUCKETS)
}

/// A page before it is placed.
struct Page<'a> {
    tag: &'a TermTag,
    number: u32,
    more: bool,
    postings: &'a [(TermTag, u64)],
}

impl Page<'_> {
    const fn len(&self) -> usize {
        1 + TAG_BYTES + self.number_bytes() + RECORD_BYTES * self.postings.len()
    }

    const fn number_bytes(&self) -> usize {
        if self.number == 0 { 0 } else { NUMBER_BYTES }
    }

    fn write(&self, to: &mut [u8]) {
        let flags = if self.more { MORE } else { 0 } | if self.number == 0 { 0 } else { LATER };
        let count = self.postings.len() as u8 | flags;
        let number = self.number.to_le_bytes().into_iter().take(self.number_bytes());
        let records = self.postings.iter().flat_map(|(_, record)| record.to_le_bytes().into_iter().take(RECORD_BYTES));
        let bytes = core::iter::once(count).chain(*self.tag).chain(number).chain(records);
        to.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
    }
}

/// The pages of postings of one term.
fn pages_of(postings: &[(TermTag, u64)]) -> impl Iterator<Item = Page<'_>> {
    let last = postings.len().div_ceil(PAGE) as u32;
    let numbered = (0..last).zip(postings.chunks(PAGE));
    numbered.filter_map(move |(number, postings)| {
        let (tag, _) = postings.first()?;
        Some(Page { tag, number, more: number + 1 < last, postings })
    })
}

/// The bucket of every page, unless one overflows.
fn place<'a>(pages: impl Iterator<Item = Page<'a>>, keys: &SegmentKeys, body: usize) -> Option<Vec<u32>> {
    let mut used = vec![0; keys.buckets];
    let mut places = Vec::new();
    for page in pages {
        let place = keys.place(page.tag, page.number);
        let used = used.get_mut(place)?;
        *used += page.len();
        if *used > body {
            return None;
        }
        places.push(place as u32);
    }
    Some(places)
}

/// Writes every page into its bucket, where it fits.
fn fill<'a>(pages: impl Iterator<Item = Page<'a>>, places: &[u32], keys: &SegmentKeys, bucket_len: usize) -> Vec<u8> {
    let mut out = vec![0; keys.buckets * bucket_len];
    let mut used = vec![0; keys.buckets];
    for (page, place) in pages.zip(places) {
        let place = *place as usize;
        let bucket = out.chunks_exact_mut(bucket_len).nth(place);
        if let (Some(bucket), Some(used)) = (bucket, used.get_mut(place)) {
            page.write(bucket.get_mut(*used..).unwrap_or_default());
            *used += page.len();
        }
    }
    out
}
