//! Bytes of tables, blocks, queries and answers: versioned, of a length that the header fixes, bounded.

use alloc::vec::Vec;

use super::{DEGREE, MAX_FIELDS, Shape, plan::ROWS};
use crate::{
    hash::{Digest, Domain},
    search::{
        SearchError,
        packed::packed_len,
        wire::{self, About},
    },
};

pub(super) use wire::{Head as BlockHead, start};

/// Reads messages about scan tables.
pub(super) type Reader<'a> = wire::Reader<'a, Kind>;

const VIEW: Domain = Domain::new("cpchain/crypto/search/scan-view/v2");

/// Bits of a coefficient of a query's body, of an answer's mask and of an answer's body.
pub(super) const QUERY_BITS: u32 = 44;
pub(super) const MASK_BITS: u32 = 32;
pub(super) const BODY_BITS: u32 = 24;

/// Kinds of messages, the second byte of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Block = 1,
    Query = 2,
    Answer = 3,
    Server = 4,
    Index = 5,
    Join = 6,
    SharedBlock = 7,
    SharedServer = 8,
    Directory = 9,
    Writer = 10,
    Reader = 11,
}

impl Kind {
    pub(super) const fn error(self) -> SearchError {
        let what = match self {
            Self::Block => "block of a scan table",
            Self::Query => "scan query",
            Self::Answer => "scan answer",
            Self::Server => "stored scan table",
            Self::Index => "stored scan index",
            Self::Join => "announcement of a writer",
            Self::SharedBlock => "block of a shared scan table",
            Self::SharedServer => "stored shared scan table",
            Self::Directory => "directory of a shared scan table",
            Self::Writer => "stored writer of a shared scan table",
            Self::Reader => "stored reader of a shared scan table",
        };
        SearchError::Format { what }
    }
}

impl wire::Kind for Kind {
    const VERSION: u8 = 2;
    type Table = Table;

    fn code(self) -> u8 {
        self as u8
    }

    fn error(self) -> SearchError {
        Self::error(self)
    }
}

/// What owner and host agree on about a table. Public: 34 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Table {
    id: Digest,
    /// Digits of each field; 0 behind the last.
    fields: [u8; MAX_FIELDS],
}

impl Table {
    /// A table of 1 to 4 fields of 1 to 4 digits.
    pub(super) fn new(id: Digest, fields: &[u8]) -> Result<Self, SearchError> {
        let right = fields.iter().all(|digits| (1..=4).contains(digits));
        if fields.is_empty() || fields.len() > MAX_FIELDS || !right {
            return Err(SearchError::Shape);
        }
        let mut all = [0; MAX_FIELDS];
        all.iter_mut().zip(fields).for_each(|(to, digits)| *to = *digits);
        Ok(Self { id, fields: all })
    }

    /// The table's name: says nothing about its key.
    pub const fn id(&self) -> Digest {
        self.id
    }

