//! Nodes, clients and owners on loopback.
#![allow(dead_code, unreachable_pub)]

pub mod gate;
pub mod promises;
pub mod server;

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey, Signer, SigningKey};
use cpchain_otp::{
    Client, NodeConfig, NodeHandle, NodeParts, ProxyNode, Signed,
    access::{MemoryGrants, MemoryRegistry},
    backend::{Backend, BackendError, BackendWriter, MemoryBackend},
    records::{Grant, GrantKind, Label},
};

pub const STREAM: Digest = Digest([7; 32]);

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub fn data(size: usize) -> Bytes {
    (0..size).map(|i| (i / 257) as u8 ^ i as u8).collect::<Vec<_>>().into()
}

/// What the chain says, to every node alike, and the owner who says it.
pub struct World {
    pub registry: Arc<MemoryRegistry>,
    pub grants: Arc<MemoryGrants>,
    pub owner: SigningKey,
}

impl World {
    pub fn new() -> Self {
        Self { registry: Arc::default(), grants: Arc::default(), owner: key(1) }
    }

    pub fn parts(&self) -> NodeParts {
        self.parts_over(Arc::new(MemoryBackend::new()))
    }

    pub fn parts_over(&self, backend: Arc<dyn Backend>) -> NodeParts {
        NodeParts::new(backend, self.registry.clone(), self.grants.clone())
    }

    /// Labels an object as intervals 0..8 of [`STREAM`].
    pub fn label(&self, root: Digest, public: bool) {
        let label = Label { owner: self.owner.public_key(), root, stream: STREAM, intervals: 0..8, public };
        self.registry.label(Signed::sign(label, &self.owner).unwrap()).unwrap();
    }

    pub fn grant(&self, grantee: PublicKey, kind: GrantKind) -> Grant {
        Grant {
            owner: self.owner.public_key(),
            grantee,
            stream: STREAM,
            intervals: 0..8,
            proxies: Default::default(),
            kind,
            expires_ms: None,
            expires_height: None,
            order: None,
            nonce: 0,
        }
    }

    pub fn sign(&self, grant: Grant) -> Signed<Grant> {
        Signed::sign(grant, &self.owner).unwrap()
    }
}

pub async fn node(seed: u8, parts: NodeParts) -> NodeHandle {
    ProxyNode::start(NodeConfig::default(), &[seed; 32], parts).await.unwrap()
}

pub async fn client(seed: u8, node: &NodeHandle) -> Client {
    Client::connect(&node.address(), &[seed; 32]).await.unwrap()
}

/// Counts what is read of a backend.
pub struct Metered<B> {
    pub inner: B,
    pub total: AtomicU64,
    pub longest: AtomicU64,
}

impl<B> Metered<B> {
    pub fn new(inner: B) -> Arc<Self> {
        Arc::new(Self { inner, total: AtomicU64::new(0), longest: AtomicU64::new(0) })
    }

    pub fn read_so_far(&self) -> u64 {
        self.total.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl<B: Backend> Backend for Metered<B> {
    async fn len(&self, key: &str) -> Result<Option<u64>, BackendError> {
        self.inner.len(key).await
    }

    async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, BackendError> {
        self.total.fetch_add(range.end - range.start, Ordering::SeqCst);
        self.longest.fetch_max(range.end - range.start, Ordering::SeqCst);
        self.inner.read(key, range).await
    }

    async fn write(&self, key: &str) -> Result<Box<dyn BackendWriter>, BackendError> {
        self.inner.write(key).await
    }

    async fn delete(&self, key: &str) -> Result<(), BackendError> {
        self.inner.delete(key).await
    }
}
