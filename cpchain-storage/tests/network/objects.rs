//! Objects come back bit for bit, also when nodes are gone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use cpchain_crypto::Signer;
use cpchain_storage::{
    ErasureParams, Lease,
    client::{ClientError, Progress, StorageClient},
    network::{ChunkTransport, Receipt},
};

use crate::net::{Net, bytes, client_config, key, lease};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_every_size_come_back() {
    let begin = Instant::now();
    let net = Net::start(12).await;
    let up = begin.elapsed();
    let seen = Arc::new(Mutex::new(Vec::<Progress>::new()));
    let listener = Arc::clone(&seen);
    let config = cpchain_storage::client::ClientConfig {
        progress: Some(Arc::new(move |progress| listener.lock().unwrap().push(progress))),
        ..client_config()
    };
    let seller = StorageClient::over(net.light(1).await, config);
    let buyer = net.client(2).await;
    let owner = key(1);
    for (seed, length) in [(1, 0), (2, 1), (3, 100 << 10), (4, 3 << 20)] {
        let object = bytes(seed, length);
        let lease = lease();
        let begin = Instant::now();
        let stored = seller.put_object(&owner, object.clone(), ErasureParams::default(), lease).await.unwrap();
        let put = begin.elapsed();
        assert_eq!(stored.receipts.len(), stored.object.chunks.len() * 30);
        for chunk in stored.receipts.chunks(30) {
            let mut load = HashMap::<_, usize>::new();
            for receipt in chunk {
                assert!(receipt.lease_until_ms() >= lease.0);
                assert_eq!(&Receipt::decode(receipt.to_bytes()).unwrap(), receipt);
                *load.entry(receipt.holder()).or_default() += 1;
            }
            assert!(load.len() == 12 && load.values().all(|shards| *shards <= 3), "{load:?}");
        }
        // A receipt is for what the node has.
        for receipt in stored.receipts.iter().step_by(29) {
            assert_eq!(buyer.dht().has(receipt.holder(), &[receipt.shard()]).await.unwrap(), [true]);
        }
        let begin = Instant::now();
        assert_eq!(buyer.get_object(owner.public_key(), &stored.object).await.unwrap(), object);
        println!("{length} B: put {put:?}, get {:?}", begin.elapsed());
    }
    println!("12 nodes up in {up:?}");
    let seen = seen.lock().unwrap();
    let last = seen.last().unwrap();
    assert_eq!((seen.len(), last.chunks_done, last.bytes_done, last.bytes), (1 + 1 + 3, 3, 3 << 20, Some(3 << 20)));
    assert_eq!(last.hosts, 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_of_twelve_stopped() {
    let net = Net::start(12).await;
    let seller = net.client(1).await;
    let owner = key(1);
    let mut stored = Vec::new();
    for (seed, length) in [(1, 1), (2, 4 << 10), (3, 100 << 10), (4, 2_500_000)] {
        let object = bytes(seed, length);
        let reference = seller.put_object(&owner, object.clone(), ErasureParams::default(), lease()).await.unwrap();
        stored.push((object, reference.object));
    }
    for node in &net.nodes[3..6] {
        node.stop().await;
    }
    let buyer = net.client(2).await;
    for (object, reference) in &stored {
        assert_eq!(buyer.get_object(owner.public_key(), reference).await.unwrap(), object);
    }
    // A put goes on with the nodes that are left, through a client that still believes in all twelve.
    let object = bytes(9, 50_000);
    let reference = seller.put_object(&owner, object.clone(), ErasureParams::default(), lease()).await.unwrap();
    assert_eq!(reference.receipts.len(), 30);
    assert_eq!(buyer.get_object(owner.public_key(), &reference.object).await.unwrap(), object);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_whose_holders_record_is_lost_is_found_by_the_placement_rule() {
    let net = Net::start(6).await;
    let (seller, buyer) = (net.client(1).await, net.client(2).await);
    let owner = key(1);
    let object = bytes(1, 20_000);
    let stored = seller.put_object(&owner, object.clone(), ErasureParams::default(), lease()).await.unwrap();
    // Nothing is published under the key of somebody else.
    let stranger = key(2).public_key();
    assert_eq!(buyer.get_object(stranger, &stored.object).await.unwrap(), object);
    assert_eq!(stored.holders, buyer.holders(owner.public_key(), &stored.object).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_few_nodes_fail_a_put() {
    let net = Net::start(2).await;
    let seller = net.client(1).await;
    let owner = key(1);
    let put = |lease| seller.put_object(&owner, bytes(1, 10), ErasureParams::default(), lease);
    assert!(put(lease()).await.is_ok());
    assert!(matches!(put(Lease::FOREVER).await, Err(ClientError::LeaseRefused)));
    assert!(matches!(put(Lease::until(1)).await, Err(ClientError::LeaseRefused)));
    for node in &net.nodes {
        node.stop().await;
    }
    let failed = put(lease()).await.unwrap_err();
    assert!(matches!(failed, ClientError::TooFewPlaced { placed: 0, needed: 24 } | ClientError::Dht(_)), "{failed}");
}
