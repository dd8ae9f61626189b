//! What the nodes of a run measured, put together; and the median of several runs.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::{local::Outcome, plan::Plan, stages::histogram};

/// One run.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Offered and committed transactions in a second.
    pub(crate) offered: f64,
    pub(crate) committed: f64,
    pub(crate) refused: u64,
    pub(crate) ran_out: bool,
    /// Microseconds from the intended sending to the commit, and from the making of a block to its finality.
    pub(crate) latency: Histogram<u64>,
    pub(crate) agreement: Histogram<u64>,
    /// Transactions that became final in each tenth of a second since the start.
    pub(crate) line: Vec<u64>,
    /// Blocks a second.
    pub(crate) blocks: f64,
    pub(crate) impeached: u64,
    /// Microseconds of the processor for a transaction, and milliseconds for a block, over all nodes.
    pub(crate) per_transaction: f64,
    pub(crate) per_block: f64,
    /// Bytes and messages by kind.
    pub(crate) traffic: BTreeMap<String, (u64, u64)>,
    /// Seconds of the processor by stage; the rest is agreement, links and the runtime.
    pub(crate) stages: BTreeMap<String, f64>,
    pub(crate) processor: f64,
}

/// What no stage has.
pub(crate) const REST: &str = "agreement, links, runtime";

impl Summary {
    pub(crate) fn of(plan: &Plan, outcome: &Outcome) -> Self {
        let seconds = plan.duration.as_secs_f64();
        let reports = &outcome.reports;
        let sum = |value: fn(&super::member::Report) -> u64| reports.iter().map(value).sum::<u64>();
        let (sent, committed) = (sum(|report| report.sent), sum(|report| report.committed));
        let (mut latency, mut agreement) = (histogram(), histogram());
        let mut line = Vec::new();
        let (mut traffic, mut stages) = (BTreeMap::<String, (u64, u64)>::new(), BTreeMap::<String, f64>::new());
        for report in reports {
            report.latency.iter().for_each(|(value, count)| latency.saturating_record_n(*value, *count));
            report.agreement.iter().for_each(|(value, count)| agreement.saturating_record_n(*value, *count));
            line.resize(report.line.len().max(line.len()), 0);
            line.iter_mut().zip(&report.line).for_each(|(slot, count)| *slot += count);
            for (kind, (messages, bytes)) in &report.traffic {
                let slot = traffic.entry(kind.clone()).or_default();
                *slot = (slot.0 + messages, slot.1 + bytes);
            }
            for (stage, seconds) in &report.stages {
                *stages.entry(stage.clone()).or_default() += seconds;
            }
        }
        let processor = outcome.processor + reports.iter().map(|report| report.processor).sum::<f64>();
        stages.insert(REST.to_owned(), (processor - stages.values().sum::<f64>()).max(0.0));
        // The nodes that stay up agree; one that crashed saw less.
        let heights = reports.iter().map(|report| report.heights).max().unwrap_or(0);
        Self {
            offered: sent as f64 / seconds,
            committed: committed as f64 / seconds,
            refused: sum(|report| report.refused),
            ran_out: reports.iter().any(|report| report.ran_out),
            latency,
            agreement,
            line,
            blocks: heights as f64 / seconds,
            impeached: reports.iter().map(|report| report.impeached).max().unwrap_or(0),
            per_transaction: processor * 1e6 / committed.max(1) as f64,
            per_block: processor * 1e3 / heights.max(1) as f64,
            traffic,
            stages,
            processor,
        }
    }
}

/// The median of some values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}
