//! Sweeps: records reach those who should keep them, and nothing is sent for nothing.

use std::time::Duration;

use cpchain_storage::network::{Dht, NetworkConfig, RecordKind, SignedRecord, SweepReport};

use crate::{
    net::{Net, config, key, now_ms},
    peer::Peer,
};

fn records(count: u8) -> Vec<SignedRecord> {
    let sign = |n: u8| {
        let expires = now_ms() + 3_600_000;
        SignedRecord::sign(&key(n), RecordKind::ManifestHead, b"swept", 1, expires, vec![n; 300]).unwrap()
    };
    (0..count).map(sign).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_brings_records_to_newcomers_and_sends_nothing_twice() {
    let mut net = Net::start(3).await;
    let records = records(80);
    let light = net.light(1).await;
    for record in &records {
        light.put_record(record).await.unwrap();
    }
    // Every node keeps every record in so small a network.
    while net.nodes[2].stats().await.unwrap().records < 80 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    net.add(config(), |store| store).await;
    assert_eq!(net.nodes[3].stats().await.unwrap().records, 0);

    let first = net.nodes[0].sweep().await.unwrap();
    assert_eq!((first.records, first.passed_over, first.lookups, first.copies), (80, 0, 1, 80), "{first:?}");
    // Three offers and two gifts: 24 bytes a record and node, and the records once.
    assert!(first.requests <= 6 && first.bytes < 3 * 80 * 24 + 80 * 600, "{first:?}");
    assert_eq!(net.nodes[3].stats().await.unwrap().records, 80);
    // The neighbours know that this was done, and leave out one turn.
    let second = net.nodes[1].sweep().await.unwrap();
    assert_eq!(second, SweepReport { passed_over: 80, ..SweepReport::default() });
    let third = net.nodes[1].sweep().await.unwrap();
    assert_eq!((third.records, third.copies, third.requests), (80, 0, 3), "{third:?}");
    // The newcomer's records are the same.
    for node in &net.nodes[..3] {
        node.stop().await;
    }
    for record in &records {
        assert_eq!(net.nodes[3].get_record(record.key()).await.unwrap().as_ref(), Some(record));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_others_keep_are_let_go() {
    let net = Net::of(6, NetworkConfig { replication: 2, ..config() }).await;
    let records = records(30);
    // All of them at one node, whoever should have them.
    let mut peer = Peer::new(net.nodes[0].address().unwrap());
    for record in &records {
        assert!(peer.put(&record.key().dht_key(), record.to_bytes().to_vec()).await);
    }
    let report = net.nodes[0].sweep().await.unwrap();
    assert!(report.let_go > 0 && report.let_go < 30, "{report:?}");
    assert_eq!(net.nodes[0].stats().await.unwrap().records, 30 - report.let_go);
    let mut kept = 0;
    for node in &net.nodes {
        kept += node.stats().await.unwrap().records;
    }
    assert_eq!(kept, 60, "two copies of each");
    let light = net.light(1).await;
    for record in &records {
        assert_eq!(light.get_record(record.key()).await.unwrap().as_ref(), Some(record));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_sweeps_on_its_own() {
    let interval = Some(Duration::from_millis(400));
    let mut net = Net::of(2, NetworkConfig { replication_interval: interval, ..config() }).await;
    let light = net.light(1).await;
    for record in records(10) {
        light.put_record(&record).await.unwrap();
    }
    net.add(config(), |store| store).await;
    let begin = std::time::Instant::now();
    while net.nodes[2].stats().await.unwrap().records < 10 {
        assert!(begin.elapsed() < Duration::from_secs(10), "nobody brought the records");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
