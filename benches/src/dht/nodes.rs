//! Networks of real nodes in this process, and what they take of it.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cpchain_storage::{
    PackOptions, PackStore,
    index::MemoryIndex,
    network::{MemoryShelf, NetworkConfig, NodeAddr, NodeHandle, RecordLog, RecordShelf, StorageNode},
};
use tempfile::TempDir;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Milliseconds since 1970 UTC.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn config() -> NetworkConfig {
    NetworkConfig {
        // Sweeps come when the bench asks for them.
        replication_interval: None,
        // An hour lies between two sweeps of a real node: it dials anew. And all sockets of the network are this process's.
        idle_timeout: Duration::from_secs(1),
        ..NetworkConfig::default()
    }
}

/// A node on a folder.
pub(super) async fn start(folder: &TempDir, seed: u16, on_disk: bool) -> Outcome<NodeHandle> {
    let store = PackStore::open(folder.path().join("packs"), PackOptions::default(), MemoryIndex::default())?;
    let records: Box<dyn RecordShelf> =
        if on_disk { Box::new(RecordLog::open(folder.path().join("records"))?) } else { Box::<MemoryShelf>::default() };
    let mut secret = [77; 32];
    secret.iter_mut().zip(seed.to_le_bytes()).for_each(|(byte, of)| *byte ^= of);
    let listen = "/ip4/127.0.0.1/tcp/0".parse()?;
    Ok(StorageNode::start_with_records(config(), &secret, Arc::new(store), records, listen).await?)
}

/// A light node that has joined.
pub(super) async fn light(seed: u8, through: Option<&NodeAddr>) -> Outcome<NodeHandle> {
    let node = StorageNode::light(config(), &[seed; 32]).await?;
    node.join(through.map(std::slice::from_ref).unwrap_or_default()).await?;
    Ok(node)
}

/// Nodes that know each other.
pub(super) struct Network {
    nodes: Vec<NodeHandle>,
    _folders: Vec<TempDir>,
}

impl Network {
    pub(super) async fn start(size: usize, progress: &dyn Fn(String)) -> Outcome<Self> {
        let mut network = Self { nodes: Vec::new(), _folders: Vec::new() };
        for n in 0..size {
            progress(format!("{size} nodes: {n} have joined"));
            let folder = tempfile::tempdir()?;
            let node = start(&folder, u16::try_from(n)?, false).await?;
            if let Some(first) = network.first() {
                node.join(std::slice::from_ref(first)).await?;
            }
            network.nodes.push(node);
            network._folders.push(folder);
        }
        // Those who came early learn of those who came late.
        if let Some(first) = network.first().cloned() {
            for node in network.nodes.iter().skip(1) {
                node.join(std::slice::from_ref(&first)).await?;
            }
        }
        Ok(network)
    }

    pub(super) fn nodes(&self) -> &[NodeHandle] {
        &self.nodes
    }

    pub(super) fn first(&self) -> Option<&NodeAddr> {
        self.nodes.first().and_then(NodeHandle::address)
    }

    /// Copies of records in all nodes together.
    pub(super) async fn records(&self) -> Outcome<u64> {
        let mut records = 0;
        for node in &self.nodes {
            records += node.stats().await?.records;
        }
        Ok(records)
    }

    pub(super) async fn stop(self) {
        for node in &self.nodes {
            node.stop().await;
        }
    }
}

/// Bytes of this process in memory; 0 where that is not told.
pub(super) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Processor time of this process: on Linux; elsewhere the time that passed.
pub(super) struct Cpu(
    #[cfg(target_os = "linux")] rustix::time::Timespec,
    #[cfg(not(target_os = "linux"))] std::time::Instant,
);

impl Cpu {
    #[cfg(target_os = "linux")]
    pub(super) fn now() -> Self {
        Self(rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime))
    }

    /// Seconds.
    #[cfg(target_os = "linux")]
    pub(super) fn elapsed(&self) -> f64 {
        let end = Self::now().0;
        (end.tv_sec - self.0.tv_sec) as f64 + (end.tv_nsec - self.0.tv_nsec) as f64 / 1e9
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn now() -> Self {
        Self(std::time::Instant::now())
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn elapsed(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
