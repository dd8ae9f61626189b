//! Bytes of updates, keys, queries and answers: versioned, of a length that the head fixes, bounded.

use alloc::vec::Vec;

use super::{listing::Catalogue, parameters::DEGREE};
use crate::search::SearchError;

const VERSION: u8 = 1;

/// Kinds of messages, the second byte of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Update = 33,
    Keys = 34,
    Query = 35,
    Answer = 36,
    Stored = 37,
    Listing = 38,
}

impl Kind {
    pub(super) const fn error(self) -> SearchError {
        let what = match self {
            Self::Update => "update of a catalogue",
            Self::Keys => "set of evaluation keys",
            Self::Query => "catalogue query",
            Self::Answer => "catalogue answer",
            Self::Stored => "stored catalogue",
            Self::Listing => "listing of a catalogue",
        };
        SearchError::Format { what }
    }
}

/// A message's first bytes.
pub(super) fn start(kind: Kind, more: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + more);
    out.extend([VERSION, kind as u8]);
    out
}

/// Reads from the front, and never past the end.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    kind: Kind,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Checks version and kind.
    pub(super) fn open(kind: Kind, bytes: &'a [u8]) -> Result<Self, SearchError> {
        let mut reader = Self { kind, rest: bytes };
        if reader.take()? == [VERSION, kind as u8] { Ok(reader) } else { Err(kind.error()) }
    }

    /// The same, for bytes that name a catalogue, which must be this one.
    pub(super) fn open_for(kind: Kind, catalogue: &Catalogue, bytes: &'a [u8]) -> Result<Self, SearchError> {
        let mut reader = Self::open(kind, bytes)?;
        if Catalogue::read(&mut reader)? == *catalogue { Ok(reader) } else { Err(SearchError::OtherTable) }
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

    /// The coefficients of `count` polynomials, `bits` each.
    pub(super) fn polynomials(&mut self, count: usize, bits: u32, out: &mut Vec<u64>) -> Result<(), SearchError> {
        out.extend(unpack(self.slice(count.saturating_mul(packed_len(bits)))?, bits));
        Ok(())
    }

    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) const fn error(&self) -> SearchError {
        self.kind.error()
    }

    pub(super) fn end(self) -> Result<(), SearchError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.kind.error()) }
    }
}

/// Bytes of a polynomial of `bits`-bit coefficients.
pub(super) const fn packed_len(bits: u32) -> usize {
    DEGREE * bits as usize / 8
}

/// Rounds each torus value to its upper `bits`, a multiple of four, and packs them, little endian.
pub(super) fn pack_rounded(out: &mut Vec<u8>, values: &[u64], bits: u32) {
    for pair in values.as_chunks::<2>().0 {
        let [low, high] = pair.map(|value| u128::from(value.wrapping_add(1 << (63 - bits)) >> (64 - bits)));
        let both = (low | high << bits).to_le_bytes();
        out.extend(both.iter().take(2 * bits as usize / 8));
    }
}

/// The inverse of [`pack_rounded`], but for what was rounded away.
fn unpack(bytes: &[u8], bits: u32) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks_exact(2 * bits as usize / 8).flat_map(move |pair| {
        let mut both = [0; 16];
        both.iter_mut().zip(pair).for_each(|(to, byte)| *to = *byte);
        let both = u128::from_le_bytes(both);
        [both, both >> bits].map(|value| (value as u64) << (64 - bits))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packing_rounds_and_nothing_else(values in prop::collection::vec(any::<u64>(), DEGREE), bits in prop::sample::select(vec![20u32, 24, 40, 44, 48])) {
            let mut bytes = Vec::new();
            pack_rounded(&mut bytes, &values, bits);
            prop_assert_eq!(bytes.len(), packed_len(bits));
            prop_assert_eq!(unpack(&bytes, bits).count(), DEGREE);
            for (value, back) in values.iter().zip(unpack(&bytes, bits)) {
                let error = value.wrapping_sub(back) as i64;
                prop_assert!(error.unsigned_abs() <= 1 << (63 - bits));
            }
        }
    }
}
