//! The one shape of a figure, as a table for people and as JSON for programs.

use serde::Serialize;

use crate::measure::Sample;

/// One measured figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured, `module::operation`.
    pub bench: String,
    /// Its parameters, `key=value key=value`.
    pub params: String,
    /// Unit of the values below.
    pub unit: &'static str,
    /// The median run: the value to quote.
    pub median: f64,
    /// Half of the runs lie below.
    pub p50: f64,
    /// 99 of 100 runs lie below.
    pub p99: f64,
    /// Runs counted.
    pub runs: usize,
    /// What it was compared with in the same run.
    pub baseline: Option<String>,
    /// Median of baseline / ours, run in turn: above 1, ours is faster.
    pub ratio: Option<f64>,
}

impl Figure {
    /// A figure in nanoseconds per operation.
    pub fn nanoseconds(bench: &str, params: impl Into<String>, sample: &Sample) -> Self {
        Self {
            bench: bench.to_owned(),
            params: params.into(),
            unit: "ns",
            median: sample.median(),
            p50: sample.quantile(0.5),
            p99: sample.quantile(0.99),
            runs: sample.runs(),
            baseline: None,
            ratio: None,
        }
    }

    /// A single value that is counted, not timed (bytes, items).
    pub fn count(bench: &str, params: impl Into<String>, unit: &'static str, value: f64) -> Self {
        let (bench, params) = (bench.to_owned(), params.into());
        Self { bench, params, unit, median: value, p50: value, p99: value, runs: 1, baseline: None, ratio: None }
    }

    /// Adds what it was compared with.
    pub fn against(mut self, baseline: &str, ratio: f64) -> Self {
        self.baseline = Some(baseline.to_owned());
        self.ratio = Some(ratio);
        self
    }
}

/// The figures as a JSON list.
///
/// # Errors
/// Never for finite figures; the error is serde's.
pub fn json(figures: &[Figure]) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(figures)
}

/// The figures as a table.
pub fn table(figures: &[Figure]) -> String {
    let width = figures.iter().map(|f| f.bench.len() + f.params.len() + 1).max().unwrap_or(0);
    let mut out = format!("{:width$}  {:>12}  {:>12}  {:>5}  baseline\n", "bench/params", "median", "p99", "runs");
    for figure in figures {
        let name = format!("{}/{}", figure.bench, figure.params);
        let compared = match (&figure.baseline, figure.ratio) {
            (Some(baseline), Some(ratio)) => format!("{ratio:.2} × {baseline}"),
            _ => String::new(),
        };
        let line = format!(
            "{name:width$}  {:>12}  {:>12}  {:>5}  {compared}",
            human(figure.median, figure.unit),
            human(figure.p99, figure.unit),
            figure.runs
        );
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn human(value: f64, unit: &str) -> String {
    match unit {
        "ns" if value >= 1e6 => format!("{:.2} ms", value / 1e6),
        "ns" if value >= 1e3 => format!("{:.2} µs", value / 1e3),
        "ns" => format!("{value:.1} ns"),
        _ => format!("{value:.0} {unit}"),
    }
}
