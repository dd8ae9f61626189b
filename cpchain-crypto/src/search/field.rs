//! Typed fields: the same value is the same term in a keyword index and the same number in a predicate scan.

use alloc::{format, string::String};

use super::{FixedPoint, SearchError, Term, text::normalise};

/// Whole numbers up to here are exact in an `f64`.
const EXACT: f64 = (1u64 << 53) as f64;
/// More decimals than an `f64` has.
const MAX_PLACES: u8 = 15;

/// What a field's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldKind {
    /// One of several names. Case, width and composition of characters make no difference.
    Category,
    /// Whole numbers.
    Integer,
    /// Points in time, cut down to multiples of a step.
    Timestamp {
        /// Milliseconds of a step: 3,600,000 for hours.
        step_ms: u32,
    },
    /// Numbers with so many decimals (at most 15), rounded half away from zero.
    Decimal {
        /// Digits behind the point.
        places: u8,
    },
}

/// A value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A name.
    Category(&'a str),
    /// Words. No typed field has this value: see [`Language`](super::Language) and [`language::Schema::text`](super::language::Schema::text).
    Text(&'a str),
    /// A whole number.
    Integer(i64),
    /// Milliseconds since 1970, UTC.
    Timestamp(i64),
    /// A physical value.
    Decimal(f64),
}

/// A named field of records.
///
/// ```
/// use cpchain_crypto::search::{Field, FieldKind, Predicate, Value};
/// let celsius = Field::new("temperature", FieldKind::Decimal { places: 1 })?;
/// // In a keyword index: equality.
/// assert_eq!(celsius.term(Value::Decimal(21.5))?, celsius.term(Value::Decimal(21.46))?);
/// // In a predicate scan: 16 bits from the lowest value on, in the same order.
/// let scale = celsius.scale(Value::Decimal(-50.0))?;
/// assert_eq!(scale.encode_steps(celsius.steps(Value::Decimal(-3.4))?)?, 466);
/// assert_eq!(scale.between(-3.4, 0.0)?, Predicate::Between { low: 466, high: 500 });
/// # Ok::<(), cpchain_crypto::search::SearchError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    name: String,
    kind: FieldKind,
}

impl Field {
    /// A field by name and kind.
    ///
    /// # Errors
    /// [`SearchError::Value`] for a step of zero, or more than 15 decimals.
    pub fn new(name: &str, kind: FieldKind) -> Result<Self, SearchError> {
        match kind {
            FieldKind::Timestamp { step_ms: 0 } => Err(SearchError::Value),
            FieldKind::Decimal { places } if places > MAX_PLACES => Err(SearchError::Value),
            _ => Ok(Self { name: name.into(), kind }),
        }
    }

    /// The field's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its values are.
    pub const fn kind(&self) -> FieldKind {
        self.kind
    }

    /// "The field has this value", for a keyword index. Fields that differ in name, kind, step or decimals share no term.
    ///
    /// # Errors
    /// [`SearchError::Value`] for a value of another kind, or one that is not finite or beyond 2⁵³ steps.
    pub fn term(&self, value: Value<'_>) -> Result<Term, SearchError> {
        let name = &self.name;
        if let (FieldKind::Category, Value::Category(value)) = (self.kind, value) {
            return Ok(Term::new(&format!("category/v1/{name}"), normalise(value).as_bytes()));
        }
        let steps = self.steps(value)?.to_le_bytes();
        let kind = match self.kind {
            FieldKind::Category => return Err(SearchError::Value),
            FieldKind::Integer => format!("integer/v1/{name}"),
            FieldKind::Timestamp { step_ms } => format!("timestamp/v1/{step_ms}/{name}"),
            FieldKind::Decimal { places } => format!("decimal/v1/{places}/{name}"),
        };
        Ok(Term::new(&kind, &steps))
    }

    /// The value as a whole number of steps: for [`FixedPoint::encode_steps`].
    ///
    /// # Errors
    /// As [`term`](Self::term), and for a category: the place of a name in a list of yours is its number.
    pub fn steps(&self, value: Value<'_>) -> Result<i64, SearchError> {
        match (self.kind, value) {
            (FieldKind::Integer, Value::Integer(value)) => Ok(value),
            (FieldKind::Timestamp { step_ms }, Value::Timestamp(at)) => Ok(at.div_euclid(i64::from(step_ms))),
            (FieldKind::Decimal { places }, Value::Decimal(value)) => {
                let steps = (value * 10f64.powi(i32::from(places))).round();
                if steps.abs() <= EXACT { Ok(steps as i64) } else { Err(SearchError::Value) }
            }
            _ => Err(SearchError::Value),
        }
    }

    /// The 16-bit scale of a predicate scan over this field, from `lowest` on: 65,536 steps.
    ///
    /// # Errors
    /// As [`steps`](Self::steps); [`SearchError::Value`] for a lowest value beyond ±2⁴⁰ steps, or more than 9 decimals.
    pub fn scale(&self, lowest: Value<'_>) -> Result<FixedPoint, SearchError> {
        let steps_of_one = match self.kind {
            FieldKind::Decimal { places } => 10u32.checked_pow(u32::from(places)).ok_or(SearchError::Value)?,
            _ => 1,
        };
        FixedPoint::new(steps_of_one, self.steps(lowest)?)
    }
}
