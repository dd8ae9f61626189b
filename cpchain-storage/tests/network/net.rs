//! A network of storage nodes in one process.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_crypto::SigningKey;
use cpchain_storage::{
    ChunkStore, Lease,
    client::{ClientConfig, StorageClient},
    network::{NetworkConfig, NodeHandle, StorageNode},
};
use tempfile::TempDir;

use crate::hostile;

/// Nodes, and the folders that their stores are in.
pub struct Net {
    pub nodes: Vec<NodeHandle>,
    pub folders: Vec<TempDir>,
}

pub fn config() -> NetworkConfig {
    NetworkConfig {
        lookup_timeout: Duration::from_secs(5),
        lookup_step_timeout: Duration::from_secs(1),
        request_timeout: Duration::from_secs(3),
        ..NetworkConfig::default()
    }
}

pub fn client_config() -> ClientConfig {
    ClientConfig {
        shard_timeout: Duration::from_secs(1),
        put_timeout: Duration::from_secs(3),
        // No slow moment of a busy machine moves a shard.
        put_grace: Duration::from_secs(3),
        hedge_after: Duration::from_millis(200),
        ..ClientConfig::default()
    }
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub fn now_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}

pub fn lease() -> Lease {
    Lease::until(now_ms() + 3_600_000)
}

/// Bytes that look random and are the same every time.
pub fn bytes(seed: u8, length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes.into()
}

impl Net {
    /// `count` honest nodes.
    pub async fn start(count: u8) -> Self {
        Self::with(count, |_, store| store).await
    }

    /// `count` nodes over real stores, each seen through `wrap`.
    pub async fn with(count: u8, wrap: impl Fn(u8, Arc<dyn ChunkStore>) -> Arc<dyn ChunkStore>) -> Self {
        let mut net = Self { nodes: Vec::new(), folders: Vec::new() };
        for n in 0..count {
            net.add(config(), |store| wrap(n, store)).await;
        }
        net
    }

    /// `count` honest nodes of these settings.
    pub async fn of(count: u8, config: NetworkConfig) -> Self {
        let mut net = Self { nodes: Vec::new(), folders: Vec::new() };
        for _ in 0..count {
            net.add(config.clone(), |store| store).await;
        }
        net
    }

    /// One more node.
    pub async fn add(&mut self, config: NetworkConfig, wrap: impl FnOnce(Arc<dyn ChunkStore>) -> Arc<dyn ChunkStore>) {
        let folder = tempfile::tempdir().unwrap();
        let store = wrap(hostile::store(folder.path()));
        let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        let seed = [100 + self.nodes.len() as u8; 32];
        let node = StorageNode::start(config, &seed, store, listen).await.unwrap();
        if let Some(first) = self.nodes.first() {
            node.join(std::slice::from_ref(first.address().unwrap())).await.unwrap();
        }
        self.nodes.push(node);
        self.folders.push(folder);
    }

    /// A light node that knows the first and the last node.
    pub async fn light(&self, seed: u8) -> NodeHandle {
        self.light_through(seed, &[0, self.nodes.len() - 1]).await
    }

    /// A light node that knows some nodes.
    pub async fn light_through(&self, seed: u8, known: &[usize]) -> NodeHandle {
        let node = StorageNode::light(config(), &[seed; 32]).await.unwrap();
        let known: Vec<_> = known.iter().filter_map(|n| self.nodes[*n].address().cloned()).collect();
        node.join(&known).await.unwrap();
        node
    }

    pub async fn client(&self, seed: u8) -> StorageClient<NodeHandle> {
        StorageClient::over(self.light(seed).await, client_config())
    }
}
