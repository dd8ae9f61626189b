//! Where readings come from.
//!
//! A source gives events one by one and is told when all that it gave is durable; it needs no threads and no clock of its own:
//!
//! ```
//! use std::time::Duration;
//! use cpchain_storage::{Reading, gateway::{Event, Sample, Source, SourceError}};
//!
//! struct Counter(u64);
//!
//! impl Source for Counter {
//!     fn next(&mut self, _wait: Duration) -> Result<Event, SourceError> {
//!         self.0 += 1;
//!         let reading = Reading::new(self.0 * 1000, vec![self.0 as f64]);
//!         Ok(if self.0 > 3 { Event::End } else { Event::Sample(Sample::new("counter", ["n"], reading)) })
//!     }
//! }
//! # assert!(matches!(Counter(3).next(Duration::ZERO), Ok(Event::End)));
//! ```
//!
//! What becomes of odd readings is the same for every source:
//!
//! | what comes | what becomes of it | counted as |
//! | --- | --- | --- |
//! | a reading that is out of order, its block still open | takes its place by time | `readings` |
//! | a reading of a block that is closed: too late, or given out before a restart | left out; what was accepted stays | `late` |
//! | a reading of the open block once more | left out | `repeated` |
//! | another reading of the same time | left out; the first one stays | `conflicting` |
//! | no value for a column | stored as missing (NaN) | `readings` |
//! | NaN, an infinity, a subnormal | stored bit for bit; CSV and JSON text refuse infinities | `readings` |
//! | a value for a column that the stream does not have, a payload for a stream without | the reading is left out | `refused` |
//! | a sensor that has no plan | left out | `unknown` |
//! | bytes that are no reading | left out; a CSV file ends with an error that names its line | `malformed` |
//!
//! Tests: `each_odd_reading_has_its_answer` in `tests/intake.rs`.

use std::{sync::Arc, time::Duration};

use crate::table::Reading;

/// Why a source ended that should not: what it stands on is gone, and trying again does not help.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// A reading of one of many sensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Which sensor; a stream of its own.
    pub sensor: Arc<str>,
    /// Names of the reading's values, in their order.
    pub columns: Arc<[String]>,
    /// The reading.
    pub reading: Reading,
}

impl Sample {
    /// A sample of a sensor.
    pub fn new<N: Into<String>>(
        sensor: impl Into<Arc<str>>,
        columns: impl IntoIterator<Item = N>,
        reading: Reading,
    ) -> Self {
        Self { sensor: sensor.into(), columns: columns.into_iter().map(Into::into).collect(), reading }
    }
}

/// What a source gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A reading.
    Sample(Sample),
    /// Something came that is no reading; why.
    Malformed(String),
    /// Nothing came within the wait.
    Idle,
    /// There will be nothing more.
    End,
}

/// Readings of many sensors, one after another.
pub trait Source: Send {
    /// The next event; waits for it, at most about `wait`. What was given and not reported [`durable`](Self::durable) may be lost
    /// when the process dies: a source that can, gives it again after a restart.
    ///
    /// # Errors
    /// [`SourceError`] if there is no use in asking again. A source that can reconnect does so itself.
    fn next(&mut self, wait: Duration) -> Result<Event, SourceError>;

    /// All events that `next` has given are durable, or refused for good: a broker may be told.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    fn durable(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

/// The readings of an iterator as a source of one sensor: a [`CsvSource`](super::CsvSource), a vector.
///
/// ```
/// use cpchain_storage::gateway::{CsvOptions, CsvSource, Readings};
/// let file = CsvSource::from_reader("date,t\n2010-01-01,4.0\n".as_bytes(), &CsvOptions::default())?;
/// let names: Vec<String> = file.columns().map(str::to_owned).collect();
/// let source = Readings::new("roof", names, file);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Readings<I> {
    sensor: Arc<str>,
    columns: Arc<[String]>,
    readings: I,
}

impl<I> Readings<I> {
    /// Readings of the sensor `sensor` with values of these names.
    pub fn new<N: Into<String>>(
        sensor: impl Into<Arc<str>>,
        columns: impl IntoIterator<Item = N>,
        readings: I,
    ) -> Self {
        Self { sensor: sensor.into(), columns: columns.into_iter().map(Into::into).collect(), readings }
    }
}

impl<I, E> Source for Readings<I>
where
    I: Iterator<Item = Result<Reading, E>> + Send,
    E: std::error::Error + Send + Sync + 'static,
{
    fn next(&mut self, _wait: Duration) -> Result<Event, SourceError> {
        let Some(reading) = self.readings.next().transpose()? else { return Ok(Event::End) };
        Ok(Event::Sample(Sample { sensor: self.sensor.clone(), columns: self.columns.clone(), reading }))
    }
}
