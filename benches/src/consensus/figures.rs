//! The figures of a plan, with the goals that its options have.

use std::fmt::Write as _;

use super::{
    page::Point,
    plan::{Disk, Load, Plan, Rate, Transport, Verify},
    summary::{Summary, median},
};
use crate::Figure;

/// The figures of the runs of a plan.
pub(crate) fn figures(plan: &Plan, runs: &[Summary]) -> Vec<Figure> {
    let params = plan.params();
    let figure = |name: &str, unit: &'static str, is_high_bad: bool, value: &dyn Fn(&Summary) -> f64| {
        let values = || runs.iter().map(value);
        let mut figure = Figure::count(&format!("consensus::{name}"), &params, unit, median(values()));
        let worst = if is_high_bad { values().fold(f64::MIN, f64::max) } else { values().fold(f64::MAX, f64::min) };
        (figure.p99, figure.runs) = (worst, runs.len());
        figure
    };
    let millis = |histogram: &hdrhistogram::Histogram<u64>, q: f64| histogram.value_at_quantile(q) as f64 / 1e3;
    let goal = Goals::of(plan);
    let throughput = figure("committed", "tx/s", false, &|run| run.committed);
    let latency = figure("latency_p50", "ms", true, &|run| millis(&run.latency, 0.5));
    let slow = figure("latency_p99", "ms", true, &|run| millis(&run.latency, 0.99));
    let agreement = figure("agreement_p50", "ms", true, &|run| millis(&run.agreement, 0.5));
    let agreement_slow = figure("agreement_p99", "ms", true, &|run| millis(&run.agreement, 0.99));
    let blocks = figure("blocks", "blocks/s", false, &|run| run.blocks);
    let cost = figure("processor_per_tx", "µs", true, &|run| run.per_transaction);
    let cost_of_block = figure("processor_per_block", "ms", true, &|run| run.per_block);
    let least = |figure: Figure, limit: Option<f64>| match limit {
        Some(limit) => figure.not_below(limit),
        None => figure,
    };
    let most = |figure: Figure, limit: Option<f64>| match limit {
        Some(limit) => figure.at_most(limit),
        None => figure,
    };
    let mut all = vec![
        figure("offered", "tx/s", false, &|run| run.offered),
        least(throughput, goal.throughput),
        latency,
        slow,
        most(agreement, goal.agreement.map(|(p50, _)| p50)),
        most(agreement_slow, goal.agreement.map(|(_, p99)| p99)),
        least(blocks, goal.blocks),
        most(cost, goal.per_transaction),
        most(cost_of_block, goal.per_block),
    ];
    if runs.iter().any(|run| run.refused > 0) {
        all.push(figure("refused", "transactions", true, &|run| run.refused as f64));
    }
    if runs.iter().any(|run| run.impeached > 0) {
        all.push(figure("impeached", "heights", true, &|run| run.impeached as f64));
    }
    if runs.iter().any(|run| run.ran_out) {
        all.push(figure("ran_out", "runs short of transactions", true, &|run| f64::from(u8::from(run.ran_out))));
    }
    all
}

/// What is wanted of a plan, if anything.
#[derive(Debug, Default, PartialEq)]
struct Goals {
    throughput: Option<f64>,
    agreement: Option<(f64, f64)>,
    blocks: Option<f64>,
    per_transaction: Option<f64>,
    per_block: Option<f64>,
}

impl Goals {
    fn of(plan: &Plan) -> Self {
        let none = Self::default();
        if plan.validators != 7 || !plan.faults.is_empty() {
            return none;
        }
        let saturated = plan.rate == Rate::Saturation;
        match (plan.transport, plan.disk, plan.load, plan.verify) {
            (Transport::Sockets, Disk::Redb, Load::Transfers, Verify::Each) if saturated => {
                Self { throughput: Some(11_000.0), ..none }
            }
            (Transport::Sockets, Disk::Redb, Load::Transfers, Verify::Once) if saturated => {
                Self { throughput: Some(50_000.0), ..none }
            }
            (Transport::Processes, _, Load::Opaque, _) if saturated && plan.payload == 512 => {
                Self { per_transaction: Some(30.0), ..none }
            }
            (Transport::Processes, Disk::Redb, Load::Opaque, _) if plan.rate == Rate::Offered(2_000.0) => {
                Self { agreement: Some((4.0, 10.0)), blocks: Some(150.0), per_block: Some(9.0), ..none }
            }
            _ => none,
        }
    }
}

/// One line for each run.
pub(crate) fn csv(points: &[Point]) -> String {
    let mut text =
        "rate,run,offered,committed,p50_ms,p90_ms,p99_ms,agreement_p50_ms,agreement_p99_ms,blocks,impeached,\
                    us_per_tx,ms_per_block\n"
            .to_owned();
    for (point, number, run) in
        points.iter().flat_map(|point| (0..).zip(&point.runs).map(move |(n, run)| (point, n, run)))
    {
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|q| run.latency.value_at_quantile(q) as f64 / 1e3);
        let [a50, a99] = [0.5, 0.99].map(|q| run.agreement.value_at_quantile(q) as f64 / 1e3);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{},{number},{:.0},{:.0},{p50:.2},{p90:.2},{p99:.2},{a50:.2},{a99:.2},{:.1},{},{:.2},{:.3}",
            point.plan.rate, run.offered, run.committed, run.blocks, run.impeached, run.per_transaction, run.per_block
        );
    }
    text
}
