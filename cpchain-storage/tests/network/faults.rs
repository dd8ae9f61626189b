//! Nodes that lie, stall, forget or are full: survived, and remembered.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use bytes::Bytes;
use cpchain_crypto::{PublicKey, Signer};
use cpchain_storage::{
    ChunkId, ChunkStore, ErasureParams, HashedChunk, Lease, StoreError,
    client::{ClientConfig, NodeScore, StorageClient},
    network::{ChunkTransport, NetworkConfig, NodeHandle, RefusalCode, StorageNode, TransportError},
};

use crate::{
    hostile::{Bad, Vice},
    net::{Net, bytes, client_config, config, key, lease},
};

/// Twelve nodes, of which the first three have a vice.
async fn net(vice: Vice) -> (Net, Vec<PublicKey>) {
    let net = Net::with(12, |n, store| if n < 3 { Arc::new(Bad(vice, store)) } else { store }).await;
    let bad = net.nodes[..3].iter().map(NodeHandle::id).collect();
    (net, bad)
}

/// Holds whoever comes until it is opened. Counts those it holds.
#[derive(Default)]
struct Gate {
    held_or_open: Mutex<(usize, bool)>,
    opened: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut state = self.held_or_open.lock().unwrap();
        state.0 += 1;
        state = self.opened.wait_while(state, |(_, is_open)| !*is_open).unwrap();
        state.0 -= 1;
    }

    fn held(&self) -> usize {
        self.held_or_open.lock().unwrap().0
    }
}

/// Opens the gate when the test ends, so that nobody waits for ever.
struct Opener(Arc<Gate>);

impl Drop for Opener {
    fn drop(&mut self) {
        self.0.held_or_open.lock().unwrap().1 = true;
        self.0.opened.notify_all();
    }
}

/// A store whose reads wait at a gate.
struct Silent {
    gate: Arc<Gate>,
    store: Arc<dyn ChunkStore>,
}

impl ChunkStore for Silent {
    fn get(&self, id: &ChunkId) -> Result<Option<Bytes>, StoreError> {
        self.gate.pass();
        self.store.get(id)
    }

    fn contains(&self, id: &ChunkId) -> Result<bool, StoreError> {
        self.store.contains(id)
    }

    fn put_hashed(&self, chunks: &[HashedChunk], lease: Lease) -> Result<(), StoreError> {
        self.store.put_hashed(chunks, lease)
    }

    fn renew(&self, ids: &[ChunkId], lease: Lease) -> Result<usize, StoreError> {
        self.store.renew(ids, lease)
    }

    fn expire(&self, now_ms: u64) -> Result<usize, StoreError> {
        self.store.expire(now_ms)
    }
}

fn score(client: &StorageClient<NodeHandle>, node: &PublicKey) -> NodeScore {
    client.scores().into_iter().find(|(id, _)| id == node).unwrap_or_else(|| panic!("no score")).1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lying_node_is_survived_and_scored() {
    let (net, bad) = net(Vice::Lies).await;
    let (seller, buyer) = (net.client(1).await, net.client(2).await);
    let owner = key(1);
    for seed in 0..3 {
        let object = bytes(seed, 100_000);
        let stored = seller.put_object(&owner, object.clone(), ErasureParams::default(), lease()).await.unwrap();
        assert_eq!(buyer.get_object(owner.public_key(), &stored.object).await.unwrap(), object);
    }
    let caught = |client: &StorageClient<NodeHandle>| {
        client.scores().into_iter().filter(|(_, score)| score.wrong > 0).map(|(node, _)| node).collect::<Vec<_>>()
    };
    let liars = caught(&buyer);
    assert!(!liars.is_empty() && liars.iter().all(|node| bad.contains(node)));
    // Those who were caught are asked last: nothing wrong comes any more.
    let before = buyer.scores().iter().map(|(_, score)| score.wrong).sum::<u64>();
    if liars.len() == 3 {
        let object = bytes(9, 1000);
        let stored = seller.put_object(&owner, object.clone(), ErasureParams::default(), lease()).await.unwrap();
        assert_eq!(buyer.get_object(owner.public_key(), &stored.object).await.unwrap(), object);
        assert_eq!(buyer.scores().iter().map(|(_, score)| score.wrong).sum::<u64>(), before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_node_is_survived() {
    let gate = Arc::new(Gate::default());
    let silent = |store| Arc::new(Silent { gate: Arc::clone(&gate), store });
    let net = Net::with(12, |n, store| if n < 3 { silent(store) } else { store }).await;
    let bad: Vec<PublicKey> = net.nodes[..3].iter().map(NodeHandle::id).collect();
    let seller = net.client(1).await;
    // No time-out of this reader ends while anybody waits for this test.
    let ages = Duration::from_secs(24 * 3600);
    let patient = StorageNode::light(NetworkConfig { request_timeout: ages, ..config() }, &[2; 32]).await.unwrap();
    patient.join(&[net.nodes[0].address().unwrap().clone()]).await.unwrap();
    let buyer = StorageClient::over(patient, ClientConfig { shard_timeout: ages, ..client_config() });
    let _opener = Opener(Arc::clone(&gate));
    let owner = key(1);
    let object = bytes(1, 2_500_000);
    let stored = seller.put_object(&owner, object.clone(), ErasureParams::default(), lease()).await.unwrap();
    assert_eq!(buyer.get_object(owner.public_key(), &stored.object).await.unwrap(), object);
    // The get has ended, and the silent nodes hold its requests still.
    assert!(gate.held() > 0, "no silent node was asked");
    assert!(buyer.scores().iter().all(|(node, score)| score.good == 0 || !bad.contains(node)));
    assert!(buyer.scores().iter().all(|(_, score)| score.wrong == 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgetful_node_is_survived_and_scored() {
    let (net, bad) = net(Vice::Forgets).await;
    let (seller, buyer) = (net.client(1).await, net.client(2).await);
    let owner = key(1);
    let mut missing = 0;
    for seed in 0..3 {
        let object = bytes(seed, 30_000);
        let stored = seller.put_object(&owner, object.clone(), ErasureParams::default(), lease()).await.unwrap();
        assert_eq!(buyer.get_object(owner.public_key(), &stored.object).await.unwrap(), object);
        missing = buyer.scores().iter().filter(|(node, score)| score.missing > 0 && bad.contains(node)).count();
    }
    assert!(missing > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_node_signs_nothing_and_its_shards_go_elsewhere() {
    let (net, bad) = net(Vice::Full).await;
    let (seller, buyer) = (net.client(1).await, net.client(2).await);
    let owner = key(1);
    let object = bytes(1, 100_000);
    let stored = seller.put_object(&owner, object.clone(), ErasureParams::default(), lease()).await.unwrap();
    assert_eq!(stored.receipts.len(), 30);
    assert!(stored.receipts.iter().all(|receipt| !bad.contains(&receipt.holder())));
    assert_eq!(buyer.get_object(owner.public_key(), &stored.object).await.unwrap(), object);
    let direct = seller.dht().put(bad[0], &[bytes(1, 10)], lease()).await;
    assert_eq!(direct, Err(TransportError::Refused(RefusalCode::Store)));
    assert!(score(&seller, &bad[0]).failed > 0);
}
