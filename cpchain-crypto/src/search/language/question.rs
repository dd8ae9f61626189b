//! What is asked of the records that match: which they are, or a figure about them.

use alloc::{string::String, vec::Vec};
use core::fmt;

use super::{Expression, Problem, QueryError, Schema, parser};

/// What a person asks: which records match, or how many they are, or what their values come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The records that match.
    Records(Expression),
    /// A figure about them.
    Figure(Figure),
}

/// A figure about records that match.
///
/// ```
/// use cpchain_crypto::search::{Field, FieldKind, Value, language::{Column, FigureKind, Question, Schema}};
/// let watts = Field::new("power", FieldKind::Integer)?;
/// let schema = Schema::new().keyword(watts)?;
/// let Question::Figure(asked) = schema.ask("MEAN(power) BY 1d WHERE power:7")? else { panic!("a figure") };
/// assert_eq!((&asked.kind, asked.step_ms), (&FigureKind::Mean("power".into()), Some(86_400_000)));
/// assert_eq!(asked.to_string(), "MEAN(power) BY 1d WHERE power:7");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// Which.
    pub kind: FigureKind,
    /// Milliseconds for which there is one figure each, counted from 1970, UTC; without it there is one for all time.
    pub step_ms: Option<u64>,
    /// Of which records; without it of all.
    pub of: Option<Expression>,
}

/// Which figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FigureKind {
    /// How many records there are.
    Count,
    /// What the values of this field add up to.
    Sum(String),
    /// The sum divided by the count.
    Mean(String),
}

/// Units of a step, the longest first.
const UNITS: [(char, u64); 4] = [('w', 7 * 86_400_000), ('d', 86_400_000), ('h', 3_600_000), ('m', 60_000)];
/// The longest step: a thousand weeks.
const MOST_STEPS: u64 = 1000;

impl Schema {
    /// Reads a question: a query as [`parse`](Self::parse) does, or a figure in front of one.
    ///
    /// # Errors
    /// [`QueryError`], which says where and what to do.
    pub fn ask(&self, text: &str) -> Result<Question, QueryError> {
        parser::ask(self, text)
    }
}

impl Question {
    /// The condition on records, if there is one.
    pub const fn expression(&self) -> Option<&Expression> {
        match self {
            Self::Records(expression) => Some(expression),
            Self::Figure(figure) => figure.of.as_ref(),
        }
    }
}

/// Milliseconds of a step, as `15m`, `1h`, `1d` or `2w`.
pub(super) fn read_step(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let (_, of_unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
    if (1..=MOST_STEPS).contains(&count) { Some(count * of_unit) } else { None }
}

/// "No field of numbers has this name", or nothing.
pub(super) fn summable(schema: &Schema, name: &str) -> Result<(), Problem> {
    use crate::search::{FieldKind, language::Content};
    let known: Vec<&str> = schema.fields().map(super::SchemaField::name).collect();
    let field = schema.field(name);
    let field = field.ok_or_else(|| Problem::UnknownField { name: name.into(), known: known.join(", ") })?;
    match field.content() {
        Content::Typed(typed) if matches!(typed.kind(), FieldKind::Integer | FieldKind::Decimal { .. }) => Ok(()),
        _ => Err(Problem::Condition { ask: "only numbers are added up; ask for COUNT" }),
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records(expression) => expression.fmt(f),
            Self::Figure(figure) => figure.fmt(f),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FigureKind::Count => f.write_str("COUNT")?,
            FigureKind::Sum(field) => write!(f, "SUM({field})")?,
            FigureKind::Mean(field) => write!(f, "MEAN({field})")?,
        }
        if let Some(step) = self.step_ms {
            let unit = UNITS.iter().find(|(_, of_unit)| step % of_unit == 0 && step / of_unit <= MOST_STEPS);
            // What no text can give is written in minutes, rounded down.
            let (name, of_unit) = unit.copied().unwrap_or(('m', 60_000));
            write!(f, " BY {}{name}", step / of_unit)?;
        }
        if let Some(of) = &self.of {
            write!(f, " WHERE {of}")?;
        }
        Ok(())
    }
}
