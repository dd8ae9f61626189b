//! `lab search`: what private search costs, engine by engine; with the feature `tfhe-api` beside what `tfhe`'s high-level API takes for the same question.

#[cfg(feature = "tfhe-api")]
mod baseline;
mod catalogue;
mod growth;
mod keyword;
mod rates;
mod scan;
mod shared;

use std::path::PathBuf;

use crate::{measure::Effort, plot, report::Figure};

/// What `lab search` is asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Search {
    /// Measure instead how the time of an answer grows with the table, from a thousand records to ten million, and draw it into this file (SVG).
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
    if let Some(path) = &work.svg {
        return drawn(path, effort, &mut progress);
    }
    let mut figures = catalogue::catalogue(effort, &mut progress)?;
    figures.extend(keyword::keyword(effort, &mut progress)?);
    figures.extend(scan::scan(effort, &mut progress)?);
    figures.extend(shared::shared(effort, &mut progress)?);
    figures.extend(rates::rates(effort, &mut progress)?);
    #[cfg(feature = "tfhe-api")]
    let figures = {
        let (baseline, mut all) = baseline::baseline(effort, &mut progress);
        all.extend(figures.into_iter().map(|figure| baseline.beside(figure)));
        all
    };
    Ok(figures)
}

/// Measures growth, and draws it.
fn drawn(
    path: &std::path::Path,
    effort: Effort,
    progress: &mut impl FnMut(&str),
) -> Result<Vec<Figure>, Box<dyn std::error::Error>> {
    let (lines, figures) = growth::growth(effort, progress)?;
    #[cfg(feature = "tfhe-api")]
    let (lines, figures) = {
        let (baseline, mut all) = baseline::baseline(effort, progress);
        let mut lines = lines;
        let name = "tfhe's API, equality (one record measured, times records)";
        lines.push(growth::scaled(name, effort, baseline.equality()));
        all.extend(figures);
        (lines, all)
    };
    let lines: Vec<_> = lines.into_iter().map(|line| (line.name, line.points)).collect();
    std::fs::write(path, plot::growth("Private search: an answer on one core", ("records", "ms"), &lines))?;
    Ok(figures)
}
