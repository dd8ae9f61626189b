//! Readings from lines of JSON, one flat object a line.
//!
//! `{"sensor": "roof", "time": "2010-01-01T01:00:00Z", "temperature": 4.0, "wind": null}`: the sensor under `sensor` (or the one of the
//! options), the time under a name that says so (`time`, `timestamp`, `date`, `datetime`, `ts`) as RFC 3339 or a whole number in
//! [`TimestampUnit`]s, all other members numbers, or `null` for a missing value. Of a name that stands twice, the last counts. A
//! line that is anything else is [`Event::Malformed`] and the next one is read.

use std::{
    io::{BufRead, Read as _},
    sync::Arc,
    time::Duration,
};

use serde_json::{Map, Value};

use super::{
    source::{Event, Sample, Source, SourceError},
    time::{self, TimestampUnit},
};
use crate::table::Reading;

/// Bytes of the longest line.
pub const MAX_LINE_LEN: usize = 1 << 20;
const SENSOR: &str = "sensor";

/// How lines are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonOptions {
    /// The sensor of objects that name none; without it, they are malformed.
    pub sensor: Option<String>,
    /// What whole numbers as timestamps count.
    pub unit: TimestampUnit,
}

/// Lines of JSON as a [`Source`].
///
/// ```
/// use cpchain_storage::gateway::{Event, JsonOptions, JsonSource, Source};
/// let lines = "{\"sensor\":\"roof\",\"time\":1000,\"t\":4.5}\nnonsense\n";
/// let mut source = JsonSource::new(lines.as_bytes(), JsonOptions::default());
/// let Event::Sample(sample) = source.next(std::time::Duration::ZERO)? else { return Err("no sample".into()) };
/// assert_eq!((&*sample.sensor, sample.reading.values), ("roof", vec![4.5]));
/// assert!(matches!(source.next(std::time::Duration::ZERO)?, Event::Malformed(_)));
/// assert_eq!(source.next(std::time::Duration::ZERO)?, Event::End);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug)]
pub struct JsonSource<R> {
    lines: R,
    options: JsonOptions,
    line: Vec<u8>,
    columns: Arc<[String]>,
}

impl<R: BufRead> JsonSource<R> {
    /// Reads lines from anywhere.
    pub fn new(lines: R, options: JsonOptions) -> Self {
        Self { lines, options, line: Vec::new(), columns: [].into() }
    }
}

impl<R: BufRead + Send> Source for JsonSource<R> {
    fn next(&mut self, _wait: Duration) -> Result<Event, SourceError> {
        loop {
            self.line.clear();
            let limit = MAX_LINE_LEN as u64 + 1;
            if self.lines.by_ref().take(limit).read_until(b'\n', &mut self.line)? == 0 {
                return Ok(Event::End);
            }
            if self.line.len() > MAX_LINE_LEN {
                self.lines.skip_until(b'\n')?;
                return Ok(Event::Malformed("a line is longer than 1 MiB".to_owned()));
            }
            let text = self.line.trim_ascii();
            if !text.is_empty() {
                return Ok(match parse(text, self.options.sensor.as_deref(), self.options.unit, &mut self.columns) {
                    Ok(sample) => Event::Sample(sample),
                    Err(why) => Event::Malformed(why),
                });
            }
        }
    }
}

/// The sample of one object; `columns` keeps the names between calls, for most objects have the same.
pub(super) fn parse(
    text: &[u8],
    sensor: Option<&str>,
    unit: TimestampUnit,
    columns: &mut Arc<[String]>,
) -> Result<Sample, String> {
    let members: Map<String, Value> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let sensor = match (members.get(SENSOR), sensor) {
        (Some(Value::String(name)), _) => name.as_str(),
        (None, Some(name)) => name,
        _ => return Err("there is no `sensor`".to_owned()),
    };
    let mut at_ms = None;
    let mut values = Vec::with_capacity(members.len());
    let mut names = Vec::with_capacity(members.len());
    for (name, value) in members.iter().filter(|(name, _)| *name != SENSOR) {
        if time::is_name(name) {
            if at_ms.is_some() {
                return Err("there are two timestamps".to_owned());
            }
            let parsed = match value {
                Value::String(text) => time::parse(text, unit),
                Value::Number(number) => number.as_u64().and_then(|number| unit.milliseconds(number)),
                _ => None,
            };
            at_ms = Some(parsed.ok_or_else(|| format!("{value} is not a timestamp"))?);
            continue;
        }
        names.push(name);
        values.push(match value {
            Value::Null => f64::NAN,
            Value::Number(number) => number.as_f64().ok_or_else(|| format!("{number} is not a number"))?,
            _ => return Err(format!("`{name}` is not a number")),
        });
    }
    let at_ms = at_ms.ok_or("there is no timestamp: call it `time`")?;
    if !columns.iter().eq(names.iter().copied()) {
        *columns = names.into_iter().cloned().collect();
    }
    Ok(Sample { sensor: sensor.into(), columns: columns.clone(), reading: Reading::new(at_ms, values) })
}
