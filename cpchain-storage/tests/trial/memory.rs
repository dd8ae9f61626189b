//! A network without sockets: hosts with vices, a DHT that knows the twenty closest and some others, dead ones among them.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey, Signer, SigningKey};
use cpchain_storage::{
    ChunkId, Lease,
    network::{
        Challenge, ChunkTransport, Dht, DhtError, NodeInfo, OperatorId, Receipt, RecordError, RecordKey, RefusalCode,
        SignedRecord, TransportError,
    },
    slice,
};

use crate::net::now_ms;

/// What a host does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    Honest,
    /// Keeps its shards and answers with other bytes.
    Lies,
    /// Takes shards, then never answers.
    Stalls,
    /// Signs for shards and keeps nothing.
    Forgets,
    Dead,
}

struct Host {
    key: SigningKey,
    conduct: Conduct,
    shards: HashMap<ChunkId, (Bytes, Lease)>,
}

#[derive(Default)]
struct Inner {
    hosts: BTreeMap<PublicKey, Host>,
    records: HashMap<RecordKey, SignedRecord>,
}

/// The network; clones are the same one, seen by others.
#[derive(Clone, Default)]
pub struct Memory {
    inner: Arc<Mutex<Inner>>,
    viewer: u8,
}

impl Memory {
    pub fn new(count: u16, conduct: impl Fn(u16) -> Conduct) -> Self {
        let net = Self::default();
        for n in 0..count {
            let mut seed = [7; 32];
            seed[..2].copy_from_slice(&n.to_le_bytes());
            let key = SigningKey::from_seed(&seed);
            let host = Host { conduct: conduct(n), key, shards: HashMap::new() };
            net.lock().hosts.insert(host.key.public_key(), host);
        }
        net
    }

