//! What this crate needs of a DHT. [`NodeHandle`](super::NodeHandle) is the libp2p one; bring your own by this trait.

use cpchain_crypto::Digest;

use super::{
    placement::NodeInfo,
    record::{RecordError, RecordKey, SignedRecord},
};

/// Why the DHT did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DhtError {
    /// No storage node is known or reachable.
    #[error("no storage node is reachable: join the network through an address of a running node")]
    NoNodes,
    /// Fewer nodes than needed took the record.
    #[error("{copies} of at least {needed} nodes took the record: try again")]
    TooFewCopies {
        /// Nodes that keep it now.
        copies: usize,
        /// Nodes that should have.
        needed: usize,
    },
    /// The record itself is at fault.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The lookup took too long.
    #[error("the lookup timed out: try again, or join through more nodes")]
    Timeout,
    /// The node behind this handle was stopped.
    #[error("the node was stopped")]
    Stopped,
}

/// A distributed table of [`SignedRecord`]s, and the directory of the nodes that hold shards.
///
/// Cancelling any of these futures is safe; a cancelled put may still take place.
pub trait Dht: Send + Sync {
    /// Publishes a record, and returns how many nodes keep it for certain.
    ///
    /// # Errors
    /// [`DhtError::Record`] with [`RecordError::Stale`] when a newer one is out already. After an error some nodes may keep the
    /// record all the same; publishing it again is safe.
    fn put_record(&self, record: &SignedRecord) -> impl Future<Output = Result<usize, DhtError>> + Send;

    /// The newest record under a key that enough nodes know, verified; `None` if nobody has one.
    ///
    /// # Errors
    /// [`DhtError`], but never for what some node has answered: wrong answers are passed over.
    fn get_record(&self, key: &RecordKey) -> impl Future<Output = Result<Option<SignedRecord>, DhtError>> + Send;

    /// The storage nodes known, among them those close to a point of the key space; the closest first, as the DHT measures it,
    /// so that all who ask for one point find much the same nodes in front.
    ///
    /// # Errors
    /// [`DhtError::NoNodes`] rather than an empty list.
    fn nodes(&self, near: &Digest) -> impl Future<Output = Result<Vec<NodeInfo>, DhtError>> + Send;
}

impl<D: Dht> Dht for &D {
    fn put_record(&self, record: &SignedRecord) -> impl Future<Output = Result<usize, DhtError>> + Send {
        (**self).put_record(record)
    }

    fn get_record(&self, key: &RecordKey) -> impl Future<Output = Result<Option<SignedRecord>, DhtError>> + Send {
        (**self).get_record(key)
    }

    fn nodes(&self, near: &Digest) -> impl Future<Output = Result<Vec<NodeInfo>, DhtError>> + Send {
        (**self).nodes(near)
    }
}
