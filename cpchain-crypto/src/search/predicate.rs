//! What can be asked of a field.

use alloc::{boxed::Box, vec::Vec};

/// A question about one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Predicate {
    /// Every record.
    Any,
    /// Exactly this value.
    Equal(u16),
    /// From `low` to `high`, both included; nothing if `low` is above `high`.
    Between {
        /// Smallest value wanted.
        low: u16,
        /// Largest value wanted.
        high: u16,
    },
    /// Agrees with `value` in all bits but the lowest `free`.
    Prefix {
        /// The value to agree with.
        value: u16,
        /// How many low bits may be anything; 16 and more: all.
        free: u8,
    },
    /// One of these; any seven values can be asked for in the widest shape, more if their digits fall together.
    OneOf(Vec<u16>),
    /// What the inner predicate does not match.
    Not(Box<Predicate>),
}

impl Predicate {
    /// Does a value match? The plaintext meaning of the predicate.
    pub fn matches(&self, value: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Equal(wanted) => value == *wanted,
            Self::Between { low, high } => (*low..=*high).contains(&value),
            Self::Prefix { value: wanted, free } => {
                let free = u32::from(*free).min(16);
                u32::from(value) >> free == u32::from(*wanted) >> free
            }
            Self::OneOf(values) => values.contains(&value),
            Self::Not(inner) => !inner.matches(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_any_width() {
        assert!(!Predicate::Prefix { value: 4, free: 0 }.matches(5));
        assert!(Predicate::Prefix { value: 4, free: 1 }.matches(5));
        assert!(Predicate::Prefix { value: 4, free: 200 }.matches(0xffff));
    }

    #[test]
    fn ranges_include_their_ends() {
        let range = Predicate::Between { low: 3, high: 9 };
        assert_eq!((0..12).filter(|value| range.matches(*value)).collect::<Vec<_>>(), (3..=9).collect::<Vec<_>>());
        assert!((0..12).all(|value| !Predicate::Between { low: 9, high: 3 }.matches(value)));
    }
}
