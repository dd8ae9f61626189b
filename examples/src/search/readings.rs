//! The records: generated ones that are the same at each start, then the weather file.

use cpchain_crypto::search::{
    Field, FieldKind, Language, Value,
    language::{Column, Schema, SchemaError, Summary},
};
use cpchain_storage::gateway::{CsvOptions, CsvSource};

use super::Options;
use crate::share::{During as _, ShareError};

const WEATHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/seattle-weather-hourly.csv");
const HOUR_MS: i64 = 3_600_000;
/// 2010-01-01.
const START_MS: i64 = 1_262_304_000_000;
const YEAR_HOURS: u64 = 8760;
/// Devices that sent the generated readings.
const DEVICES: u64 = 50_000;
const DAY_MS: u32 = 86_400_000;
const ROOMS: [&str; 15] = [
    "kitchen",
    "hall",
    "office",
    "lab",
    "workshop",
    "server room",
    "roof",
    "cellar",
    "garage",
    "yard",
    "store north",
    "store south",
    "store east",
    "store west",
    "seattle",
];
const STATUS: [&str; 3] = ["ok", "low-battery", "fault"];
const WORK: [&str; 6] = ["replaced", "cleaned", "opened by hand", "calibrated", "restarted", "moved"];

/// One reading.
pub(super) struct Reading {
    room: &'static str,
    temperature: f64,
    status: &'static str,
    time: i64,
    id: Option<String>,
    log: Option<String>,
}

impl Reading {
    /// Milliseconds since 1970, and tenths of a degree.
    pub(super) const fn measured(&self) -> (i64, f64) {
        (self.time, self.temperature)
    }

    pub(super) fn fields(&self) -> Vec<(&'static str, Value<'_>)> {
        let mut out = vec![
            ("room", Value::Category(self.room)),
            ("temperature", Value::Decimal(self.temperature)),
            ("status", Value::Category(self.status)),
            ("time", Value::Timestamp(self.time)),
        ];
        out.extend(self.id.iter().map(|id| ("id", Value::Category(id))));
        out.extend(self.log.iter().map(|log| ("log", Value::Text(log))));
        out
    }
}

impl std::fmt::Display for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.time).unwrap_or_default();
        write!(f, "{time}  {:11} {:6.1} °C  {:11}", self.room, self.temperature, self.status)?;
        write!(f, " {} {}", self.id.as_deref().unwrap_or("-"), self.log.as_deref().unwrap_or(""))
    }
}

/// All records, by number.
pub(super) struct Readings {
    generated: u64,
    weather: Vec<(i64, f64)>,
}

impl Readings {
    pub(super) fn new(options: &Options) -> Result<Self, ShareError> {
        let columns = CsvOptions { columns: Some(vec!["temperature".to_owned()]), ..CsvOptions::default() };
        let rows = CsvSource::open(std::path::Path::new(WEATHER), &columns).during("opening the weather file")?;
        let mut weather = Vec::new();
        for row in rows {
            let row = row.during("reading the weather file")?;
            let value = row.values.first().copied().filter(|value| value.is_finite());
            weather.extend(value.map(|value| (row.at_ms as i64, value)));
        }
        Ok(Self { generated: options.records.into(), weather })
    }

    pub(super) fn len(&self) -> u64 {
        self.generated + self.weather.len() as u64
    }

    /// The reading of this number.
    pub(super) fn get(&self, number: u64) -> Option<Reading> {
        if let Some(hour) = number.checked_sub(self.generated) {
            let (time, temperature) = *self.weather.get(usize::try_from(hour).ok()?)?;
            return Some(Reading { room: "seattle", temperature, status: "ok", time, id: None, log: None });
        }
        let mut random = Random(number);
        let device = random.below(DEVICES);
        let hour = random.below(YEAR_HOURS);
        // A day's and a year's curve, and what a room adds.
        let room = (device % (ROOMS.len() as u64 - 1)) as usize;
        let curve = (hour as f64 / 24.0 * std::f64::consts::TAU).sin() * 3.0
            - (hour as f64 / YEAR_HOURS as f64 * std::f64::consts::TAU).cos() * 8.0;
        let temperature = ((14.0 + room as f64 + curve) * 10.0 + random.below(60) as f64).round() / 10.0;
        let status = match random.below(1000) {
            0..3 => "fault",
            3..20 => "low-battery",
            _ => "ok",
        };
        let log = (random.below(500) == 0).then(|| {
            let work = WORK.get(random.below(WORK.len() as u64) as usize).copied().unwrap_or_default();
            format!("part{} {work}, ticket t{}", random.below(300), random.below(100_000))
        });
        Some(Reading {
            room: ROOMS.get(room)?,
            temperature,
            status,
            time: START_MS + hour as i64 * HOUR_MS,
            id: Some(format!("d-{device:05}")),
            log,
        })
    }
}

/// Where the bins of the temperature begin: none, then every two degrees from −50 °C on.
pub(super) fn edges() -> Vec<u16> {
    std::iter::once(0).chain((0..100).map(|bin| 20 * bin + 1)).collect()
}

/// What both sides of the search know about the records.
pub(super) fn schema() -> Result<Schema, ShareError> {
    let made = || -> Result<Schema, SchemaError> {
        let field = |name, kind| Field::new(name, kind).map_err(|_| SchemaError::Kind);
        let celsius = field("temperature", FieldKind::Decimal { places: 1 })?;
        let numbers = Column::numbers(Value::Decimal(-50.0), 3)?;
        let time = field("time", FieldKind::Timestamp { step_ms: HOUR_MS as u32 })?;
        let by_day = Summary::new(
            (celsius.clone(), numbers.clone()),
            (celsius.clone(), Value::Decimal(-50.0)),
            (time.clone(), START_MS, DAY_MS),
        )?;
        Schema::new()
            .column(field("room", FieldKind::Category)?, Column::names(&ROOMS)?)?
            .column(celsius, numbers)?
            .column(field("status", FieldKind::Category)?, Column::names(&STATUS)?)?
            .column(time, Column::numbers(Value::Timestamp(START_MS), 4)?)?
            .keyword_prefixes(field("id", FieldKind::Category)?, &[6])?
            .text("log", Language::English)?
            .summary(by_day)
    };
    made().during("making the schema")
}

/// Numbers that depend on the record's number alone (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0.wrapping_mul(0xd6e8_feb8_6659_fd93);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * u128::from(bound)) >> 64) as u64
    }
}
