//! Planning: which engine answers which part of an expression, what that costs and shows, and carrying it out.
//!
//! A [`Plan`] is made from an [`Expression`](super::language::Expression), the [`Schema`](super::language::Schema) and the [`Tables`] that there are, and nothing is
//! sent for that. [`Plan::explain`] then says how many queries of which length it takes, how long hosts compute, and what they see.
//! A [`Searcher`] carries it out: it makes the queries, takes the answers, and combines them into record numbers. It knows no clock and no network.
//!
//! # How an expression is answered
//! `NOT` is pushed down to the conditions first. Then
//! - conditions on columns of the scan table that must all hold become **one** scan query, as long as each column is asked once (two ranges of a
//!   column are one): a scan goes over all columns anyway;
//! - a column's values that are joined by `OR` become one set;
//! - words, prefixes and values of the keyword index become lookups, [`Options::pages`] pages each, as many to a query as the table fetches; those of
//!   fields that are [published](super::language::Schema::published) are looked up in a public catalogue of postings, one to a query;
//! - a field that both engines index is asked by keyword if few records are expected and no scan is made for its neighbours anyway;
//! - what no record can meet is asked for nowhere.
//!
//! Columns are answered by the scan (A) or, with [`Tables::with_shared`], by the scan of several writers' records (A2). K, A and B number records alike, so the rest is algebra of sets of numbers, here at the client ([`RecordSet`]). A set may be "all but these". If the
//! result is, it is subtracted from the known universe of records, and planning fails without one ([`PlanError::Universe`]).
//!
//! # What does not fit, and what to do
//! | what | error | instead |
//! | --- | --- | --- |
//! | several writers' records beside another table, for these are numbered by writer | [`PlanError::Numbering`] | plan for each alone, and combine at your side |
//! | a catalogue by position, or of other entries than postings | [`PlanError::NotPostings`] | `CatalogueClient` with `Wanted::Position` or `Wanted::Keyword` |
//! | ranges of a field that only has terms | [`PlanError::NotIndexed`] | a column |
//! | a figure over another field, parts of bins or intervals, or conditions on other fields | [`PlanError::NoFigure`] | `COUNT` without `BY` is answered of records; sum up the records found |
//!
//! # Figures
//! [`Plan::ask`] takes a [`Question`](super::language::Question): `MEAN(power) BY 1d WHERE temperature:[20 TO 29.9]`. It is one query to the table of counts and sums
//! ([`Summary`](super::language::Summary)), whatever it asks; conditions on time choose intervals at the client, since an answer has all of them.
//!
//! # What hosts see
//! The number of queries to each engine, and nothing else of the expression. To say less, the numbers are rounded up ([`Padding`]), and what is not
//! needed is filled up with queries of nothing. All queries are made without looking at any answer, and of each engine one after another, so plans of one
//! [`Shape`] look alike (`plans_of_one_shape_look_alike`).
//!
//! # What is guaranteed, and the tests that hold it
//! - The records found are those that [`Schema::matches`](super::language::Schema::matches) says (`random_expressions_agree_with_plaintext`; over all engines, figures included: `no_false_negative_and_no_false_positive` of `tests/search_random`).
//! - Figures are those of the readings, or refused (`figures_are_those_of_the_readings`, `figures_that_no_table_has_are_refused`).
//! - A writer who is refused is named, and none of its records is in the result; a count is refused then (`a_writer_who_is_refused_is_told_and_has_no_part`).
//! - Nothing partial is returned: an answer that is missing, refused, or from another state of a table is an error, also for queries of nothing
//!   (`nothing_partial_is_returned`); a term with more pages than were asked for is one, too (`a_popular_term_is_refused`).
//! - The lengths that are foretold are those of the messages (`explain_foretells_lengths`).

mod cost;
mod error;
mod explain;
mod figure;
mod formula;
mod found;
mod indexes;
mod leaves;
mod leg;
mod planner;
mod record_set;
mod searcher;
mod shape;
mod tables;

pub use crate::search::scan::shared::{Match, SharedFound, WriterId};
pub use {
    cost::{EngineCost, Rates},
    error::{PlanError, RunError},
    explain::{Explain, Leaf},
    found::{Found, Interval},
    indexes::Indexes,
    planner::{Options, Plan},
    record_set::RecordSet,
    searcher::{Request, Searcher},
    shape::{Engine, Padding, Shape},
    tables::Tables,
};
