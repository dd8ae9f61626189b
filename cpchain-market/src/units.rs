//! Amounts and heights as the market counts them.

use core::fmt;

/// Money in units of 10⁻¹⁸ CPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(pub u128);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest price, fee or bond that this crate accepts: 2¹⁰⁰ units, a thousand times the whole supply of
    /// 10⁹ CPC. Under this bound no sum of one order overflows.
    pub const LIMIT: Self = Self(1 << 100);

    /// The sum, or `None` on overflow.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The product, or `None` on overflow.
    pub const fn checked_mul(self, times: u128) -> Option<Self> {
        match self.0.checked_mul(times) {
            Some(product) => Some(Self(product)),
            None => None,
        }
    }

    /// The difference, or zero where it would be negative.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The two 64-bit halves, high and low, as they travel on the wire.
    pub const fn halves(self) -> (u64, u64) {
        ((self.0 >> 64) as u64, self.0 as u64)
    }

    /// The inverse of [`halves`](Self::halves).
    pub const fn from_halves(high: u64, low: u64) -> Self {
        Self((high as u128) << 64 | low as u128)
    }
}

impl fmt::Display for Amount {
    /// Whole CPC and as many decimals as there are: `1.5 CPC`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CPC: u128 = 1_000_000_000_000_000_000;
        let (whole, rest) = (self.0 / CPC, self.0 % CPC);
        if rest == 0 {
            return write!(f, "{whole} CPC");
        }
        let decimals = format!("{rest:018}");
        write!(f, "{whole}.{} CPC", decimals.trim_end_matches('0'))
    }
}

/// The height of a final block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Height(pub u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_print_in_cpc() {
        assert_eq!(Amount(0).to_string(), "0 CPC");
        assert_eq!(Amount(1_500_000_000_000_000_000).to_string(), "1.5 CPC");
        assert_eq!(Amount(1).to_string(), "0.000000000000000001 CPC");
    }

    #[test]
    fn halves_round_trip_at_the_borders() {
        for amount in [Amount(0), Amount(u128::from(u64::MAX)), Amount(1 << 64), Amount(u128::MAX), Amount::LIMIT] {
            let (high, low) = amount.halves();
            assert_eq!(Amount::from_halves(high, low), amount);
        }
    }
}
