//! Values as they are written.

use alloc::string::String;
use core::fmt;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::search::{Field, FieldKind, SearchError, Value};

/// A value in a query, rounded as values of its field are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// A name.
    Name(String),
    /// A whole number.
    Integer(i64),
    /// Milliseconds since 1970, UTC: the beginning of a step.
    Timestamp(i64),
    /// `steps` divided by 10 to the power of `places`.
    Decimal {
        /// The number without its point.
        steps: i64,
        /// Digits behind the point.
        places: u8,
    },
}

impl Literal {
    /// Reads a value of a field; none if it is not one.
    pub(super) fn read(field: &Field, text: &str) -> Option<Self> {
        let steps = |value| field.steps(value).ok();
        Some(match field.kind() {
            FieldKind::Category => Self::Name(text.into()),
            FieldKind::Integer => Self::Integer(text.parse().ok()?),
            FieldKind::Timestamp { step_ms } => {
                let steps = steps(Value::Timestamp(read_time(text)?))?;
                Self::Timestamp(steps.checked_mul(i64::from(step_ms))?)
            }
            FieldKind::Decimal { places } => {
                Self::Decimal { steps: steps(Value::Decimal(text.parse().ok()?))?, places }
            }
        })
    }

    /// The literal so many steps further.
    pub(super) fn moved(&self, field: &Field, by: i64) -> Option<Self> {
        Some(match (self, field.kind()) {
            (Self::Integer(value), _) => Self::Integer(value.checked_add(by)?),
            (Self::Timestamp(at), FieldKind::Timestamp { step_ms }) => {
                Self::Timestamp(at.checked_add(by.checked_mul(i64::from(step_ms))?)?)
            }
            (Self::Decimal { steps, places }, _) => Self::Decimal { steps: steps.checked_add(by)?, places: *places },
            _ => return None,
        })
    }

    /// The number of steps of a literal of this field.
    ///
    /// # Errors
    /// [`SearchError::Value`] for a name, or a literal of another field.
    pub fn steps(&self, field: &Field) -> Result<i64, SearchError> {
        match (self, field.kind()) {
            (Self::Integer(value), FieldKind::Integer) => Ok(*value),
            (Self::Timestamp(at), FieldKind::Timestamp { .. }) => field.steps(Value::Timestamp(*at)),
            (Self::Decimal { steps, places }, FieldKind::Decimal { places: of_field }) if *places == of_field => {
                Ok(*steps)
            }
            _ => Err(SearchError::Value),
        }
    }

    /// The literal as a value of a field.
    pub(in crate::search) fn value(&self) -> Value<'_> {
        match self {
            Self::Name(name) => Value::Category(name),
            Self::Integer(value) => Value::Integer(*value),
            Self::Timestamp(at) => Value::Timestamp(*at),
            Self::Decimal { steps, places } => Value::Decimal(*steps as f64 / 10f64.powi(i32::from(*places))),
        }
    }
}

/// Milliseconds since 1970.
fn read_time(text: &str) -> Option<i64> {
    if let Some(ms) = text.strip_prefix('@') {
        return ms.parse().ok();
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_millisecond());
    }
    let civil = text.parse::<DateTime>().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => super::print::value(f, name),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Timestamp(at) => match Timestamp::from_millisecond(*at) {
                Ok(at) if at.as_millisecond() >= -62_135_596_800_000 => write!(f, "{at}"),
                _ => write!(f, "@{at}"),
            },
            Self::Decimal { steps, places: 0 } => write!(f, "{steps}"),
            Self::Decimal { steps, places } => {
                let (sign, one) = (if *steps < 0 { "-" } else { "" }, 10u64.saturating_pow(u32::from(*places)));
                let (whole, rest) = (steps.unsigned_abs() / one, steps.unsigned_abs() % one);
                write!(f, "{sign}{whole}.{rest:0width$}", width = usize::from(*places))
            }
        }
    }
}
