//! What a person types: `room:kitchen AND temperature:[20.5 TO 23] AND NOT status:fault`.
//!
//! A [`Schema`] says which fields records have, of which kind, and which engine indexes them. It reads a text into an [`Expression`] whose literals
//! are typed, and it turns a record into what the engines index ([`Schema::index`]), so that both sides round, fold case and cut words alike.
//!
//! # The grammar
//! ```text
//! query     = any
//! any       = all *( "OR" all )
//! all       = not *( [ "AND" ] not )
//! not       = "NOT" not / "(" any ")" / test
//! test      = field ":" condition / value            ; a value alone is looked for in every field of text
//! condition = value                                  ; equality; of a text: all its words, in any order
//!           / value "*"                              ; prefix of a category
//!           / ( ">" / ">=" / "<" / "<=" ) value
//!           / ( "[" / "{" ) bound "TO" bound ( "]" / "}" )   ; square: with the bound; curly: without it
//!           / "(" 1*value ")"                        ; one of these
//! bound     = "*" / value                            ; a star: no bound
//! value     = 1*( any character but space ( ) [ ] { } " * ) / DQUOTE text DQUOTE   ; \" and \\ in quotes
//! ```
//! `AND` binds more tightly than `OR`, `NOT` most tightly. The four operators are written in capitals; in quotes they are words. Points in
//! time are `2026-01-31`, `2026-01-31T12:30`, with an offset (`Z`, `+08:00`) or without (UTC), or `@` and milliseconds since 1970.
//!
//! A figure may stand in front ([`Schema::ask`]): `COUNT`, `SUM(power) BY 1h`, `MEAN(power) BY 1d WHERE temperature:[20 TO *]`.
//! ```text
//! question  = figure [ "BY" step ] [ "WHERE" query ] / query
//! figure    = "COUNT" / ( "SUM" / "MEAN" ) "(" field ")"
//! step      = 1*DIGIT ( "m" / "h" / "d" / "w" )            ; from 1970 on, UTC
//! ```
//! Whoever looks for the word `COUNT` puts it in quotes.
//!
//! # What is guaranteed, and the tests that hold it
//! - Any text is read or refused with the place and what to do; nothing panics (`any_text_is_read_or_refused`, `errors_say_where_and_what`).
//! - What is printed is read as the same expression (`what_is_printed_is_read_again`, `questions_are_read_as_they_are_printed`).
//! - Length, depth, tests and members of a set are bounded before memory is taken for them (`bounds_hold`): see the constants of [`Expression`].
//! - A bound is rounded as the values of its field are, so a stored value lies within a bound equal to it (`literals_are_rounded_as_values`). `<` and `>`
//!   exclude the whole step that the bound falls into.
//! - `NOT` and the other operators are those of sets of records: `NOT temperature:>20` has the records without a temperature, too
//!   (`a_missing_value_meets_no_condition`).
//!
//! ```
//! use cpchain_crypto::search::{Field, FieldKind, Language, Value, language::{Column, Schema}};
//! let schema = Schema::new()
//!     .text("log", Language::English)?
//!     .column(Field::new("room", FieldKind::Category)?, Column::names(&["kitchen", "hall"])?)?
//!     .column(Field::new("temperature", FieldKind::Decimal { places: 1 })?, Column::numbers(Value::Decimal(-40.0), 3)?)?;
//! let asked = schema.parse("room:kitchen temperature:>=20.5 (door OR window)")?;
//! assert_eq!(asked.to_string(), "room:kitchen AND temperature:[20.5 TO *] AND (log:door OR log:window)");
//! let record = [("room", Value::Category("Kitchen")), ("temperature", Value::Decimal(21.0)), ("log", Value::Text("Doors opened"))];
//! assert!(schema.matches(&asked, &record)?);
//!
//! let error = schema.parse("room:kitchen AND temperature:warm").unwrap_err();
//! assert_eq!(error.at(), 29);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod column;
mod error;
mod literal;
mod meaning;
mod parser;
mod print;
mod question;
mod schema;
mod summary;

use alloc::{boxed::Box, string::String, vec::Vec};

pub use {
    column::Column,
    error::{Problem, QueryError, SchemaError},
    literal::Literal,
    question::{Figure, FigureKind, Question},
    schema::{Content, Indexed, Schema, SchemaField},
    summary::{Cell, Summary},
};

/// What is asked of records. Made by [`Schema::parse`], which checks it; a planner checks it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// A condition on one field.
    Test(Test),
    /// What all of these match: two or more.
    All(Vec<Expression>),
    /// What any of these matches: two or more.
    Any(Vec<Expression>),
    /// What it does not match.
    Not(Box<Expression>),
}

impl Expression {
    /// Bytes of a text that is read.
    pub const MAX_TEXT: usize = 8192;
    /// Parentheses and negations within each other.
    pub const MAX_DEPTH: usize = 32;
    /// Tests of an expression.
    pub const MAX_TESTS: usize = 64;
    /// Values of a set.
    pub const MAX_SET: usize = 64;
}

/// "This field meets this condition."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// The name of the field.
    pub field: String,
    /// What is asked of it.
    pub condition: Condition,
}

/// What can be asked of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// A field of text has all words of this text, in any order.
    Words(String),
    /// The value is this one.
    Equal(Literal),
    /// A category that begins so, after folding.
    Prefix(String),
    /// A number or time from `low` to `high`, both included; without a bound the field has a value on that side.
    Between {
        /// The smallest that is wanted.
        low: Option<Literal>,
        /// The largest that is wanted.
        high: Option<Literal>,
    },
    /// The value is one of these: one or more.
    OneOf(Vec<Literal>),
}
