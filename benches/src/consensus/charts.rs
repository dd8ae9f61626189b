//! Lines over linear axes, and bars, each as one SVG.

use std::fmt::Write as _;

use crate::plot::{COLOURS, LEFT, PLOT_WIDTH, TOP, WIDTH, escape, nice_step};

const HEIGHT: f64 = 380.0;
const PLOT_HEIGHT: f64 = HEIGHT - TOP - 80.0;
const BAR: f64 = 26.0;
/// Where bars begin: right of their names.
const BARS: f64 = 210.0;

/// A line through points (x, y).
pub(crate) type Line = (String, Vec<(f64, f64)>);

/// A time in which something is so.
pub(crate) struct Band {
    pub(crate) from: f64,
    pub(crate) until: f64,
    pub(crate) name: String,
}

/// Lines with their points, over both axes from zero.
pub(crate) fn lines(title: &str, (x_unit, y_unit): (&str, &str), lines: &[Line], band: Option<&Band>) -> String {
    let points = || lines.iter().flat_map(|(_, points)| points.iter().copied());
    let axis = |longest: f64| {
        let step = nice_step((longest / 6.0).max(1e-6));
        (step, ((longest / step).ceil() * step).max(step))
    };
    let (x_step, x_end) = axis(points().map(|point| point.0).fold(0.0, f64::max));
    let (y_step, y_end) = axis(points().map(|point| point.1).fold(0.0, f64::max));
    let x = |value: f64| LEFT + value / x_end * PLOT_WIDTH;
    let y = |value: f64| TOP + (1.0 - value / y_end) * PLOT_HEIGHT;
    let mut svg = start(title, HEIGHT);
    // Writing to a string does not fail.
    if let Some(Band { from, until, name }) = band {
        let (left, width) = (x(*from), x(until.min(x_end)) - x(*from));
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{PLOT_HEIGHT}\" fill=\"#fbe9e7\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#c0392b\">{}</text>",
            left + 6.0,
            TOP + 16.0,
            escape(name)
        );
    }
    let right = LEFT + PLOT_WIDTH;
    for tick in ticks(y_step, y_end) {
        let at = y(tick);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\n\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            at + 4.0,
            number(tick, y_step)
        );
    }
    for tick in ticks(x_step, x_end) {
        let (at, below) = (x(tick), TOP + PLOT_HEIGHT + 18.0);
        let _ =
            writeln!(svg, "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{}</text>", number(tick, x_step));
    }
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{}\" fill=\"#555\">{}</text>\n<text x=\"{right}\" y=\"{}\" text-anchor=\"end\" fill=\"#555\">{}</text>",
        TOP - 8.0,
        escape(y_unit),
        TOP + PLOT_HEIGHT + 38.0,
        escape(x_unit)
    );
    for ((name, points), (place, colour)) in lines.iter().zip(COLOURS.iter().cycle().enumerate()) {
        let mut path = String::new();
        for (of, value) in points {
            let _ = write!(path, "{:.1},{:.1} ", x(*of), y(*value));
        }
        let _ = writeln!(svg, "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        // Few points are measurements of their own; many are a curve.
        for (of, value) in points.iter().filter(|_| points.len() <= 20) {
            let _ = writeln!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{colour}\"/>", x(*of), y(*value));
        }
        let (at, below) = (LEFT + 170.0 * (place % 4) as f64, HEIGHT - 22.0 + 16.0 * (place / 4) as f64);
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{below}\" fill=\"{colour}\">{}</text>", escape(name));
    }
    svg.push_str("</svg>\n");
    svg
}

/// Horizontal bars with their values, longest first; what is zero is left out.
pub(crate) fn bars(title: &str, values: &[(String, f64)], text: &dyn Fn(f64) -> String) -> String {
    let mut values: Vec<_> = values.iter().filter(|(_, value)| *value > 0.0).collect();
    values.sort_by(|a, b| b.1.total_cmp(&a.1));
    let longest = values.first().map_or(1.0, |(_, value)| *value);
    let mut svg = start(title, TOP + BAR * values.len() as f64 + 10.0);
    for (place, (name, value)) in values.iter().enumerate() {
        let top = TOP + BAR * place as f64;
        let width = (value / longest * (WIDTH - BARS - 150.0)).max(1.0);
        // Writing to a string does not fail.
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{BARS}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{}\" fill=\"#1b6ca8\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            BARS - 10.0,
            top + 15.0,
            escape(name),
            BAR - 6.0,
            BARS + width + 8.0,
            top + 15.0,
            escape(&text(*value))
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn start(title: &str, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<text x=\"{LEFT}\" y=\"20\" font-size=\"16\">{}</text>\n",
        escape(title)
    )
}

fn ticks(step: f64, end: f64) -> impl Iterator<Item = f64> {
    (0..=(end / step).round() as u32).map(move |tick| f64::from(tick) * step)
}

fn number(value: f64, step: f64) -> String {
    match step {
        _ if value >= 10_000.0 => format!("{}k", value / 1_000.0),
        step if step < 1.0 => format!("{value:.*}", (-step.log10()).ceil() as usize),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_start_at_zero_and_stay_in_the_frame() {
        let list = [("a < b".to_owned(), vec![(0.0, 0.0), (55.0, 7.0)]), ("two".to_owned(), vec![(10.0, 0.5)])];
        let band = Band { from: 10.0, until: 900.0, name: "crash".into() };
        let svg = lines("t", ("tx/s", "ms"), &list, Some(&band));
        assert!(svg.contains("a &lt; b") && svg.contains("crash") && svg.ends_with("</svg>\n"));
        let first = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(first.starts_with(&format!("{LEFT:.1},{:.1} ", TOP + PLOT_HEIGHT)), "{first}");
        let attribute = |name: &str| -> Vec<f64> {
            svg.split(&format!("{name}=\""))
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
                .collect()
        };
        assert!(attribute("cx").iter().all(|x| (LEFT..=LEFT + PLOT_WIDTH).contains(x)));
        assert!(attribute("cy").iter().all(|y| (TOP..=TOP + PLOT_HEIGHT).contains(y)));
        assert!(
            attribute("rect x").iter().zip(attribute(" width")).all(|(x, width)| x + width <= LEFT + PLOT_WIDTH + 0.1)
        );
    }

    #[test]
    fn bars_are_sorted_and_nothing_has_none() {
        let values = [("small".to_owned(), 1.0), ("none".to_owned(), 0.0), ("large".to_owned(), 4.0)];
        let svg = bars("t", &values, &|value| format!("{value} s"));
        assert!(svg.find("large").unwrap() < svg.find("small").unwrap() && !svg.contains("none"));
    }
}
