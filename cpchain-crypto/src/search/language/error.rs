//! Where a query is wrong, and what to do.

use alloc::{
    format,
    string::{String, ToString as _},
};
use core::fmt;

use super::Expression;

/// A text that is no query of this schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    at: usize,
    problem: Problem,
}

impl QueryError {
    pub(super) const fn new(at: usize, problem: Problem) -> Self {
        Self { at, problem }
    }

    /// The byte of the text where it is.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// What is wrong.
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Two lines for a terminal: the text, and the message under the place.
    ///
    /// ```
    /// use cpchain_crypto::search::{Language, language::Schema};
    /// let schema = Schema::new().text("log", Language::English)?;
    /// let text = "door AND (window";
    /// let shown = schema.parse(text).unwrap_err().show(text);
    /// assert_eq!(shown, "door AND (window\n         ^ this parenthesis is not closed: add ) where it ends");
    /// # Ok::<(), cpchain_crypto::search::language::SchemaError>(())
    /// ```
    pub fn show(&self, text: &str) -> String {
        let before = text.get(..self.at).map_or(0, |before| before.chars().count());
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("{line}\n{:before$}^ {}", "", self.problem)
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.at, self.problem)
    }
}

impl core::error::Error for QueryError {}

/// What is wrong with a query.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// Longer than [`Expression::MAX_TEXT`].
    TooLong,
    /// Deeper than [`Expression::MAX_DEPTH`].
    TooDeep,
    /// More tests than [`Expression::MAX_TESTS`].
    TooManyTests,
    /// More values than [`Expression::MAX_SET`].
    TooManyValues,
    /// Something was expected here, and stands in the words.
    Expected(&'static str),
    /// A parenthesis that nothing closes.
    NotClosed,
    /// A quotation that nothing closes.
    NoEndQuote,
    /// A star within a value.
    Star,
    /// No field of this name; those that there are.
    UnknownField {
        /// The name that was asked for.
        name: String,
        /// Names of the schema.
        known: String,
    },
    /// The field has no value like this.
    Value {
        /// What its values look like.
        wanted: &'static str,
    },
    /// The field cannot be asked this.
    Condition {
        /// What it can be asked.
        ask: &'static str,
    },
    /// A text without a word.
    NoWord,
    /// A value without a field, and no field of text.
    NoText,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::TooLong => format!("the query is longer than {} bytes: ask in parts", Expression::MAX_TEXT),
            Self::TooDeep => {
                format!("more than {} levels of parentheses and NOT: leave some out", Expression::MAX_DEPTH)
            }
            Self::TooManyTests => format!("more than {} conditions: ask in parts", Expression::MAX_TESTS),
            Self::TooManyValues => format!("more than {} values in a set: ask in parts", Expression::MAX_SET),
            Self::Expected(what) => format!("expected {what}"),
            Self::NotClosed => "this parenthesis is not closed: add ) where it ends".to_string(),
            Self::NoEndQuote => "this quotation is not closed: add \" where it ends".to_string(),
            Self::Star => "a star stands only behind a prefix: put the value in quotes if it has one".to_string(),
            Self::UnknownField { name, known } => format!("there is no field `{name}`: the fields are {known}"),
            Self::Value { wanted } => format!("not a value of this field: write {wanted}"),
            Self::Condition { ask } => format!("this field cannot be asked so: {ask}"),
            Self::NoWord => "there is no word in this text: write letters or digits".to_string(),
            Self::NoText => "no field of these records is text: write field:value".to_string(),
        };
        f.write_str(&text)
    }
}

/// Why a schema was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A name that the language cannot write.
    #[error("a field's name has 1 to 64 letters, digits, `_`, `-` or `.` of ASCII, and is none of AND, OR, NOT, TO")]
    Name,
    /// A field that is there in this way already, or with another kind.
    #[error("the field is there already: give it once by keyword and once as a column, with one kind")]
    Twice,
    /// More columns than a scan table has, or more digits than a column.
    #[error("a scan table has at most 4 columns of 1 to 4 base-16 digits each, and names are fewer than 65,536")]
    Column,
    /// A column of numbers for names, or the other way round.
    #[error("a column of names is for categories, a column of numbers for all other fields")]
    Kind,
    /// A prefix of no characters, or of more than 64.
    #[error("prefixes that are indexed have 1 to 64 characters, and fields with prefixes are categories")]
    Prefix,
    /// A field without terms.
    #[error("what is published are terms: give the field as text or by keyword first")]
    Published,
    /// An interval that does not fit.
    #[error(
        "an interval is a multiple of a step of the time field, and the first one begins at a multiple of the interval"
    )]
    Interval,
}
