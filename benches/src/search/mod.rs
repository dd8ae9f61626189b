//! `lab search`: what private search costs, engine by engine; with the feature `tfhe-api` beside what `tfhe`'s high-level API takes for the same question.

#[cfg(feature = "tfhe-api")]
mod baseline;
mod catalogue;
mod keyword;
mod scan;
mod shared;

use std::path::PathBuf;

use crate::{measure::Effort, plot, report::Figure};

/// What `lab search` is asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Search {
    /// Where the time of an answer against the records of the table goes, from a thousand to ten million, as an SVG.
    #[arg(long)]
    pub svg: Option<PathBuf>,
}

/// Runs all benches of `cpchain_crypto::search`; `progress` is told the name of each before it runs.
///
/// # Errors
/// `SearchError` if a step refuses what the step before it made, and those of writing the plot.
pub fn search(
    work: &Search,
    effort: Effort,
    mut progress: impl FnMut(&str),
) -> Result<Vec<Figure>, Box<dyn std::error::Error>> {
    let mut figures = catalogue::catalogue(effort, &mut progress)?;
    figures.extend(keyword::keyword(effort, &mut progress)?);
    figures.extend(scan::scan(effort, &mut progress)?);
    figures.extend(shared::shared(effort, &mut progress)?);
    #[cfg(feature = "tfhe-api")]
    let figures = {
        let (baseline, mut all) = baseline::baseline(effort, &mut progress);
        all.extend(figures.into_iter().map(|figure| baseline.beside(figure)));
        all
    };
    if let Some(path) = &work.svg {
        let lines = scan::by_size(&mut progress)?;
        std::fs::write(path, plot::growth("Private search: an answer on one core", ("records", "ms"), &lines))?;
    }
    Ok(figures)
}
