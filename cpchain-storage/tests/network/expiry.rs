//! A node collects what nobody pays for any more.

use std::time::Duration;

use cpchain_storage::{
    ChunkId, Lease,
    network::{NetworkConfig, StorageNode},
};

use crate::{
    hostile,
    net::{bytes, config, now_ms},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_are_forgotten_a_day_after_their_lease() {
    let folder = tempfile::tempdir().unwrap();
    let store = hostile::store(folder.path());
    let put = |seed, until| store.put(bytes(seed, 100), Lease::until(until)).unwrap();
    let now = now_ms();
    let over = put(1, now - Lease::GRACE_MS - 1000);
    let in_grace = put(2, now - 1000);
    let live = put(3, now + 60_000);
    let soon = NetworkConfig { expiry_interval: Some(Duration::from_millis(50)), ..config() };
    let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    let node = StorageNode::start(soon, &[1; 32], store.clone(), listen).await.unwrap();
    let held = |id: &ChunkId| store.contains(id).unwrap();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if !held(&over) {
            break;
        }
    }
    assert!(!held(&over) && held(&in_grace) && held(&live));
    // A stopped node leaves the store alone.
    node.stop().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let kept = put(4, now - Lease::GRACE_MS - 1000);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(held(&kept));
}
