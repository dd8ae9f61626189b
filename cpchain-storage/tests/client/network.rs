//! Nodes without sockets: the DHT is a table, the transport a call, the stores are real.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey, Signer, SigningKey};
use cpchain_storage::{
    ChunkId, ChunkStore, Lease, PackOptions, PackStore,
    client::{ClientConfig, RetryPolicy, StorageClient},
    index::MemoryIndex,
    network::{
        Challenge, ChunkTransport, Dht, DhtError, NodeInfo, OperatorId, Receipt, RecordKey, RefusalCode, SignedRecord,
        TransportError,
    },
    slice,
};
use tempfile::TempDir;

/// What is wrong with a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answers after so long.
    Slow(Duration),
    /// Never answers.
    Silent,
    /// Refuses so many requests as busy, then is well.
    Busy(u32),
    /// Refuses all.
    Refuses(RefusalCode),
    /// Returns other bytes of the same length.
    Lies,
    /// Has lost its shards.
    Forgets,
}

struct Node {
    key: SigningKey,
    store: PackStore<MemoryIndex>,
    fault: Mutex<Option<Fault>>,
    asked: AtomicU64,
    served: AtomicU64,
    _folder: TempDir,
}

/// All nodes, and the records that they keep together.
#[derive(Clone)]
pub struct Network(Arc<Inner>);

struct Inner {
    nodes: Vec<Node>,
    records: Mutex<HashMap<RecordKey, SignedRecord>>,
    /// Calls of the DHT that fail before one succeeds.
    dht_failures: Mutex<u32>,
}

/// Settings under which every pause is known.
pub fn config() -> ClientConfig {
    ClientConfig { jitter_seed: Some(7), retry: RetryPolicy::default(), ..ClientConfig::default() }
}

pub fn owner() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

pub fn lease() -> Lease {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Lease::until(now.as_millis() as u64 + 3_600_000)
}

/// Bytes that look random and are the same every time.
pub fn bytes(seed: u8, length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes.into()
}

impl Network {
    pub fn new(nodes: u8) -> Self {
        let node = |n: u8| {
            let folder = tempfile::tempdir().unwrap();
            Node {
                key: SigningKey::from_seed(&[100 + n; 32]),
                store: PackStore::open(folder.path(), PackOptions::default(), MemoryIndex::default()).unwrap(),
                fault: Mutex::default(),
                asked: AtomicU64::new(0),
                served: AtomicU64::new(0),
                _folder: folder,
            }
        };
        let nodes = (0..nodes).map(node).collect();
        Self(Arc::new(Inner { nodes, records: Mutex::default(), dht_failures: Mutex::default() }))
    }

    pub fn client(&self, config: ClientConfig) -> StorageClient<Self> {
        StorageClient::over(self.clone(), config)
    }

    pub fn set(&self, nodes: std::ops::Range<usize>, fault: Option<Fault>) {
        self.0.nodes[nodes].iter().for_each(|node| *node.fault.lock().unwrap() = fault);
    }

    pub fn fail_dht(&self, times: u32) {
        *self.0.dht_failures.lock().unwrap() = times;
    }

    pub fn id(&self, node: usize) -> PublicKey {
        self.0.nodes[node].key.public_key()
    }

    /// Requests that a node was asked.
    pub fn asked(&self, node: usize) -> u64 {
        self.0.nodes[node].asked.load(Ordering::Relaxed)
    }

    /// Bytes of shards that all nodes have returned.
    pub fn served(&self) -> u64 {
        self.0.nodes.iter().map(|node| node.served.load(Ordering::Relaxed)).sum()
    }

    /// Takes a record out of the DHT.
    pub fn forget_record(&self, key: &RecordKey) {
        self.0.records.lock().unwrap().remove(key).expect("no such record");
    }

    /// All keys under which records lie.
    pub fn record_keys(&self) -> Vec<RecordKey> {
        self.0.records.lock().unwrap().keys().cloned().collect()
    }

    /// Puts a record in the place of another one.
    pub fn replace_record(&self, record: &SignedRecord) {
        self.0.records.lock().unwrap().insert(record.key().clone(), record.clone());
    }

    pub fn record(&self, key: &RecordKey) -> SignedRecord {
        self.0.records.lock().unwrap()[key].clone()
    }

    fn dht(&self) -> Result<(), DhtError> {
        let mut failures = self.0.dht_failures.lock().unwrap();
        if *failures == 0 {
            return Ok(());
        }
        *failures -= 1;
        Err(DhtError::Timeout)
    }

