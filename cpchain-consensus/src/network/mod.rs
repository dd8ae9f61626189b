//! How nodes reach each other: best effort, authenticated, bounded.
//!
//! # Rules of [`Libp2pNetwork`], and the tests that hold them
//! - A link proves the key at its other end, and only peers of one chain and one [`PROTOCOL_VERSION`] hear each other
//!   (`tests/network_guard.rs`: `another_version_is_refused`).
//! - What waits for the node is bounded in number and in bytes; members are heard before others, and the
//!   transactions that they pass on for anybody take no room of what they say (`inbox.rs`).
//! - A peer sends at most its [`Rate`]: faster streams are slowed down, faster gossip is dropped (`limits.rs`). What
//!   it may send is kept by its key: another stream or connection gives no more, and the rate is that of what the peer is
//!   now (`allowance.rs`).
//! - Rubbish, oversize frames and messages that no honest node sends count against the neighbour that sent them, up to a
//!   ban (`score.rs`; `rubbish_is_banned`).
//! - Strangers share a bounded number of places; a known peer always has its own (`known_peers_have_their_places`).
//! - Connections that are not set up in three seconds are closed, and one address has few of them at a time
//!   (`silent_connections_keep_nobody_out`).
//! - Subscriptions to gossip topics other than the two of the chain are not remembered (`swarm.rs`:
//!   `other_topics_are_not_remembered`).
//! - Overload turns the white list on, see [`WhiteList`] (`whitelist.rs`; `a_flooded_node_keeps_finalising`); a few dropped
//!   messages are no overload (`guard.rs`).
//! - Peers that are away are dialled again, less and less often (`backoff.rs`); a link whose other end is silent is closed.

mod allowance;
mod backoff;
mod gate;
mod guard;
mod inbox;
mod libp2p;
mod limits;
mod peer;
mod score;
mod swarm;
mod whitelist;

use async_trait::async_trait;
use bytes::Bytes;
use cpchain_crypto::PublicKey;

pub use self::{
    guard::{NetworkControl, NetworkStats},
    libp2p::{Libp2pConfig, Libp2pNetwork, NetworkError, PROTOCOL_VERSION},
    limits::{Limits, Rate, WhiteListRules},
    score::Offence,
    whitelist::WhiteList,
};
pub use ::libp2p::Multiaddr;

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

impl Received {
    /// How many bytes arrived.
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Direct { bytes, .. } | Self::Gossip { bytes, .. } => bytes.len(),
        }
    }
}

/// Links to the other nodes. Messages may be lost, doubled, delayed and reordered; they are never altered, and the sender
/// is authenticated by its key. LBFT repeats what matters.
#[async_trait]
pub trait Network: Send + 'static {
    /// Queues a message of at most [`MAX_MESSAGE`](crate::lbft::MAX_MESSAGE) bytes for one node. Never waits: without a
    /// way to the node, or with a full queue, the message is dropped.
    fn send(&mut self, to: &PublicKey, message: Bytes);

    /// Whether a message for this node would be sent now; work on an answer that cannot leave is saved.
    fn reaches(&self, peer: &PublicKey) -> bool {
        let _ = peer;
        true
    }

    /// Queues a message for every node. Never waits; bytes that were spread before cost nothing.
    fn gossip(&mut self, topic: Topic, message: Bytes);

    /// Says what becomes of a gossip message that [`next`](Self::next) gave out.
    fn judge(&mut self, receipt: Receipt, verdict: Verdict);

    /// Who must be heard whatever happens: the validators and proposers of the term. Called at the start and when they
    /// change.
    fn members(&mut self, members: &[PublicKey]) {
        let _ = members;
    }

    /// A peer did what no honest peer does.
    fn report(&mut self, peer: &PublicKey, offence: Offence) {
        let _ = (peer, offence);
    }

    /// The next message; `None` after the network has ended. Cancelling it loses nothing.
    async fn next(&mut self) -> Option<Received>;

    /// Closes all links and ends all tasks before it returns. Called once, last.
    async fn stop(&mut self);
}
