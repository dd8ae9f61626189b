//! Settings of a client.

use std::{fmt, sync::Arc, time::Duration};

use cpchain_crypto::Digest;

/// How far a put or get is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The object.
    pub object: Digest,
    /// Chunks that are stored, or fetched and verified.
    pub chunks_done: usize,
    /// Chunks that it has.
    pub chunks: usize,
}

/// Settings of a [`StorageClient`](super::StorageClient). Start from [`Default`] and change what you must.
#[derive(Clone)]
pub struct ClientConfig {
    /// Chunks of an object that are under way at once; each takes about 4 MiB.
    pub parallel_chunks: usize,
    /// Shards asked for beyond those that are enough, so that slow nodes do not decide.
    pub extra_shards: usize,
    /// The most time for one shard of a get.
    pub shard_timeout: Duration,
    /// The most time for one node of a put to make its shards durable.
    pub put_timeout: Duration,
    /// When nothing has arrived for so long, a get asks for further shards without waiting for the time-out.
    pub hedge_after: Duration,
    /// Called after each chunk.
    pub progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            parallel_chunks: 4,
            extra_shards: 3,
            shard_timeout: Duration::from_secs(5),
            put_timeout: Duration::from_secs(10),
            hedge_after: Duration::from_millis(400),
            progress: None,
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("parallel_chunks", &self.parallel_chunks)
            .field("extra_shards", &self.extra_shards)
            .field("shard_timeout", &self.shard_timeout)
            .field("put_timeout", &self.put_timeout)
            .field("hedge_after", &self.hedge_after)
            .finish_non_exhaustive()
    }
}
