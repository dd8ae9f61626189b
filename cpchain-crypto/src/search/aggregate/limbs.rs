//! Count, sum and check as small numbers that add up without carrying.

use zeroize::Zeroizing;

use super::{Totals, WIDTH};
use crate::search::SearchError;

/// Bits of a limb: of 256 rows, sums stay below 2^15.
const BITS: u32 = WIDTH - 8;
const COUNT: usize = 5;
const SUM: usize = 7;
const CHECK: usize = 8;
/// Limbs that say something.
const DATA: usize = COUNT + SUM;
pub(super) const LIMBS: usize = DATA + CHECK;

/// The largest count and sum of a bin.
pub(super) const COUNT_MAX: u64 = (1 << 32) - 1;
pub(super) const SUM_MAX: u64 = (1 << (BITS * SUM as u32)) - 1;
/// Bits of a weight.
const WEIGHT_BITS: u32 = 40;

/// What each limb counts for in the check: secret, and another one for each sealing of an interval.
pub(super) struct Weights(Zeroizing<[u64; DATA]>);

impl Weights {
    /// From uniform bytes.
    pub(super) fn new(bytes: &[u8; 8 * DATA]) -> Self {
        let mut weights = Zeroizing::new([0; DATA]);
        for (weight, bytes) in weights.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *weight = u64::from_le_bytes(*bytes) >> (64 - WEIGHT_BITS);
        }
        Self(weights)
    }

    fn check(&self, data: &[u16]) -> u128 {
        self.0.iter().zip(data).map(|(weight, limb)| u128::from(*weight) * u128::from(*limb)).sum()
    }

    /// The limbs of a bin.
    pub(super) fn write(&self, totals: Totals) -> [u16; LIMBS] {
        let mut out = [0; LIMBS];
        let (data, check) = out.split_at_mut(DATA);
        let (count, sum) = data.split_at_mut(COUNT);
        split(totals.count.into(), count);
        split(totals.sum.into(), sum);
        // Below 12 · 2^40 · 2^7, so it fits into 56 bits.
        split(self.check(data), check);
        out
    }

    /// Count and sum, from the limbs of several bins added up.
    pub(super) fn read(&self, limbs: &[u16]) -> Result<Totals, SearchError> {
        let (data, check) = limbs.split_at_checked(DATA).ok_or(SearchError::Tampered)?;
        let (count, sum) = data.split_at_checked(COUNT).ok_or(SearchError::Tampered)?;
        if check.len() != CHECK || join(check) != self.check(data) {
            return Err(SearchError::Tampered);
        }
        let number = |limbs| u64::try_from(join(limbs)).map_err(|_| SearchError::Tampered);
        Ok(Totals { count: number(count)?, sum: number(sum)? })
    }
}

/// Lowest limb first.
fn split(mut number: u128, out: &mut [u16]) {
    for limb in out {
        *limb = (number & ((1 << BITS) - 1)) as u16;
        number >>= BITS;
    }
}

fn join(limbs: &[u16]) -> u128 {
    limbs.iter().rev().fold(0, |number, limb| (number << BITS) + u128::from(*limb))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn limbs_of_many_bins_add_up(
            cells in prop::collection::vec((0..=COUNT_MAX, 0..=SUM_MAX), 0..=256), key: [u8; 32], full: bool,
        ) {
            let mut bytes = [0xff; 8 * DATA];
            if !full {
                blake3::Hasher::new_keyed(&key).finalize_xof().fill(&mut bytes);
            }
            let weights = Weights::new(&bytes);
            let mut limbs = [0u16; LIMBS];
            let (mut count, mut sum) = (0, 0);
            for (c, s) in &cells {
                let of_bin = weights.write(Totals { count: *c, sum: *s });
                prop_assert!(of_bin.iter().all(|limb| *limb < 1 << BITS));
                limbs.iter_mut().zip(of_bin).for_each(|(limb, more)| *limb += more);
                (count, sum) = (count + c, sum + s);
            }
            prop_assert!(limbs.iter().all(|limb| *limb < 1 << WIDTH));
            prop_assert_eq!(weights.read(&limbs), Ok(Totals { count, sum }));
        }
    }
}
