//! The key tree: one stream secret, a key for each encryption interval, and short grants of ranges.
//!
//! A binary GGM tree (Goldreich, Goldwasser, Micali 1986) over BLAKE3 `derive_key`: the stream secret is the root,
//! a node's two children are derived from its seed, and the 2³² leaves are the interval keys (white paper 2.2.2: the
//! key changes every encryption interval e). Whoever holds a node's seed derives the keys below it and nothing else,
//! so a range of `n > 1` intervals is handed over as at most `2·⌊log2 n⌋` seeds: its [`cover`].
//!
//! Rules and the tests that hold them: a cover is exact and short (`cover_is_exact_and_short`, and for every range near the first
//! and the last interval `every_short_range_is_covered`), and no bound below that one would do (`the_longest_covers`); a seed opens its own
//! subtree alone, and the root's is never given (`a_seed_derives_its_subtree_and_nothing_else`).
//!
//! Seeds between a node and an interval are wiped as the walk leaves them. What the hash function keeps on its own stack while it
//! runs is not.

use core::{
    fmt,
    ops::{Bound, RangeBounds},
};

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    aead::Key,
    entropy::{Entropy, EntropyError},
    hash::{Digest, Domain},
};

/// Levels below the root: a stream has 2³² intervals.
pub const DEPTH: u8 = 32;

const LEFT: &str = "cpchain/crypto/key-tree/left/v1";
const RIGHT: &str = "cpchain/crypto/key-tree/right/v1";
const INTERVAL: &str = "cpchain/crypto/key-tree/interval-key/v1";
const COMMITMENT: Domain = Domain::new("cpchain/crypto/key-tree/commitment/v1");

/// The number of an encryption interval within its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct IntervalId(pub u32);

impl fmt::Display for IntervalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A node of the tree by its place: `depth` 0 is the root, `depth` 32 the interval keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeNode {
    depth: u8,
    index: u32,
}

impl TreeNode {
    /// The node that covers one interval alone.
    pub const fn leaf(interval: IntervalId) -> Self {
        Self { depth: DEPTH, index: interval.0 }
    }

    /// A node by depth (0 to 32) and index (below 2^depth).
    pub const fn new(depth: u8, index: u32) -> Option<Self> {
        if depth > DEPTH || (depth < DEPTH && index >> depth != 0) {
            return None;
        }
        Some(Self { depth, index })
    }

    /// Distance from the root.
    pub const fn depth(&self) -> u8 {
        self.depth
    }

    /// Place among the nodes of its depth.
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// First and last interval below this node.
    pub const fn intervals(&self) -> (IntervalId, IntervalId) {
        let below = DEPTH - self.depth;
        let first = (self.index as u64) << below;
        let last = first + (1u64 << below) - 1;
        (IntervalId(first as u32), IntervalId(last as u32))
    }

    /// Does this node cover the interval?
    pub const fn contains(&self, interval: IntervalId) -> bool {
        let (first, last) = self.intervals();
        first.0 <= interval.0 && interval.0 <= last.0
    }

    /// Depth and index, for signing and storing: 5 bytes.
    pub fn to_bytes(&self) -> [u8; 5] {
        let [a, b, c, d] = self.index.to_le_bytes();
        [self.depth, a, b, c, d]
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let &[depth, a, b, c, d] = bytes else { return None };
        Self::new(depth, u32::from_le_bytes([a, b, c, d]))
    }
}

/// The fewest nodes below the root that cover exactly the intervals of `range`, from left to right: none for no interval, one for
/// one, and at most `2·⌊log2 n⌋` for `n` above 1. The root itself is never among them: the whole tree is its two halves.
///
/// ```
/// use cpchain_crypto::key_tree::{cover, IntervalId, TreeNode};
/// // A year of hourly intervals is handed over as 18 seeds here, 26 at the worst, and not as 8,760 keys.
/// assert_eq!(cover(5..8765).count(), 18);
/// // The last interval of all needs an inclusive range.
/// assert!(cover(u32::MAX..=u32::MAX).eq([TreeNode::leaf(IntervalId(u32::MAX))]));
/// ```
pub fn cover(range: impl RangeBounds<u32>) -> impl Iterator<Item = TreeNode> {
    let mut next = match range.start_bound() {
        Bound::Included(start) => u64::from(*start),
        Bound::Excluded(before) => u64::from(*before) + 1,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => u64::from(*last) + 1,
        Bound::Excluded(end) => u64::from(*end),
        Bound::Unbounded => 1 << DEPTH,
    };
    core::iter::from_fn(move || {
        if next >= end {
            return None;
        }
        let aligned = next.trailing_zeros().min(u32::from(DEPTH) - 1);
        let fits = (end - next).ilog2();
        let below = aligned.min(fits);
        let node = TreeNode { depth: DEPTH - below as u8, index: (next >> below) as u32 };
        next += 1 << below;
        Some(node)
    })
}

