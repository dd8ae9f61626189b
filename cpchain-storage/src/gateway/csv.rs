//! Readings from a CSV file with a header row: one column of timestamps, the others numbers.
//!
//! The timestamp column is the one that [`CsvOptions`] names, else the first whose name says so (`date`, `time`, `timestamp`,
//! `datetime`, `ts`, in any case, also as `date_time` or `date time`). Timestamps are RFC 3339 (`2010-01-01T01:00:00Z`, an
//! offset is honoured), a date with or without a time of day and no offset (taken as UTC), or whole numbers since 1970
//! in [`TimestampUnit`]s. An empty cell is a missing value and read as NaN.
//!
//! The file is read line by line: memory does not depend on its size.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use csv::{Reader, StringRecord};

use super::time::{self, TimestampUnit};
use crate::table::Reading;

/// What is wrong with a CSV file. Lines count from 1, the header is line 1.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The file is not there.
    #[error("there is no file {}", .0.display())]
    Missing(PathBuf),
    /// The file is there but does not read.
    #[error("reading failed at line {line}: {source}")]
    Io {
        /// Where.
        line: u64,
        /// What the system said.
        source: std::io::Error,
    },
    /// No header, or a header and no reading.
    #[error("line {line}: the file is empty: a header row and one reading at least are needed")]
    Empty {
        /// The last line that there is.
        line: u64,
    },
    /// No column has a timestamp's name.
    #[error("line 1: no timestamp column among {found:?}: call it `date`, `time` or `timestamp`, or name yours")]
    NoTimestampColumn {
        /// The columns that there are.
        found: Vec<String>,
    },
    /// A column that was asked for is not there.
    #[error("line 1: no column `{0}`")]
    NoColumn(String),
    /// No column besides the timestamps.
    #[error("line 1: there is no column of values")]
    NoValues,
    /// Two columns have one name.
    #[error("line 1: two columns are called `{0}`")]
    SameName(String),
    /// A cell in the timestamp column that is no timestamp from 1970 on.
    #[error("line {line}: `{text}` is not a timestamp: write it as 2010-01-01T01:00:00Z")]
    BadTimestamp {
        /// Where.
        line: u64,
        /// The cell.
        text: String,
    },
    /// A cell that is no finite number.
    #[error("line {line}: `{text}` in column `{column}` is not a number")]
    BadNumber {
        /// Where.
        line: u64,
        /// In which column.
        column: String,
        /// The cell.
        text: String,
    },
    /// A timestamp before the one on the line before.
    #[error("line {line}: the timestamp is earlier than the one before: sort the file by time")]
    Unordered {
        /// Where.
        line: u64,
    },
    /// The timestamp of the line before once more.
    #[error("line {line}: the timestamp is the one of the line before: keep one reading a time")]
    Repeated {
        /// Where.
        line: u64,
    },
    /// A row with more or fewer cells than the header.
    #[error("line {line}: {found} cells, the header has {expected}")]
    Ragged {
        /// Where.
        line: u64,
        /// Cells of the header.
        expected: usize,
        /// Cells of the row.
        found: usize,
    },
    /// Not UTF-8.
    #[error("line {line}: the text is not UTF-8")]
    Encoding {
        /// Where.
        line: u64,
    },
}

/// How a CSV file is read; the default finds out by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CsvOptions {
    /// Name of the timestamp column.
    pub timestamp_column: Option<String>,
    /// Names of the value columns; `None`: all but the timestamps.
    pub columns: Option<Vec<String>>,
    /// What whole numbers count.
    pub unit: TimestampUnit,
}

/// A CSV file as an iterator of [`Reading`]s; it ends after the first error.
#[derive(Debug)]
pub struct CsvSource<R: Read = File> {
    reader: Reader<R>,
    width: usize,
    timestamp: usize,
    /// Place in the row and name of each value column.
    columns: Vec<(usize, String)>,
    unit: TimestampUnit,
    last_ms: Option<u64>,
    record: StringRecord,
    is_done: bool,
}

impl CsvSource<File> {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`CsvError`] for the file and its header; those of the rows come from the iterator.
    pub fn open(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Self, CsvError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => CsvError::Missing(path.to_path_buf()),
            _ => CsvError::Io { line: 0, source },
        })?;
        Self::from_reader(file, options)
    }
}

