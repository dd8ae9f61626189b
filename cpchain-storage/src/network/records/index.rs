//! The index over a shelf: what is where, in the order of the DHT's key space.

use std::collections::BTreeMap;

use cpchain_crypto::{Digest, PublicKey};
use libp2p::kad::KBucketKey;

use super::shelf::Place;
use crate::network::{peer::peer_id, record::dht_key};

/// Where a record lies in the key space of the DHT: the first half of SHA-256 of its key. As a number, neighbours have a
/// long prefix in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Point(pub(crate) u128);

impl Point {
    /// The point of a record key's digest.
    pub(crate) fn of(key: &Digest) -> Self {
        Self::from_hash(KBucketKey::new(dht_key(key)).hashed_bytes())
    }

    /// The point of a node; `None` for bytes that are no key.
    pub(crate) fn of_node(node: &PublicKey) -> Option<Self> {
        Some(Self::from_hash(KBucketKey::from(peer_id(node)?).hashed_bytes()))
    }

    pub(crate) fn from_hash(hash: &[u8]) -> Self {
        Self(hash.first_chunk().map_or(0, |half| u128::from_be_bytes(*half)))
    }

    /// How far two points are apart, as the DHT counts: XOR.
    pub(crate) fn distance(self, other: Self) -> u128 {
        self.0 ^ other.0
    }
}

/// Bytes of a [`tag`].
pub(crate) const TAG_BYTES: usize = 8;

/// Tells one version of a record from another: the first bytes of the hash of its encoding.
pub(crate) fn tag(encoded: &[u8]) -> u64 {
    Digest::content(encoded).as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// What is known of a record without reading it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) place: Place,
    pub(super) tag: u64,
    /// The owner and the network that brought it, as the quota counts them.
    pub(super) owner: u32,
    pub(super) origin: u32,
    /// Seconds since 1970 UTC, rounded up.
    pub(super) expires_s: u32,
    pub(super) length: u16,
    /// A neighbour has just spread it: the next sweep passes it over, once.
    pub(super) spread: bool,
}

/// Slots by point.
pub(super) type Index = BTreeMap<Point, Slot>;

/// Seconds, rounded up, of milliseconds.
pub(super) fn seconds(ms: u64) -> u32 {
    u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_keep_the_order_of_the_dht() {
        let key = |n: u8| Digest([n; 32]);
        let kad = |n: u8| KBucketKey::new(dht_key(&Digest([n; 32])));
        let mut by_point: Vec<u8> = (1..50).collect();
        let mut by_kad = by_point.clone();
        by_point.sort_by_key(|n| Point::of(&key(*n)).distance(Point::of(&key(0))));
        by_kad.sort_by_key(|n| kad(*n).distance(&kad(0)));
        assert_eq!(by_point, by_kad);
        assert!(std::mem::size_of::<(Point, Slot)>() <= 64, "{}", std::mem::size_of::<(Point, Slot)>());
    }
}
