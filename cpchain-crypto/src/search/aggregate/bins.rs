//! A field cut into bins, and what is counted of an interval.

use alloc::{vec, vec::Vec};

use super::limbs::{COUNT_MAX, SUM_MAX};
use crate::search::{FixedPoint, Predicate, SearchError};

/// A field of 16 bits, cut into 1 to 256 bins: the first begins at the first edge, each other one where the one before ends, the last ends at 65,535.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bins {
    edges: Vec<u16>,
}

/// Counts and sums of one interval, for each bin. Made by [`Bins::tally`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub(super) cells: Vec<Totals>,
}

/// How many readings, and what their values add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Readings.
    pub count: u64,
    /// The sum of their values, in steps.
    pub sum: u64,
}

impl Bins {
    /// Bins, at most.
    pub const MAX: usize = 256;

    /// Cuts at these values, ascending.
    ///
    /// # Errors
    /// [`SearchError::Shape`] for none, more than 256, or edges that do not ascend.
    pub fn new(edges: &[u16]) -> Result<Self, SearchError> {
        let ascend = edges.is_sorted_by(|a, b| a < b);
        if edges.is_empty() || edges.len() > Self::MAX || !ascend {
            return Err(SearchError::Shape);
        }
        Ok(Self { edges: edges.to_vec() })
    }

    /// Where they begin.
    pub fn edges(&self) -> &[u16] {
        &self.edges
    }

    /// Counts the readings of an interval: of each the field that is cut, and the value that is added up.
    ///
    /// # Errors
    /// [`SearchError::Value`] for a field below the first edge, more than 2³² − 1 readings in a bin, or a sum of 2⁴⁹ or more.
    pub fn tally(&self, readings: impl IntoIterator<Item = (u16, u32)>) -> Result<Tally, SearchError> {
        let mut cells = vec![Totals::default(); self.edges.len()];
        for (field, value) in readings {
            let bin = self.edges.partition_point(|edge| *edge <= field).checked_sub(1);
            let cell = bin.and_then(|bin| cells.get_mut(bin)).ok_or(SearchError::Value)?;
            cell.count += 1;
            cell.sum += u64::from(value);
            if cell.count > COUNT_MAX || cell.sum > SUM_MAX {
                return Err(SearchError::Value);
            }
        }
        Ok(Tally { cells })
    }

    /// Which bins a predicate matches.
    pub(super) fn select(&self, predicate: &Predicate) -> Result<Vec<bool>, SearchError> {
        let ends = self.edges.iter().skip(1).map(|edge| u32::from(*edge)).chain([1 << 16]);
        let all = self.edges.iter().zip(ends).map(|(first, end)| {
            let mut of_bin = (u32::from(*first)..end).map(|value| predicate.matches(value as u16));
            let wanted = of_bin.next().unwrap_or(false);
            if of_bin.all(|other| other == wanted) { Ok(wanted) } else { Err(SearchError::PartsBin) }
        });
        all.collect()
    }
}

impl Tally {
    /// An interval from counts and sums that were made elsewhere, one for each bin.
    ///
    /// # Errors
    /// [`SearchError::Value`] for a count of 2³² or more, or a sum of 2⁴⁹ or more.
    pub fn from_totals(cells: Vec<Totals>) -> Result<Self, SearchError> {
        let right = cells.iter().all(|cell| cell.count <= COUNT_MAX && cell.sum <= SUM_MAX);
        if right { Ok(Self { cells }) } else { Err(SearchError::Value) }
    }

    /// Count and sum of each bin.
    pub fn totals(&self) -> &[Totals] {
        &self.cells
    }
}

impl Totals {
    /// The mean value in steps; none of no readings.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The mean as a physical value, if values were encoded so.
    pub fn physical_mean(&self, scale: &FixedPoint) -> Option<f64> {
        // What number 0 stands for, and how far a step is.
        let (zero, one) = (scale.decode(0), scale.decode(1));
        self.mean().map(|mean| zero + mean * (one - zero))
    }
}

impl core::ops::Add for Totals {
    type Output = Self;

    /// Of two intervals together. 64 bits are enough for 2¹⁵ intervals of the largest sums; beyond that it stays at the largest number.
    fn add(self, other: Self) -> Self {
        Self { count: self.count.saturating_add(other.count), sum: self.sum.saturating_add(other.sum) }
    }
}
