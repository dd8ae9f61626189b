//! Bytes of tables, blocks, queries and answers: versioned, of a length that the header fixes, bounded.

use alloc::vec::Vec;

use super::{
    DEGREE, MAX_FIELDS,
    plan::{CODE_BITS, DIGIT},
};
use crate::{
    hash::{Digest, Domain},
    search::SearchError,
};

const VIEW: Domain = Domain::new("cpchain/crypto/search/scan-view/v1");
const VERSION: u8 = 1;

/// Bits of a coefficient of a query's body, of an answer's mask and of an answer's body.
pub(super) const QUERY_BITS: u32 = 44;
pub(super) const ANSWER_MASK_BITS: u32 = 28;
pub(super) const ANSWER_BODY_BITS: u32 = 24;

/// Kinds of messages, the second byte of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Block = 1,
    Query = 2,
    Answer = 3,
    Server = 4,
    Index = 5,
}

impl Kind {
    const fn what(self) -> &'static str {
        match self {
            Self::Block => "block of a scan table",
            Self::Query => "scan query",
            Self::Answer => "scan answer",
            Self::Server => "stored scan table",
            Self::Index => "stored scan index",
        }
    }

    pub(super) const fn error(self) -> SearchError {
        SearchError::Format { what: self.what() }
    }
}

/// What owner and host agree on about a table. Public: 33 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Table {
    id: Digest,
    digits: u8,
}

impl Table {
    pub(super) const fn new(id: Digest, digits: u8) -> Self {
        Self { id, digits }
    }

    /// The table's name: says nothing about its key.
    pub const fn id(&self) -> Digest {
        self.id
    }

    /// Base-16 digits of all fields together.
    pub const fn digits(&self) -> u8 {
        self.digits
    }

    pub(super) const fn rows(&self) -> usize {
        self.digits as usize * DIGIT
    }

    /// Ciphertexts that answer for one block.
    pub(super) const fn groups(&self) -> usize {
        self.digits as usize * CODE_BITS
    }

    pub(super) const fn block_len(&self) -> usize {
        HEAD + BLOCK_HEAD + self.rows() * DEGREE * 2
    }

    pub(super) const fn query_len(&self) -> usize {
        HEAD + 32 + 16 + self.rows() * CODE_BITS * packed_len(QUERY_BITS)
    }

    pub(super) const fn answer_len(&self, blocks: usize) -> usize {
        HEAD + 32 + self.groups() * blocks * (packed_len(ANSWER_MASK_BITS) + packed_len(ANSWER_BODY_BITS))
    }

    /// Id and digits.
    pub fn to_bytes(&self) -> [u8; 33] {
        let mut out = [self.digits; 33];
        let (id, _) = out.split_at_mut(32);
        id.copy_from_slice(&self.id.0);
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`SearchError::Format`] for another length, [`SearchError::Shape`] for more digits than a table may have.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SearchError> {
        let (id, digits) = bytes.split_first_chunk::<32>().ok_or(SearchError::Format { what: "scan table" })?;
        let &[digits] = digits else { return Err(SearchError::Format { what: "scan table" }) };
        if digits == 0 || usize::from(digits) > 4 * MAX_FIELDS {
            return Err(SearchError::Shape);
        }
        Ok(Self { id: Digest(*id), digits })
    }
}

/// Version, kind, table.
const HEAD: usize = 2 + 33;
/// Number, version, salt.
pub(super) const BLOCK_HEAD: usize = 4 + 4 + 16;

/// Which sealing of which block: what the keystream and the view depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHead {
    pub(super) number: u32,
    pub(super) version: u32,
    pub(super) salt: [u8; 16],
}

impl BlockHead {
    pub(super) fn to_bytes(self) -> [u8; BLOCK_HEAD] {
        let mut out = [0; BLOCK_HEAD];
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
pub(super) fn view(table: &Table, blocks: impl Iterator<Item = BlockHead>) -> Digest {
    let mut heads = Vec::new();
    blocks.for_each(|head| heads.extend_from_slice(&head.to_bytes()));
    Digest::of(VIEW, &[&table.to_bytes(), &heads])
}

/// A message's first bytes.
pub(super) fn start(kind: Kind, table: &Table, capacity: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(capacity);
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
    pub(super) fn open(kind: Kind, bytes: &'a [u8]) -> Result<(Self, Table), SearchError> {
        let mut reader = Self { kind, rest: bytes };
        if reader.take()? != [VERSION, kind as u8] {
            return Err(kind.error());
        }
        let table = Table::from_bytes(&reader.take::<33>()?)?;
        Ok((reader, table))
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

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn end(self) -> Result<(), SearchError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.kind.error()) }
    }
}

/// Bytes of a polynomial of `bits`-bit coefficients.
pub(super) const fn packed_len(bits: u32) -> usize {
    DEGREE * bits as usize / 8
}

/// Rounds each 64-bit torus value to its upper `bits` and packs them, little endian.
pub(super) fn pack_rounded(out: &mut Vec<u8>, values: &[u64], bits: u32) {
    let (mut pending, mut have) = (0u128, 0);
    for value in values {
        let rounded = value.wrapping_add(1 << (63 - bits)) >> (64 - bits);
        pending |= u128::from(rounded) << have;
        have += bits;
        while have >= 8 {
            out.push(pending as u8);
            pending >>= 8;
            have -= 8;
        }
    }
}

/// The inverse of [`pack_rounded`], but for what was rounded away.
pub(super) fn unpack(bytes: &[u8], bits: u32) -> impl Iterator<Item = u64> + '_ {
    let (mut pending, mut have) = (0u128, 0);
    let mut bytes = bytes.iter();
    core::iter::from_fn(move || {
        while have < bits {
            pending |= u128::from(*bytes.next()?) << have;
            have += 8;
        }
        let value = (pending as u64) << (64 - bits);
        pending >>= bits;
        have -= bits;
        Some(value)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packing_rounds_and_nothing_else(values in prop::collection::vec(any::<u64>(), DEGREE), bits in prop::sample::select(vec![24u32, 28, 44])) {
            let mut bytes = Vec::new();
            pack_rounded(&mut bytes, &values, bits);
            prop_assert_eq!(bytes.len(), packed_len(bits));
            for (value, back) in values.iter().zip(unpack(&bytes, bits)) {
                let error = value.wrapping_sub(back) as i64;
                prop_assert!(error.unsigned_abs() <= 1 << (63 - bits));
            }
        }

        #[test]
        fn tables_read_what_they_wrote(bytes: [u8; 33]) {
            if let Ok(table) = Table::from_bytes(&bytes) {
                prop_assert_eq!(table.to_bytes(), bytes);
            }
        }
    }
}
