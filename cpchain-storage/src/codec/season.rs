//! What repeats every so many readings: the hours of a day, the turns of a shaft.
//!
//! A reading is written as its difference from the one a period before. The first period has none before it: its first reading
//! stays, the others are differences from their neighbours.

/// Longest period that is looked for, in readings.
const MAX_LAG: usize = 1500;
/// Shortest column in which one is looked for.
const MIN_LEN: usize = 64;
/// Places at which a period is tried.
const PROBES: usize = 192;

/// The period that saves most, in readings; `None` if none saves a tenth.
pub(super) fn find(numbers: &[i64]) -> Option<usize> {
    if numbers.len() < MIN_LEN {
        return None;
    }
    let longest = MAX_LAG.min(numbers.len() / 2);
    let step = ((numbers.len() - longest) / PROBES).max(1);
    // Bits of the change since the reading before, less the change that was there a period ago.
    let cost = |lag: Option<usize>| -> u64 {
        let bits = |at: usize| {
            let change = |at: usize| numbers.get(at)?.checked_sub(*numbers.get(at.checked_sub(1)?)?);
            let before = lag.map_or(Some(0), |lag| change(at.checked_sub(lag)?));
            let left = change(at).zip(before).map_or(i64::MAX, |(now, before)| now.saturating_sub(before));
            u64::from(u64::BITS - left.unsigned_abs().leading_zeros())
        };
        (longest + 1..numbers.len()).step_by(step).map(bits).sum()
    };
    let (saved, lag) = (2..=longest).map(|lag| (cost(Some(lag)), lag)).min()?;
    (saved * 10 < cost(None) * 9).then_some(lag)
}

/// The differences.
pub(super) fn difference(numbers: &[i64], lag: usize) -> Vec<i64> {
    let before = |at: usize| {
        let place = at.checked_sub(lag).or_else(|| at.checked_sub(1));
        place.and_then(|place| numbers.get(place)).copied().unwrap_or(0)
    };
    numbers.iter().enumerate().map(|(at, number)| number.wrapping_sub(before(at))).collect()
}

/// The numbers of which these are the differences.
pub(super) fn restore(differences: Vec<i64>, lag: usize) -> Vec<i64> {
    let mut numbers: Vec<i64> = Vec::with_capacity(differences.len());
    for (at, difference) in differences.into_iter().enumerate() {
        let place = at.checked_sub(lag).or_else(|| at.checked_sub(1));
        let before = place.and_then(|place| numbers.get(place)).copied().unwrap_or(0);
        numbers.push(difference.wrapping_add(before));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_day_is_found_in_hourly_readings_and_nothing_in_noise() {
        // SplitMix64: a mere multiple would come close to itself again and again.
        let noise = |at: i64| {
            let mut mixed = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed >> 40) as i64 % 1000
        };
        let day: Vec<i64> = (0..672).map(|at| noise(at % 24 + 7) + at / 24).collect();
        assert_eq!(find(&day), Some(24));
        assert_eq!(find(&(0..672).map(noise).collect::<Vec<_>>()), None);
    }

    proptest! {
        #[test]
        fn differences_restore(numbers in prop::collection::vec(any::<i64>(), 0..300), lag in 1usize..400) {
            prop_assert_eq!(restore(difference(&numbers, lag), lag), numbers.clone());
            let _ = find(&numbers);
        }
    }
}
