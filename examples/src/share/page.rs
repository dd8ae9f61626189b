//! The page of a run: one HTML file that needs nothing else.

use std::fmt::Write;

use super::{
    candidates::TermRow,
    summary::{Summary, grouped},
};

/// One column of the source data, thinned for drawing.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    /// The column's name.
    pub(crate) name: String,
    /// (milliseconds since 1970, value), in order of time.
    pub(crate) points: Vec<(u64, f64)>,
}

/// One final height.
#[derive(Debug, Clone)]
pub(crate) struct BlockRow {
    /// The height.
    pub(crate) height: u64,
    /// Hex of the block's digest.
    pub(crate) digest: String,
    /// The term.
    pub(crate) term: u64,
    /// Who proposed it.
    pub(crate) proposer: String,
    /// Transactions inside.
    pub(crate) transactions: usize,
    /// Was the proposer impeached?
    pub(crate) impeached: bool,
    /// Which validators signed the certificate that made it final, if this node holds that of this very height.
    pub(crate) signers: Option<Vec<bool>>,
}

/// Where the shards of one stored object lie.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    /// What the object is.
    pub(crate) object: String,
    /// Shards on each storage node.
    pub(crate) shards: Vec<usize>,
}

/// All that the page shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    /// Name of the source file.
    pub(crate) source: String,
    /// The columns.
    pub(crate) series: Vec<Series>,
    /// Start and end of what was bought, in milliseconds.
    pub(crate) bought: std::ops::Range<u64>,
    /// Days that the private search found, in milliseconds.
    pub(crate) found: Vec<u64>,
    /// What the private search asked.
    pub(crate) question: String,
    /// The chain.
    pub(crate) blocks: Vec<BlockRow>,
    /// The storage network; a node that was stopped has `true`.
    pub(crate) placements: Vec<Placement>,
    /// Storage nodes that were stopped after the upload.
    pub(crate) stopped_nodes: Vec<bool>,
    /// The order, from offer to payment: event and height.
    pub(crate) order: Vec<(String, u64)>,
    /// Who proposed in each term.
    pub(crate) terms: Vec<TermRow>,
}

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1a1f24;--soft:#66707a;--line:#d9dee3;--paper:#fff;--wash:#f4f6f8;--blue:#1f6feb;--band:#1f6feb1f;--red:#c9372c;--green:#1a7f4b;--amber:#b7791f}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#98a2ad;--line:#353b42;--paper:#15181c;--wash:#1d2126;--blue:#6ea8fe;--band:#6ea8fe2e;--red:#ff7b72;--green:#4cc38a;--amber:#e0b25b}}
*{box-sizing:border-box}body{margin:0 auto;max-width:1040px;padding:28px 20px 60px;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:26px;margin:0 0 4px}h2{font-size:18px;margin:38px 0 10px}p{margin:6px 0;color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(145px,1fr));gap:10px;margin:20px 0}.fact{background:var(--wash);border-radius:10px;padding:12px 14px}
.fact b{display:block;font-size:22px;line-height:1.2}.fact span{color:var(--soft);font-size:13px}.good b{color:var(--green)}.bad b{color:var(--red)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13.5px}th,td{text-align:left;padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600;white-space:nowrap}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}code{font:12.5px ui-monospace,monospace}
svg{display:block;width:100%;height:auto;margin:6px 0 16px}svg text{fill:var(--soft);font:12px system-ui,sans-serif}.bar{fill:var(--blue)}.band{fill:var(--band)}.curve{fill:none;stroke:var(--blue);stroke-width:1.2}
.axis{stroke:var(--line)}.hit{stroke:var(--amber);stroke-width:2}.dot{display:inline-block;width:11px;height:11px;border-radius:50%;margin-right:3px;background:var(--line)}.dot.on{background:var(--green)}
.cell{display:inline-block;width:24px;text-align:center;border-radius:4px;margin:1px;font-size:12px;background:var(--band)}.cell.off{background:none;color:var(--red);text-decoration:line-through}.tag{color:var(--red);font-weight:600}
";

impl Page {
    /// The page as HTML.
    pub(crate) fn render(&self, summary: &Summary) -> String {
        let mut out = String::with_capacity(128 * 1024);
        // Writing to a String cannot fail.
        let _ = self.write(&mut out, summary);
        out
    }

    fn write(&self, out: &mut String, summary: &Summary) -> std::fmt::Result {
        let source = escape(&self.source);
        write!(
            out,
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'><title>CPChain share · {source}</title><style>{STYLE}</style>\
             <h1>One share of {source}</h1><p>Readings sealed by a gateway, spread over a DHT, vouched for on a chain, found, paid for, handed over and verified.</p>"
        )?;
        facts(out, summary)?;
        timeline(out, summary)?;
        self.data(out)?;
        self.order(out)?;
        self.elections(out)?;
        self.chain(out)?;
        self.shards(out)?;
        out.write_str("</html>\n")
    }