/// The seed of one node: opens its subtree. Wiped when dropped, never printed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct NodeSeed {
    #[zeroize(skip)]
    node: TreeNode,
    seed: [u8; 32],
}

/// The secret of a stream: the root of its key tree. Wiped when dropped, never printed.
///
/// ```
/// use cpchain_crypto::key_tree::{IntervalId, StreamSecret, TreeNode, cover};
/// let secret = StreamSecret::from_bytes([9; 32]);
/// // The owner grants intervals 8 to 11: one seed.
/// let granted: Vec<_> = cover(8..12).filter_map(|node| secret.seed(node)).collect();
/// assert_eq!(granted.len(), 1);
/// // The holder of the seed derives those keys and no other.
/// assert_eq!(granted[0].interval_key(IntervalId(9)), Some(secret.interval_key(IntervalId(9))));
/// assert_eq!(granted[0].interval_key(IntervalId(12)), None);
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct StreamSecret([u8; 32]);

/// The key of one encryption interval: wiped when dropped, never printed, compared in constant time.
#[derive(Debug, PartialEq, Eq)]
pub struct IntervalKey(Key);

impl NodeSeed {
    /// A seed as it was received, for the node it was granted for.
    pub const fn from_bytes(node: TreeNode, seed: [u8; 32]) -> Self {
        Self { node, seed }
    }

    /// The node that it belongs to.
    pub const fn node(&self) -> TreeNode {
        self.node
    }

    /// The seed bytes, for wrapping.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The seed of a node below this one (or of this one); `None` if it is not below.
    pub fn descend(&self, target: TreeNode) -> Option<NodeSeed> {
        let steps = target.depth.checked_sub(self.node.depth)?;
        if (u64::from(target.index) >> steps) != u64::from(self.node.index) {
            return None;
        }
        let mut seed = Self { node: target, seed: self.seed };
        walk(&mut seed.seed, target.index, steps);
        Some(seed)
    }

    /// The key of an interval below this node; `None` if it is not below.
    pub fn interval_key(&self, interval: IntervalId) -> Option<IntervalKey> {
        self.descend(TreeNode::leaf(interval)).map(|leaf| leaf.to_interval_key())
    }

    fn to_interval_key(&self) -> IntervalKey {
        IntervalKey(Key::from_bytes(blake3::derive_key(INTERVAL, &self.seed)))
    }
}

/// Takes a seed `steps` levels down, to the node with this index. Each seed on the way is wiped.
fn walk(seed: &mut [u8; 32], index: u32, steps: u8) {
    for level in (0..steps).rev() {
        let context = if (index >> level) & 1 == 0 { LEFT } else { RIGHT };
        let child = Zeroizing::new(blake3::derive_key(context, seed));
        seed.copy_from_slice(&*child);
    }
}

impl fmt::Debug for NodeSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeSeed({:?})", self.node)
    }
}

impl fmt::Debug for StreamSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamSecret(..)")
    }
}

impl StreamSecret {
    /// A fresh secret for a new stream.
    ///
    /// # Errors
    /// [`EntropyError`] when the source fails.
    pub fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let mut secret = Self([0; 32]);
        entropy.fill(&mut secret.0)?;
        Ok(secret)
    }

    /// A secret as it was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret bytes, for storing.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A secret of another purpose that belongs to this stream (delegating keys, the search index).
    /// `context` names the purpose in the form of a [`Domain`]; nobody who holds seeds of the tree can derive it.
    pub fn derive(&self, context: Domain) -> Key {
        Key::from_bytes(blake3::derive_key(context.as_str(), &self.0))
    }

    /// The seed of a node; `None` for the root, whose seed is this secret itself and is never handed out.
    pub fn seed(&self, node: TreeNode) -> Option<NodeSeed> {
        self.root().descend(node).filter(|_| node.depth > 0)
    }

    /// The key of one interval.
    pub fn interval_key(&self, interval: IntervalId) -> IntervalKey {
        let mut leaf = self.root();
        walk(&mut leaf.seed, interval.0, DEPTH);
        leaf.to_interval_key()
    }

    fn root(&self) -> NodeSeed {
        NodeSeed { node: TreeNode { depth: 0, index: 0 }, seed: self.0 }
    }
}

