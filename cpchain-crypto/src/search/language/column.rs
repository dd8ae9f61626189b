//! Values as the 16-bit numbers of a predicate scan. 0 says that a record has no value.

use alloc::{string::String, vec::Vec};

use super::{Literal, SchemaError};
use crate::search::{Field, FieldKind, Predicate, SearchError, Value, text::normalise};

/// How a field becomes a column of a scan table: the same on both sides, and for as long as the table lives.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    scale: Scale,
    digits: u8,
}

#[derive(Debug, Clone, PartialEq)]
enum Scale {
    /// Folded; the number of a name is its place, from 1.
    Names(Vec<String>),
    /// Steps from this value on, which is number 1.
    Lowest(Value<'static>),
}

impl Column {
    /// A category with these names. New ones may be put behind them, as long as they need no more base-16 digits; the order of those that are
    /// there may not change. Names that follow each other are cheapest to ask for together.
    ///
    /// # Errors
    /// [`SchemaError::Column`] for no names, or 65,536 and more; [`SchemaError::Twice`] for names that differ in case alone.
    pub fn names<S: AsRef<str>>(names: &[S]) -> Result<Self, SchemaError> {
        let names: Vec<String> = names.iter().map(|name| normalise(name.as_ref())).collect();
        let mut sorted: Vec<&String> = names.iter().collect();
        sorted.sort_unstable();
        if sorted.windows(2).any(|two| two.first() == two.last()) {
            return Err(SchemaError::Twice);
        }
        let digits = (1..=4).find(|digits| (1..1usize << (4 * digits)).contains(&names.len()));
        let digits = digits.ok_or(SchemaError::Column)?;
        Ok(Self { scale: Scale::Names(names), digits })
    }

    /// Numbers or times from `lowest` on: 15, 255, 4,095 or 65,535 steps of their field, for 1 to 4 base-16 digits.
    ///
    /// # Errors
    /// [`SchemaError::Kind`] for a name, [`SchemaError::Column`] for other digits.
    pub const fn numbers(lowest: Value<'_>, digits: u8) -> Result<Self, SchemaError> {
        if digits == 0 || digits > 4 {
            return Err(SchemaError::Column);
        }
        let lowest = match lowest {
            Value::Integer(value) => Value::Integer(value),
            Value::Timestamp(at) => Value::Timestamp(at),
            Value::Decimal(value) => Value::Decimal(value),
            Value::Category(_) | Value::Text(_) => return Err(SchemaError::Kind),
        };
        Ok(Self { scale: Scale::Lowest(lowest), digits })
    }

    /// Base-16 digits.
    pub const fn digits(&self) -> u8 {
        self.digits
    }

    pub(super) fn fits(&self, field: &Field) -> Result<(), SchemaError> {
        let right = match &self.scale {
            Scale::Names(_) => field.kind() == FieldKind::Category,
            Scale::Lowest(lowest) => {
                // Far from the ends of 64 bits, so that no sum below overflows.
                field.steps(*lowest).is_ok_and(|steps| steps.unsigned_abs() <= 1 << 60)
            }
        };
        if right { Ok(()) } else { Err(SchemaError::Kind) }
    }

    /// The largest number.
    pub(in crate::search) const fn top(&self) -> u16 {
        u16::MAX >> (16 - 4 * self.digits as u32)
    }

    /// The number of a value.
    ///
    /// # Errors
    /// [`SearchError::Value`] for a name that is not among the column's, or a number out of its reach.
    pub(super) fn number(&self, field: &Field, value: Value<'_>) -> Result<u16, SearchError> {
        match (&self.scale, value) {
            (Scale::Names(names), Value::Category(name)) => place(names, &normalise(name)).ok_or(SearchError::Value),
            (Scale::Lowest(lowest), value) => {
                let number = field.steps(value)?.checked_sub(field.steps(*lowest)?).and_then(|n| n.checked_add(1));
                let number = number.and_then(|number| u16::try_from(number).ok());
                number.filter(|number| (1..=self.top()).contains(number)).ok_or(SearchError::Value)
            }
            _ => Err(SearchError::Value),
        }
    }

    /// "The value is this one": none if no record can have it.
    pub(in crate::search) fn equal(&self, field: &Field, literal: &Literal) -> Option<u16> {
        match (&self.scale, literal) {
            (Scale::Names(names), Literal::Name(name)) => place(names, &normalise(name)),
            (Scale::Lowest(_), literal) => self.clamped(field, literal).and_then(Result::ok),
            _ => None,
        }
    }

    /// The numbers of all names that begin so.
    pub(in crate::search) fn begins(&self, prefix: &str) -> Vec<u16> {
        let prefix = normalise(prefix);
        match &self.scale {
            Scale::Names(names) => {
                (1..).zip(names).filter(|(_, name)| name.starts_with(&prefix)).map(|(number, _)| number).collect()
            }
            Scale::Lowest(_) => Vec::new(),
        }
    }

    /// "From `low` to `high`": none if no record can be there.
    pub(in crate::search) fn between(
        &self,
        field: &Field,
        low: Option<&Literal>,
        high: Option<&Literal>,
    ) -> Option<Predicate> {
        let low = match low {
            None => 1,
            Some(low) => match self.clamped(field, low)? {
                Ok(number) => number,
                Err(Side::Below) => 1,
                Err(Side::Above) => return None,
            },
        };
        let high = match high {
            None => self.top(),
            Some(high) => match self.clamped(field, high)? {
                Ok(number) => number,
                Err(Side::Below) => return None,
                Err(Side::Above) => self.top(),
            },
        };
        if low > high { None } else { Some(Predicate::Between { low, high }) }
    }

    /// The number of a literal, or on which side of the column it lies; none if it is of another kind.
    fn clamped(&self, field: &Field, literal: &Literal) -> Option<Result<u16, Side>> {
        let Scale::Lowest(lowest) = &self.scale else { return None };
        let (steps, lowest) = (literal.steps(field).ok()?, field.steps(*lowest).ok()?);
        Some(match steps.saturating_sub(lowest).saturating_add(1) {
            ..1 => Err(Side::Below),
            number if number > i64::from(self.top()) => Err(Side::Above),
            number => Ok(number as u16),
        })
    }
}

enum Side {
    Below,
    Above,
}

fn place(names: &[String], folded: &str) -> Option<u16> {
    let place = names.iter().position(|name| name == folded)?;
    u16::try_from(place + 1).ok()
}
