//! Money: whole numbers of 10⁻¹⁸ CPC, with arithmetic that cannot wrap.

use std::{fmt, str::FromStr};

const DECIMALS: usize = 18;
const UNIT: u128 = 10u128.pow(DECIMALS as u32);

/// An amount of money in 10⁻¹⁸ CPC. Prints, and is read, in CPC.
///
/// ```
/// use cpchain_consensus::ledger::Amount;
/// let reward: Amount = "12.65".parse()?;
/// assert_eq!(reward, Amount(12_650_000_000_000_000_000));
/// assert_eq!(reward.to_string(), "12.65");
/// assert_eq!(reward.checked_sub(Amount::cpc(13)), None);
/// # Ok::<(), cpchain_consensus::ledger::AmountError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(pub u128);

/// A text that is not an amount of CPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an amount of CPC: write digits, with at most 18 of them after one decimal point")]
pub struct AmountError;

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many whole CPC.
    pub const fn cpc(whole: u64) -> Self {
        // 2^64 · 10^18 is below 2^124.
        Self(whole as u128 * UNIT)
    }

    /// The sum, unless it does not fit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, unless it is negative.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The product, unless it does not fit.
    #[must_use]
    pub fn checked_mul(self, factor: u64) -> Option<Self> {
        self.0.checked_mul(u128::from(factor)).map(Self)
    }

    /// Adds up; `None` when it does not fit.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }

    /// 16 bytes, big-endian: how amounts stand in messages and in the state.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// An amount from exactly 16 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(u128::from_be_bytes(bytes)))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / UNIT, self.0 % UNIT);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{part:018}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (whole, part) = text.split_once('.').map_or((text, None), |(whole, part)| (whole, Some(part)));
        let part_len = part.map_or(0, str::len);
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !part.is_none_or(digits) || part_len > DECIMALS {
            return Err(AmountError);
        }
        let padding = 10u128.pow((DECIMALS - part_len) as u32);
        let part = part.map_or(Ok(0), str::parse::<u128>).map_err(|_| AmountError)?.checked_mul(padding);
        let whole = whole.parse::<u128>().map_err(|_| AmountError)?.checked_mul(UNIT);
        whole.zip(part).and_then(|(whole, part)| whole.checked_add(part)).map(Self).ok_or(AmountError)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_and_bytes_round_trip(raw: u128) {
            let amount = Amount(raw);
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
            prop_assert_eq!(Amount::from_slice(&amount.to_bytes()), Some(amount));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            if let Ok(amount) = text.parse::<Amount>() {
                prop_assert_eq!(amount.to_string().parse(), Ok(amount));
            }
        }
    }

    #[test]
    fn known_texts() {
        assert_eq!(Amount::cpc(877_780_028).checked_add(Amount(8 * UNIT / 10)).unwrap().to_string(), "877780028.8");
        assert_eq!(Amount(1).to_string(), "0.000000000000000001");
        assert_eq!("0.5".parse(), Ok(Amount(UNIT / 2)));
        for wrong in ["", ".", "1.", ".5", "-1", "+1", "1,5", "1e3", "0.0000000000000000001", "340282366920938463464"] {
            assert_eq!(wrong.parse::<Amount>(), Err(AmountError), "{wrong}");
        }
    }

    #[test]
    fn sums_do_not_wrap() {
        assert_eq!(Amount(u128::MAX).checked_add(Amount(1)), None);
        assert_eq!(Amount::checked_sum([Amount(u128::MAX), Amount(1)]), None);
        assert_eq!(Amount::checked_sum([Amount(1), Amount(2)]), Some(Amount(3)));
        assert_eq!(Amount(u128::MAX).checked_mul(2), None);
    }
}
