//! Puts objects into the network and gets them back; publishes what belongs to them.
//!
//! | you want to | call |
//! | --- | --- |
//! | store an object | [`StorageClient::put_object`]; of any length: [`StorageClient::put_reader`] |
//! | get it back | [`StorageClient::get_object`]; of any length: [`StorageClient::get_to`] |
//! | get a part of it | [`StorageClient::get_range`] |
//! | publish an upload | [`StorageClient::publish_manifest`], [`StorageClient::publish_correspondence`] |
//! | find an upload | [`StorageClient::manifest`], [`StorageClient::correspondence`] |
//! | read intervals of a stream, with a voucher in hand | [`StorageClient::read_intervals`] |
//! | keep it longer | [`StorageClient::renew_object`]; without being its owner: [`StorageClient::renew_leases`] |
//! | rebuild what hosts have lost | [`StorageClient::repair_object`] |
//! | know how nodes behaved | [`StorageClient::scores`] |
//!
//! Memory is bounded by [`ClientConfig::parallel_chunks`], not by the length of an object, in all calls that do not return the
//! object itself. Every call may be cancelled by dropping its future.
//!
//! | rule | test |
//! | --- | --- |
//! | Every byte is checked before it is returned: a shard, or a slice of one, against its id; a decoded shard too; a whole object against its root | `a_lying_node_is_survived_and_scored`, `ranges_come_from_any_ten_shards` |
//! | A put succeeds only with receipts for so many shards of each chunk that repair is not yet due: data + 70 % of the rest | `too_few_nodes_fail_a_put` |
//! | A dead node's shards go to other nodes during a put, and are replaced by other shards during a get | `three_of_twelve_stopped` |
//! | A get asks for data + 3 shards at once, uses the first that are good, and drops what is still under way | `a_silent_node_is_survived`, `a_get_does_not_wait_for_silent_nodes` |
//! | Shards that are not where the record says are looked for near their points, again while anybody there is silent | `those_near_a_shard_are_asked_again_while_they_are_busy` |
//! | A put waits [`put_grace`](ClientConfig::put_grace) beyond what is enough, then gives slow nodes up: their shards go to others | `slow_nodes_are_given_up_by_a_put` |
//! | What fails in passing is tried again after a pause with jitter, what is refused is not | `busy_nodes_are_asked_again`, `a_refusal_is_not_repeated` |
//! | The chunks of a page of 64 are placed by the root of the first of them | `each_page_has_a_group_of_its_own` |

mod config;
mod fetch;
mod get;
mod heal;
mod intervals;
mod layout;
mod place;
mod publish;
mod put;
mod retry;
mod score;
mod source;

use std::sync::{Arc, Mutex, PoisonError};

use cpchain_crypto::{Digest, PublicKey};

pub use self::{
    config::{ClientConfig, Progress},
    heal::Renewed,
    intervals::{IntervalError, IntervalPart},
    layout::Page,
    put::{Stored, StoredChunk},
    retry::RetryPolicy,
    score::NodeScore,
};
use crate::{
    erasure::{Coder, ErasureError, ErasureParams},
    manifest::ManifestError,
    network::{ChunkTransport, Dht, DhtError, NodeInfo, RecordError, RecordKey, SignedRecord},
    object::{CHUNK_LEN, MAX_LISTED_CHUNKS},
    repair::RepairError,
};

/// Bytes of the longest object, or part of one, that is put or returned in one piece: 1 GiB.
const MAX_IN_MEMORY: u64 = (MAX_LISTED_CHUNKS * CHUNK_LEN) as u64;

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
        chunk: u64,
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
    /// There are no such bytes in the object.
    #[error("the object has {length} bytes: the range goes beyond them, or ends before it begins")]
    Range {
        /// Bytes of the object.
        length: u64,
    },
    /// What is put cannot be read, or what was got not written.
    #[error("reading or writing the object's bytes failed: {0}")]
    Io(#[source] std::io::Error),
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
    jitter: Arc<retry::Jitter>,
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
        let jitter = Arc::new(retry::Jitter::new(config.jitter_seed));
        Self { dht, transport, config, scores: Arc::default(), jitter }
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

    async fn put_record(&self, record: &SignedRecord) -> Result<usize, ClientError> {
        self.persist(|| self.dht.put_record(record)).await
    }

    async fn get_record(&self, key: &RecordKey) -> Result<Option<SignedRecord>, ClientError> {
        self.persist(|| self.dht.get_record(key)).await
    }

    async fn nodes(&self, near: &Digest) -> Result<Vec<NodeInfo>, ClientError> {
        self.persist(|| self.dht.nodes(near)).await
    }

    /// Asks the DHT, again after a pause while it fails in passing.
    async fn persist<R, F: Future<Output = Result<R, DhtError>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<R, ClientError> {
        let mut failed = 0;
        loop {
            let why = match call().await {
                Ok(result) => return Ok(result),
                Err(why @ (DhtError::Record(_) | DhtError::Stopped)) => return Err(why.into()),
                Err(why) => why,
            };
            failed += 1;
            let Some(pause) = self.config.retry.pause(failed, self.jitter.next()) else { return Err(why.into()) };
            tracing::debug!(%why, ?pause, "the DHT is asked again");
            tokio::time::sleep(pause).await;
        }
    }
}

/// Coders of one object that are not in use: each keeps megabytes of working memory.
struct Coders {
    params: ErasureParams,
    idle: Arc<Mutex<Vec<Coder>>>,
}

impl Coders {
    fn new(params: ErasureParams) -> Self {
        Self { params, idle: Arc::default() }
    }

    const fn params(&self) -> ErasureParams {
        self.params
    }

    /// Runs the work of a coder beside the runtime.
    async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Coder) -> R + Send + 'static,
    ) -> Result<R, ClientError> {
        let (idle, params) = (Arc::clone(&self.idle), self.params);
        let work = move || {
            let coder = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut coder = coder.unwrap_or_else(|| Coder::new(params));
            let result = work(&mut coder);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(coder);
            result
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| ClientError::ShuttingDown)
    }
}
