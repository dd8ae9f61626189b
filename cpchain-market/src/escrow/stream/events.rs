//! What happens to a stream order.

use cpchain_crypto::Digest;

use super::super::event::Event;

/// A buyer asks for the next interval, whose sealed data it has and has checked against these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Public re-encryption key made for this interval alone, so that revealing its secret harms no other.
    pub buyer_key: Vec<u8>,
    /// Hash of the manifest that lists the interval's sealed blocks.
    pub manifest: Digest,
    /// Merkle root over the leaf commitments of that manifest. The seller stands by it when it grants.
    pub leaf_root: Digest,
    /// How many leaves are under the root.
    pub leaf_count: u64,
}

/// What a party asks of a stream order. Who asks, and when, is in the [`Context`](super::super::Context).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// The buyer asks for the next interval, and is content with the one before.
    Ask(Ask),
    /// The buyer or the seller wants no further interval.
    Stop,
    /// What happens to an order: cancel and accept to the stream, all else to the interval under way.
    Order(Event),
}
