//! The storage network: hosts with packs and sled in a libp2p-kad DHT.

use std::{path::Path, sync::Arc, time::Duration};

use cpchain_storage::{
    ChunkStore, PackOptions, PackStore,
    client::{ClientConfig, StorageClient},
    index::SledIndex,
    network::{NetworkConfig, NodeAddr, NodeHandle, StorageNode},
};

use super::{
    actors::Actors,
    error::{During, ShareError},
};

/// The hosts, some of them stopped.
pub(crate) struct Hosts {
    /// All, in the order of their start.
    pub(crate) nodes: Vec<NodeHandle>,
    addresses: Vec<NodeAddr>,
}

impl Hosts {
    /// Starts `count` hosts and joins them.
    pub(crate) async fn start(count: usize, actors: &Actors, dir: &Path) -> Result<Self, ShareError> {
        let mut nodes = Vec::with_capacity(count);
        for host in 0..count {
            let dir = dir.join(format!("host-{host}"));
            let store = tokio::task::spawn_blocking(move || open(&dir)).await.during("opening a pack store")??;
            let listen = "/ip4/127.0.0.1/tcp/0".parse().during("reading a loopback address")?;
            let seed = actors.secret("storage host", host);
            nodes.push(StorageNode::start(config(), &seed, store, listen).await.during("starting a storage host")?);
        }
        let addresses: Vec<NodeAddr> = nodes.iter().filter_map(|node| node.address().cloned()).collect();
        let joins = nodes.iter().map(|node| {
            let others: Vec<_> = addresses.iter().filter(|address| address.id != node.id()).cloned().collect();
            async move { if others.is_empty() { Ok(0) } else { node.join(&others).await } }
        });
        futures::future::try_join_all(joins).await.during("joining the storage network")?;
        Ok(Self { nodes, addresses })
    }

    /// A client with a light node of its own.
    pub(crate) async fn client(&self, seed: &[u8; 32]) -> Result<StorageClient<NodeHandle>, ShareError> {
        client(&self.addresses, seed).await
    }

    /// Where they listen.
    pub(crate) fn addresses(&self) -> &[NodeAddr] {
        &self.addresses
    }

    /// Stops this many hosts, the last ones first; says for each whether it is stopped now.
    pub(crate) async fn stop_some(&self, count: usize) -> Vec<bool> {
        let running = self.nodes.len().saturating_sub(count);
        futures::future::join_all(self.nodes.iter().skip(running).map(NodeHandle::stop)).await;
        (0..self.nodes.len()).map(|host| host >= running).collect()
    }

    /// Stops all hosts.
    pub(crate) async fn stop(self) {
        futures::future::join_all(self.nodes.iter().map(NodeHandle::stop)).await;
    }
}

/// A client of the storage network whose hosts listen there, with a light node of its own.
pub(crate) async fn client(hosts: &[NodeAddr], seed: &[u8; 32]) -> Result<StorageClient<NodeHandle>, ShareError> {
    let light = StorageNode::light(config(), seed).await.during("starting a storage client")?;
    light.join(hosts).await.during("joining the storage network as a client")?;
    Ok(StorageClient::over(light, ClientConfig::default()))
}

fn open(dir: &Path) -> Result<Arc<dyn ChunkStore>, ShareError> {
    let index = SledIndex::open(dir.join("index")).during("opening a sled index")?;
    Ok(Arc::new(PackStore::open(dir.join("packs"), PackOptions::default(), index).during("opening a pack store")?))
}

fn config() -> NetworkConfig {
    NetworkConfig {
        lookup_step_timeout: Duration::from_millis(1500),
        replication_interval: None,
        ..NetworkConfig::default()
    }
}