    /// Base-16 digits of each field.
    pub fn fields(&self) -> impl Iterator<Item = u8> + '_ {
        self.fields.iter().copied().filter(|digits| *digits > 0)
    }

    /// Base-16 digits of all fields together.
    pub fn digits(&self) -> u8 {
        self.fields.iter().sum()
    }

    /// Bits that a query of this shape asks of each digit of all fields.
    pub(super) fn bits(&self, shape: Shape) -> Vec<usize> {
        let of_field = |digits: u8| (0..usize::from(digits)).map(move |place| shape.bits(usize::from(digits), place));
        self.fields().flat_map(of_field).collect()
    }

    pub(super) fn rows(&self) -> usize {
        usize::from(self.digits()) * ROWS
    }

    pub(super) fn block_len(&self) -> usize {
        HEAD + BLOCK_HEAD + self.rows() * DEGREE * 2
    }

    pub(super) fn query_len(&self, shape: Shape) -> usize {
        HEAD + 32 + QUERY_HEAD + 16 + self.bits(shape).iter().sum::<usize>() * ROWS * packed_len(QUERY_BITS)
    }

    pub(super) fn answer_len(&self, head: QueryHead, blocks: usize) -> usize {
        let masks = if head.masks == Masks::Held { 0 } else { usize::from(self.digits()) };
        let bodies = self.bits(head.shape).iter().sum::<usize>();
        HEAD + 32 + QUERY_HEAD + blocks * (masks * packed_len(MASK_BITS) + bodies * packed_len(BODY_BITS))
    }

    /// The id, and the digits of each field, three bits each.
    pub fn to_bytes(&self) -> [u8; 34] {
        let mut out = [0; 34];
        let (id, fields) = out.split_at_mut(32);
        id.copy_from_slice(&self.id.0);
        let packed = self.fields.iter().rev().fold(0u16, |packed, digits| packed << 3 | u16::from(*digits));
        fields.copy_from_slice(&packed.to_le_bytes());
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`SearchError::Format`] for another length, [`SearchError::Shape`] for fields that a table cannot have.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SearchError> {
        let (id, fields) = bytes.split_first_chunk::<32>().ok_or(SearchError::Format { what: "scan table" })?;
        let fields: [u8; 2] = fields.try_into().map_err(|_| SearchError::Format { what: "scan table" })?;
        let packed = u16::from_le_bytes(fields);
        let all = [0, 3, 6, 9].map(|shift| (packed >> shift & 7) as u8);
        let count = all.iter().take_while(|digits| **digits > 0).count();
        let table = Self::new(Digest(*id), all.get(..count).unwrap_or_default())?;
        if table.to_bytes() == bytes { Ok(table) } else { Err(SearchError::Shape) }
    }
}

impl About for Table {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.to_bytes());
    }

    fn get<K: wire::Kind>(reader: &mut wire::Reader<'_, K>) -> Result<Self, SearchError> {
        Self::from_bytes(&reader.take::<34>()?)
    }
}

/// Version, kind, table.
const HEAD: usize = 2 + 34;
/// Number, version, salt.
pub(super) const BLOCK_HEAD: usize = BlockHead::LEN;
/// Shape, masks.
const QUERY_HEAD: usize = 2;

/// Where the masks of a query come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Masks {
    /// From a seed of the query; the host computes their sums.
    Fresh = 0,
    /// From the table's name; the client has their sums, a hint.
    Held = 1,
    /// From the table's name; the host has had their sums since it has the rows.
    Kept = 2,
}

/// What the host has to know about a query, and repeats in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueryHead {
    pub(super) shape: Shape,
    pub(super) masks: Masks,
}

impl QueryHead {
    pub(super) const fn to_bytes(self) -> [u8; QUERY_HEAD] {
        [self.shape as u8, self.masks as u8]
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, SearchError> {
        let [shape, masks] = reader.take()?;
        let masks = match masks {
            0 => Masks::Fresh,
            1 => Masks::Held,
            2 => Masks::Kept,
            _ => return Err(reader.error()),
        };
        Ok(Self { shape: Shape::from_byte(shape)?, masks })
    }
}

/// The state of a table, as both sides must see it for a query to make sense.
pub(super) fn view(table: &Table, blocks: impl Iterator<Item = BlockHead>) -> Digest {
    let mut heads = Vec::new();
    blocks.for_each(|head| heads.extend_from_slice(&head.to_bytes()));
    Digest::of(VIEW, &[&table.to_bytes(), &heads])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tables_read_what_they_wrote(id: [u8; 32], fields in 0u16..1 << 12) {
            let bytes = [&id[..], &fields.to_le_bytes()].concat();
            if let Ok(table) = Table::from_bytes(&bytes) {
                prop_assert_eq!(table.to_bytes().to_vec(), bytes);
                prop_assert!(table.fields().all(|digits| (1..=4).contains(&digits)));
            }
        }
    }
}