impl IntervalKey {
    /// A public value that binds the owner to this key (ChaCha20-Poly1305 alone does not commit to a key).
    /// Published with the interval; a received key that does not match is not the key of the interval.
    pub fn commitment(&self) -> Digest {
        Digest::of(COMMITMENT, &[self.0.expose()])
    }

    /// The key bytes, for deriving from or wrapping.
    pub const fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// A key as it was received.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Key::from_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nodes_outside_the_tree_do_not_exist() {
        assert!(TreeNode::new(33, 0).is_none());
        assert!(TreeNode::new(3, 8).is_none());
        assert!(TreeNode::new(0, 1).is_none());
        assert!(TreeNode::new(32, u32::MAX).is_some());
    }

    /// Checks that the cover of `first..=last` is exact, without the root, and as short as promised.
    fn check_cover(first: u32, last: u32) -> Result<(), TestCaseError> {
        let mut next = u64::from(first);
        let mut count = 0u32;
        for node in cover(first..=last) {
            let (from, to) = node.intervals();
            prop_assert!(node.depth() > 0);
            prop_assert_eq!(u64::from(from.0), next);
            next = u64::from(to.0) + 1;
            count += 1;
        }
        prop_assert_eq!(next, u64::from(last) + 1);
        let length = u64::from(last) - u64::from(first) + 1;
        prop_assert!(count <= (2 * length.ilog2()).max(1), "{} nodes for {} intervals", count, length);
        Ok(())
    }

    #[test]
    #[cfg_attr(miri, ignore = "long loops over safe code")]
    fn every_short_range_is_covered() {
        const NEAR: u32 = 130;
        for first in 0..NEAR {
            for last in first..NEAR {
                check_cover(first, last).unwrap();
                check_cover(u32::MAX - last, u32::MAX - first).unwrap();
            }
        }
        check_cover(0, u32::MAX).unwrap();
    }

    #[test]
    #[cfg_attr(miri, ignore = "long loops over safe code")]
    fn the_longest_covers() {
        for bits in 1..DEPTH {
            // From the second interval of a subtree to its last but one: one node for each level on either side.
            let length = (1u64 << (bits + 1)) - 2;
            let longest = cover(1..=(length as u32)).count();
            assert_eq!(longest, 2 * usize::from(bits));
            assert_eq!(longest as u32, 2 * length.ilog2());
        }
    }

    #[test]
    fn nothing_covers_nothing() {
        assert_eq!(cover(7..7).count(), 0);
        assert_eq!(cover((Bound::Excluded(u32::MAX), Bound::Unbounded)).count(), 0);
    }

    proptest! {
        #[test]
        fn cover_is_exact_and_short(first: u32, length: u32, shift in 0u32..32) {
            check_cover(first, first.saturating_add(length >> shift))?;
        }

        #[test]
        fn a_seed_derives_its_subtree_and_nothing_else(depth in 0u8..=32, index: u32, interval: u32) {
            let secret = StreamSecret::from_bytes([3; 32]);
            let index = if depth == 32 { index } else { index & ((1u32 << depth) - 1) };
            let node = TreeNode::new(depth, index).unwrap();
            let interval = IntervalId(interval);
            let derived = secret.seed(node).and_then(|seed| seed.interval_key(interval));
            prop_assert_eq!(derived.is_some(), node.depth() > 0 && node.contains(interval));
            if let Some(key) = derived {
                prop_assert_eq!(key, secret.interval_key(interval));
            }
        }

        #[test]
        fn node_bytes_round_trip(depth in 0u8..=40, index: u32) {
            if let Some(node) = TreeNode::new(depth, index) {
                prop_assert_eq!(TreeNode::from_bytes(&node.to_bytes()), Some(node));
            }
        }
    }

    #[test]
    fn golden_interval_key() {
        // A change here opens nothing that was sealed before: it needs a new version of the contexts.
        let key = StreamSecret::from_bytes([0; 32]).interval_key(IntervalId(1));
        assert_eq!(key.commitment().to_string(), include_str!("../testdata/interval_key_1.hex").trim());
    }
}
