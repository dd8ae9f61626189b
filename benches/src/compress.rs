//! How small readings get: whole uploads, sealed, beside `zstd -19` of the same readings as CSV.
//!
//! An upload's bytes are all that is stored: block headers, ciphertext with its tags, commitments; not the manifest. Each upload is
//! read back and compared bit for bit.

use std::{fmt::Write as _, path::Path};

use cpchain_crypto::{SigningKey, key_tree::StreamSecret};
use cpchain_storage::{
    CodecRegistry, Gateway, GatewayError, ReadError, Reading, StreamConfig, TableError,
    gateway::{CsvError, CsvOptions, CsvSource, DAY_MS},
    read_object,
};

use crate::{
    measure::{Effort, measure},
    report::Figure,
};

const WEATHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/seattle-weather-hourly.csv");
const LEVEL: i32 = 19;

/// Why a figure was not measured.
#[derive(Debug, thiserror::Error)]
pub enum CompressError {
    /// The weather file does not read.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// A file does not read, or zstd refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The gateway refused.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// An upload does not read back.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Readings out of order.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Other readings came back than went in.
    #[error("the readings of `{0}` came back changed")]
    Changed(&'static str),
}

/// Bytes of the weather file and of a vibration signal, as stored, against zstd.
///
/// # Errors
/// [`CompressError`].
pub fn compress(effort: Effort) -> Result<Vec<Figure>, CompressError> {
    let text = std::fs::read(WEATHER)?;
    let source = CsvSource::open(WEATHER, &CsvOptions::default())?;
    let names: Vec<String> = source.columns().map(str::to_owned).collect();
    let readings = source.collect::<Result<Vec<_>, _>>()?;
    let weather = Signal { name: "weather", names, readings, text };
    let vibration = vibration(if effort == Effort::Full { 120 } else { 20 });
    let mut figures = Vec::new();
    for days in [1, 7, 28, 91] {
        // A day is 24 readings: the price of a header. Four weeks are what the goal is set for.
        figures.push(weather.figure(days * DAY_MS, &format!("T={days}d"), days == 28)?);
    }
    for seconds in [1, 10] {
        figures.push(vibration.figure(seconds * 1000, &format!("T={seconds}s"), seconds == 10)?);
    }
    figures.extend(vibration.speed(effort)?);
    Ok(figures)
}

struct Signal {
    name: &'static str,
    names: Vec<String>,
    readings: Vec<Reading>,
    text: Vec<u8>,
}

impl Signal {
    fn figure(&self, period_ms: u64, params: &str, is_goal: bool) -> Result<Figure, CompressError> {
        let zstd = zstd::bulk::compress(&self.text, LEVEL)?.len();
        let stored = self.stored(period_ms)?;
        let params = format!("{} rows={} {params}", self.name, self.readings.len());
        let figure = Figure::count("storage::compress", params, "bytes", stored as f64);
        let baseline = format!("zstd -19: {zstd} of {} bytes", self.text.len());
        let figure = figure.against(&baseline, zstd as f64 / stored as f64);
        Ok(if is_goal { figure.at_least(2.0) } else { figure })
    }

    /// Bytes of all uploads' objects.
    fn stored(&self, period_ms: u64) -> Result<usize, CompressError> {
        let dir = tempfile::tempdir()?;
        let config = StreamConfig {
            period_ms,
            blocks_per_interval: 1,
            intervals_per_upload: 1024,
            ..StreamConfig::new(self.name, self.names.clone())
        };
        let secret = || StreamSecret::from_bytes([2; 32]);
        let (owner, codecs) = (SigningKey::from_seed(&[1; 32]), CodecRegistry::default());
        let mut gateway = Gateway::open(config, secret(), owner, codecs.clone(), Path::new(dir.path()))?;
        let mut expected = self.readings.iter();
        let mut stored = 0;
        for upload in gateway.uploads(self.readings.iter().cloned().map(Ok::<_, GatewayError>)) {
            let upload = upload?;
            stored += upload.object.len();
            let rows = read_object(&upload.manifest, 0..u32::MAX, &upload.object, &secret(), &codecs)?;
            let bits = |reading: &Reading| {
                (reading.at_ms, reading.values.iter().map(|value| value.to_bits()).collect::<Vec<_>>())
            };
            if !rows.rows().all(|row| expected.next().is_some_and(|reading| bits(reading) == bits(&row))) {
                return Err(CompressError::Changed(self.name));
            }
        }
        if expected.next().is_some() {
            return Err(CompressError::Changed(self.name));
        }
        Ok(stored)
    }

    /// Time a reading to encode and to decode.
    fn speed(&self, effort: Effort) -> Result<[Figure; 2], CompressError> {
        let mut table = cpchain_storage::Table::new(self.names.iter().cloned())?;
        for reading in self.readings.iter().take(10_000) {
            table.push_reading(reading.clone())?;
        }
        let codecs = CodecRegistry::default();
        let rows = table.len() as u32;
        let body = codecs.encode(1, &table).map_err(GatewayError::from)?;
        let encode = measure(effort, || codecs.encode(1, &table));
        let decode = measure(effort, || codecs.decode(1, &body, rows));
        let params = format!("{} rows={rows} columns={}", self.name, self.names.len());
        Ok([
            Figure::nanoseconds("storage::codec_encode", params.clone(), &encode),
            Figure::nanoseconds("storage::codec_decode", params, &decode),
        ])
    }
}

/// An accelerometer on a machine: three axes at 1 kHz in units of 0.1 mg, printed with four decimals of g. The shaft turns 24.6 times a
/// second and has a harmonic; a damaged bearing rings at 310 Hz, 87 times a second; the noise is 5 mg. Seed 1.
fn vibration(seconds: u64) -> Signal {
    const RATE: u64 = 1000;
    let mut random = Random(1);
    let (mut readings, mut text) = (Vec::new(), "time,x,y,z\n".to_owned());
    let (mut phase, mut since) = (0.0f64, 1.0f64);
    for n in 0..seconds * RATE {
        let at = n as f64 / RATE as f64;
        phase += 87.3 / RATE as f64;
        since += 1.0 / RATE as f64;
        if phase >= 1.0 {
            (phase, since) = (phase - 1.0, 0.0);
        }
        let turn = |turns: f64, shift: f64| (std::f64::consts::TAU * (turns * at + shift)).sin();
        let ring = 0.3 * (-since * 150.0).exp() * (std::f64::consts::TAU * 310.0 * since).sin();
        let values: Vec<f64> = [(0.5, 0.0), (0.45, 0.25), (0.1, 0.1)]
            .iter()
            .map(|(size, shift)| {
                let exact = size * turn(24.6, *shift) + 0.2 * size * turn(49.2, 0.3) + ring + 0.005 * random.normal();
                (exact * 1e4).round() / 1e4
            })
            .collect();
        let at_ms = 1_767_225_600_000 + n;
        text.push_str(&at_ms.to_string());
        values.iter().for_each(|value| write!(text, ",{value:.4}").unwrap_or_default());
        text.push('\n');
        readings.push(Reading::new(at_ms, values));
    }
    let names = ["x", "y", "z"].map(str::to_owned).to_vec();
    Signal { name: "vibration", names, readings, text: text.into_bytes() }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    /// Above 0, at most 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}