    pub fn seen_by(&self, viewer: u8) -> Self {
        Self { viewer, ..self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn living(&self) -> Vec<PublicKey> {
        let inner = self.lock();
        inner.hosts.iter().filter(|(_, host)| host.conduct != Conduct::Dead).map(|(id, _)| *id).collect()
    }

    pub fn kill(&self, node: &PublicKey) {
        self.lock().hosts.get_mut(node).unwrap().conduct = Conduct::Dead;
    }

    /// The ends of the leases of a shard, wherever it is.
    pub fn leases(&self, shard: &ChunkId) -> Vec<Lease> {
        self.lock().hosts.values().filter_map(|host| Some(host.shards.get(shard)?.1)).collect()
    }

    fn ask<R>(
        &self,
        node: PublicKey,
        answer: impl FnOnce(&mut Host) -> Result<R, TransportError>,
    ) -> Result<R, TransportError> {
        let mut inner = self.lock();
        let host = inner.hosts.get_mut(&node).ok_or(TransportError::Unreachable)?;
        match host.conduct {
            Conduct::Dead => Err(TransportError::Unreachable),
            _ => answer(host),
        }
    }

    /// The bytes that a host answers from.
    fn bytes(&self, node: PublicKey, shard: &ChunkId) -> Result<Option<Bytes>, TransportError> {
        self.ask(node, |host| {
            let kept = host.shards.get(shard).map(|(bytes, _)| bytes.clone());
            match host.conduct {
                Conduct::Stalls => Err(TransportError::Timeout),
                Conduct::Lies => Ok(kept.map(|bytes| bytes.iter().map(|byte| byte ^ 1).collect())),
                _ => Ok(kept),
            }
        })
    }
}

impl Dht for Memory {
    async fn put_record(&self, record: &SignedRecord) -> Result<usize, DhtError> {
        let record = SignedRecord::decode(record.to_bytes(), now_ms())?;
        let mut inner = self.lock();
        if let Some(known) = inner.records.get(record.key())
            && known.supersedes(&record)
        {
            return Err(RecordError::Stale { known: known.sequence() }.into());
        }
        inner.records.insert(record.key().clone(), record);
        Ok(1)
    }

    async fn get_record(&self, key: &RecordKey) -> Result<Option<SignedRecord>, DhtError> {
        Ok(self.lock().records.get(key).cloned())
    }

    async fn nodes(&self, near: &Digest) -> Result<Vec<NodeInfo>, DhtError> {
        let inner = self.lock();
        let far = |id: &PublicKey| {
            let at = Digest::content(&id.0);
            std::array::from_fn::<u8, 32, _>(|i| at.0[i] ^ near.0[i])
        };
        let mut all: Vec<&PublicKey> = inner.hosts.keys().collect();
        all.sort_by_key(|id| far(id));
        let lives = |id: &PublicKey| inner.hosts[id].conduct != Conduct::Dead;
        // The twenty closest of those that answer, and whoever else this viewer happens to know, also of old.
        let mut known: Vec<&PublicKey> = all.iter().copied().filter(|id| lives(id)).take(20).collect();
        let by_chance = |id: &&PublicKey| Digest::content(&[&id.0[..], &[self.viewer]].concat()).0[0].is_multiple_of(2);
        known.extend(all.into_iter().filter(by_chance));
        known.sort_by_key(|id| far(id));
        known.dedup();
        Ok(known.into_iter().map(|id| NodeInfo { id: *id, operator: OperatorId(id.0.to_vec()) }).collect())
    }
}

impl ChunkTransport for Memory {
    async fn put(&self, node: PublicKey, shards: &[Bytes], lease: Lease) -> Result<Vec<Receipt>, TransportError> {
        self.ask(node, |host| {
            let keep = |shard: &Bytes| {
                let id = ChunkId::of(shard);
                if host.conduct != Conduct::Forgets {
                    let kept = host.shards.entry(id).or_insert_with(|| (shard.clone(), lease));
                    kept.1 = kept.1.max(lease);
                }
                Receipt::sign(&host.key, id, shard.len() as u32, lease.0)
            };
            Ok(shards.iter().map(keep).collect())
        })
    }

    async fn get(&self, node: PublicKey, shard: ChunkId) -> Result<Option<Bytes>, TransportError> {
        self.bytes(node, &shard)
    }

    async fn has(&self, node: PublicKey, shards: &[ChunkId]) -> Result<Vec<bool>, TransportError> {
        self.ask(node, |host| Ok(shards.iter().map(|id| host.shards.contains_key(id)).collect()))
    }

    async fn get_slice(
        &self,
        node: PublicKey,
        shard: ChunkId,
        range: Range<u64>,
    ) -> Result<Option<Bytes>, TransportError> {
        Ok(self.bytes(node, &shard)?.and_then(|bytes| slice::prove(&bytes, range).ok()).map(Bytes::from))
    }

    async fn prove(&self, node: PublicKey, challenges: &[Challenge]) -> Result<Vec<Option<Bytes>>, TransportError> {
        let slices = challenges.iter().map(|challenge| {
            let start = u64::from(challenge.leaf) * slice::LEAF_LEN;
            let bytes = self.bytes(node, &challenge.shard)?;
            Ok(bytes.and_then(|bytes| slice::prove(&bytes, start..start + 1).ok()).map(Bytes::from))
        });
        slices.collect()
    }

    async fn renew(
        &self,
        node: PublicKey,
        shards: &[ChunkId],
        lease: Lease,
    ) -> Result<Vec<Option<Receipt>>, TransportError> {
        self.ask(node, |host| {
            if lease.0 < now_ms() {
                return Err(TransportError::Refused(RefusalCode::Lease));
            }
            let renew = |id: &ChunkId| {
                let (bytes, until) = host.shards.get_mut(id)?;
                *until = lease.max(*until);
                Some(Receipt::sign(&host.key, *id, bytes.len() as u32, lease.0))
            };
            Ok(shards.iter().map(renew).collect())
        })
    }
}
