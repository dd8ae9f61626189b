//! Bytes of intervals, queries and answers: versioned, of a length that the table fixes, bounded.

use alloc::vec::Vec;

use super::{Bins, INTERVALS, LIMBS};
use crate::{
    hash::{Digest, Domain},
    search::{
        SearchError,
        packed::packed_len,
        wire::{self, About},
    },
};

pub(super) use wire::{Head, start};

/// Reads messages about aggregate tables.
pub(super) type Reader<'a> = wire::Reader<'a, Kind>;

const VIEW: Domain = Domain::new("cpchain/crypto/search/aggregate-view/v1");

/// Bits of a coefficient of a query's body, of an answer's mask and of an answer's body.
pub(super) const QUERY_BITS: u32 = 44;
pub(super) const MASK_BITS: u32 = 32;
pub(super) const BODY_BITS: u32 = 24;

/// Kinds of messages, the second byte of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Interval = 49,
    Query = 50,
    Answer = 51,
    Server = 52,
    Index = 53,
}

impl Kind {
    pub(super) const fn error(self) -> SearchError {
        let what = match self {
            Self::Interval => "interval of an aggregate table",
            Self::Query => "aggregate query",
            Self::Answer => "aggregate answer",
            Self::Server => "stored aggregate table",
            Self::Index => "stored aggregate index",
        };
        SearchError::Format { what }
    }
}

impl wire::Kind for Kind {
    const VERSION: u8 = 1;
    type Table = AggregateTable;

    fn code(self) -> u8 {
        self as u8
    }

    fn error(self) -> SearchError {
        Self::error(self)
    }
}

/// What owner and host agree on about a table. Public: 34 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AggregateTable {
    id: Digest,
    bins: u16,
}

impl AggregateTable {
    const LEN: usize = 34;

    pub(super) const fn new(id: Digest, bins: u16) -> Self {
        Self { id, bins }
    }

    /// The table's name: says nothing about its key, nor where bins begin.
    pub const fn id(&self) -> Digest {
        self.id
    }

    /// How many bins there are.
    pub const fn bins(&self) -> usize {
        self.bins as usize
    }

    /// Id and bins.
    pub fn to_bytes(&self) -> [u8; 34] {
        let mut out = [0; Self::LEN];
        let (id, bins) = out.split_at_mut(32);
        id.copy_from_slice(&self.id.0);
        bins.copy_from_slice(&self.bins.to_le_bytes());
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`SearchError::Format`] for another length, [`SearchError::Shape`] for no bins, or more than 256.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SearchError> {
        let format = SearchError::Format { what: "aggregate table" };
        let (id, bins) = bytes.split_first_chunk::<32>().ok_or(format)?;
        let bins = u16::from_le_bytes(bins.try_into().map_err(|_| format)?);
        if bins == 0 || usize::from(bins) > Bins::MAX {
            return Err(SearchError::Shape);
        }
        Ok(Self { id: Digest(*id), bins })
    }

    /// Bytes of an interval's numbers.
    pub(super) const fn body_len(&self) -> usize {
        self.bins() * LIMBS * 2
    }

    pub(super) const fn interval_len(&self) -> usize {
        HEAD + Head::LEN + self.body_len()
    }

    pub(super) const fn query_len(&self) -> usize {
        HEAD + 32 + 16 + self.bins() * packed_len(QUERY_BITS)
    }

    pub(super) const fn answer_len(&self, intervals: usize) -> usize {
        HEAD + 32 + intervals.div_ceil(INTERVALS) * (packed_len(MASK_BITS) + packed_len(BODY_BITS))
    }
}

impl About for AggregateTable {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.to_bytes());
    }

    fn get<K: wire::Kind>(reader: &mut wire::Reader<'_, K>) -> Result<Self, SearchError> {
        Self::from_bytes(&reader.take::<{ Self::LEN }>()?)
    }
}

/// Opens bytes that must be of this table and of this length.
pub(super) fn open_exactly<'a>(
    kind: Kind,
    table: &AggregateTable,
    length: usize,
    bytes: &'a [u8],
) -> Result<Reader<'a>, SearchError> {
    let reader = Reader::open_for(kind, table, bytes)?;
    if bytes.len() == length { Ok(reader) } else { Err(reader.error()) }
}

/// Version, kind, table.
const HEAD: usize = 2 + AggregateTable::LEN;

/// The state of a table, as both sides must see it for a query to make sense.
pub(super) fn view(table: &AggregateTable, heads: impl Iterator<Item = Head>) -> Digest {
    let heads: Vec<u8> = heads.flat_map(Head::to_bytes).collect();
    Digest::of(VIEW, &[&table.to_bytes(), &heads])
}
