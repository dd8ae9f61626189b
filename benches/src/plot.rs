//! Distributions, growth by powers of ten, and shares over rounds, each as one self-contained SVG.

use std::fmt::Write as _;

pub(crate) const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 420.0;
pub(crate) const LEFT: f64 = 60.0;
pub(crate) const TOP: f64 = 50.0;
pub(crate) const PLOT_WIDTH: f64 = WIDTH - LEFT - 30.0;
const PLOT_HEIGHT: f64 = HEIGHT - TOP - 60.0;
pub(crate) const COLOURS: [&str; 5] = ["#1b6ca8", "#c0392b", "#2e8b57", "#7d3c98", "#8a6d1b"];

/// The share of samples at or below a value, one line for each series. Samples are sorted.
pub(crate) fn distribution(title: &str, unit: &str, series: &[(&str, Vec<f64>)]) -> String {
    let longest = series.iter().filter_map(|(_, samples)| samples.last()).fold(1.0_f64, |a, b| a.max(*b));
    let step = nice_step(longest / 6.0);
    let end = (longest / step).ceil() * step;
    let x = |value: f64| LEFT + value / end * PLOT_WIDTH;
    let y = |share: f64| TOP + (1.0 - share) * PLOT_HEIGHT;
    let mut svg = start(title);
    // Writing to a string does not fail.
    for tenth in (0..=10).step_by(2) {
        let share = f64::from(tenth) / 10.0;
        let (at, right) = (y(share), LEFT + PLOT_WIDTH);
        let _ = writeln!(svg, "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>");
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}%</text>",
            LEFT - 8.0,
            at + 4.0,
            tenth * 10
        );
    }
    let mut value = 0.0;
    while value <= end + step / 2.0 {
        let at = x(value);
        let below = TOP + PLOT_HEIGHT + 20.0;
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{value:.0}</text>");
        value += step;
    }
    let _ =
        writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{unit}</text>", LEFT + PLOT_WIDTH, HEIGHT - 18.0);
    for ((name, samples), (place, colour)) in series.iter().zip(COLOURS.iter().enumerate()) {
        let count = samples.len();
        let mut points = String::new();
        // 200 points are more than the eye sees.
        for point in 0..=200_usize {
            let index = (count.saturating_sub(1)) * point / 200;
            if let Some(value) = samples.get(index) {
                let _ = write!(points, "{:.1},{:.1} ", x(*value), y(point as f64 / 200.0));
            }
        }
        let _ = writeln!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        let line = TOP + 20.0 + 20.0 * place as f64;
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{line}\" fill=\"{colour}\">{}</text>", LEFT + 14.0, escape(name));
    }
    svg.push_str("</svg>\n");
    svg
}

/// Lines through points (x, y), both axes by powers of ten. Values are above zero.
pub(crate) fn growth(title: &str, (x_unit, y_unit): (&str, &str), lines: &[(&str, Vec<(f64, f64)>)]) -> String {
    let points = || lines.iter().flat_map(|(_, points)| points.iter().copied());
    let ends = |values: Vec<f64>| {
        let low = values.iter().copied().fold(f64::MAX, f64::min).max(1e-12).log10().floor() as i32;
        let high = values.iter().copied().fold(f64::MIN, f64::max).max(1e-12).log10().ceil() as i32;
        if values.is_empty() { (0, 1) } else { (low, high.max(low + 1)) }
    };
    let ((left, right), (low, high)) = (ends(points().map(|p| p.0).collect()), ends(points().map(|p| p.1).collect()));
    let share = |value: f64, from: i32, to: i32| (value.log10() - f64::from(from)) / f64::from(to - from);
    let x = |value: f64| LEFT + share(value, left, right) * PLOT_WIDTH;
    let y = |value: f64| TOP + (1.0 - share(value, low, high)) * PLOT_HEIGHT;
    let mut svg = start(title);
    // Writing to a string does not fail.
    for power in low..=high {
        let (at, end, text) = (y(10_f64.powi(power)), LEFT + PLOT_WIDTH, 10_f64.powi(power));
        let _ = writeln!(svg, "<line x1=\"{LEFT}\" x2=\"{end}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>", LEFT - 8.0, at + 4.0);
    }
    for power in left..=right {
        let (at, below) = (x(10_f64.powi(power)), TOP + PLOT_HEIGHT + 20.0);
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">10^{power}</text>");
    }
    let (end, below) = (LEFT + PLOT_WIDTH, HEIGHT - 18.0);
    let _ = writeln!(svg, "<text x=\"{end}\" y=\"{below}\" text-anchor=\"end\">{}</text>", escape(x_unit));
    let _ =
        writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", LEFT - 8.0, TOP - 10.0, escape(y_unit));
    for ((name, points), (place, colour)) in lines.iter().zip(COLOURS.iter().enumerate()) {
        let mut line = String::new();
        points.iter().for_each(|(of, value)| {
            let _ = write!(line, "{:.1},{:.1} ", x(*of), y(*value));
        });
        let _ = writeln!(svg, "<polyline points=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        let at = TOP + 20.0 + 20.0 * place as f64;
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{at}\" fill=\"{colour}\">{}</text>", LEFT + 14.0, escape(name));
    }
    svg.push_str("</svg>\n");
    svg
}

