//! What the tests share: a stream, its secret, and an upload of it.
#![allow(dead_code)]

use std::path::Path;

use cpchain_crypto::{SigningKey, key_tree::StreamSecret};
use cpchain_storage::{
    CodecRegistry, Gateway, Reading, StreamConfig, Upload,
    gateway::{CsvOptions, CsvSource, DAY_MS},
};

pub(crate) const WEATHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/seattle-weather-hourly.csv");
pub(crate) const HOUR_MS: u64 = 60 * 60 * 1000;

pub(crate) fn owner() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

pub(crate) fn secret() -> StreamSecret {
    StreamSecret::from_bytes([2; 32])
}

/// Daily blocks, keys for two days, uploads of two keys: four days.
pub(crate) fn config() -> StreamConfig {
    StreamConfig { blocks_per_interval: 2, intervals_per_upload: 2, ..StreamConfig::new("roof", ["a", "b"]) }
}

pub(crate) fn gateway(dir: &Path) -> Gateway<SigningKey> {
    Gateway::open(config(), secret(), owner(), CodecRegistry::default(), dir).unwrap()
}

/// Six-hourly readings of these days.
pub(crate) fn readings(days: std::ops::Range<u64>) -> Vec<Reading> {
    let of_day = |day: u64| (0..4).map(move |i| day * DAY_MS + i * 6 * HOUR_MS);
    days.flat_map(of_day).map(|at_ms| Reading::new(at_ms, vec![at_ms as f64 / 7.0, 1016.6])).collect()
}

/// Uploads of the first `days` days.
pub(crate) fn uploads(days: u64) -> Vec<Upload> {
    let dir = tempfile::tempdir().unwrap();
    let mut gateway = gateway(dir.path());
    let made = gateway.uploads(readings(0..days).into_iter().map(Ok::<_, cpchain_storage::GatewayError>));
    made.collect::<Result<_, _>>().unwrap()
}

pub(crate) fn weather() -> CsvSource {
    CsvSource::open(WEATHER, &CsvOptions::default()).unwrap()
}
