//! What a plan found.

use alloc::vec::Vec;

use crate::search::scan::shared::SharedFound;

/// What a plan found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Found {
    /// Numbers of the records that match, ascending.
    Records(Vec<u64>),
    /// Records of several writers, and the writers of whom nothing is believed: what these have is in no part of the result.
    Shared(SharedFound),
    /// How many records match.
    Count(u64),
    /// Figures of intervals, ascending, one without gaps behind the other.
    Totals(Vec<Interval>),
}

impl Found {
    /// The records, if it is these.
    pub fn records(self) -> Option<Vec<u64>> {
        if let Self::Records(records) = self { Some(records) } else { None }
    }
}

/// Readings of an interval that match.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The first millisecond since 1970, UTC.
    pub from_ms: i64,
    /// The first one behind it.
    pub to_ms: i64,
    /// How many there are.
    pub count: u64,
    /// What their values add up to, exactly: in steps of the field, of which [`per_unit`](Self::per_unit) are one.
    pub steps: i128,
    /// Steps of the value that make up one.
    pub per_unit: u64,
}

impl Interval {
    /// What the values add up to.
    pub fn sum(&self) -> f64 {
        self.steps as f64 / self.per_unit as f64
    }

    /// The mean; none of no readings.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum() / self.count as f64)
    }
}
