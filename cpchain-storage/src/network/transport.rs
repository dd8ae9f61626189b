//! What this crate needs to move shards. [`NodeHandle`](super::NodeHandle) does it over libp2p; bring your own by this trait.

use std::ops::Range;

use bytes::Bytes;
use cpchain_crypto::PublicKey;

use super::{receipt::Receipt, wire::RefusalCode};
use crate::{
    chunk::{ChunkId, Lease},
    slice,
};

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

impl TransportError {
    /// May the same node do it a little later?
    pub(crate) const fn is_passing(self) -> bool {
        matches!(self, Self::Unreachable | Self::Timeout | Self::Refused(RefusalCode::Busy))
    }
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

    /// What `node` returns as the slice of a shard that proves `range` of it, **not verified**; `None` if it says that it has
    /// no such shard or range. [`get_range`](Self::get_range) verifies it.
    ///
    /// # Errors
    /// [`TransportError`]; `TooMuch` for a range that no chunk has.
    fn get_slice(
        &self,
        node: PublicKey,
        shard: ChunkId,
        range: Range<u64>,
    ) -> impl Future<Output = Result<Option<Bytes>, TransportError>> + Send;

    /// The bytes of `range` of a shard of `length` bytes, **verified**; `None` if `node` says that it has no such shard.
    ///
    /// # Errors
    /// [`TransportError`]; `BadAnswer` for a slice that does not verify.
    fn get_range(
        &self,
        node: PublicKey,
        shard: ChunkId,
        length: u64,
        range: Range<u64>,
    ) -> impl Future<Output = Result<Option<Bytes>, TransportError>> + Send {
        async move {
            let Some(slice) = self.get_slice(node, shard, range.clone()).await? else { return Ok(None) };
            let bytes = slice::verify(&shard, length, range, &slice).map_err(|_| TransportError::BadAnswer)?;
            Ok(Some(bytes.into()))
        }
    }

    /// For each challenge the slice that `node` returns for it, **not verified**; `None` where it says that it has no such
    /// shard or leaf. At most [`MAX_ITEMS`](super::MAX_ITEMS).
    ///
    /// # Errors
    /// [`TransportError`].
    fn prove(
        &self,
        node: PublicKey,
        challenges: &[Challenge],
    ) -> impl Future<Output = Result<Vec<Option<Bytes>>, TransportError>> + Send;

    /// Has `node` keep shards until `lease` at least, and returns its new receipts; `None` for a shard that it has not.
    /// The signatures are verified, and the receipts are for these shards. At most [`MAX_ITEMS`](super::MAX_ITEMS).
    ///
    /// # Errors
    /// [`TransportError`]; the node may keep some of the shards longer all the same.
    fn renew(
        &self,
        node: PublicKey,
        shards: &[ChunkId],
        lease: Lease,
    ) -> impl Future<Output = Result<Vec<Option<Receipt>>, TransportError>> + Send;
}

impl<T: ChunkTransport> ChunkTransport for &T {
    fn put(
        &self,
        node: PublicKey,
        shards: &[Bytes],
        lease: Lease,
    ) -> impl Future<Output = Result<Vec<Receipt>, TransportError>> + Send {
        (**self).put(node, shards, lease)
    }

    fn get(
        &self,
        node: PublicKey,
        shard: ChunkId,
    ) -> impl Future<Output = Result<Option<Bytes>, TransportError>> + Send {
        (**self).get(node, shard)
    }

    fn has(
        &self,
        node: PublicKey,
        shards: &[ChunkId],
    ) -> impl Future<Output = Result<Vec<bool>, TransportError>> + Send {
        (**self).has(node, shards)
    }

    fn get_slice(
        &self,
        node: PublicKey,
        shard: ChunkId,
        range: Range<u64>,
    ) -> impl Future<Output = Result<Option<Bytes>, TransportError>> + Send {
        (**self).get_slice(node, shard, range)
    }

    fn prove(
        &self,
        node: PublicKey,
        challenges: &[Challenge],
    ) -> impl Future<Output = Result<Vec<Option<Bytes>>, TransportError>> + Send {
        (**self).prove(node, challenges)
    }

    fn renew(
        &self,
        node: PublicKey,
        shards: &[ChunkId],
        lease: Lease,
    ) -> impl Future<Output = Result<Vec<Option<Receipt>>, TransportError>> + Send {
        (**self).renew(node, shards, lease)
    }
}

/// One leaf of a shard, to be proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Challenge {
    /// The shard.
    pub shard: ChunkId,
    /// The number of the leaf of [`LEAF_LEN`](slice::LEAF_LEN) bytes.
    pub leaf: u32,
}
