//! How nodes reach each other: best effort, authenticated, bounded.

mod libp2p;
mod peer;
mod swarm;

use async_trait::async_trait;
use bytes::Bytes;
use cpchain_crypto::PublicKey;

pub use self::libp2p::{Libp2pConfig, Libp2pNetwork, NetworkError};

/// What gossip is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// VALIDATE messages: C-certificates.
    Validate,
    /// Transactions on their way to the proposers.
    Transactions,
}

/// Names a gossip message to [`Network::judge`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub(crate) id: Vec<u8>,
    pub(crate) source: Vec<u8>,
}

impl Receipt {
    /// A receipt that an own implementation of [`Network`] gives out: what it needs to find the message again.
    pub const fn new(id: Vec<u8>, source: Vec<u8>) -> Self {
        Self { id, source }
    }
}

/// What becomes of a gossip message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Pass it on.
    Accept,
    /// Keep it here.
    Ignore,
    /// Keep it here and think worse of the neighbour that sent it.
    Reject,
}

/// Something that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// Sent to this node by [`Network::send`].
    Direct {
        /// The authenticated sender.
        from: PublicKey,
        /// What it sent.
        bytes: Bytes,
    },
    /// Spread by [`Network::gossip`]. It travels on only when it is judged.
    Gossip {
        /// The authenticated neighbour that handed it over.
        from: PublicKey,
        /// What it is about.
        topic: Topic,
        /// What was spread.
        bytes: Bytes,
        /// For [`Network::judge`].
        receipt: Receipt,
    },
}

/// Links to the other nodes. Messages may be lost, doubled, delayed and reordered; they are never altered, and the sender
/// is authenticated by its key. LBFT repeats what matters.
#[async_trait]
pub trait Network: Send + 'static {
    /// Queues a message of at most [`MAX_MESSAGE`](crate::lbft::MAX_MESSAGE) bytes for one node. Never waits: without a
    /// way to the node, or with a full queue, the message is dropped.
    fn send(&mut self, to: &PublicKey, message: Bytes);

    /// Queues a message for every node. Never waits; bytes that were spread before cost nothing.
    fn gossip(&mut self, topic: Topic, message: Bytes);

    /// Says what becomes of a gossip message that [`next`](Self::next) gave out.
    fn judge(&mut self, receipt: Receipt, verdict: Verdict);

    /// The next message; `None` after the network has ended. Cancelling it loses nothing.
    async fn next(&mut self) -> Option<Received>;

    /// Closes all links and ends all tasks before it returns. Called once, last.
    async fn stop(&mut self);
}
