//! How a question becomes selectors: classes of digits.
//!
//! A field of up to 16 bits is read as up to four digits in base 16. Two values of one digit are **of one class** when
//! exchanging them never changes the predicate's result, whatever the other digits are. The client asks, for every
//! digit, for the class of each record's digit, as a code of three bits; it then puts any member of the class in the
//! digit's place and evaluates the predicate itself. By the definition of a class the result is exact
//! (`classes_decide_every_value`).
//!
//! Equality, prefixes and ranges have at most five classes a digit: below, at and above the digit of either bound. A set
//! of `n` values has at most `n + 1`. Code 0 is left to slots without a record, so a digit may have seven classes.

use alloc::vec::Vec;

use crate::search::{Predicate, SearchError};

/// Classes that a predicate may split a digit into: three bits, without the code of "no record".
const MAX_CLASSES: usize = 7;
/// Bits of a class code.
pub(super) const CODE_BITS: usize = 3;
const CODE_MASK: usize = (1 << CODE_BITS) - 1;
/// Values of a digit.
pub(super) const DIGIT: usize = 16;

/// A predicate prepared for a field of so many digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// For each digit, most significant first: the code (1 to 7) of each of its values.
    codes: Vec<[u8; DIGIT]>,
    /// For each combination of codes (three bits a digit): no record can have it, no match, match.
    verdicts: Vec<Verdict>,
}

/// What the codes of one record say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No record has these codes.
    Impossible,
    /// All codes are those of "no record".
    Absent,
    Miss,
    Match,
}

impl Plan {
    /// Finds the classes by comparing every value of every digit under all others: 16^digits evaluations.
    pub(super) fn new(predicate: &Predicate, digits: usize) -> Result<Self, SearchError> {
        if !(1..=4).contains(&digits) {
            return Err(SearchError::Shape);
        }
        let truth: Vec<bool> = (0..1u32 << (4 * digits)).map(|value| predicate.matches(value as u16)).collect();
        let mut codes = Vec::with_capacity(digits);
        let mut members = Vec::with_capacity(digits);
        for place in (0..digits).rev() {
            let (code, member) = classes(&truth, 4 * place as u32)?;
            codes.push(code);
            members.push(member);
        }
        let verdicts = (0..1usize << (CODE_BITS * digits)).map(|codes| verdict(codes, &members, &truth)).collect();
        Ok(Self { codes, verdicts })
    }

    /// For each digit, most significant first: the code of each value.
    pub(super) fn codes(&self) -> &[[u8; DIGIT]] {
        &self.codes
    }

    /// What a record with these codes is; three bits a digit, the most significant digit first.
    pub(super) fn verdict(&self, codes: usize) -> Verdict {
        self.verdicts.get(codes).copied().unwrap_or(Verdict::Impossible)
    }
}

/// The class code of each value of the digit at `shift`, and one member of each class.
fn classes(truth: &[bool], shift: u32) -> Result<([u8; DIGIT], Vec<u8>), SearchError> {
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
        if class >= MAX_CLASSES {
            return Err(SearchError::Predicate);
        }
        *code = class as u8 + 1;
    }
    Ok((codes, members))
}

fn verdict(codes: usize, members: &[Vec<u8>], truth: &[bool]) -> Verdict {
    if codes == 0 {
        return Verdict::Absent;
    }
    let mut value = 0;
    for (place, members) in members.iter().rev().enumerate() {
        let code = codes >> (CODE_BITS * place) & CODE_MASK;
        let Some(member) = code.checked_sub(1).and_then(|class| members.get(class)) else { return Verdict::Impossible };
        value |= usize::from(*member) << (4 * place);
    }
    if truth.get(value) == Some(&true) { Verdict::Match } else { Verdict::Miss }
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
            prop::collection::vec(any::<u16>(), 0..=6).prop_map(Predicate::OneOf),
        ];
        simple.prop_flat_map(|p| prop_oneof![Just(p.clone()), Just(Predicate::Not(p.into()))])
    }

    fn decide(plan: &Plan, digits: usize, value: u16) -> Verdict {
        let codes = plan.codes().iter().enumerate().fold(0, |codes, (index, of_digit)| {
            let digit = value >> (4 * (digits - 1 - index)) & 15;
            codes << CODE_BITS | usize::from(of_digit[usize::from(digit)])
        });
        plan.verdict(codes)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn classes_decide_every_value(predicate in predicates(), digits in 1usize..=4) {
            let plan = Plan::new(&predicate, digits).unwrap();
            for value in 0..=u16::MAX >> (16 - 4 * digits) {
                let wanted = if predicate.matches(value) { Verdict::Match } else { Verdict::Miss };
                prop_assert_eq!(decide(&plan, digits, value), wanted);
            }
            prop_assert_eq!(plan.verdict(0), Verdict::Absent);
        }
    }

    #[test]
    fn scattered_sets_are_refused_and_not_answered_wrongly() {
        let scattered = Predicate::OneOf((0..7).map(|i| i * 0x1111).collect());
        assert_eq!(Plan::new(&scattered, 4), Err(SearchError::Predicate));
        let together = Predicate::OneOf((0..200).collect());
        assert!(Plan::new(&together, 4).is_ok());
    }

    #[test]
    fn an_empty_range_matches_nothing() {
        let empty = Predicate::Between { low: 9, high: 3 };
        let plan = Plan::new(&empty, 4).unwrap();
        assert_eq!(decide(&plan, 4, 5), Verdict::Miss);
    }
}
