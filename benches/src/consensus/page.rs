//! The figures and plots of a plan as one HTML page that needs nothing else.

use std::fmt::Write as _;

use super::{
    charts::{self, Band, Line},
    client::BUCKET,
    plan::Plan,
    summary::{Summary, median},
};
use crate::{
    Figure,
    plot::{distribution, escape},
};

/// Runs at one offered rate.
pub(crate) struct Point {
    pub(crate) plan: Plan,
    pub(crate) runs: Vec<Summary>,
}

const STYLE: &str = "body{font-family:sans-serif;max-width:900px;margin:2em auto;padding:0 1em;color:#222}\
    h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}p{line-height:1.45}code{background:#f3f3f3;padding:.1em .3em}\
    table{border-collapse:collapse;font-size:.9em;width:100%}td,th{border-bottom:1px solid #ddd;padding:.3em .7em;text-align:right}\
    td:first-child,th:first-child{text-align:left}.met{color:#2e8b57}.missed{color:#c0392b}svg{width:100%;margin-top:1em}";

/// The page: what was run, its figures, and five plots. The first point is the plan that was asked for.
pub(crate) fn page(command: &str, points: &[Point], figures: &[Figure]) -> String {
    let Some(first) = points.first() else { return String::new() };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>LBFT under load</title>\n\
         <style>{STYLE}</style>\n<h1>LBFT under load</h1>\n<p><code>{}</code></p>\n<p>{}</p>\n<p>{}</p>\n{}",
        escape(command),
        escape(&first.plan.params()),
        escape(&crate::machine()),
        table(figures)
    );
    let run = middle(&first.runs);
    let mut add = |title: &str, text: &str, svg: String| {
        // Writing to a string does not fail.
        let _ = write!(page, "<h2>{title}</h2>\n<p>{text}</p>\n{svg}");
    };
    if points.len() > 1 {
        add(
            "Throughput against latency",
            "Each point is one offered rate, the medians of its runs. A latency runs from the time at which a transaction was \
             meant to leave its client to the moment at which the client sees it final.",
            throughput(points),
        );
    }
    let series: Vec<_> = points.iter().rev().take(5).rev().collect();
    let named: Vec<_> = series.iter().map(|point| (name(point), samples(point))).collect();
    let named: Vec<_> = named.iter().map(|(name, samples)| (name.as_str(), samples.clone())).collect();
    add(
        "Latency",
        "The share of transactions that were final within so many milliseconds.",
        distribution("from the intended sending to the commit", "ms", &named),
    );
    if let Some(run) = run {
        add(
            "Commits over time",
            "Transactions that became final, in each tenth of a second.",
            time_line(&first.plan, run),
        );
        let stages: Vec<_> = run.stages.iter().map(|(name, seconds)| (name.clone(), *seconds)).collect();
        let whole = run.processor.max(1e-9);
        add(
            "Processor by stage",
            "All nodes and clients together. What is left over after the calls that are timed one by one is one bar.",
            charts::bars("seconds of the processor", &stages, &|value| {
                format!("{value:.2} s ({:.0} %)", value / whole * 100.0)
            }),
        );
        let bytes: Vec<_> = run.traffic.iter().map(|(name, (_, bytes))| (name.clone(), *bytes as f64)).collect();
        add(
            "Bytes by kind of message",
            "What left all nodes, once for each receiver; gossip once.",
            charts::bars("bytes sent", &bytes, &size),
        );
    }
    page + "</html>\n"
}

/// The run with the median of committed transactions.
fn middle(runs: &[Summary]) -> Option<&Summary> {
    let wanted = median(runs.iter().map(|run| run.committed));
    runs.iter().find(|run| run.committed == wanted)
}

fn name(point: &Point) -> String {
    format!("{} tx/s", point.plan.rate).replace("saturation tx/s", "saturation")
}

fn samples(point: &Point) -> Vec<f64> {
    let Some(run) = middle(&point.runs) else { return Vec::new() };
    (0..=200).map(|step| run.latency.value_at_quantile(f64::from(step) / 200.0) as f64 / 1e3).collect()
}

fn throughput(points: &[Point]) -> String {
    let line = |name: &str, quantile: f64| -> Line {
        let at = |point: &Point| {
            let latency = point.runs.iter().map(|run| run.latency.value_at_quantile(quantile) as f64 / 1e3);
            (median(point.runs.iter().map(|run| run.committed)), median(latency))
        };
        let mut points: Vec<_> = points.iter().map(at).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        (name.to_owned(), points)
    };
    let both = [line("p50", 0.5), line("p99", 0.99)];
    charts::lines("latency at each throughput", ("committed, tx/s", "ms"), &both, None)
}

fn time_line(plan: &Plan, run: &Summary) -> String {
    let each = BUCKET.as_secs_f64();
    let points = run.line.iter().enumerate().map(|(place, count)| (place as f64 * each, *count as f64 / each));
    let lines = [("committed".to_owned(), points.collect())];
    let faults: Vec<_> = plan.faults.iter().map(ToString::to_string).collect();
    let (from, until) = plan.fault_window();
    let (from, until) = (from.as_secs_f64(), until.as_secs_f64());
    let band = (!faults.is_empty()).then(|| Band { from, until, name: faults.join(", ") });
    charts::lines("committed transactions", ("seconds", "tx/s"), &lines, band.as_ref())
}

fn table(figures: &[Figure]) -> String {
    let mut text =
        "<table>\n<tr><th>figure</th><th>median</th><th>worst run</th><th>unit</th><th>goal</th></tr>\n".to_owned();
    for figure in figures {
        let goal = figure.goal.as_ref().map_or_else(String::new, |goal| {
            let class = if goal.met { "met" } else { "missed" };
            format!("<span class=\"{class}\">{class}: {}</span>", escape(&goal.wanted))
        });
        let value = |value: f64| if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{goal}</td></tr>",
            escape(&figure.bench),
            value(figure.median),
            value(figure.p99),
            escape(figure.unit)
        );
    }
    text + "</table>\n"
}

fn size(bytes: f64) -> String {
    match bytes {
        bytes if bytes >= 1e9 => format!("{:.2} GB", bytes / 1e9),
        bytes if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.1} kB", bytes / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::{faults::Fault, local::Outcome, member::Report, plan::small};

    #[test]
    fn the_page_has_every_plot_and_needs_nothing_else() {
        let plan = Plan { faults: vec![Fault::Crash(1)], ..small() };
        let report = Report {
            sent: 100,
            committed: 90,
            latency: vec![(1_000, 80), (9_000, 10)],
            line: vec![3; 12],
            heights: 10,
            traffic: [("votes".to_owned(), (5, 700))].into(),
            stages: [("executing".to_owned(), 0.25)].into(),
            ..Report::default()
        };
        let outcome = Outcome { reports: vec![report], processor: 1.0 };
        let point = || Point { plan: plan.clone(), runs: vec![Summary::of(&plan, &outcome)] };
        let figures = super::super::figures::figures(&plan, &point().runs);
        let page = page("lab <consensus>", &[point(), point()], &figures);
        assert_eq!(page.matches("<svg").count(), 5);
        assert!(page.contains("crash:1") && page.contains("lab &lt;consensus&gt;") && page.contains("executing"));
        assert!(page.contains("0.75 s (75 %)"), "what no stage has is the rest");
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("<link"));
    }
}
