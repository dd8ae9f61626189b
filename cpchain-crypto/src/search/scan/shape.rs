//! What a query may ask of each digit, fixed before anything is asked.

use crate::search::SearchError;

/// How finely a query tells the values of a digit apart: as many bits of code for each. The host sees the shape of a query, for it makes as many sums;
/// it does not see which question of that shape it is. An owner that asks everything in one shape says nothing by it; the wider shapes cost more.
///
/// | shape | bits a digit, of a field of four | questions | sums a block, with fixed masks |
/// | --- | --- | --- | --- |
/// | [`Products`](Self::Products) | 1, 1, 1, 1 | equality, prefixes, sets or ranges within one digit | 8, 4 |
/// | [`Ranges`](Self::Ranges) | 2, 3, 3, 2 | those, and any range | 14, 10 |
/// | [`Classes`](Self::Classes) | 3, 3, 3, 3 | those, and any seven values | 16, 12 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Shape {
    /// The values of a digit that are wanted, and all others.
    Products = 1,
    /// Below, at, between and above two bounds.
    Ranges = 2,
    /// Eight classes of values in every digit.
    #[default]
    Classes = 3,
}

impl Shape {
    /// Bits for the digit at `place` of a field of `digits`, the most significant at 0.
    pub(super) const fn bits(self, digits: usize, place: usize) -> usize {
        match self {
            Self::Products => 1,
            Self::Classes => 3,
            Self::Ranges if digits == 1 => 1,
            Self::Ranges if place == 0 || place + 1 == digits => 2,
            Self::Ranges => 3,
        }
    }

    pub(super) const fn from_byte(byte: u8) -> Result<Self, SearchError> {
        match byte {
            1 => Ok(Self::Products),
            2 => Ok(Self::Ranges),
            3 => Ok(Self::Classes),
            _ => Err(SearchError::Format { what: "shape of a scan query" }),
        }
    }
}
