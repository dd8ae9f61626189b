//! `lab compare A.json B.json`: what moved between two runs.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Deserialize;

use crate::report::human;

/// A figure as `--json` wrote it.
#[derive(Debug, Deserialize)]
struct Row {
    bench: String,
    params: String,
    unit: String,
    median: f64,
    baseline: Option<String>,
}

/// Name, unit and baseline: some figures stand in a list twice, beside two baselines.
type Key = (String, String, Option<String>);

/// What moved, the most first: a table, and how many figures became worse by more than the share.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// For people.
    pub table: String,
    /// Figures that became worse by more than was asked.
    pub worse: usize,
}

/// Compares the medians of two `--json` lists. `least` is the share, 0.1 for a tenth, below which a change is noise.
///
/// # Errors
/// One of them is no such list.
pub fn diff(before: &str, after: &str, least: f64) -> Result<Moved, serde_json::Error> {
    let read = |text: &str| -> Result<BTreeMap<Key, Row>, serde_json::Error> {
        let rows: Vec<Row> = serde_json::from_str(text)?;
        let key = |row: &Row| (format!("{}/{}", row.bench, row.params), row.unit.clone(), row.baseline.clone());
        Ok(rows.into_iter().map(|row| (key(&row), row)).collect())
    };
    let (mut before, after) = (read(before)?, read(after)?);
    let (mut moved, mut new) = (Vec::new(), Vec::new());
    let mut same = 0;
    for (key, row) in after {
        let old = before.remove(&key);
        let name = key.0;
        match old {
            None => new.push(name),
            Some(old) => match change(old.median, row.median) {
                change if change.abs() <= least.ln_1p() => same += 1,
                change => moved.push((change, name, old, row)),
            },
        }
    }
    moved.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    let width = moved.iter().map(|(_, name, ..)| name.len()).max().unwrap_or(0);
    let (mut table, mut worse) = (String::new(), 0);
    for (change, name, old, row) in &moved {
        let verdict = match Better::of(&row.unit) {
            Better::Unknown => "",
            better if (better == Better::More) == (*change > 0.0) => "better",
            _ => {
                worse += 1;
                "worse"
            }
        };
        let (from, to) = (human(old.median, &old.unit), human(row.median, &row.unit));
        // Writing to a string does not fail.
        let _ = writeln!(table, "{name:width$}  {from:>12} → {to:>12}  {:>7.2} ×  {verdict}", change.exp());
    }
    for (which, names) in [("second", new), ("first", before.into_keys().map(|(name, ..)| name).collect())] {
        for name in names {
            let _ = writeln!(table, "only in the {which}: {name}");
        }
    }
    let _ = writeln!(
        table,
        "{} moved by more than {:.0} %, {worse} of them for the worse; {same} did not",
        moved.len(),
        least * 100.0
    );
    Ok(Moved { table, worse })
}

/// The logarithm of after / before: a halving is as far as a doubling.
fn change(before: f64, after: f64) -> f64 {
    match (before > 0.0, after > 0.0) {
        (true, true) => (after / before).ln(),
        _ if before == after => 0.0,
        (false, _) => f64::INFINITY,
        (true, false) => f64::NEG_INFINITY,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Better {
    More,
    Less,
    Unknown,
}

impl Better {
    fn of(unit: &str) -> Self {
        match unit {
            unit if unit.ends_with("/s") || unit.ends_with("/cpu-s") => Self::More,
            "ns" | "bytes" | "mB" | "MiB" => Self::Less,
            unit if unit.starts_with("ms") || unit.starts_with("µs") || unit.starts_with("CPU") => Self::Less,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Figure, json};

    fn list(rows: &[(&str, &'static str, f64)]) -> String {
        json(&rows.iter().map(|(name, unit, value)| Figure::count(name, "n=1", unit, *value)).collect::<Vec<_>>())
            .unwrap()
    }

    #[test]
    fn what_moved_is_sorted_and_judged_by_its_unit() {
        let before = list(&[("a", "ns", 100.0), ("b", "MB/s", 100.0), ("c", "ns", 100.0), ("gone", "", 1.0)]);
        let after = list(&[("a", "ns", 150.0), ("b", "MB/s", 300.0), ("c", "ns", 109.0), ("new", "", 1.0)]);
        let moved = diff(&before, &after, 0.1).unwrap();
        let lines: Vec<&str> = moved.table.lines().collect();
        assert!(lines[0].starts_with("b/n=1") && lines[0].ends_with("3.00 ×  better"), "{}", moved.table);
        assert!(lines[1].starts_with("a/n=1") && lines[1].ends_with("1.50 ×  worse"), "{}", moved.table);
        assert_eq!(lines[2..4], ["only in the second: new/n=1", "only in the first: gone/n=1"]);
        assert_eq!((moved.worse, lines[4]), (1, "2 moved by more than 10 %, 1 of them for the worse; 1 did not"));
    }

    #[test]
    fn nothing_and_everything_are_figures_too() {
        let moved = |before, after| diff(&list(&[("a", "ns", before)]), &list(&[("a", "ns", after)]), 0.1).unwrap();
        assert_eq!((moved(0.0, 0.0).worse, moved(0.0, 1.0).worse, moved(1.0, 0.0).worse), (0, 1, 0));
        assert!(diff("{}", "[]", 0.1).is_err());
    }
}
