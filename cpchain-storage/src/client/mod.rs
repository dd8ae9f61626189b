//! Puts objects into the network and gets them back; publishes what belongs to them.
//!
//! | you want to | call |
//! | --- | --- |
//! | store an object | [`StorageClient::put_object`] |
//! | get it back | [`StorageClient::get_object`] |
//! | publish an upload | [`StorageClient::publish_manifest`], [`StorageClient::publish_correspondence`] |
//! | find an upload | [`StorageClient::manifest`], [`StorageClient::correspondence`] |
//! | keep it longer | [`StorageClient::renew_object`]; without being its owner: [`StorageClient::renew_leases`] |
//! | rebuild what hosts have lost | [`StorageClient::repair_object`] |
//! | know how nodes behaved | [`StorageClient::scores`] |
//!
//! | rule | test |
//! | --- | --- |
//! | Every byte is checked by the shard's and the chunk's root before it is returned | `a_lying_node_is_survived_and_scored` |
//! | A put succeeds only with receipts for so many shards of each chunk that repair is not yet due: data + 70 % of the rest | `too_few_nodes_fail_a_put` |
//! | A dead node's shards go to other nodes during a put, and are replaced by other shards during a get | `three_of_twelve_stopped` |
//! | A get asks for data + 3 shards at once, uses the first that are good, and drops what is still under way | `a_silent_node_is_survived` |

mod config;
mod get;
mod heal;
mod publish;
mod put;
mod score;

use std::sync::Arc;

use cpchain_crypto::PublicKey;

pub use self::{
    config::{ClientConfig, Progress},
    heal::Renewed,
    put::Stored,
    score::NodeScore,
};
use crate::{
    erasure::ErasureError,
    manifest::ManifestError,
    network::{ChunkTransport, Dht, DhtError, RecordError},
    repair::RepairError,
};

/// Why an object or record was not stored or not found.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The DHT failed.
    #[error(transparent)]
    Dht(#[from] DhtError),
    /// The object cannot be coded, or its shards do not make it.
    #[error(transparent)]
    Erasure(#[from] ErasureError),
    /// A manifest that was found does not verify.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Too few nodes took shards of a chunk.
    #[error("{placed} of at least {needed} shards were taken: wait for more storage nodes and put the object again")]
    TooFewPlaced {
        /// Shards with a receipt.
        placed: usize,
        /// Shards that a put needs.
        needed: usize,
    },
    /// Nodes refuse the lease.
    #[error("the storage nodes do not give this lease: ask for a shorter one that has not ended")]
    LeaseRefused,
    /// Too few good shards of a chunk can be had now.
    #[error("{found} of {needed} shards of chunk {chunk} can be had: try again later, or have the object repaired")]
    TooFewShards {
        /// The chunk.
        chunk: usize,
        /// Good shards found.
        found: usize,
        /// Shards that are enough.
        needed: usize,
    },
    /// The chunks are right but the object is not: its owner signed a wrong reference.
    #[error("the chunks do not make the object that its owner signed: the object is worthless")]
    WrongObject,
    /// A group of chunks was not repaired.
    #[error(transparent)]
    Repair(#[from] RepairError),
    /// The runtime ended while work was under way.
    #[error("the runtime is shutting down")]
    ShuttingDown,
}

impl From<RecordError> for ClientError {
    fn from(error: RecordError) -> Self {
        Self::Dht(error.into())
    }
}

/// Puts and gets objects over any [`Dht`] and [`ChunkTransport`]. Clones share the scores of nodes.
#[derive(Debug, Clone)]
pub struct StorageClient<D, T = D> {
    dht: D,
    transport: T,
    config: ClientConfig,
    scores: Arc<score::Scores>,
}

impl<N: Dht + ChunkTransport + Clone> StorageClient<N> {
    /// A client over one node, as a rule a light one.
    pub fn over(node: N, config: ClientConfig) -> Self {
        Self::new(node.clone(), node, config)
    }
}

impl<D: Dht, T: ChunkTransport> StorageClient<D, T> {
    /// A client over a DHT and a transport.
    pub fn new(dht: D, transport: T, config: ClientConfig) -> Self {
        Self { dht, transport, config, scores: Arc::default() }
    }

    /// The DHT underneath.
    pub fn dht(&self) -> &D {
        &self.dht
    }

    /// How the nodes behaved so far, by their keys.
    pub fn scores(&self) -> Vec<(PublicKey, NodeScore)> {
        self.scores.all()
    }

    fn report(&self, progress: Progress) {
        if let Some(listener) = &self.config.progress {
            listener(progress);
        }
    }
}

/// Runs blocking work beside the runtime.
async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Result<R, ClientError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ClientError::ShuttingDown)
}
