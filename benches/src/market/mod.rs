//! `lab market`: what a market costs: its catalogue at a million listings, its synchroniser, and orders under escrow.

mod catalogue;
mod disk;
mod escrow;
mod listings;
mod trade;

use crate::{measure::Effort, report::Figure};

type AnyError = Box<dyn std::error::Error>;

/// Runs the benches of the market; `progress` is told the name of each before it runs.
///
/// # Errors
/// Any of the market's, when a part of it does not do what it is measured for.
pub fn market(effort: Effort, progress: impl Fn(&'static str)) -> Result<Vec<Figure>, AnyError> {
    let mut figures = escrow::escrow(effort, &progress)?;
    figures.extend(catalogue::catalogue(effort, &progress)?);
    Ok(figures)
}
