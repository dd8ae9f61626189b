//! The hashes of the state's tree: one place for those who build it and those who check it.

use cpchain_crypto::{Digest, Domain};

const PATH: Domain = Domain::new("cpchain/consensus/state-path/v1");
const VALUE: Domain = Domain::new("cpchain/consensus/state-value/v1");
const LEAF: Domain = Domain::new("cpchain/consensus/state-leaf/v2");
const NODE: Domain = Domain::new("cpchain/consensus/state-node/v1");

/// Where an entry stands.
pub(crate) fn path(key: &[u8]) -> Digest {
    Digest::of(PATH, &[key])
}

/// What a leaf holds of a value, so that a proof of absence need not carry a neighbour's value.
pub(crate) fn value(value: &[u8]) -> Digest {
    Digest::of(VALUE, &[value])
}

/// A subtree with one entry.
pub(crate) fn leaf(path: &Digest, value: &Digest) -> Digest {
    Digest::of(LEAF, &[path.as_ref(), value.as_ref()])
}

/// A subtree with more.
pub(crate) fn node(left: &Digest, right: &Digest) -> Digest {
    Digest::of(NODE, &[left.as_ref(), right.as_ref()])
}

/// The bit of a path at a level: `true` is right.
pub(crate) fn bit(path: &Digest, level: usize) -> bool {
    let byte = path.as_bytes().get(level / 8).copied().unwrap_or_default();
    byte << (level % 8) & 0x80 != 0
}
