//! The maintenance reward: what the proposer of a final block is paid, by height (white paper 5.1.3, table 1).
//!
//! | heights, both ends with | CPC for each block |
//! | --- | --- |
//! | 1 – 3,162,240 | 12.65 |
//! | 3,162,241 – 6,315,840 | 9.51 |
//! | 6,315,841 – 9,469,440 | 7.13 |
//! | 9,469,441 – 12,623,040 | 5.39 |
//! | 12,623,041 – 15,785,280 | 4.03 |
//! | above | 0: fees alone |
//!
//! - The borders belong to the year that they end (`a_year_ends_with_its_last_height`).
//! - The years are those of table 1 (`table_1_of_the_white_paper`), and with what is there at genesis they make
//!   [`SUPPLY`], to the last unit (`all_rewards_and_genesis_are_the_supply`).
//! - An impeached height pays nothing; its reward stays where it is, and is paid to nobody later.
//!
//! Amounts are in 10⁻¹⁸ CPC.

use crate::ids::Height;

const CPC: u128 = 10u128.pow(18);
/// Hundredths of a CPC, in which the rewards are round.
const CENT: u128 = CPC / 100;

/// All money that there will ever be: 1,000,000,000 CPC.
pub const SUPPLY: u128 = 1_000_000_000 * CPC;
/// What is in accounts at genesis: 877,780,028.8 CPC.
pub const AT_GENESIS: u128 = 877_780_028 * CPC + 80 * CENT;
/// What five years of rewards pay at most, and the vault of rewards holds at genesis: 122,219,971.2 CPC.
pub const ALL_REWARDS: u128 = SUPPLY - AT_GENESIS;

/// The last height of each year, and what a block of it pays.
const YEARS: [(u64, u128); 5] = [
    (3_162_240, 1_265 * CENT),
    (6_315_840, 951 * CENT),
    (9_469_440, 713 * CENT),
    (12_623_040, 539 * CENT),
    (15_785_280, 403 * CENT),
];

/// What the final block at a height pays its proposer. Genesis pays nothing.
///
/// ```
/// use cpchain_consensus::{Height, dpor::reward::maintenance};
/// assert_eq!(maintenance(Height(1)), 12_650_000_000_000_000_000);
/// assert_eq!(maintenance(Height(15_785_281)), 0);
/// ```
pub fn maintenance(height: Height) -> u128 {
    if height == Height::GENESIS {
        return 0;
    }
    YEARS.iter().find(|(last, _)| height.0 <= *last).map_or(0, |(_, reward)| *reward)
}

/// What all heights from `first` to `last`, both with, pay if none is impeached. No loop over heights.
pub fn maintenance_between(first: Height, last: Height) -> u128 {
    let mut begins = 1;
    let mut sum = 0;
    for (ends, reward) in YEARS {
        let from = first.0.max(begins);
        let until = last.0.min(ends);
        if from <= until {
            // Below SUPPLY, whatever the heights are.
            sum += u128::from(until - from + 1) * reward;
        }
        begins = ends + 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_rewards_and_genesis_are_the_supply() {
        let rewards = maintenance_between(Height(1), Height(u64::MAX));
        assert_eq!(rewards, 122_219_971 * CPC + 20 * CENT);
        assert_eq!(AT_GENESIS + rewards, 1_000_000_000 * CPC);
        assert_eq!(rewards, ALL_REWARDS);
        // The accounts of the original's genesis: one bank, twelve default proposers and an administrator.
        assert_eq!(873_880_028 * CPC + 80 * CENT + 13 * 300_000 * CPC, AT_GENESIS);
    }

    #[test]
    fn table_1_of_the_white_paper() {
        let supply = [4_000_233_600, 2_999_073_600, 2_248_516_800, 1_699_790_400, 1_274_382_720];
        let blocks = [3_162_240, 3_153_600, 3_153_600, 3_153_600, 3_162_240];
        let mut first = 1;
        for ((last, _), (supply, blocks)) in YEARS.into_iter().zip(supply.into_iter().zip(blocks)) {
            assert_eq!(last - first + 1, blocks);
            assert_eq!(maintenance_between(Height(first), Height(last)), supply * CENT);
            first = last + 1;
        }
    }

    #[test]
    fn a_year_ends_with_its_last_height() {
        let cents = |height| maintenance(Height(height)) / CENT;
        assert_eq!((cents(0), cents(1)), (0, 1_265));
        assert_eq!((cents(3_162_240), cents(3_162_241)), (1_265, 951));
        assert_eq!((cents(6_315_840), cents(6_315_841)), (951, 713));
        assert_eq!((cents(9_469_440), cents(9_469_441)), (713, 539));
        assert_eq!((cents(12_623_040), cents(12_623_041)), (539, 403));
        assert_eq!((cents(15_785_280), cents(15_785_281), cents(u64::MAX)), (403, 0, 0));
    }

    proptest! {
        #[test]
        fn intervals_are_sums(year in 0usize..5, below in 0u64..300, length in 0u64..600) {
            let first = YEARS[year].0.saturating_sub(below);
            let heights = first..first + length;
            let sum: u128 = heights.clone().map(|height| maintenance(Height(height))).sum();
            let last = Height(heights.end.saturating_sub(1));
            prop_assert_eq!(if length == 0 { 0 } else { maintenance_between(Height(first), last) }, sum);
        }
    }
}
