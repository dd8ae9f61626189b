//! How a question becomes selectors: classes of digits.
//!
//! A field of up to 16 bits is read as up to four digits in base 16. Two values of one digit are **of one class** when
//! exchanging them never changes the predicate's result, whatever the other digits are. The client asks, for every
//! digit, for the class of each record's digit, as a code of one to three bits; it then puts any member of the class in the
//! digit's place and evaluates the predicate itself. By the definition of a class the result is exact
//! (`classes_decide_every_value`).
//!
//! Equality and prefixes have two classes a digit. A range has at most four in the first digit (outside, at either bound, between),
//! five in the middle (below, at and above either bound) and three in the last (`every_range_has_the_shape_of_ranges`). A set of `n` values has at most `n + 1`.
//! The class of the value 0 has code 0, so a table needs no row for it: a digit that is none of the others is 0.

use alloc::vec::Vec;

use super::Shape;
use crate::search::{Predicate, SearchError};

/// Values of a digit.
pub(super) const DIGIT: usize = 16;
/// Rows of a digit: its values but 0.
pub(super) const ROWS: usize = DIGIT - 1;
/// Most bits of a code.
pub(super) const MAX_BITS: usize = 3;

/// A predicate prepared for a field of so many digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// For each digit, most significant first.
    digits: Vec<DigitPlan>,
    /// For each combination of codes, those of the most significant digit in front: does a record match that has them? None has those without an answer.
    verdicts: Vec<Option<bool>>,
}

/// What is asked of one digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DigitPlan {
    /// Bits of a code.
    pub(super) bits: usize,
    /// The code of each value.
    pub(super) codes: [u8; DIGIT],
}

impl Plan {
    /// Finds the classes by comparing every value of every digit under all others: 16^digits evaluations.
    pub(super) fn new(predicate: &Predicate, digits: usize, shape: Shape) -> Result<Self, SearchError> {
        if !(1..=4).contains(&digits) {
            return Err(SearchError::Shape);
        }
        let truth: Vec<bool> = (0..1u32 << (4 * digits)).map(|value| predicate.matches(value as u16)).collect();
        let (mut plans, mut members) = (Vec::with_capacity(digits), Vec::with_capacity(digits));
        for place in 0..digits {
            let (codes, member) = classes(&truth, 4 * (digits - 1 - place) as u32);
            let bits = shape.bits(digits, place);
            if member.len() > 1 << bits {
                return Err(SearchError::Predicate);
            }
            plans.push(DigitPlan { bits, codes });
            members.push((bits, member));
        }
        let bits: usize = members.iter().map(|(bits, _)| bits).sum();
        let verdicts = (0..1usize << bits).map(|codes| verdict(codes, &members, &truth)).collect();
        Ok(Self { digits: plans, verdicts })
    }

    /// What is asked of each digit, most significant first.
    pub(super) fn digits(&self) -> &[DigitPlan] {
        &self.digits
    }

    /// Does a record with these codes match? No record has those that `None` is said of.
    pub(super) fn verdict(&self, codes: usize) -> Option<bool> {
        self.verdicts.get(codes).copied().flatten()
    }
}

/// The class of each value of the digit at `shift`, in the order in which they appear, and one member of each.
fn classes(truth: &[bool], shift: u32) -> ([u8; DIGIT], Vec<u8>) {
    let same = |a: u8, b: u8| {
        let below = 1usize << shift;
        let at = |digit: u8, rest: usize| {
            let value = (rest / below * DIGIT + usize::from(digit)) * below + rest % below;
            truth.get(value)
        };
        (0..truth.len() / DIGIT).all(|rest| at(a, rest) == at(b, rest))
    };
    let mut members: Vec<u8> = Vec::new();
    let mut codes = [0; DIGIT];
    for (value, code) in (0u8..).zip(codes.iter_mut()) {
        let class = members.iter().position(|member| same(*member, value));
        let class = class.unwrap_or_else(|| {
            members.push(value);
            members.len() - 1
        });
        *code = class as u8;
    }
    (codes, members)
}

