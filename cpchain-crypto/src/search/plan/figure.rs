//! Figures that a table of counts and sums answers.
//!
//! What is asked must be of the field that is cut, at edges of bins, and of whole intervals: conditions on time choose intervals
//! here at the client, for an answer has all of them.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::ops::Range;

use super::Interval;
use super::{
    PlanError,
    leaves::{Ask, of_column},
    tables::AggregateTable,
};
use crate::search::aggregate::Totals;
use crate::search::{
    FieldKind,
    language::{Condition, Expression, Figure, FigureKind, Schema, Summary, Test},
};

/// How a figure is read from a table of counts and sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FigurePlan {
    /// For each bin, is it wanted?
    pub(super) bins: Vec<bool>,
    /// Those that are asked about.
    intervals: Range<usize>,
    first_ms: i64,
    interval_ms: i64,
    step_ms: Option<i64>,
    lowest: i64,
    per_unit: u64,
}

impl FigurePlan {
    /// Plans a figure.
    pub(super) fn new(figure: &Figure, schema: &Schema, table: Option<&AggregateTable>) -> Result<Self, PlanError> {
        let why = |why| PlanError::NoFigure { why };
        let (Some(summary), Some(table)) = (schema.summarised(), table) else {
            return Err(why("there is no table of counts and sums: COUNT without BY is answered of records"));
        };
        match &figure.kind {
            FigureKind::Sum(field) | FigureKind::Mean(field) if field != summary.value.name() => {
                return Err(why("the table adds up another field"));
            }
            _ => {}
        }
        let step_ms = figure.step_ms.map(i64::try_from).transpose().map_err(|_| PlanError::TooLarge)?;
        if step_ms.is_some_and(|step| step == 0 || step % summary.interval_ms != 0) {
            return Err(why("a step is a multiple of the table's interval: ask BY a longer one"));
        }
        let mut reader = Reader { summary, intervals: 0..table.intervals, cuts: Vec::new(), tests: 0 };
        if let Some(of) = &figure.of {
            reader.conditions(of, 0)?;
        }
        // A number above the column's largest is no record's.
        let wanted: Vec<bool> =
            (0..=summary.cut.1.top()).map(|number| reader.cuts.iter().all(|cut| cut.has(number))).collect();
        let bins =
            bins(&wanted, &table.edges).ok_or(why("a bound lies within a bin of the table: ask for whole bins"))?;
        let per_unit = match summary.value.kind() {
            FieldKind::Decimal { places } => 10u64.saturating_pow(u32::from(places)),
            _ => 1,
        };
        let Summary { first_ms, interval_ms, lowest, .. } = *summary;
        Ok(Self { bins, intervals: reader.intervals, first_ms, interval_ms, step_ms, lowest, per_unit })
    }

    /// The figures, from counts and sums of all intervals.
    pub(super) fn read(&self, totals: &[Totals]) -> Vec<Interval> {
        let begins = |interval: usize| self.first_ms.saturating_add(self.interval_ms.saturating_mul(interval as i64));
        let nothing = |from_ms, to_ms| Interval { from_ms, to_ms, count: 0, steps: 0, per_unit: self.per_unit };
        let mut groups: BTreeMap<i64, Interval> = BTreeMap::new();
        let whole = (begins(self.intervals.start), begins(self.intervals.end));
        if self.step_ms.is_none() {
            groups.insert(whole.0, nothing(whole.0, whole.1));
        }
        for (interval, totals) in totals.iter().enumerate().take(self.intervals.end).skip(self.intervals.start) {
            let (from, to) = match self.step_ms {
                Some(step) => {
                    let from = begins(interval).div_euclid(step).saturating_mul(step);
                    (from, from.saturating_add(step))
                }
                None => whole,
            };
            let group = groups.entry(from).or_insert(nothing(from, to));
            group.count = group.count.saturating_add(totals.count);
            group.steps += i128::from(totals.sum) + i128::from(totals.count) * i128::from(self.lowest);
        }
        groups.into_values().collect()
    }
}

/// A condition on the field that is cut.
enum Cut {
    Ask(Ask),
    Not(Box<Cut>),
    All(Vec<Cut>),
    Any(Vec<Cut>),
}

impl Cut {
    fn has(&self, number: u16) -> bool {
        match self {
            Self::Ask(Ask::Between(low, high)) => (*low..=*high).contains(&number),
            Self::Ask(Ask::OneOf(numbers)) => numbers.contains(&number),
            Self::Not(inner) => !inner.has(number),
            Self::All(parts) => parts.iter().all(|part| part.has(number)),
            Self::Any(parts) => parts.iter().any(|part| part.has(number)),
        }
    }
}

