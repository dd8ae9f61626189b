//! `lab search`: what private search costs, engine by engine.

mod catalogue;
mod keyword;

use cpchain_crypto::search::SearchError;

use crate::{measure::Effort, report::Figure};

/// Runs all benches of `cpchain_crypto::search`; `progress` is told the name of each before it runs.
///
/// # Errors
/// [`SearchError`] if a step refuses what the step before it made.
pub fn search(effort: Effort, mut progress: impl FnMut(&str)) -> Result<Vec<Figure>, SearchError> {
    let mut figures = catalogue::catalogue(effort, &mut progress)?;
    figures.extend(keyword::keyword(effort, progress)?);
    Ok(figures)
}