    /// The node, once it answers.
    async fn answer(&self, id: PublicKey) -> Result<(&Node, Option<Fault>), TransportError> {
        let node = self.0.nodes.iter().find(|node| node.key.public_key() == id).ok_or(TransportError::Unreachable)?;
        node.asked.fetch_add(1, Ordering::Relaxed);
        let fault = *node.fault.lock().unwrap();
        match fault {
            Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
            Some(Fault::Silent) => std::future::pending().await,
            Some(Fault::Refuses(code)) => return Err(TransportError::Refused(code)),
            Some(Fault::Busy(times)) => {
                *node.fault.lock().unwrap() = (times > 1).then(|| Fault::Busy(times - 1));
                return Err(TransportError::Refused(RefusalCode::Busy));
            }
            _ => {}
        }
        Ok((node, fault))
    }
}

impl Dht for Network {
    async fn put_record(&self, record: &SignedRecord) -> Result<usize, DhtError> {
        self.dht()?;
        let mut records = self.0.records.lock().unwrap();
        if records.get(record.key()).is_none_or(|known| record.supersedes(known)) {
            records.insert(record.key().clone(), record.clone());
        }
        Ok(self.0.nodes.len())
    }

    async fn get_record(&self, key: &RecordKey) -> Result<Option<SignedRecord>, DhtError> {
        self.dht()?;
        Ok(self.0.records.lock().unwrap().get(key).cloned())
    }

    async fn nodes(&self, _: &Digest) -> Result<Vec<NodeInfo>, DhtError> {
        self.dht()?;
        let info = |(n, node): (usize, &Node)| NodeInfo {
            id: node.key.public_key(),
            operator: OperatorId(n.to_le_bytes().to_vec()),
        };
        Ok(self.0.nodes.iter().enumerate().map(info).collect())
    }
}

impl ChunkTransport for Network {
    async fn put(&self, node: PublicKey, shards: &[Bytes], lease: Lease) -> Result<Vec<Receipt>, TransportError> {
        let (node, _) = self.answer(node).await?;
        let ids = node.store.put_batch(shards, lease).map_err(|_| TransportError::Refused(RefusalCode::Store))?;
        let sign = |(id, shard): (&ChunkId, &Bytes)| Receipt::sign(&node.key, *id, shard.len() as u32, lease.0);
        Ok(ids.iter().zip(shards).map(sign).collect())
    }

    async fn get(&self, node: PublicKey, shard: ChunkId) -> Result<Option<Bytes>, TransportError> {
        let (node, fault) = self.answer(node).await?;
        let found = node.store.get(&shard).map_err(|_| TransportError::Refused(RefusalCode::Store))?;
        node.served.fetch_add(found.as_ref().map_or(0, Bytes::len) as u64, Ordering::Relaxed);
        Ok(match fault {
            Some(Fault::Forgets) => None,
            Some(Fault::Lies) => found.map(|bytes| bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>().into()),
            _ => found,
        })
    }

    async fn has(&self, node: PublicKey, shards: &[ChunkId]) -> Result<Vec<bool>, TransportError> {
        let (node, _) = self.answer(node).await?;
        shards.iter().map(|id| node.store.contains(id).map_err(|_| TransportError::Unreachable)).collect()
    }

    async fn get_slice(
        &self,
        node: PublicKey,
        shard: ChunkId,
        range: std::ops::Range<u64>,
    ) -> Result<Option<Bytes>, TransportError> {
        let (node, fault) = self.answer(node).await?;
        let found = node.store.get(&shard).map_err(|_| TransportError::Refused(RefusalCode::Store))?;
        let slice = found.and_then(|bytes| slice::prove(&bytes, range).ok());
        node.served.fetch_add(slice.as_ref().map_or(0, Vec::len) as u64, Ordering::Relaxed);
        Ok(match fault {
            Some(Fault::Forgets) => None,
            Some(Fault::Lies) => slice.map(|bytes| bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>().into()),
            _ => slice.map(Bytes::from),
        })
    }

    async fn prove(&self, node: PublicKey, challenges: &[Challenge]) -> Result<Vec<Option<Bytes>>, TransportError> {
        let mut slices = Vec::new();
        for challenge in challenges {
            let start = u64::from(challenge.leaf) * slice::LEAF_LEN;
            slices.push(self.get_slice(node, challenge.shard, start..start + 1).await?);
        }
        Ok(slices)
    }

    async fn renew(
        &self,
        node: PublicKey,
        shards: &[ChunkId],
        lease: Lease,
    ) -> Result<Vec<Option<Receipt>>, TransportError> {
        let (node, _) = self.answer(node).await?;
        node.store.renew(shards, lease).map_err(|_| TransportError::Refused(RefusalCode::Store))?;
        let sign = |id: &ChunkId| {
            let length = node.store.get(id).ok().flatten()?.len();
            Some(Receipt::sign(&node.key, *id, length as u32, lease.0))
        };
        Ok(shards.iter().map(sign).collect())
    }
}