    fn data(&self, out: &mut String) -> std::fmt::Result {
        out.write_str("<h2>The data</h2><p>The shaded part was bought.")?;
        if !self.question.is_empty() {
            write!(
                out,
                " Amber marks: the {} days that the host found for the encrypted query <i>{}</i>, seeing neither the readings nor the question.",
                self.found.len(),
                escape(&self.question)
            )?;
        }
        out.write_str("</p>")?;
        self.series.iter().try_for_each(|series| self.plot(out, series))
    }

    fn plot(&self, out: &mut String, series: &Series) -> std::fmt::Result {
        const W: f64 = 1000.0;
        const H: f64 = 150.0;
        const LEFT: f64 = 54.0;
        const TOP: f64 = 8.0;
        let (Some(first), Some(last)) = (series.points.first(), series.points.last()) else { return Ok(()) };
        let (low, high) = series
            .points
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, value)| (low.min(*value), high.max(*value)));
        let span = if high > low { high - low } else { 1.0 };
        let time = (last.0.saturating_sub(first.0)).max(1) as f64;
        let x = |at: u64| LEFT + at.saturating_sub(first.0) as f64 / time * (W - LEFT - 4.0);
        let y = |value: f64| TOP + (high - value) / span * (H - TOP - 22.0);
        let (from, to) = (x(self.bought.start.max(first.0)), x(self.bought.end.min(last.0)));
        write!(out, "<svg viewBox='0 0 {W} {H}' role=img aria-label='{}'>", escape(&series.name))?;
        write!(out, "<rect class=band x={from:.1} y={TOP} width={:.1} height={:.1} />", to - from, H - TOP - 22.0)?;
        write!(out, "<line class=axis x1={LEFT} x2={W} y1={0:.1} y2={0:.1} />", y(low))?;
        write!(out, "<text x={} y={:.1} text-anchor=end>{high:.1}</text>", LEFT - 6.0, y(high) + 10.0)?;
        write!(out, "<text x={} y={:.1} text-anchor=end>{low:.1}</text>", LEFT - 6.0, y(low))?;
        write!(out, "<text x={} y={:.1}>{}</text>", LEFT + 4.0, H - 6.0, escape(&series.name))?;
        write!(out, "<text x={W} y={:.1} text-anchor=end>{} to {}</text>", H - 6.0, day(first.0), day(last.0))?;
        for found in &self.found {
            write!(out, "<line class=hit x1={0:.1} x2={0:.1} y1={1:.1} y2={2:.1} />", x(*found), H - 26.0, H - 22.0)?;
        }
        out.write_str("<polyline class=curve points='")?;
        for (at, value) in &series.points {
            write!(out, "{:.1},{:.1} ", x(*at), y(*value))?;
        }
        out.write_str("'/></svg>")
    }

    fn order(&self, out: &mut String) -> std::fmt::Result {
        out.write_str("<h2>The order</h2><div class=wide><table><tr><th class=n>height<th>event</tr>")?;
        for (event, height) in &self.order {
            write!(out, "<tr><td class=n>{height}<td>{}</tr>", escape(event))?;
        }
        out.write_str("</table></div>")
    }

    fn elections(&self, out: &mut String) -> std::fmt::Result {
        out.write_str(
            "<h2>The elections</h2><p>The validators proposed until the candidates' deposits and claims were in and three terms had passed; \
             from then on the ledger drew the proposers of each term, by reputation.</p>\
             <div class=wide><table><tr><th class=n>term<th class=n>heights<th>elected<th>proposers, in the order of their turns</tr>",
        )?;
        for row in &self.terms {
            let elected = if row.elected { "<i class='dot on'></i>" } else { "<i class=dot></i>" };
            write!(out, "<tr><td class=n>{}<td class=n>{}–{}<td>{elected}<td>", row.term, row.first, row.last)?;
            write!(out, "{}</tr>", escape(&row.proposers.join(", ")))?;
        }
        out.write_str("</table></div>")
    }

    fn chain(&self, out: &mut String) -> std::fmt::Result {
        out.write_str(
            "<h2>The chain</h2><p>Each dot is a validator; green ones signed the certificate that made the block final. A block without dots became final with one above it.</p>\
             <div class=wide><table><tr><th class=n>height<th class=n>term<th>digest<th>proposer<th class=n>transactions<th>certificate</tr>",
        )?;
        for row in &self.blocks {
            write!(
                out,
                "<tr><td class=n>{}<td class=n>{}<td><code>{}</code>",
                row.height,
                row.term,
                row.digest.get(..16).unwrap_or(&row.digest)
            )?;
            if row.impeached {
                write!(out, "<td class=tag>{} impeached", row.proposer)?;
            } else {
                write!(out, "<td>{}", row.proposer)?;
            }
            write!(out, "<td class=n>{}<td>", row.transactions)?;
            for signed in row.signers.iter().flatten() {
                out.write_str(if *signed { "<i class='dot on'></i>" } else { "<i class=dot></i>" })?;
            }
            out.write_str("</tr>")?;
        }
        out.write_str("</table></div>")
    }

    fn shards(&self, out: &mut String) -> std::fmt::Result {
        out.write_str("<h2>Where the shards lie</h2><p>Shards of each object on each storage node. Struck out: the node was stopped after the upload.</p><div class=wide><table><tr><th>object<th>nodes</tr>")?;
        for placement in &self.placements {
            write!(out, "<tr><td>{}<td>", escape(&placement.object))?;
            for (node, shards) in placement.shards.iter().enumerate() {
                let off = if self.stopped_nodes.get(node).copied().unwrap_or(false) { " off" } else { "" };
                write!(out, "<span class='cell{off}'>{shards}</span>")?;
            }
            out.write_str("</tr>")?;
        }
        out.write_str("</table></div>")
    }
}

