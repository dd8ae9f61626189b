//! Settings of a client.

use std::{fmt, sync::Arc, time::Duration};

use super::RetryPolicy;

/// How far a put or get is. Told after each chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the object that are stored, or fetched and verified.
    pub bytes_done: u64,
    /// Bytes that it has, or that were asked for; not known while a stream is put.
    pub bytes: Option<u64>,
    /// Chunks that are stored, or fetched and verified.
    pub chunks_done: u64,
    /// Nodes that hold shards of the last chunk, or that it came from.
    pub hosts: usize,
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
    /// When no receipt has arrived for so long, a put offers what slow nodes have not signed for to others too. Once enough
    /// shards of a chunk are placed it waits so long for the rest, gives the slow nodes up, and offers theirs to others, once.
    pub put_grace: Duration,
    /// When what failed in passing (no answer, no node, too busy) is tried again.
    pub retry: RetryPolicy,
    /// Makes the pauses between attempts the same every time. `None`: random.
    pub jitter_seed: Option<u64>,
    /// Called after each chunk. It should return soon: it runs in the task that puts or gets.
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
            put_grace: Duration::from_secs(1),
            retry: RetryPolicy::default(),
            jitter_seed: None,
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
            .field("put_grace", &self.put_grace)
            .field("retry", &self.retry)
            .field("jitter_seed", &self.jitter_seed)
            .finish_non_exhaustive()
    }
}
