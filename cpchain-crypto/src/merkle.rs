//! Merkle trees as in RFC 6962 (split at the largest power of two), over domain-separated BLAKE3.

use crate::hash::{Digest, Domain};

const NODE: Domain = Domain::new("cpchain/crypto/merkle-node/v1");
const EMPTY: Domain = Domain::new("cpchain/crypto/merkle-empty/v1");

fn join(left: &Digest, right: &Digest) -> Digest {
    Digest::of(NODE, &[&left.0, &right.0])
}

/// Collects leaf digests one after another and gives the root; needs no heap.
///
/// Leaves must be digests of their own domain, so that no leaf can pass for an inner node.
#[derive(Debug, Clone)]
pub struct RootBuilder {
    peaks: [Digest; 64],
    count: u64,
}

impl Default for RootBuilder {
    fn default() -> Self {
        Self { peaks: [Digest::ZERO; 64], count: 0 }
    }
}

impl RootBuilder {
    /// Adds the next leaf.
    pub fn push(&mut self, leaf: Digest) {
        let mut carry = leaf;
        let level = self.count.trailing_ones() as usize;
        for peak in self.peaks.iter().take(level) {
            carry = join(peak, &carry);
        }
        if let Some(slot) = self.peaks.get_mut(level) {
            *slot = carry;
        }
        self.count += 1;
    }

    /// The root over all leaves so far; of none, a fixed value.
    pub fn root(&self) -> Digest {
        let mut root = None;
        for (level, peak) in self.peaks.iter().enumerate() {
            if self.count >> level & 1 == 1 {
                root = Some(root.map_or(*peak, |right| join(peak, &right)));
            }
        }
        root.unwrap_or_else(|| Digest::of(EMPTY, &[]))
    }
}

/// The root over `leaves`.
pub fn root<'a>(leaves: impl IntoIterator<Item = &'a Digest>) -> Digest {
    let mut builder = RootBuilder::default();
    leaves.into_iter().for_each(|leaf| builder.push(*leaf));
    builder.root()
}

/// The sibling digests from leaf `index` up to the root; `None` if there is no such leaf.
///
/// ```
/// use cpchain_crypto::{Digest, merkle};
/// let leaves = [Digest([1; 32]), Digest([2; 32]), Digest([3; 32])];
/// let path = merkle::path(&leaves, 1).unwrap();
/// assert!(merkle::verify(merkle::root(&leaves), leaves[1], 1, 3, &path));
/// ```
#[cfg(feature = "alloc")]
pub fn path(leaves: &[Digest], index: usize) -> Option<alloc::vec::Vec<Digest>> {
    let mut siblings = alloc::vec::Vec::new();
    let (mut rest, mut index) = (leaves, index);
    rest.get(index)?;
    while rest.len() > 1 {
        let (left, right) = rest.split_at_checked(split(rest.len() as u64) as usize)?;
        if index < left.len() {
            siblings.push(root(right));
            rest = left;
        } else {
            siblings.push(root(left));
            index -= left.len();
            rest = right;
        }
    }
    siblings.reverse();
    Some(siblings)
}

/// Does `path` lead from `leaf` at `index` of `count` leaves to `root`?
///
/// The root does not say how many leaves it has: take `count` from what was signed, or bind the place into the leaf. Under another
/// count a leaf can stand at another index (`the_root_does_not_fix_the_count`).
pub fn verify(root: Digest, leaf: Digest, index: u64, count: u64, path: &[Digest]) -> bool {
    fn climb(leaf: Digest, index: u64, count: u64, path: &[Digest]) -> Option<Digest> {
        match (count, path.split_last()) {
            (0, _) => None,
            (1, None) => (index == 0).then_some(leaf),
            (1, Some(_)) | (_, None) => None,
            (_, Some((sibling, below))) => {
                let left = split(count);
                if index < left {
                    Some(join(&climb(leaf, index, left, below)?, sibling))
                } else {
                    Some(join(sibling, &climb(leaf, index - left, count - left, below)?))
                }
            }
        }
    }
    path.len() <= 64 && climb(leaf, index, count, path) == Some(root)
}

/// The largest power of two below `count` (which is at least 2).
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_path_verifies_and_no_other_does(count in 1usize..70, index: prop::sample::Index, wrong: u8) {
            let leaves: Vec<_> = (0..count).map(|i| Digest([i as u8; 32])).collect();
            let index = index.index(count);
            let root = root(&leaves);
            let path = path(&leaves, index).unwrap();
            let (i, n) = (index as u64, count as u64);
            prop_assert!(verify(root, leaves[index], i, n, &path));
            prop_assert!(!verify(root, Digest([0xff - wrong % 100; 32]), i, n, &path));
            prop_assert!(!verify(root, leaves[index], (i + 1) % (n + 1), n, &path));
            prop_assert!(!verify(root, leaves[index], i, n, &[path.clone(), vec![Digest::ZERO]].concat()));
            if !path.is_empty() {
                prop_assert!(!verify(root, leaves[index], i, n, &path[1..]));
            }
        }
    }

    #[test]
    fn the_root_does_not_fix_the_count() {
        let leaves = [Digest([1; 32]), Digest([2; 32]), Digest([3; 32])];
        let (root, path) = (root(&leaves), path(&leaves, 2).unwrap());
        assert!(verify(root, leaves[2], 2, 3, &path));
        assert!(verify(root, leaves[2], 1, 2, &path));
    }

    #[test]
    fn an_empty_tree_has_a_root_and_no_path() {
        assert_eq!(root(&[]), RootBuilder::default().root());
        assert_eq!(path(&[], 0), None);
        assert!(!verify(root(&[]), Digest::ZERO, 0, 0, &[]));
    }
}
