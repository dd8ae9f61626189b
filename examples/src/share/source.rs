//! The source file: which columns it has, what is in them, and which part of it is to be sold.

use std::{ops::Range, path::Path};

use cpchain_storage::{
    Table,
    gateway::{CsvError, CsvOptions, CsvSource, DAY_MS},
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use super::{error::ShareError, options::Options};

/// Rows that are looked at to find the numeric columns.
const SNIFFED_ROWS: usize = 100;
/// Periods T that a stream may have, longest first. The longest that cuts the data into ten intervals is taken.
const PERIODS_MS: [u64; 6] = [DAY_MS, 6 * 3_600_000, 3_600_000, 600_000, 60_000, 1000];
/// Blocks per encryption interval (e) and intervals per upload (u).
pub(crate) const BLOCKS_PER_INTERVAL: u32 = 7;
pub(crate) const INTERVALS_PER_UPLOAD: u32 = 4;

/// The plaintext, as the seller has it.
pub(crate) struct Source {
    /// Name of the file without its folder.
    pub(crate) name: String,
    /// How the file is read again by the gateway.
    pub(crate) csv: CsvOptions,
    /// All rows.
    pub(crate) table: Table,
    /// The period T.
    pub(crate) period_ms: u64,
    /// What the buyer wants: from, to (not included), milliseconds.
    pub(crate) wanted: Range<u64>,
    /// What the private search asks: column and threshold.
    pub(crate) question: (String, f64),
}

impl Source {
    /// Reads the file and settles what is asked of it.
    ///
    /// # Errors
    /// [`ShareError::Input`] with file and line.
    pub(crate) fn read(options: &Options) -> Result<Self, ShareError> {
        let path = &options.input;
        let source = Self::whole(path)?;
        let times = source.table.timestamps_ms();
        let wanted = wanted(options, path, source.wanted.start, source.wanted.end - 1)?;
        let inside = times.iter().filter(|at| wanted.contains(at)).count();
        if inside == 0 {
            let found = format!(
                "no reading from {} to {}: the file runs to {}",
                show(wanted.start),
                show(wanted.end),
                show(source.wanted.end - 1)
            );
            return Err(locate(path, &format!("line {}: {found}", times.len() + 1)));
        }
        if !leaves_one_out(times, source.period_ms, &wanted) {
            let message = "line 1: the range from --from to --to takes in every interval: leave one out, to see that it stays closed";
            return Err(locate(path, message));
        }
        let question = question(options, path, &source.table, &wanted)?;
        Ok(Self { wanted, question, ..source })
    }

    /// Reads the file for somebody who asks for all of it and searches nothing.
    ///
    /// # Errors
    /// [`ShareError::Input`] with file and line.
    pub(crate) fn whole(path: &Path) -> Result<Self, ShareError> {
        let located = |error: CsvError| locate(path, &error.to_string());
        let csv = CsvOptions { columns: numeric_columns(path), ..CsvOptions::default() };
        let rows = CsvSource::open(path, &csv).map_err(located)?;
        let mut table = Table::new(rows.columns()).map_err(|error| locate(path, &error.to_string()))?;
        for (line, reading) in (2u64..).zip(rows) {
            let reading = reading.map_err(located)?;
            let pushed = table.push(reading.at_ms, &reading.values);
            pushed.map_err(|error| locate(path, &format!("line {line}: {error}")))?;
        }
        let times = table.timestamps_ms();
        let (Some(first), Some(last)) = (times.first().copied(), times.last().copied()) else {
            return Err(locate(path, "line 1: the file has no rows"));
        };
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        let question = (String::new(), 0.0);
        Ok(Self { name, csv, period_ms: period(first, last), table, wanted: first..last + 1, question })
    }

    /// The words for what is in the file, from its name and columns: `seattle weather hourly`.
    pub(crate) fn subject(&self) -> String {
        let stem = self.name.rsplit_once('.').map_or(self.name.as_str(), |(stem, _)| stem);
        stem.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Names of the columns.
    pub(crate) fn columns(&self) -> Vec<String> {
        self.table.columns().iter().map(|column| column.name().to_owned()).collect()
    }

    /// The word for the distance of two readings.
    pub(crate) fn cadence(&self) -> &'static str {
        let times = self.table.timestamps_ms();
        let mut steps: Vec<_> = times.iter().zip(times.iter().skip(1)).map(|(a, b)| b - a).collect();
        steps.sort_unstable();
        match steps.get(steps.len() / 2).copied().unwrap_or(0) {
            0 => "single",
            1..=1_500 => "secondly",
            1_501..=90_000 => "minutely",
            90_001..=5_400_000 => "hourly",
            5_400_001..=129_600_000 => "daily",
            _ => "long-term",
        }
    }
}

/// Columns whose cells are numbers in the first rows. `None` leaves the choice, and the error, to the reader.
fn numeric_columns(path: &Path) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path).ok()?;
    let headers = reader.headers().ok()?.clone();
    let mut seen = vec![(false, true); headers.len()];
    for record in reader.records().take(SNIFFED_ROWS) {
        for (cell, (filled, numeric)) in record.ok()?.iter().zip(&mut seen) {
            let cell = cell.trim();
            *filled |= !cell.is_empty();
            *numeric &= cell.is_empty() || cell.parse::<f64>().is_ok_and(f64::is_finite);
        }
    }
    let stamp = |name: &str| {
        matches!(
            name.trim().to_ascii_lowercase().as_str(),
            "timestamp" | "datetime" | "date" | "time" | "ts" | "date_time" | "date time"
        )
    };
    // A file without any text column is left alone: its broken cells are the reader's to report.
    let numeric = headers.iter().zip(&seen).filter(|(name, (filled, numeric))| *filled && *numeric && !stamp(name));
    let numeric: Vec<_> = numeric.map(|(name, _)| name.trim().to_owned()).collect();
    (!numeric.is_empty()).then_some(numeric)
}

