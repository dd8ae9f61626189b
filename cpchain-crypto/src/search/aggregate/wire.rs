//! Bytes of intervals, queries and answers: versioned, of a length that the table fixes, bounded.

use alloc::vec::Vec;

use super::{Bins, INTERVALS, LIMBS};
use crate::{
    hash::{Digest, Domain},
    search::{SearchError, packed::packed_len},
};

const VIEW: Domain = Domain::new("cpchain/crypto/search/aggregate-view/v1");
const VERSION: u8 = 1;

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

/// Version, kind, table.
const HEAD: usize = 2 + AggregateTable::LEN;

/// Which sealing of which interval: what pads, weights and the view depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) number: u32,
    pub(super) version: u32,
    pub(super) salt: [u8; 16],
}

impl Head {
    pub(super) const LEN: usize = 24;

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let (number, rest) = out.split_at_mut(4);
        let (version, salt) = rest.split_at_mut(4);
        number.copy_from_slice(&self.number.to_le_bytes());
        version.copy_from_slice(&self.version.to_le_bytes());
        salt.copy_from_slice(&self.salt);
        out
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, SearchError> {
        Ok(Self {
            number: u32::from_le_bytes(reader.take()?),
            version: u32::from_le_bytes(reader.take()?),
            salt: reader.take()?,
        })
    }
}

/// The state of a table, as both sides must see it for a query to make sense.
pub(super) fn view(table: &AggregateTable, heads: impl Iterator<Item = Head>) -> Digest {
    let heads: Vec<u8> = heads.flat_map(Head::to_bytes).collect();
    Digest::of(VIEW, &[&table.to_bytes(), &heads])
}

/// A message's first bytes.
pub(super) fn start(kind: Kind, table: &AggregateTable, more: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + more);
    out.extend([VERSION, kind as u8]);
    out.extend(table.to_bytes());
    out
}

/// Reads from the front, and never past the end.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    kind: Kind,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Checks version and kind, and reads the table.
    pub(super) fn open(kind: Kind, bytes: &'a [u8]) -> Result<(Self, AggregateTable), SearchError> {
        let mut reader = Self { kind, rest: bytes };
        if reader.take()? != [VERSION, kind as u8] {
            return Err(kind.error());
        }
        let table = AggregateTable::from_bytes(&reader.take::<{ AggregateTable::LEN }>()?)?;
        Ok((reader, table))
    }

    /// The same, for bytes that must be of this table and of this length.
    pub(super) fn open_for(
        kind: Kind,
        table: &AggregateTable,
        length: usize,
        bytes: &'a [u8],
    ) -> Result<Self, SearchError> {
        let (reader, other) = Self::open(kind, bytes)?;
        match other == *table {
            false => Err(SearchError::OtherTable),
            true if bytes.len() == length => Ok(reader),
            true => Err(kind.error()),
        }
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], SearchError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(self.kind.error())?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], SearchError> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(self.kind.error())?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}
