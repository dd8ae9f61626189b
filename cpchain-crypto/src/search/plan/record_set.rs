//! Sets of record numbers, also of all but some.

use alloc::vec::Vec;
use core::cmp::Ordering;

/// A set of record numbers, or of all numbers but these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// Ascending, each once.
    numbers: Vec<u64>,
    /// All but these.
    inverted: bool,
}

impl RecordSet {
    /// No record.
    pub const EMPTY: Self = Self { numbers: Vec::new(), inverted: false };
    /// Every record.
    pub const ALL: Self = Self { numbers: Vec::new(), inverted: true };

    /// These records, in any order.
    pub fn of(mut numbers: Vec<u64>) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        Self { numbers, inverted: false }
    }

    /// All others.
    pub fn complement(self) -> Self {
        Self { inverted: !self.inverted, ..self }
    }

    /// What both have.
    pub fn and(&self, other: &Self) -> Self {
        let (a, b) = (&self.numbers, &other.numbers);
        match (self.inverted, other.inverted) {
            (false, false) => Self { numbers: merged(a, b, |in_a, in_b| in_a && in_b), inverted: false },
            (false, true) => Self { numbers: merged(a, b, |in_a, in_b| in_a && !in_b), inverted: false },
            (true, false) => Self { numbers: merged(a, b, |in_a, in_b| !in_a && in_b), inverted: false },
            (true, true) => Self { numbers: merged(a, b, |in_a, in_b| in_a || in_b), inverted: true },
        }
    }

    /// What either has.
    pub fn or(&self, other: &Self) -> Self {
        let (a, b) = (&self.numbers, &other.numbers);
        match (self.inverted, other.inverted) {
            (false, false) => Self { numbers: merged(a, b, |in_a, in_b| in_a || in_b), inverted: false },
            (false, true) => Self { numbers: merged(a, b, |in_a, in_b| !in_a && in_b), inverted: true },
            (true, false) => Self { numbers: merged(a, b, |in_a, in_b| in_a && !in_b), inverted: true },
            (true, true) => Self { numbers: merged(a, b, |in_a, in_b| in_a && in_b), inverted: true },
        }
    }

    /// The numbers, ascending. `records` is the universe, the numbers below it; none if it is not known, and then none is returned for all but some.
    pub fn numbers(self, records: Option<u64>) -> Option<Vec<u64>> {
        if !self.inverted {
            return Some(self.numbers);
        }
        let mut without = self.numbers.into_iter().peekable();
        let others = (0..records?).filter(|number| {
            let excluded = without.peek() == Some(number);
            if excluded {
                without.next();
            }
            !excluded
        });
        Some(others.collect())
    }
}

/// The numbers of either list that pass, ascending.
fn merged(a: &[u64], b: &[u64], pass: fn(bool, bool) -> bool) -> Vec<u64> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut out = Vec::new();
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return out,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.cmp(b),
        };
        let of_a = if order.is_le() { a.next() } else { None };
        let of_b = if order.is_ge() { b.next() } else { None };
        if pass(of_a.is_some(), of_b.is_some()) {
            out.extend(of_a.or(of_b));
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set() -> impl Strategy<Value = RecordSet> {
        (prop::collection::vec(0u64..40, 0..30), any::<bool>()).prop_map(|(numbers, inverted)| {
            if inverted { RecordSet::of(numbers).complement() } else { RecordSet::of(numbers) }
        })
    }

    fn plain(set: &RecordSet) -> BTreeSet<u64> {
        set.clone().numbers(Some(50)).unwrap().into_iter().collect()
    }

    proptest! {
        #[test]
        fn algebra_is_that_of_sets(a in set(), b in set()) {
            let (x, y) = (plain(&a), plain(&b));
            prop_assert_eq!(plain(&a.and(&b)), x.intersection(&y).copied().collect());
            prop_assert_eq!(plain(&a.or(&b)), x.union(&y).copied().collect());
            prop_assert_eq!(plain(&a.clone().complement()), (0..50).filter(|n| !x.contains(n)).collect());
            // Without a universe, only what is finite has numbers.
            prop_assert_eq!(a.clone().numbers(None).is_none(), a.inverted);
        }
    }
}
