//! A table of counts and sums, as a schema knows it.

use alloc::string::{String, ToString as _};

use super::{Column, Content, Schema, SchemaError};
use crate::search::{Field, SearchError, Value};

/// What an aggregate table counts: records by the number of one field, with the sum of another, in intervals of a third, which is time.
///
/// Every record has the value and the time. One without the field that is cut counts under number 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub(in crate::search) cut: (Field, Column),
    pub(in crate::search) value: Field,
    pub(in crate::search) time: Field,
    /// The value's steps that count as nothing.
    pub(in crate::search) lowest: i64,
    /// The first moment of the first interval.
    pub(in crate::search) first_ms: i64,
    pub(in crate::search) interval_ms: i64,
}

/// A record as an aggregate table counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// The interval, from 0.
    pub interval: usize,
    /// The number of the field that is cut: for [`Bins::tally`](crate::search::aggregate::Bins::tally).
    pub number: u16,
    /// What is added up: steps of the value above the lowest.
    pub value: u32,
}

impl Summary {
    /// Records by `cut`, whose numbers are those of `column`; what is added up are the steps of `value` from `lowest` on; time is cut into
    /// intervals of so many milliseconds, the first of which begins at `first_ms`.
    ///
    /// Cut the bins at 0 and 1 and wherever you want to ask: 0 are the records without the field.
    ///
    /// # Errors
    /// [`SchemaError::Kind`] for a field of another kind; [`SchemaError::Interval`] for an interval of no time, or one that is no multiple of a step of
    /// the field, or a beginning that is no multiple of the interval.
    pub fn new(
        cut: (Field, Column),
        (value, lowest): (Field, Value<'_>),
        (time, first_ms, interval_ms): (Field, i64, u32),
    ) -> Result<Self, SchemaError> {
        use crate::search::FieldKind;
        cut.1.fits(&cut.0)?;
        let number = matches!(value.kind(), FieldKind::Integer | FieldKind::Decimal { .. });
        let lowest = value.steps(lowest).ok().filter(|lowest| number && lowest.unsigned_abs() <= 1 << 60);
        let lowest = lowest.ok_or(SchemaError::Kind)?;
        let FieldKind::Timestamp { step_ms } = time.kind() else { return Err(SchemaError::Kind) };
        let interval_ms = i64::from(interval_ms);
        let far = first_ms.unsigned_abs() > 1 << 60;
        if interval_ms == 0 || interval_ms % i64::from(step_ms) != 0 || first_ms % interval_ms != 0 || far {
            return Err(SchemaError::Interval);
        }
        Ok(Self { cut, value, time, lowest, first_ms, interval_ms })
    }

    /// The names of the three fields: what is cut, what is added up, and time.
    pub fn fields(&self) -> [&str; 3] {
        [self.cut.0.name(), self.value.name(), self.time.name()]
    }

    /// A record's place in the table, from its fields by name.
    ///
    /// # Errors
    /// [`SearchError::Shape`] for a record without value or time; [`SearchError::Value`] for one before the first interval, below the lowest value, or out of
    /// the reach of the column.
    pub fn cell(&self, record: &[(&str, Value<'_>)]) -> Result<Cell, SearchError> {
        let find = |field: &Field| record.iter().find(|(name, _)| *name == field.name()).map(|(_, value)| *value);
        let (field, column) = &self.cut;
        let number = find(field).map_or(Ok(0), |value| column.number(field, value))?;
        let value = self.value.steps(find(&self.value).ok_or(SearchError::Shape)?)?;
        let value = value.checked_sub(self.lowest).and_then(|steps| u32::try_from(steps).ok());
        let Some(Value::Timestamp(at)) = find(&self.time) else { return Err(SearchError::Shape) };
        let interval = at.checked_sub(self.first_ms).map(|since| since.div_euclid(self.interval_ms));
        let interval = interval.and_then(|interval| usize::try_from(interval).ok());
        Ok(Cell { interval: interval.ok_or(SearchError::Value)?, number, value: value.ok_or(SearchError::Value)? })
    }
}

impl Schema {
    /// With an aggregate table. Its fields can be named in questions also if nothing else indexes them.
    ///
    /// # Errors
    /// [`SchemaError::Twice`] if there is one already, or a field of these names has another kind; [`SchemaError::Name`].
    pub fn summary(mut self, summary: Summary) -> Result<Self, SchemaError> {
        if self.summary.is_some() {
            return Err(SchemaError::Twice);
        }
        for field in [&summary.cut.0, &summary.value, &summary.time] {
            let name: String = field.name().to_string();
            self = self.put(&name, Content::Typed(field.clone()), None, None)?;
        }
        self.summary = Some(summary);
        Ok(self)
    }

    /// The aggregate table, if there is one.
    pub const fn summarised(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }
}
