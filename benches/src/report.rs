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
    /// What the figure should be, and whether it is.
    pub goal: Option<Goal>,
}

/// What a figure should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Goal {
    /// In words.
    pub wanted: String,
    /// Is the figure so on this machine, in this run?
    pub met: bool,
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
            goal: None,
        }
    }

    /// A figure in gigabytes a second, of operations that each touch so many bytes. Its p99 is of the slow end.
    pub fn rate(bench: &str, params: impl Into<String>, sample: &Sample, bytes: f64) -> Self {
        let nanoseconds = Self::nanoseconds(bench, params, sample);
        let rate = |nanos: f64| bytes / nanos;
        let (median, p50, p99) = (rate(nanoseconds.median), rate(nanoseconds.p50), rate(nanoseconds.p99));
        Self { unit: "GB/s", median, p50, p99, ..nanoseconds }
    }

    /// A single value that is counted, not timed (bytes, items).
    pub fn count(bench: &str, params: impl Into<String>, unit: &'static str, value: f64) -> Self {
        let (bench, params) = (bench.to_owned(), params.into());
        Self {
            bench,
            params,
            unit,
            median: value,
            p50: value,
            p99: value,
            runs: 1,
            baseline: None,
            ratio: None,
            goal: None,
        }
    }

    /// Adds what it was compared with.
    pub fn against(mut self, baseline: &str, ratio: f64) -> Self {
        self.baseline = Some(baseline.to_owned());
        self.ratio = Some(ratio);
        self
    }

    /// Wants a median of at most `limit`.
    pub fn at_most(mut self, limit: f64) -> Self {
        let wanted = format!("at most {}", human(limit, self.unit));
        self.goal = Some(Goal { wanted, met: self.median <= limit });
        self
    }

    /// Wants a median of at least `limit`.
    pub fn not_below(mut self, limit: f64) -> Self {
        let wanted = format!("at least {}", human(limit, self.unit));
        self.goal = Some(Goal { wanted, met: self.median >= limit });
        self
    }

    /// Wants a ratio of at least `limit`; without a baseline it is missed.
    pub fn at_least(mut self, limit: f64) -> Self {
        let wanted = format!("ratio at least {limit}");
        self.goal = Some(Goal { wanted, met: self.ratio.is_some_and(|ratio| ratio >= limit) });
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
    let mut out =
        format!("{:width$}  {:>12}  {:>12}  {:>5}  {:34}  goal\n", "bench/params", "median", "p99", "runs", "baseline");
    for figure in figures {
        let name = format!("{}/{}", figure.bench, figure.params);
        let compared = match (&figure.baseline, figure.ratio) {
            (Some(baseline), Some(ratio)) if ratio >= 1e6 => format!("{ratio:.1e} × {baseline}"),
            (Some(baseline), Some(ratio)) => format!("{ratio:.2} × {baseline}"),
            _ => String::new(),
        };
        let goal = match &figure.goal {
            Some(goal) => format!("{} ({})", if goal.met { "met" } else { "MISSED" }, goal.wanted),
            None => String::new(),
        };
        let line = format!(
            "{name:width$}  {:>12}  {:>12}  {:>5}  {compared:34}  {goal}",
            human(figure.median, figure.unit),
            human(figure.p99, figure.unit),
            figure.runs
        );
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A value with its unit, as a person reads it.
pub(crate) fn human(value: f64, unit: &str) -> String {
    match unit {
        "ns" if value >= 1e6 => format!("{:.2} ms", value / 1e6),
        "ns" if value >= 1e3 => format!("{:.2} µs", value / 1e3),
        "ns" if value >= 10.0 => format!("{value:.1} ns"),
        "ns" => format!("{value:.2} ns"),
        "GB/s" => format!("{value:.1} GB/s"),
        "ms" | "µs" if value < 100.0 => format!("{value:.2} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Effort, measure};

    #[test]
    fn goals_are_met_or_missed() {
        let figure = || Figure::count("a::b", "c=d", "bytes", 10.0);
        assert!(figure().at_most(10.0).goal.unwrap().met);
        assert!(!figure().at_most(9.0).goal.unwrap().met);
        assert!(figure().against("other", 1.5).at_least(1.5).goal.unwrap().met);
        assert!(!figure().against("other", 1.4).at_least(1.5).goal.unwrap().met);
        assert!(!figure().at_least(1.5).goal.unwrap().met);
        assert!(Figure::rate("a::b", "c=d", &vec![2.0].into(), 30.0).not_below(15.0).goal.unwrap().met);
        assert!(!Figure::rate("a::b", "c=d", &vec![2.1].into(), 30.0).not_below(15.0).goal.unwrap().met);
        let sample = measure(Effort::Quick, || 1 + 1);
        let text = table(&[Figure::nanoseconds("a::b", "c=d", &sample).at_most(0.0)]);
        assert!(text.contains("MISSED (at most 0.00 ns)"), "{text}");
    }
}
