//! Figures as one HTML page that needs nothing else: for each bench its rows, a bar for each, the baseline and the goal.

use std::fmt::Write as _;

use crate::{
    plot::escape,
    report::{Figure, human},
};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d2733;--soft:#667;--line:#dde2e8;--bar:#7fb2dc;--met:#2e7d4f;--missed:#b03a2e;--paper:#fff}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#9aa4b2;--line:#333b46;--bar:#31618c;--met:#63c08a;--missed:#ef8377;--paper:#14181d}}\
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1250px;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2.2rem 0 .4rem}p,small{color:var(--soft)}nav a{margin-right:.9em}a{color:inherit}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}th{text-align:left;font-weight:600;color:var(--soft)}\
td,th{padding:.22rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}\
.g{white-space:nowrap}.bar{width:14%;min-width:80px}.bar i{display:block;height:.75em;margin-top:.35em;background:var(--bar);border-radius:2px}\
.met{color:var(--met)}.missed{color:var(--missed);font-weight:600}code{font-size:.92em}";

/// The page of some figures. `command` is what was run, `machine` where and when.
pub fn page(figures: &[Figure], command: &str, machine: &str) -> String {
    let (command, machine) = (escape(command), escape(machine));
    let goals = figures.iter().filter_map(|figure| figure.goal.as_ref());
    let (met, wanted) = (goals.clone().filter(|goal| goal.met).count(), goals.count());
    let groups = figures.chunk_by(|a, b| group(a) == group(b));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{command}</title><style>{STYLE}</style></head><body>\n<h1><code>{command}</code></h1>\n\
         <p>{machine}. {} figures, {met} of {wanted} goals met. Medians; bars compare rows of one kind and unit.</p>\n<nav>",
        figures.len()
    );
    let names: Vec<&str> = groups.clone().filter_map(|rows| rows.first().map(group)).collect();
    // Writing to a string does not fail.
    for name in &names {
        let _ = write!(html, "<a href=\"#{0}\">{0}</a>", escape(name));
    }
    html.push_str("</nav>\n");
    for rows in groups {
        let Some(name) = rows.first().map(group) else { continue };
        let _ = write!(
            html,
            "<h2 id=\"{0}\">{0}</h2>\n<div class=\"wide\"><table><tr><th>figure</th><th>of</th><th class=\"n\">median</th>\
             <th class=\"bar\"></th><th class=\"n\">p99</th><th>beside</th><th>goal</th></tr>\n",
            escape(name)
        );
        for kind in kinds(rows) {
            let most = kind.iter().map(|figure| figure.median).fold(f64::MIN_POSITIVE, f64::max);
            for (place, figure) in kind.iter().enumerate() {
                row(&mut html, figure, place == 0, (kind.len() > 1).then(|| figure.median / most));
            }
        }
        html.push_str("</table></div>\n");
    }
    html.push_str("</body></html>\n");
    html
}

/// Rows that may stand beside each other, in the order in which the first of each kind came.
fn kinds(rows: &[Figure]) -> Vec<Vec<&Figure>> {
    let mut kinds: Vec<Vec<&Figure>> = Vec::new();
    for figure in rows {
        let alike = |kind: &&mut Vec<&Figure>| {
            kind.first().is_some_and(|first| first.bench == figure.bench && first.unit == figure.unit)
        };
        match kinds.iter_mut().find(alike) {
            Some(kind) => kind.push(figure),
            None => kinds.push(vec![figure]),
        }
    }
    kinds
}

/// What comes before the first `::`.
fn group(figure: &Figure) -> &str {
    figure.bench.split("::").next().unwrap_or_default()
}

fn row(html: &mut String, figure: &Figure, is_first: bool, share: Option<f64>) {
    let bench =
        if is_first { escape(figure.bench.split_once("::").map_or("", |(_, name)| name)) } else { String::new() };
    let bar = share.map(|share| format!("<i style=\"width:{:.1}%\"></i>", (share * 100.0).clamp(0.0, 100.0)));
    let beside = match (&figure.baseline, figure.ratio) {
        (Some(baseline), Some(ratio)) => format!("{ratio:.2} × {}", escape(baseline)),
        _ => String::new(),
    };
    let goal = figure.goal.as_ref().map_or_else(String::new, |goal| {
        let (class, verdict) = if goal.met { ("met", "met") } else { ("missed", "missed") };
        format!("<span class=\"{class}\">{verdict}</span>, {}", escape(&goal.wanted))
    });
    let _ = writeln!(
        html,
        "<tr><td>{bench}</td><td><code>{}</code></td><td class=\"n\">{}</td><td class=\"bar\">{}</td>\
         <td class=\"n\">{}</td><td>{beside}</td><td class=\"g\">{goal}</td></tr>",
        escape(&figure.params),
        human(figure.median, figure.unit),
        bar.unwrap_or_default(),
        human(figure.p99, figure.unit),
    );
}

/// Processor, cores, system and time, as a page names them.
pub fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
    format!("{model}, {cores} cores, {}, {now}", std::env::consts::OS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_grouped_and_text_is_text() {
        let figures = [
            Figure::count("store::put", "engine=<b>", "ns", 50.0).at_most(60.0),
            Figure::count("store::put", "engine=sled", "ns", 100.0).at_most(60.0),
            Figure::count("dht::get", "n=10", "ns", 1.0).against("a & b", 2.0),
        ];
        let html = page(&figures, "lab store", &machine());
        assert_eq!(html.matches("<h2").count(), 2);
        assert!(html.contains("width:50.0%") && html.contains("engine=&lt;b&gt;") && html.contains("a &amp; b"));
        assert!(html.contains("1 of 2 goals met") && html.contains("cores"), "{html}");
    }
}
