//! Counters and gauges for those who watch a node, by the [`metrics`](https://docs.rs/metrics) facade (feature `metrics`).
//!
//! | name | kind | counts |
//! | --- | --- | --- |
//! | `cpchain_storage_records` | gauge | records kept for others |
//! | `cpchain_storage_record_bytes` | gauge | their bytes |
//! | `cpchain_storage_peers` | gauge | peers connected |
//! | `cpchain_storage_requests_total` | counter | requests of the chunk protocol answered |
//! | `cpchain_storage_received_bytes_total`, `cpchain_storage_sent_bytes_total` | counter | bytes of these requests and answers |
//! | `cpchain_storage_busy_total` | counter | requests refused because there were too many |
//! | `cpchain_storage_streams_refused_total` | counter | streams reset because their peer had too many, or was banned |
//! | `cpchain_storage_records_refused_total` | counter | records that did not enter |
//! | `cpchain_storage_faults_total` | counter | what peers did wrong |
//! | `cpchain_storage_banned_total` | counter | peers banned |
//! | `cpchain_storage_swept_records_total`, `cpchain_storage_swept_copies_total` | counter | records looked after by sweeps, copies that these made |
//!
//! Test: `tests/metrics.rs`.

/// Adds to a counter.
pub(crate) fn count(name: &'static str, by: u64) {
    #[cfg(feature = "metrics")]
    metrics::counter!(name).increment(by);
    #[cfg(not(feature = "metrics"))]
    let _ = (name, by);
}

/// Sets a gauge.
pub(crate) fn gauge(name: &'static str, value: u64) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(name).set(value as f64);
    #[cfg(not(feature = "metrics"))]
    let _ = (name, value);
}