/// The longest period that cuts the data into ten intervals at least.
fn period(first: u64, last: u64) -> u64 {
    let intervals = |period: u64| (last / period - first / period + 1).div_ceil(u64::from(BLOCKS_PER_INTERVAL));
    PERIODS_MS.into_iter().find(|period| intervals(*period) >= 10).unwrap_or(1000)
}

/// Is there an interval that the wanted range does not touch? Intervals count the periods that have readings.
fn leaves_one_out(times: &[u64], period_ms: u64, wanted: &Range<u64>) -> bool {
    let mut starts: Vec<u64> = times.iter().map(|at| at - at % period_ms).collect();
    starts.dedup();
    starts
        .chunks(BLOCKS_PER_INTERVAL as usize)
        .any(|interval| !interval.iter().any(|start| *start < wanted.end && start + period_ms > wanted.start))
}

fn wanted(options: &Options, path: &Path, first: u64, last: u64) -> Result<Range<u64>, ShareError> {
    let spring = spring(first).filter(|spring| spring.start >= first && spring.end <= last);
    let third = (last - first) / 3;
    let default = spring.unwrap_or(first + third..last + 1 - third);
    let time = |text: &Option<String>, option: &str, default: u64| match text {
        None => Ok(default),
        Some(text) => parse_time(text).ok_or_else(|| {
            ShareError::Input(format!("{option} {text}: not a time, write it as 2010-03-01 or 2010-03-01T12:00:00"))
        }),
    };
    let range = time(&options.from, "--from", default.start)?..time(&options.to, "--to", default.end)?;
    if range.is_empty() {
        let message = format!("line 1: the range from {} to {} is empty", show(range.start), show(range.end));
        return Err(locate(path, &message));
    }
    Ok(range)
}

/// March to May of the year in which the data begins.
fn spring(first: u64) -> Option<Range<u64>> {
    let year = Timestamp::from_millisecond(i64::try_from(first).ok()?).ok()?.to_zoned(TimeZone::UTC).year();
    Some(parse_time(&format!("{year:04}-03-01"))?..parse_time(&format!("{year:04}-06-01"))?)
}

/// A time as people write it: a day, a day and an hour, with or without a zone.
pub(crate) fn parse_time(text: &str) -> Option<u64> {
    let stamp = text.parse::<Timestamp>().ok().or_else(|| {
        let civil: DateTime = text.parse().ok().or_else(|| text.parse::<jiff::civil::Date>().ok().map(Into::into))?;
        civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    });
    u64::try_from(stamp?.as_millisecond()).ok()
}

fn question(options: &Options, path: &Path, table: &Table, wanted: &Range<u64>) -> Result<(String, f64), ShareError> {
    let name = match &options.column {
        Some(name) => name.clone(),
        None if table.column("temperature").is_some() => "temperature".to_owned(),
        None => table.columns().first().map(|column| column.name().to_owned()).unwrap_or_default(),
    };
    let Some(values) = table.column(&name) else {
        let known: Vec<_> = table.columns().iter().map(|column| column.name()).collect();
        return Err(locate(path, &format!("line 1: no numeric column `{name}`, there are {}", known.join(", "))));
    };
    let inside =
        table.timestamps_ms().iter().zip(values).filter(|(at, value)| wanted.contains(at) && value.is_finite());
    let mut sorted: Vec<f64> = inside.map(|(_, value)| *value).collect();
    sorted.sort_by(f64::total_cmp);
    let tenth = sorted.get(sorted.len() * 9 / 10).copied().unwrap_or_default();
    Ok((name, options.above.unwrap_or(tenth)))
}

/// A time as people read it.
pub(crate) fn show(ms: u64) -> String {
    let stamp = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    stamp.map_or_else(|| format!("{ms} ms"), |stamp| stamp.strftime("%Y-%m-%d %H:%M").to_string())
}

/// `line 7: what` of a file as `file:7: what`.
fn locate(path: &Path, message: &str) -> ShareError {
    let path = path.display();
    let line = message.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    ShareError::Input(match line {
        Some((line, what)) if line.bytes().all(|byte| byte.is_ascii_digit()) => format!("{path}:{line}: {what}"),
        _ if message.contains(&path.to_string()) => message.to_owned(),
        _ => format!("{path}: {message}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_places() {
        let at = |message: &str| locate(Path::new("a.csv"), message).to_string();
        assert_eq!(at("line 7: bad"), "a.csv:7: bad");
        assert_eq!(at("line seven: bad"), "a.csv: line seven: bad");
        assert_eq!(at("there is no file a.csv"), "there is no file a.csv");
    }

    #[test]
    fn a_year_of_hours_has_daily_blocks_and_an_hour_of_seconds_has_seconds() {
        let start = parse_time("2010-01-01").unwrap();
        assert_eq!(period(start, start + 365 * DAY_MS - 1), DAY_MS);
        assert_eq!(period(start, start + 3_600_000), 1000);
        assert_eq!(period(start, start + 2 * 3_600_000), 60_000);
    }

    #[test]
    fn times_are_read_in_three_forms() {
        for text in ["2010-03-01", "2010-03-01T00:00:00", "2010-03-01T01:00:00+01:00"] {
            assert_eq!(parse_time(text), Some(1_267_401_600_000), "{text}");
        }
        assert_eq!(parse_time("march"), None);
    }
}
