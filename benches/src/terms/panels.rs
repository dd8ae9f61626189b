//! Lines over a common axis, one panel below the other, as one self-contained SVG.

use std::fmt::Write as _;

use crate::plot::{COLOURS, LEFT, PLOT_WIDTH, TOP, WIDTH, escape, nice_step};

const PANEL: f64 = 170.0;
const GAP: f64 = 50.0;

/// One of the plots.
#[derive(Debug, Clone)]
pub struct Panel<'a> {
    /// What its axis counts.
    pub name: &'a str,
    /// A name and a value for each place of the common axis.
    pub lines: Vec<(&'a str, Vec<f64>)>,
}

/// Draws them; values are not below zero.
pub fn panels(title: &str, axis: &str, panels: &[Panel<'_>]) -> String {
    let height = TOP + panels.len() as f64 * (PANEL + GAP) + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"16\">{}</text>\n",
        escape(title)
    );
    for (place, panel) in panels.iter().enumerate() {
        draw(&mut svg, panel, TOP + 10.0 + place as f64 * (PANEL + GAP), axis);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, panel: &Panel<'_>, top: f64, axis: &str) {
    let values = || panel.lines.iter().flat_map(|(_, values)| values.iter().copied());
    let step = nice_step(values().fold(1.0_f64, f64::max) / 4.0);
    let end = (values().fold(1.0_f64, f64::max) / step).ceil() * step;
    let longest = panel.lines.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    let x = |place: usize| LEFT + place as f64 / longest.saturating_sub(1).max(1) as f64 * PLOT_WIDTH;
    let y = |value: f64| top + (1.0 - value / end) * PANEL;
    let right = LEFT + PLOT_WIDTH;
    // Writing to a string does not fail.
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{:.1}\">{}</text>", top - 8.0, escape(panel.name));
    let mut value = 0.0;
    while value <= end + step / 2.0 {
        let at = y(value);
        let _ = writeln!(svg, "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>");
        let (left, below) = (LEFT - 8.0, at + 4.0);
        let _ = writeln!(svg, "<text x=\"{left}\" y=\"{below:.1}\" text-anchor=\"end\">{value:.0}</text>");
        value += step;
    }
    let below = top + PANEL + 18.0;
    for place in (0..longest).step_by(longest.div_ceil(12).max(1)) {
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{below}\" text-anchor=\"middle\">{place}</text>", x(place));
    }
    let _ = writeln!(svg, "<text x=\"{right}\" y=\"{below}\" text-anchor=\"end\">{}</text>", escape(axis));
    for ((name, values), (line, colour)) in panel.lines.iter().zip(COLOURS.iter().enumerate()) {
        let mut points = String::new();
        for (place, value) in values.iter().enumerate() {
            let _ = write!(points, "{:.1},{:.1} ", x(place), y(*value));
        }
        let _ = writeln!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        let (at, up) = (right - 80.0 * (panel.lines.len() - line) as f64, top - 8.0);
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{up:.1}\" fill=\"{colour}\">{}</text>", escape(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_lies_in_its_panel() {
        let panel = |values| Panel { name: "a < b", lines: vec![("one", values), ("two", vec![0.0, 3.0])] };
        let svg = panels("t", "term", &[panel(vec![1.0, 2.0]), panel(vec![900.0, 1_000.0])]);
        assert_eq!((svg.matches("<polyline").count(), svg.matches("a &lt; b").count()), (4, 2));
        for (index, line) in svg.split("points=\"").skip(1).enumerate() {
            let top = TOP + 10.0 + (index / 2) as f64 * (PANEL + GAP);
            for point in line.split('"').next().unwrap().split_whitespace() {
                let (x, y) = point.split_once(',').unwrap();
                let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                assert!((LEFT..=LEFT + PLOT_WIDTH).contains(&x) && (top..=top + PANEL).contains(&y), "{point}");
            }
        }
    }
}