impl<R: Read> CsvSource<R> {
    /// Reads CSV text from anywhere.
    ///
    /// ```
    /// use cpchain_storage::gateway::{CsvOptions, CsvSource};
    /// let text = "date,temperature\n2010-01-01T01:00:00,4.0\n2010-01-01T02:00:00,3.9\n";
    /// let source = CsvSource::from_reader(text.as_bytes(), &CsvOptions::default())?;
    /// assert_eq!(source.columns().collect::<Vec<_>>(), ["temperature"]);
    /// assert_eq!(source.count(), 2);
    /// # Ok::<(), cpchain_storage::gateway::CsvError>(())
    /// ```
    ///
    /// # Errors
    /// As [`open`](CsvSource::open).
    pub fn from_reader(reader: R, options: &CsvOptions) -> Result<Self, CsvError> {
        let mut reader =
            csv::ReaderBuilder::new().flexible(true).has_headers(false).trim(csv::Trim::All).from_reader(reader);
        let mut header = StringRecord::new();
        if !reader.read_record(&mut header).map_err(|error| read_error(error, 1))? {
            return Err(CsvError::Empty { line: 1 });
        }
        // Spreadsheets write a byte order mark.
        let names: Vec<String> = header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
        if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names.iter().take(*i).any(|n| n == *name)) {
            return Err(CsvError::SameName(twice.clone()));
        }
        let place = |name: &String| names.iter().position(|n| n == name).ok_or(CsvError::NoColumn(name.clone()));
        let timestamp = match &options.timestamp_column {
            Some(name) => place(name)?,
            None => names
                .iter()
                .position(|name| time::is_name(name))
                .ok_or_else(|| CsvError::NoTimestampColumn { found: names.clone() })?,
        };
        let columns: Vec<_> = match &options.columns {
            Some(wanted) => {
                wanted.iter().map(|name| Ok((place(name)?, name.clone()))).collect::<Result<_, CsvError>>()?
            }
            None => names.iter().cloned().enumerate().filter(|(i, _)| *i != timestamp).collect(),
        };
        if columns.is_empty() {
            return Err(CsvError::NoValues);
        }
        Ok(Self {
            reader,
            width: names.len(),
            timestamp,
            columns,
            unit: options.unit,
            last_ms: None,
            record: StringRecord::new(),
            is_done: false,
        })
    }

    /// The names of the value columns, in the order of the readings' values.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(_, name)| name.as_str())
    }

    fn read(&mut self) -> Result<Option<Reading>, CsvError> {
        let next_line = self.reader.position().line();
        if !self.reader.read_record(&mut self.record).map_err(|error| read_error(error, next_line))? {
            return match self.last_ms {
                Some(_) => Ok(None),
                None => Err(CsvError::Empty { line: next_line.saturating_sub(1).max(1) }),
            };
        }
        let line = self.record.position().map_or(next_line, csv::Position::line);
        if self.record.len() != self.width {
            return Err(CsvError::Ragged { line, expected: self.width, found: self.record.len() });
        }
        let cell = |place: usize| self.record.get(place).unwrap_or_default();
        let text = cell(self.timestamp);
        let at_ms =
            time::parse(text, self.unit).ok_or_else(|| CsvError::BadTimestamp { line, text: text.to_owned() })?;
        match self.last_ms {
            Some(last) if last == at_ms => return Err(CsvError::Repeated { line }),
            Some(last) if last > at_ms => return Err(CsvError::Unordered { line }),
            _ => {}
        }
        let values = self.columns.iter().map(|(place, column)| {
            let text = cell(*place);
            parse_number(text).ok_or_else(|| CsvError::BadNumber {
                line,
                column: column.clone(),
                text: text.to_owned(),
            })
        });
        let values = values.collect::<Result<_, _>>()?;
        self.last_ms = Some(at_ms);
        Ok(Some(Reading::new(at_ms, values)))
    }
}

impl<R: Read> Iterator for CsvSource<R> {
    type Item = Result<Reading, CsvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let next = self.read().transpose();
        self.is_done = !matches!(next, Some(Ok(_)));
        next
    }
}

fn read_error(error: csv::Error, line: u64) -> CsvError {
    let line = error.position().map_or(line, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(source) => CsvError::Io { line, source },
        csv::ErrorKind::Utf8 { .. } => CsvError::Encoding { line },
        other => CsvError::Io { line, source: std::io::Error::other(format!("{other:?}")) },
    }
}

fn parse_number(text: &str) -> Option<f64> {
    if text.is_empty() || text.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN);
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}
