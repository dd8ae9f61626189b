//! What the swarm's task does with its records for others: sweeps, offers, gifts. Each piece of work is bounded.

use std::{io, ops::Bound};

use bytes::Bytes;

use super::{
    record::{RecordError, SignedRecord},
    records::{Point, ValidatedStore},
    sweep::{PAGE, Page, Settled},
};

/// The next records from a point on.
pub(crate) fn page(store: &ValidatedStore, from: Bound<Point>) -> Page {
    let records: Vec<_> = store.from(from).take(PAGE).collect();
    // One that can no longer be read is not there.
    let key = |point: Point| Some((point, store.record_at(point)?.key().digest()));
    let first_due = records.iter().filter(|(.., spread)| !spread).find_map(|(point, ..)| key(*point));
    Page { records, first_due }
}

/// The encodings of those of these records that are here.
pub(crate) fn read(store: &ValidatedStore, points: &[Point]) -> Vec<(Point, Bytes)> {
    let read = |point: &Point| Some((*point, store.record_at(*point)?.to_bytes()));
    points.iter().filter_map(read).collect()
}

/// Notes that a region of a sweep is done.
pub(crate) fn settle(store: &mut ValidatedStore, settled: &Settled) {
    settled.passed_over.iter().for_each(|point| store.due(*point));
    settled.let_go.iter().for_each(|point| store.let_go(*point));
}

/// Which of the versions that a peer has are not here?
pub(crate) fn wanted(store: &mut ValidatedStore, offer: &[(Point, u64)]) -> Vec<bool> {
    offer.iter().map(|(point, tag)| !store.has_version(*point, *tag)).collect()
}

/// Takes records in, each as if it came through the DHT.
pub(crate) fn take(store: &mut ValidatedStore, records: Vec<Bytes>, origin: u32) -> Vec<Result<(), RecordError>> {
    let take = |record: Bytes| {
        let key = SignedRecord::decode_known(record.clone())?.key().digest();
        store.insert(key, record.into(), origin)
    };
    records.into_iter().map(take).collect()
}

/// Makes all records durable.
pub(crate) async fn sync(store: &mut ValidatedStore) {
    if let Some(sync) = store.tidy() {
        run_sync(sync).await;
    }
}

/// Runs what makes records durable beside the runtime.
pub(crate) async fn run_sync(sync: Box<dyn FnOnce() -> io::Result<()> + Send>) {
    match tokio::task::spawn_blocking(sync).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "records may not survive a power cut"),
        Err(error) => tracing::error!(%error, "the sync of the records was broken off"),
    }
}