/// Shares from 0 to 1, one for each round, one line for each series.
pub(crate) fn shares(title: &str, x_unit: &str, lines: &[(&str, Vec<f64>)]) -> String {
    let rounds = lines.iter().map(|(_, values)| values.len()).max().unwrap_or(0).max(2) - 1;
    let step = nice_step(rounds as f64 / 8.0).max(1.0);
    let x = |round: f64| LEFT + round / rounds as f64 * PLOT_WIDTH;
    let y = |share: f64| TOP + (1.0 - share) * PLOT_HEIGHT;
    let mut svg = start(title);
    // Writing to a string does not fail.
    for fifth in 0..=5 {
        let (at, right, percent) = (y(f64::from(fifth) / 5.0), LEFT + PLOT_WIDTH, fifth * 20);
        let _ = writeln!(svg, "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{percent}%</text>", LEFT - 8.0, at + 4.0);
    }
    let below = TOP + PLOT_HEIGHT + 20.0;
    let mut round = 0.0;
    while round <= rounds as f64 {
        let at = x(round);
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{round:.0}</text>");
        round += step;
    }
    let (end, unit) = (LEFT + PLOT_WIDTH, HEIGHT - 18.0);
    let _ = writeln!(svg, "<text x=\"{end}\" y=\"{unit}\" text-anchor=\"end\">{}</text>", escape(x_unit));
    for ((name, values), (place, colour)) in lines.iter().zip(COLOURS.iter().enumerate()) {
        let mut points = String::new();
        values.iter().enumerate().for_each(|(round, share)| {
            let _ = write!(points, "{:.1},{:.1} ", x(round as f64), y(*share));
        });
        let _ = writeln!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        // Below the plot, where no line runs.
        let at = LEFT + 195.0 * place as f64;
        let _ =
            writeln!(svg, "<text x=\"{at}\" y=\"{unit}\" font-size=\"11\" fill=\"{colour}\">{}</text>", escape(name));
    }
    svg.push_str("</svg>\n");
    svg
}

/// The head of the file: frame, ground and title.
fn start(title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"26\" font-size=\"16\">{}</text>\n",
        escape(title)
    )
}

pub(crate) fn nice_step(rough: f64) -> f64 {
    let magnitude = 10_f64.powf(rough.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude);
    steps.into_iter().find(|step| *step >= rough).unwrap_or(10.0 * magnitude)
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_series_within_the_frame() {
        let svg = distribution("a < b", "ms", &[("one", vec![1.0, 2.0, 3.0]), ("two", vec![10.0; 5])]);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("a &lt; b") && svg.ends_with("</svg>\n"));
        let last = svg.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        for point in last.split_whitespace() {
            let (x, y) = point.split_once(',').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((LEFT..=LEFT + PLOT_WIDTH).contains(&x) && (TOP..=TOP + PLOT_HEIGHT).contains(&y), "{point}");
        }
    }

    #[test]
    fn growth_is_straight_in_powers_of_ten() {
        let svg = growth("a", ("records", "ms"), &[("one", vec![(1e3, 0.01), (1e5, 1.0), (1e7, 100.0)])]);
        let points = svg.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let points: Vec<(f64, f64)> = points
            .split_whitespace()
            .map(|point| point.split_once(',').unwrap())
            .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
            .collect();
        assert_eq!(points.len(), 3);
        assert!((points[0].0 - LEFT).abs() < 0.1 && (points[2].1 - TOP).abs() < 0.1, "{points:?}");
        assert!((points[1].0 * 2.0 - points[0].0 - points[2].0).abs() < 0.2, "{points:?}");
        assert!((points[1].1 * 2.0 - points[0].1 - points[2].1).abs() < 0.2, "{points:?}");
    }

    #[test]
    fn shares_run_from_the_left_to_the_right_of_the_frame() {
        let svg = shares("a", "round", &[("one", vec![0.0, 0.5, 1.0]), ("two", vec![1.0; 3])]);
        assert_eq!(svg.matches("<polyline").count(), 2);
        let points = svg.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let (left, right) = (LEFT, LEFT + PLOT_WIDTH);
        let ends = (format!("{left:.1},{:.1}", TOP + PLOT_HEIGHT), format!("{right:.1},{TOP:.1}"));
        assert!(points.starts_with(&ends.0) && points.trim_end().ends_with(&ends.1), "{points}");
    }

    #[test]
    fn steps_are_round() {
        assert_eq!([0.9, 1.1, 3.0, 70.0].map(nice_step), [1.0, 2.0, 5.0, 100.0]);
    }
}
