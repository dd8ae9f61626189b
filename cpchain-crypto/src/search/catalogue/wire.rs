//! Bytes of updates, keys, queries and answers: versioned, of a length that the head fixes, bounded.

use alloc::vec::Vec;

use super::{listing::Catalogue, parameters::DEGREE};
use crate::search::{SearchError, wire};

pub(super) use wire::begin as start;

/// Reads messages about catalogues.
pub(super) type Reader<'a> = wire::Reader<'a, Kind>;

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

impl wire::Kind for Kind {
    const VERSION: u8 = 1;
    type Table = Catalogue;

    fn code(self) -> u8 {
        self as u8
    }

    fn error(self) -> SearchError {
        Self::error(self)
    }
}

impl Reader<'_> {
    /// The coefficients of `count` polynomials, `bits` each.
    pub(super) fn polynomials(&mut self, count: usize, bits: u32, out: &mut Vec<u64>) -> Result<(), SearchError> {
        out.extend(unpack(self.slice(count.saturating_mul(packed_len(bits)))?, bits));
        Ok(())
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