struct Reader<'a> {
    summary: &'a Summary,
    intervals: Range<usize>,
    /// All of them hold.
    cuts: Vec<Cut>,
    tests: usize,
}

impl Reader<'_> {
    /// Conditions that all hold: those on time narrow the intervals.
    fn conditions(&mut self, expression: &Expression, depth: usize) -> Result<(), PlanError> {
        match expression {
            Expression::All(parts) if depth <= Expression::MAX_DEPTH => {
                parts.iter().try_for_each(|part| self.conditions(part, depth + 1))
            }
            Expression::Test(test) if test.field == self.summary.time.name() => self.time(test),
            other => {
                let cut = self.cut(other, depth)?;
                self.cuts.push(cut);
                Ok(())
            }
        }
    }

    fn cut(&mut self, expression: &Expression, depth: usize) -> Result<Cut, PlanError> {
        if depth > 4 * Expression::MAX_DEPTH {
            return Err(PlanError::TooLarge);
        }
        let mut several = |parts: &[Expression]| -> Result<Vec<Cut>, PlanError> {
            parts.iter().map(|part| self.cut(part, depth + 1)).collect()
        };
        Ok(match expression {
            Expression::All(parts) => Cut::All(several(parts)?),
            Expression::Any(parts) => Cut::Any(several(parts)?),
            Expression::Not(inner) => Cut::Not(Box::new(self.cut(inner, depth + 1)?)),
            Expression::Test(test) => {
                self.tests += 1;
                let many = matches!(&test.condition, Condition::OneOf(values) if values.len() > Expression::MAX_SET);
                if self.tests > Expression::MAX_TESTS || many {
                    return Err(PlanError::TooLarge);
                }
                let (field, column) = &self.summary.cut;
                if test.field != field.name() {
                    let why = "the table is cut by another field, and conditions on time stand beside the others";
                    return Err(PlanError::NoFigure { why });
                }
                let ask = of_column(column, field, &test.condition);
                let why = "its kind has no such values";
                Cut::Ask(ask.ok_or_else(|| PlanError::Condition { field: test.field.clone(), why })?)
            }
        })
    }

    /// Narrows the intervals by a condition on time.
    fn time(&mut self, test: &Test) -> Result<(), PlanError> {
        let field = &self.summary.time;
        let FieldKind::Timestamp { step_ms } = field.kind() else { return Ok(()) };
        let (low, high) = match &test.condition {
            Condition::Between { low, high } => (low.as_ref(), high.as_ref()),
            Condition::Equal(at) => (Some(at), Some(at)),
            _ => return Err(PlanError::NoFigure { why: "of time ask for one range" }),
        };
        let wrong = || PlanError::Condition { field: test.field.clone(), why: "its kind has no such values" };
        // The number of the first interval at or behind a step.
        let edge = |step: i64| {
            let since = step.saturating_mul(i64::from(step_ms)).saturating_sub(self.summary.first_ms);
            let inside = (0..self.summary.interval_ms.saturating_mul(self.intervals.end as i64)).contains(&since);
            if inside && since % self.summary.interval_ms != 0 {
                return Err(PlanError::NoFigure { why: "a bound of time lies within an interval" });
            }
            let number = since.div_euclid(self.summary.interval_ms).max(0);
            Ok(usize::try_from(number).unwrap_or(usize::MAX))
        };
        let (mut start, mut end) = (self.intervals.start, self.intervals.end);
        if let Some(low) = low {
            start = start.max(edge(low.steps(field).map_err(|_| wrong())?)?);
        }
        if let Some(high) = high {
            end = end.min(edge(high.steps(field).map_err(|_| wrong())?.saturating_add(1))?);
        }
        self.intervals = start.min(end)..end;
        Ok(())
    }
}

/// Which bins are wanted; none if two values of a bin differ.
fn bins(wanted: &[bool], edges: &[u16]) -> Option<Vec<bool>> {
    let ends = edges.iter().skip(1).map(|edge| usize::from(*edge)).chain([wanted.len()]);
    let of_bin = |(begin, end): (&u16, usize)| {
        let (begin, end) = (usize::from(*begin).min(wanted.len()), end.min(wanted.len()));
        let values = wanted.get(begin..end)?;
        let first = values.first().copied().unwrap_or(false);
        values.iter().all(|value| *value == first).then_some(first)
    };
    edges.iter().zip(ends).map(of_bin).collect()
}
