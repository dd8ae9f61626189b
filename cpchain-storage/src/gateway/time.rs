//! Timestamps as people and devices write them.

use jiff::{Timestamp, civil, tz::TimeZone};

const NAMES: [&str; 5] = ["timestamp", "datetime", "date", "time", "ts"];

/// What a whole number as a timestamp counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampUnit {
    /// Milliseconds since 1970-01-01 UTC.
    #[default]
    Milliseconds,
    /// Seconds since 1970-01-01 UTC.
    Seconds,
}

impl TimestampUnit {
    pub(super) fn milliseconds(self, number: u64) -> Option<u64> {
        match self {
            Self::Milliseconds => Some(number),
            Self::Seconds => number.checked_mul(1000),
        }
    }
}

/// Does a column of this name hold timestamps?
pub(super) fn is_name(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    NAMES.contains(&plain.as_str())
}

/// Milliseconds since 1970; `None` if it is no timestamp from then on.
pub(super) fn parse(text: &str, unit: TimestampUnit) -> Option<u64> {
    if let Ok(number) = text.parse::<u64>() {
        return unit.milliseconds(number);
    }
    let timestamp = text.parse::<Timestamp>().ok().or_else(|| {
        let local = text.parse::<civil::DateTime>().ok()?;
        local.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })?;
    u64::try_from(timestamp.as_millisecond()).ok()
}
