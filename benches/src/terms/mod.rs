//! `lab terms`: elections over many terms on the real ledger, with candidates that misbehave.

mod chain;
mod panels;

use std::{error::Error, path::PathBuf, time::Instant};

use clap::Args;

use crate::{Effort, Figure};
pub use chain::{CLASSES, Class, Plan, Row, SimulationError, simulate};
pub use panels::{Panel, panels};

/// What to simulate.
#[derive(Debug, Args)]
pub struct Terms {
    /// Seeds what candidates own, send and miss.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the plot of reputation, seats and impeachments goes, as an SVG.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Where the value of each term and class goes, as CSV.
    #[arg(long)]
    csv: Option<PathBuf>,
}

/// Runs the simulation.
///
/// # Errors
/// Settings that make no chain, or files that cannot be written.
pub fn run(work: &Terms, effort: Effort, progress: &dyn Fn(&'static str)) -> Result<Vec<Figure>, Box<dyn Error>> {
    progress("elections, block by block");
    let plan = match effort {
        Effort::Full => Plan { seed: work.seed, terms: 36, candidates: 200 },
        Effort::Quick => Plan { seed: work.seed, terms: 10, candidates: 40 },
    };
    let begun = Instant::now();
    let rows = simulate(plan)?;
    let elapsed = begun.elapsed().as_nanos() as f64;
    if let Some(path) = &work.svg {
        std::fs::write(path, plot(plan, &rows))?;
    }
    if let Some(path) = &work.csv {
        std::fs::write(path, csv(&rows))?;
    }
    Ok(figures(plan, &rows, elapsed))
}

/// One line for each term and class.
pub fn csv(rows: &[Row]) -> String {
    let head = "term,class,reputation,seats,turns,impeached\n".to_owned();
    rows.iter().fold(head, |text, row| {
        let Row { term, class, reputation, seats, turns, impeached } = row;
        text + &format!("{term},{class},{reputation:.1},{seats},{turns},{impeached}\n", class = class.name())
    })
}

/// Reputation, seats and impeachments over the terms, a line for each class.
pub fn plot(plan: Plan, rows: &[Row]) -> String {
    let line = |class: Class, value: fn(&Row) -> f64| -> Vec<f64> {
        rows.iter().filter(|row| row.class == class).map(value).collect()
    };
    let panel = |name, classes: &[Class], value: fn(&Row) -> f64| Panel {
        name,
        lines: classes.iter().map(|class| (class.name(), line(*class, value))).collect(),
    };
    let candidates: Vec<_> = CLASSES.into_iter().filter(|class| *class != Class::Default).collect();
    let title = format!(
        "{} terms, {} candidates, of whom a tenth each is silent, late and illicit (seed {})",
        plan.terms, plan.candidates, plan.seed
    );
    let all = [
        panel("mean reputation at the election", &candidates, |row| row.reputation),
        panel("seats in the term", &CLASSES, |row| row.seats as f64),
        panel("heights impeached in the term", &CLASSES, |row| row.impeached as f64),
    ];
    panels(&title, "term", &all)
}

fn figures(plan: Plan, rows: &[Row], elapsed: f64) -> Vec<Figure> {
    let Plan { terms, candidates, seed } = plan;
    let params = |more: &str| format!("terms={terms} candidates={candidates} seed={seed} {more}").trim_end().to_owned();
    // The first three terms have the default proposers alone.
    let third = (terms.saturating_sub(3) / 3).max(1);
    let spans = [("first", 3..3 + third), ("last", terms.saturating_sub(third)..terms)];
    let mut figures = Vec::new();
    for class in CLASSES {
        for (name, span) in &spans {
            let of = || rows.iter().filter(|row| row.class == class && span.contains(&row.term));
            let more = format!("class={} in={name}-{third}", class.name());
            let seats = of().map(|row| row.seats).sum::<u64>() as f64;
            figures.push(Figure::count("terms::seats", params(&more), "seats", seats));
            let impeached = of().map(|row| row.impeached).sum::<u64>() as f64;
            figures.push(Figure::count("terms::impeached", params(&more), "heights", impeached));
        }
        let last = rows.iter().rfind(|row| row.class == class && class != Class::Default);
        let more = format!("class={}", class.name());
        figures.extend(last.map(|row| Figure::count("terms::reputation", params(&more), "mean", row.reputation)));
    }
    let heights = rows.iter().map(|row| row.turns).sum::<u64>().max(1) as f64;
    let cost = Figure::count("terms::height", params(""), "ns", elapsed / heights);
    figures.push(cost);
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Plan = Plan { seed: 1, terms: 6, candidates: 20 };

    #[test]
    fn one_seed_gives_the_same_bytes() {
        let (one, again) = (simulate(SMALL).unwrap(), simulate(SMALL).unwrap());
        assert_eq!(csv(&one), csv(&again));
        assert_eq!(plot(SMALL, &one), plot(SMALL, &again));
        let other = simulate(Plan { seed: 2, ..SMALL }).unwrap();
        assert_ne!(csv(&one), csv(&other));
    }

    #[test]
    fn terms_are_whole_and_the_honest_are_never_impeached() {
        let rows = simulate(SMALL).unwrap();
        for term in 0..SMALL.terms {
            let of = |value: fn(&Row) -> u64| rows.iter().filter(|r| r.term == term).map(value).sum::<u64>();
            assert_eq!((of(|row| row.seats), of(|row| row.turns)), (12, 36), "term {term}");
        }
        for row in &rows {
            let works = matches!(row.class, Class::Honest | Class::Default);
            assert!(!works || row.impeached == 0, "{row:?}");
            assert!(!matches!(row.class, Class::Silent | Class::Illicit) || row.impeached == row.turns, "{row:?}");
        }
        let figures = figures(SMALL, &rows, 1.0);
        assert!(figures.iter().any(|figure| figure.bench == "terms::seats" && figure.median > 0.0));
    }
}