fn verdict(codes: usize, members: &[(usize, Vec<u8>)], truth: &[bool]) -> Option<bool> {
    let (mut value, mut codes) = (0, codes);
    for (place, (bits, members)) in members.iter().rev().enumerate() {
        value |= usize::from(*members.get(codes & ((1 << bits) - 1))?) << (4 * place);
        codes >>= bits;
    }
    truth.get(value).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn predicates() -> impl Strategy<Value = Predicate> {
        let simple = prop_oneof![
            Just(Predicate::Any),
            any::<u16>().prop_map(Predicate::Equal),
            any::<(u16, u16)>().prop_map(|(a, b)| Predicate::Between { low: a.min(b), high: a.max(b) }),
            (any::<u16>(), 0u16..300).prop_map(|(a, b)| Predicate::Between { low: a, high: a.saturating_add(b) }),
            (any::<u16>(), 0u8..=16).prop_map(|(value, free)| Predicate::Prefix { value, free }),
            prop::collection::vec(any::<u16>(), 0..=7).prop_map(Predicate::OneOf),
        ];
        simple.prop_flat_map(|p| prop_oneof![Just(p.clone()), Just(Predicate::Not(p.into()))])
    }

    fn decide(plan: &Plan, value: u16) -> Option<bool> {
        let digits = plan.digits();
        let codes = digits.iter().enumerate().fold(0, |codes, (index, of_digit)| {
            let digit = value >> (4 * (digits.len() - 1 - index)) & 15;
            codes << of_digit.bits | usize::from(of_digit.codes[usize::from(digit)])
        });
        plan.verdict(codes)
    }

    fn right(plan: &Plan, predicate: &Predicate) {
        for value in 0..=u16::MAX >> (16 - 4 * plan.digits().len()) {
            assert_eq!(decide(plan, value), Some(predicate.matches(value)), "{predicate:?} of {value}");
        }
        assert!(plan.digits().iter().all(|digit| digit.codes[0] == 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn classes_decide_every_value(predicate in predicates(), digits in 1usize..=4) {
            right(&Plan::new(&predicate, digits, Shape::Classes).unwrap(), &predicate);
            for shape in [Shape::Products, Shape::Ranges] {
                match Plan::new(&predicate, digits, shape) {
                    Ok(plan) => right(&plan, &predicate),
                    Err(error) => prop_assert_eq!(error, SearchError::Predicate),
                }
            }
        }

        #[test]
        fn every_range_has_the_shape_of_ranges(a: u16, b: u16, digits in 1usize..=4, close in any::<bool>()) {
            let most = u16::MAX >> (16 - 4 * digits);
            let low = a & most;
            let high = if close { low.saturating_add(b % 64) } else { b } & most;
            let range = Predicate::Between { low, high };
            right(&Plan::new(&range, digits, Shape::Ranges).unwrap(), &range);
            right(&Plan::new(&Predicate::Not(range.clone().into()), digits, Shape::Ranges).unwrap(), &Predicate::Not(range.into()));
        }

        #[test]
        fn equality_and_prefixes_are_products(value: u16, free in 0u8..=16) {
            for predicate in [Predicate::Equal(value), Predicate::Prefix { value, free }] {
                right(&Plan::new(&predicate, 4, Shape::Products).unwrap(), &predicate);
            }
        }
    }

    #[test]
    fn scattered_sets_are_refused_and_not_answered_wrongly() {
        let scattered = Predicate::OneOf((0..9).map(|i| i * 0x1111).collect());
        assert_eq!(Plan::new(&scattered, 4, Shape::Classes), Err(SearchError::Predicate));
        let together = Predicate::OneOf((0..200).collect());
        assert!(Plan::new(&together, 4, Shape::Classes).is_ok());
    }

    #[test]
    fn an_empty_range_matches_nothing() {
        let empty = Predicate::Between { low: 9, high: 3 };
        let plan = Plan::new(&empty, 4, Shape::Products).unwrap();
        assert_eq!(decide(&plan, 5), Some(false));
    }
}
