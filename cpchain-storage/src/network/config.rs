//! Settings of a node. The defaults suit a public network; tests and one-machine networks shorten the times.

use std::time::Duration;

use super::guard::PeerLimits;

/// Settings of a storage node or a light client. Start from [`Default`] and change what you must.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// How many nodes keep a record. Writes wait for more than half of them, reads for enough to meet the last write.
    pub replication: usize,
    /// How often a node sees to it that its records are where they belong, give or take a quarter. `None`: never.
    pub replication_interval: Option<Duration>,
    /// The most time of one lookup.
    pub lookup_timeout: Duration,
    /// The most time that one peer may take to answer inside a lookup.
    pub lookup_step_timeout: Duration,
    /// The most time for one request to a storage node, transfer included.
    pub request_timeout: Duration,
    /// The most records that a node keeps, of at most 8 KiB each. Some 340 bytes of memory go with each (`lab dht --quick`).
    pub max_records: u64,
    /// The most bytes that they have together, without what waits for a clean-up.
    pub max_record_bytes: u64,
    /// How often a node collects shards whose lease, and the day of grace after it, are over. `None`: never.
    pub expiry_interval: Option<Duration>,
    /// The longest lease that a node gives, from now.
    pub max_lease: Duration,
    /// The most chunk requests that a node works on at once; further ones wait, and are then refused as busy.
    pub max_requests: usize,
    /// The most connections that others may open to a node; one network has a quarter of them.
    pub max_connections: u32,
    /// The most bytes of unfinished requests that wait in a node's memory, of all peers together.
    pub max_buffered_bytes: u64,
    /// What one peer may take of a node.
    pub peer: PeerLimits,
    /// How long an unused connection stays open.
    pub idle_timeout: Duration,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            replication: 8,
            replication_interval: Some(Duration::from_secs(3600)),
            lookup_timeout: Duration::from_secs(20),
            lookup_step_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(10),
            max_records: 1 << 20,
            max_record_bytes: 2 << 30,
            expiry_interval: Some(Duration::from_secs(3600)),
            max_lease: Duration::from_secs(400 * 24 * 3600),
            max_requests: 64,
            max_connections: 512,
            max_buffered_bytes: 64 << 20,
            peer: PeerLimits::default(),
            idle_timeout: Duration::from_secs(120),
        }
    }
}

impl NetworkConfig {
    /// Copies that a write waits for, when `replication` nodes are there.
    pub(crate) fn write_quorum(&self, nodes: usize) -> usize {
        self.replication.clamp(1, 20).min(nodes) / 2 + 1
    }

    /// Copies that a read waits for: together with [`write_quorum`](Self::write_quorum) more than `replication`.
    pub(crate) fn read_quorum(&self) -> usize {
        let replication = self.replication.clamp(1, 20);
        replication - self.write_quorum(replication) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_overlap() {
        for replication in 0..25 {
            let config = NetworkConfig { replication, ..NetworkConfig::default() };
            assert!(config.write_quorum(20) + config.read_quorum() > replication.clamp(1, 20));
            assert_eq!(config.write_quorum(1), 1);
            assert_eq!(config.write_quorum(2), replication.clamp(1, 2));
        }
    }
}
