//! Seasons of the economy pool, and what a deposit earns in one (white paper 5.1.3, basic rewards).
//!
//! - A season is 3 days of raising, 84 of lock, 3 of settling; the next one begins where it ends, so none overlap, and every height
//!   is in one phase of one season (`every_height_is_in_one_phase`).
//! - Interest is ⌊bonus · d / D⌋, exactly, for amounts whose product no machine number holds (`shares_are_exact`); all of a season's
//!   are together at most the bonus (`shares_are_at_most_the_whole`).

use crate::ids::Height;

/// Heights of a day, at a block every 10 s.
pub const DAY: u64 = 8_640;

/// How long the phases of a season are, in heights; each is at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    raising: u64,
    locked: u64,
    settling: u64,
}

/// A season: the first is 0 and begins with height 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Season(pub u64);

/// What may be done at a height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Deposits and withdrawals.
    Raising,
    /// Nothing.
    Locked,
    /// Interest is taken.
    Settling,
}

impl Default for Schedule {
    /// 3, 84 and 3 days.
    fn default() -> Self {
        Self { raising: 3 * DAY, locked: 84 * DAY, settling: 3 * DAY }
    }
}

impl Schedule {
    /// Phases of other lengths; 0 counts as 1, and none is longer than 2³² heights.
    pub fn new(raising: u32, locked: u32, settling: u32) -> Self {
        let [raising, locked, settling] = [raising, locked, settling].map(|heights| u64::from(heights.max(1)));
        Self { raising, locked, settling }
    }

    /// The lengths of the phases: raising, locked, settling.
    pub const fn phases(&self) -> [u64; 3] {
        [self.raising, self.locked, self.settling]
    }

    /// The season and the phase of a height.
    ///
    /// ```
    /// use cpchain_consensus::{Height, dpor::season::{Phase, Schedule, Season}};
    /// let schedule = Schedule::default();
    /// assert_eq!(schedule.at(Height(25_920)), (Season(0), Phase::Raising));
    /// assert_eq!(schedule.at(Height(25_921)), (Season(0), Phase::Locked));
    /// assert_eq!(schedule.at(Height(90 * 8_640 + 1)), (Season(1), Phase::Raising));
    /// ```
    pub const fn at(&self, height: Height) -> (Season, Phase) {
        let length = self.raising + self.locked + self.settling;
        let place = height.0.saturating_sub(1);
        let phase = match place % length {
            offset if offset < self.raising => Phase::Raising,
            offset if offset < self.raising + self.locked => Phase::Locked,
            _ => Phase::Settling,
        };
        (Season(place / length), phase)
    }

    /// Is it the last height of raising?
    pub const fn closes(&self, height: Height) -> bool {
        let length = self.raising + self.locked + self.settling;
        height.0.saturating_sub(1) % length == self.raising - 1
    }
}

/// ⌊total · part / whole⌋; 0 if `part` is above `whole`, which is no share, or `whole` is 0 or above 2¹²⁶.
pub const fn share(total: u128, part: u128, whole: u128) -> u128 {
    if whole == 0 || part > whole || whole > 1 << 126 {
        return 0;
    }
    // Long division, bit by bit of the total: the rest stays below the whole, and three times the whole fits.
    let (mut quotient, mut rest) = (0u128, 0u128);
    let mut bit = 128;
    while bit > 0 {
        bit -= 1;
        quotient <<= 1;
        rest <<= 1;
        if total >> bit & 1 == 1 {
            rest += part;
        }
        while rest >= whole {
            rest -= whole;
            quotient += 1;
        }
    }
    quotient
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_height_is_in_one_phase() {
        let schedule = Schedule::new(2, 3, 1);
        let phases: Vec<_> = (1..=8).map(|height| schedule.at(Height(height))).collect();
        let (r, l, s) = (Phase::Raising, Phase::Locked, Phase::Settling);
        let expected = [(0, r), (0, r), (0, l), (0, l), (0, l), (0, s), (1, r), (1, r)];
        assert_eq!(phases, expected.map(|(season, phase)| (Season(season), phase)));
        let closing: Vec<_> = (1..=12).filter(|height| schedule.closes(Height(*height))).collect();
        assert_eq!(closing, [2, 8]);
        assert_eq!(Schedule::new(0, 0, 0), Schedule::new(1, 1, 1));
        assert_eq!(Schedule::default().phases().iter().sum::<u64>(), 90 * DAY);
        assert_eq!(Schedule::default().at(Height(u64::MAX)).0, Season((u64::MAX - 1) / (90 * DAY)));
    }

    /// 1,250,000 CPC over deposits of hundreds of millions: the product has 170 bits.
    #[test]
    fn shares_are_exact() {
        const CPC: u128 = 10u128.pow(18);
        let bonus = 1_250_000 * CPC;
        assert_eq!(share(bonus, 400_000_000 * CPC, 800_000_000 * CPC), bonus / 2);
        assert_eq!(share(bonus, 20_000 * CPC, 30_000_000 * CPC), 833_333_333_333_333_333_333);
        assert_eq!(share(bonus, 7, 7), bonus);
        assert_eq!(share(u128::MAX, 1 << 126, 1 << 126), u128::MAX);
        assert_eq!((share(5, 0, 3), share(5, 1, 0), share(5, 4, 3), share(5, 1, (1 << 126) + 1)), (0, 0, 0, 0));
    }

    proptest! {
        #[test]
        fn shares_are_those_of_small_numbers(total: u64, a: u64, b: u64) {
            let (part, whole) = (u128::from(a.min(b)), u128::from(a.max(b)));
            if whole > 0 {
                prop_assert_eq!(share(total.into(), part, whole), u128::from(total) * part / whole);
            }
        }

        #[test]
        fn shares_are_at_most_the_whole(total: u128, parts in prop::collection::vec(0u128..1 << 120, 1..20)) {
            let whole: u128 = parts.iter().sum();
            let shares: Vec<_> = parts.iter().map(|part| share(total, *part, whole)).collect();
            let sum = shares.iter().try_fold(0u128, |sum, share| sum.checked_add(*share));
            prop_assert!(sum.is_some_and(|sum| sum <= total && (whole == 0 || total - sum < parts.len() as u128)));
        }
    }
}