fn facts(out: &mut String, summary: &Summary) -> std::fmt::Result {
    out.write_str("<div class=facts>")?;
    let facts = [
        (
            format!("{} / {}", grouped(summary.rows_verified as u64), grouped(summary.rows_bought as u64)),
            "bought rows verified",
            summary.rows_bought == summary.rows_verified && summary.rows_bought > 0,
        ),
        (
            (if summary.unbought_interval_refused { "refused" } else { "opened" }).to_owned(),
            "interval that was not bought",
            summary.unbought_interval_refused,
        ),
        (
            (if summary.private_search_correct { "correct" } else { "wrong" }).to_owned(),
            "private search",
            summary.private_search_correct,
        ),
        (
            format!("{} / {}", summary.sale_blocks_by_elected, summary.sale_blocks),
            "blocks of the sale by elected proposers",
            summary.elected_proposers,
        ),
        (format!("{}", summary.final_blocks), "final blocks", true),
        (format!("{}", summary.impeached_heights), "impeached heights", true),
        (format!("{:.1} s", summary.seconds), "in all", true),
    ];
    for (value, label, good) in facts {
        write!(
            out,
            "<div class='fact {}'><b>{value}</b><span>{label}</span></div>",
            if good { "good" } else { "bad" }
        )?;
    }
    out.write_str("</div>")
}

fn timeline(out: &mut String, summary: &Summary) -> std::fmt::Result {
    let total: f64 = summary.steps.iter().map(|step| step.seconds).sum::<f64>().max(1e-9);
    let height = summary.steps.len() * 26 + 4;
    write!(out, "<h2>Time line</h2><svg viewBox='0 0 1000 {height}' role=img aria-label='steps over time'>")?;
    let mut at = 0.0;
    for (row, step) in summary.steps.iter().enumerate() {
        let (x, width) = (230.0 + at / total * 690.0, (step.seconds / total * 690.0).max(1.5));
        let y = row * 26 + 4;
        write!(
            out,
            "<text x=0 y={}>{}</text><rect class=bar x={x:.1} y={y} width={width:.1} height=16 rx=3 />",
            y + 13,
            escape(&step.name)
        )?;
        write!(out, "<text x={:.1} y={}>{:.2} s</text>", x + width + 6.0, y + 13, step.seconds)?;
        at += step.seconds;
    }
    out.write_str(
        "</svg><div class=wide><table><tr><th>step<th class=n>time<th class=n>bytes<th>what was proved</tr>",
    )?;
    for step in &summary.steps {
        write!(
            out,
            "<tr><td>{}<td class=n>{:.2} s<td class=n>{}<td>{}</tr>",
            escape(&step.name),
            step.seconds,
            grouped(step.bytes),
            escape(&step.proved)
        )?;
    }
    out.write_str("</table></div>")
}

fn day(ms: u64) -> String {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map_or_else(String::new, |at| at.strftime("%Y-%m-%d").to_string())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_the_file_cannot_break_out_of_the_page() {
        let page = Page { source: "<script>alert(1)</script>".to_owned(), ..Page::default() };
        let html = page.render(&Summary::default());
        assert!(!html.contains("<script>"));
        assert!(html.contains("&lt;script&gt;"));
    }
}
