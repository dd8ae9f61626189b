//! Why an expression is not planned, or not answered.

use alloc::string::String;

use super::Engine;
use crate::search::SearchError;

/// Why there is no plan. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A field that the schema does not have.
    #[error("there is no field `{field}`: parse the query with the schema that it is planned with")]
    Field {
        /// Its name.
        field: String,
    },
    /// A condition that does not fit the field's kind.
    #[error("the field `{field}` cannot be asked so: {why}")]
    Condition {
        /// Its name.
        field: String,
        /// What to do.
        why: &'static str,
    },
    /// No table that is here indexes what is asked.
    #[error("no index answers this of `{field}`: {why}")]
    NotIndexed {
        /// Its name.
        field: String,
        /// What to do.
        why: &'static str,
    },
    /// The schema's columns are not those of the scan table.
    #[error("the scan table has other columns than the schema: make it with the schema's digits")]
    Columns,
    /// A table of several writers' records beside another one.
    #[error("records of several writers are numbered by writer: plan for their table alone, and combine at your side")]
    Numbering,
    /// A catalogue whose entries do not say which records have a term.
    #[error(
        "the catalogue's entries are no postings: ask it for one entry with `CatalogueClient` and `Wanted`, by position or by term"
    )]
    NotPostings,
    /// No table of counts and sums answers this.
    #[error("no table answers this figure: {why}")]
    NoFigure {
        /// What to do.
        why: &'static str,
    },
    /// More tests, values or depth than an expression has.
    #[error("the expression is too large: ask in parts")]
    TooLarge,
    /// The result would be all records but some, and it is not known which there are.
    #[error("NOT alone has no bounds: add a condition that holds, or say how many records there are")]
    Universe,
    /// More queries than every plan sends.
    #[error("the plan takes {needed} queries to {engine:?}, and every plan sends {allowed}: ask in parts")]
    Padding {
        /// To whom.
        engine: Engine,
        /// Queries that it takes.
        needed: usize,
        /// Queries that every plan sends.
        allowed: usize,
    },
}

/// Why there is no result. Nothing of it is known then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// A query was not made, or an answer refused: if it was an answer, the query is asked again with a fresh key.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The plan is for tables that are not given.
    #[error("the plan asks {0:?}, whose index was not given")]
    NoIndex(Engine),
    /// A table was changed since the plan was made.
    #[error("a table was changed since the plan was made: plan again")]
    Changed,
    /// An answer to a query that is not out.
    #[error("no query of this number waits for an answer")]
    NotAsked,
    /// Answers are missing.
    #[error("{missing} answers are missing: nothing partial is returned")]
    Missing {
        /// How many.
        missing: usize,
    },
    /// A term has more records than pages were asked for.
    #[error("a term of `{field}` has more records than {pages} pages hold: plan with more pages, or ask a column")]
    MorePages {
        /// The field.
        field: String,
        /// Pages that were asked for.
        pages: u32,
    },
}
