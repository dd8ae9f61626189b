//! What this crate needs to move shards. [`NodeHandle`](super::NodeHandle) does it over libp2p; bring your own by this trait.

use bytes::Bytes;
use cpchain_crypto::PublicKey;

use super::{receipt::Receipt, wire::RefusalCode};
use crate::chunk::{ChunkId, Lease};

/// Why a storage node did not do what it was asked. All but `TooMuch` and `Stopped` mean: try another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The node cannot be reached.
    #[error("the storage node cannot be reached")]
    Unreachable,
    /// No answer in time.
    #[error("the storage node did not answer in time")]
    Timeout,
    /// The node says no.
    #[error("the storage node refused: {0:?}")]
    Refused(RefusalCode),
    /// The answer is not one to the question.
    #[error("the storage node gave an answer that does not fit the question")]
    BadAnswer,
    /// More shards or bytes than one request may have.
    #[error("too much for one request: at most 64 shards and 1 MiB")]
    TooMuch,
    /// The node behind this handle was stopped.
    #[error("the node was stopped")]
    Stopped,
}

/// Moves shards to and from storage nodes. Cancelling a future is safe; a cancelled put may still take place.
pub trait ChunkTransport: Send + Sync {
    /// Hands shards over to `node`. Once it returns, the node has them on disk and has signed for each, in their order.
    ///
    /// At most [`MAX_ITEMS`](super::MAX_ITEMS) shards of [`MAX_PUT_BYTES`](super::MAX_PUT_BYTES) together. The signatures are
    /// verified, and the receipts are for these shards; putting a shard again extends its lease.
    ///
    /// # Errors
    /// [`TransportError`]; the node may keep some of the shards all the same.
    fn put(
        &self,
        node: PublicKey,
        shards: &[Bytes],
        lease: Lease,
    ) -> impl Future<Output = Result<Vec<Receipt>, TransportError>> + Send;

    /// The bytes that `node` returns for a shard, **not verified**; `None` if it says it has none.
    ///
    /// # Errors
    /// [`TransportError`].
    fn get(
        &self,
        node: PublicKey,
        shard: ChunkId,
    ) -> impl Future<Output = Result<Option<Bytes>, TransportError>> + Send;

    /// Which of the shards `node` says it has, in their order. At most [`MAX_ITEMS`](super::MAX_ITEMS).
    ///
    /// # Errors
    /// [`TransportError`].
    fn has(
        &self,
        node: PublicKey,
        shards: &[ChunkId],
    ) -> impl Future<Output = Result<Vec<bool>, TransportError>> + Send;
}
