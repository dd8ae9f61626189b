//! The figures that a node tells those who watch it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use cpchain_crypto::SigningKey;
use cpchain_storage::{
    Lease, PackOptions, PackStore,
    index::SledIndex,
    network::{ChunkTransport, Dht, NetworkConfig, RecordKind, SignedRecord, StorageNode},
};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// Keeps what it is told.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<HashMap<String, Arc<AtomicU64>>>>);

impl Seen {
    fn cell(&self, name: &str) -> Arc<AtomicU64> {
        Arc::clone(self.0.lock().unwrap().entry(name.to_owned()).or_default())
    }

    fn counter(&self, name: &str) -> u64 {
        self.cell(name).load(Ordering::SeqCst)
    }

    fn gauge(&self, name: &str) -> f64 {
        f64::from_bits(self.counter(name))
    }
}

impl Recorder for Seen {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key.name()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key.name()))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_tells_what_it_does() {
    let seen = Seen::default();
    metrics::set_global_recorder(seen.clone()).unwrap_or_else(|_| panic!("another recorder is set"));
    let folder = tempfile::tempdir().unwrap();
    let index = SledIndex::open(folder.path().join("index")).unwrap();
    let store = PackStore::open(folder.path().join("packs"), PackOptions::default(), index).unwrap();
    let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    let node = StorageNode::start(NetworkConfig::default(), &[1; 32], Arc::new(store), listen).await.unwrap();
    let light = StorageNode::light(NetworkConfig::default(), &[2; 32]).await.unwrap();
    light.join(std::slice::from_ref(node.address().unwrap())).await.unwrap();

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let owner = SigningKey::from_seed(&[3; 32]);
    let sign = |sequence| {
        SignedRecord::sign(&owner, RecordKind::ManifestHead, b"n", sequence, now + 60_000, b"body".to_vec()).unwrap()
    };
    light.put_record(&sign(2)).await.unwrap();
    assert!(node.put_record(&sign(1)).await.is_err());
    light.put(node.id(), &[Bytes::from(vec![7; 5000])], Lease::until(now + 60_000)).await.unwrap();
    node.sweep().await.unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(1500)).await;

    assert_eq!(seen.gauge("cpchain_storage_records"), 1.0);
    assert!(seen.gauge("cpchain_storage_record_bytes") > 100.0);
    // Both nodes of this process tell their peers: each has one.
    assert_eq!(seen.gauge("cpchain_storage_peers"), 1.0);
    assert_eq!(seen.counter("cpchain_storage_records_refused_total"), 1);
    assert_eq!(seen.counter("cpchain_storage_requests_total"), 1);
    assert!(seen.counter("cpchain_storage_received_bytes_total") > 5000);
    assert!(seen.counter("cpchain_storage_sent_bytes_total") > 100);
    assert_eq!(seen.counter("cpchain_storage_banned_total"), 0);
}
