//! Bytes of updates, queries and answers: versioned, of a length that the head fixes, bounded.

use alloc::vec::Vec;

use super::parameters::ParameterSet;
use crate::{
    hash::{Digest, Domain},
    search::{
        SearchError,
        wire::{self, About},
    },
};

pub(super) use wire::start;

/// Reads messages about keyword tables.
pub(super) type Reader<'a> = wire::Reader<'a, Kind>;

const VIEW: Domain = Domain::new("cpchain/crypto/search/keyword-view/v1");

/// Kinds of messages, the second byte of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Update = 17,
    Query = 18,
    Answer = 19,
    Server = 20,
    Index = 21,
}

impl Kind {
    pub(super) const fn error(self) -> SearchError {
        let what = match self {
            Self::Update => "update of a keyword table",
            Self::Query => "keyword query",
            Self::Answer => "keyword answer",
            Self::Server => "stored keyword table",
            Self::Index => "stored keyword index",
        };
        SearchError::Format { what }
    }
}

impl wire::Kind for Kind {
    const VERSION: u8 = 1;
    type Table = KeywordTable;

    fn code(self) -> u8 {
        self as u8
    }

    fn error(self) -> SearchError {
        Self::error(self)
    }
}

/// What owner and host agree on about a table. Public: 34 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeywordTable {
    id: Digest,
    set: ParameterSet,
    fetches: u8,
}

impl KeywordTable {
    /// Fetches of a query, at most.
    pub const MAX_FETCHES: usize = 8;
    pub(super) const LEN: usize = 34;

    pub(super) const fn new(id: Digest, set: ParameterSet, fetches: usize) -> Result<Self, SearchError> {
        if fetches == 0 || fetches > Self::MAX_FETCHES {
            return Err(SearchError::Fetches);
        }
        Ok(Self { id, set, fetches: fetches as u8 })
    }

    /// The table's name: says nothing about its key.
    pub const fn id(&self) -> Digest {
        self.id
    }

    /// The parameters.
    pub const fn parameters(&self) -> ParameterSet {
        self.set
    }

    /// Buckets that every query fetches from each segment.
    pub const fn fetches(&self) -> usize {
        self.fetches as usize
    }

    /// Id, parameters and fetches.
    pub fn to_bytes(&self) -> [u8; 34] {
        let mut out = [0; Self::LEN];
        let (id, rest) = out.split_at_mut(32);
        id.copy_from_slice(&self.id.0);
        rest.copy_from_slice(&[self.set as u8, self.fetches]);
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`SearchError::Format`] for another length or an unknown set, [`SearchError::Fetches`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SearchError> {
        let format = SearchError::Format { what: "keyword table" };
        let (id, rest) = bytes.split_first_chunk::<32>().ok_or(format)?;
        let &[set, fetches] = rest else { return Err(format) };
        Self::new(Digest(*id), ParameterSet::from_byte(set)?, usize::from(fetches))
    }
}

impl About for KeywordTable {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.to_bytes());
    }

    fn get<K: wire::Kind>(reader: &mut wire::Reader<'_, K>) -> Result<Self, SearchError> {
        Self::from_bytes(&reader.take::<{ Self::LEN }>()?)
    }
}

/// Which sealing of which postings a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Number of the update that made it.
    pub(super) sequence: u32,
    /// Segments before it that stay; it replaces the others.
    pub(super) keep: u32,
    /// Columns, which are buckets.
    pub(super) buckets: u32,
    pub(super) salt: [u8; 16],
}

impl Head {
    pub(super) const LEN: usize = 28;

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let (numbers, salt) = out.split_at_mut(12);
        for (to, number) in numbers.chunks_exact_mut(4).zip([self.sequence, self.keep, self.buckets]) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        salt.copy_from_slice(&self.salt);
        out
    }

    /// Reads and bounds it; whether it follows what is there is for the caller to judge.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, SearchError> {
        let head = Self { sequence: reader.u32()?, keep: reader.u32()?, buckets: reader.u32()?, salt: reader.take()? };
        if head.buckets == 0 || head.buckets as usize > ParameterSet::MAX_BUCKETS {
            return Err(reader.error());
        }
        Ok(head)
    }
}

/// The state of a table, as both sides must see it for a query to make sense.
pub(super) fn view(table: &KeywordTable, applied: u32, heads: impl Iterator<Item = Head>) -> Digest {
    let heads: Vec<u8> = heads.flat_map(Head::to_bytes).collect();
    Digest::of(VIEW, &[&table.to_bytes(), &applied.to_le_bytes(), &heads])
}

pub(super) fn put_words(out: &mut Vec<u8>, words: &[u32]) {
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

/// Whose parts are in an answer: how many shards there are, and a bit for each that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shares {
    of: u8,
    have: u64,
}

impl Shares {
    pub(super) const fn one(number: u8, of: u8) -> Self {
        Self { of, have: 1 << (number % 64) }
    }

    pub(super) fn to_bytes(self) -> [u8; 9] {
        let mut out = [self.of; 9];
        let (_, have) = out.split_at_mut(1);
        have.copy_from_slice(&self.have.to_le_bytes());
        out
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, SearchError> {
        let [of] = reader.take()?;
        let shares = Self { of, have: u64::from_le_bytes(reader.take()?) };
        let right = (1..=64).contains(&of) && shares.have != 0 && shares.have & !shares.all() == 0;
        if right { Ok(shares) } else { Err(reader.error()) }
    }

    const fn all(self) -> u64 {
        u64::MAX >> (64 - self.of as u32)
    }

    pub(super) const fn complete(self) -> bool {
        self.have == self.all()
    }
}

/// An answer without its secrets: what a coordinator sees.
pub(super) struct Answer {
    /// Version, kind, table, view, nonce.
    head: Vec<u8>,
    shares: Shares,
    words: Vec<u32>,
}

impl Answer {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, SearchError> {
        let (mut reader, table) = Reader::open(Kind::Answer, bytes)?;
        let mut head = start(Kind::Answer, &table, 48);
        head.extend(reader.take::<48>()?);
        let shares = Shares::read(&mut reader)?;
        if reader.rest().len() % (4 * table.parameters().bucket_len() * table.fetches()) != 0 {
            return Err(Kind::Answer.error());
        }
        let words = reader.words(reader.rest().len() / 4)?;
        Ok(Self { head, shares, words })
    }

    pub(super) fn add(&mut self, other: &Self) -> Result<(), SearchError> {
        let alike =
            self.head == other.head && self.shares.of == other.shares.of && self.words.len() == other.words.len();
        if !alike || self.shares.have & other.shares.have != 0 {
            return Err(SearchError::Stale);
        }
        self.shares.have |= other.shares.have;
        self.words.iter_mut().zip(&other.words).for_each(|(sum, word)| *sum = sum.wrapping_add(*word));
        Ok(())
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.head.clone();
        out.extend(self.shares.to_bytes());
        put_words(&mut out, &self.words);
        out
    }
}
