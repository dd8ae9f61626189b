//! The state root: a binary radix tree over hashed keys.
//!
//! - An entry's path is a digest of its key; its leaf is a digest of key and value.
//! - A subtree without entries is the zero digest, with one entry that entry's leaf, with more a digest of its halves.
//!
//! So the root is a function of the entries alone, not of the order of changes (`the_order_of_changes_leaves_no_mark`).
//! Changes only mark their path; [`Tree::root`] hashes what is marked, once for a block: O(touched · log entries).

use std::mem;

use cpchain_crypto::{Digest, Domain};

const PATH: Domain = Domain::new("cpchain/consensus/state-path/v1");
const LEAF: Domain = Domain::new("cpchain/consensus/state-leaf/v1");
const NODE: Domain = Domain::new("cpchain/consensus/state-node/v1");

#[derive(Debug, Default)]
enum Node {
    #[default]
    Empty,
    Leaf {
        path: Digest,
        digest: Digest,
    },
    Branch(Box<Branch>),
}

#[derive(Debug)]
struct Branch {
    left: Node,
    right: Node,
    /// `None` after a change below.
    digest: Option<Digest>,
}

/// The tree over all entries of the state.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    top: Node,
}

impl Tree {
    /// Sets the value of a key, or removes the key.
    pub(crate) fn set(&mut self, key: &[u8], value: Option<&[u8]>) {
        let path = Digest::of(PATH, &[key]);
        match value {
            Some(value) => self.top.insert(0, path, Digest::of(LEAF, &[key, value])),
            None => self.top.remove(0, path),
        }
    }

    /// The digest that commits to every entry.
    pub(crate) fn root(&mut self) -> Digest {
        self.top.digest()
    }
}

impl Node {
    fn insert(&mut self, depth: usize, path: Digest, digest: Digest) {
        match self {
            Self::Branch(branch) => branch.side(depth, path).insert(depth + 1, path, digest),
            Self::Empty => *self = Self::Leaf { path, digest },
            Self::Leaf { path: at, .. } if *at == path => *self = Self::Leaf { path, digest },
            Self::Leaf { path: at, .. } => {
                let at = *at;
                let mut branch = Box::new(Branch { left: Self::Empty, right: Self::Empty, digest: None });
                *branch.side(depth, at) = mem::take(self);
                branch.side(depth, path).insert(depth + 1, path, digest);
                *self = Self::Branch(branch);
            }
        }
    }

    fn remove(&mut self, depth: usize, path: Digest) {
        match self {
            Self::Leaf { path: at, .. } if *at == path => *self = Self::Empty,
            Self::Empty | Self::Leaf { .. } => {}
            Self::Branch(branch) => {
                branch.side(depth, path).remove(depth + 1, path);
                // One entry left: it moves up.
                let only = match (&mut branch.left, &mut branch.right) {
                    (Self::Empty, other @ (Self::Leaf { .. } | Self::Empty))
                    | (other @ Self::Leaf { .. }, Self::Empty) => mem::take(other),
                    _ => return,
                };
                *self = only;
            }
        }
    }

    fn digest(&mut self) -> Digest {
        match self {
            Self::Empty => Digest::ZERO,
            Self::Leaf { digest, .. } => *digest,
            Self::Branch(branch) => match branch.digest {
                Some(digest) => digest,
                None => {
                    let digest = Digest::of(NODE, &[branch.left.digest().as_ref(), branch.right.digest().as_ref()]);
                    branch.digest = Some(digest);
                    digest
                }
            },
        }
    }
}

impl Branch {
    /// The half in which a path goes on, to be changed.
    fn side(&mut self, depth: usize, path: Digest) -> &mut Node {
        self.digest = None;
        let byte = path.as_bytes().get(depth / 8).copied().unwrap_or_default();
        if byte << (depth % 8) & 0x80 == 0 { &mut self.left } else { &mut self.right }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The rule of the module's documentation, word by word.
    fn reference(entries: &[(Digest, Digest)], depth: usize) -> Digest {
        match entries {
            [] => Digest::ZERO,
            [(_, leaf)] => *leaf,
            _ => {
                let left = |path: &Digest| path.0[depth / 8] & (0x80 >> (depth % 8)) == 0;
                let (l, r): (Vec<_>, Vec<_>) = entries.iter().partition(|(path, _)| left(path));
                Digest::of(NODE, &[reference(&l, depth + 1).as_ref(), reference(&r, depth + 1).as_ref()])
            }
        }
    }

    proptest! {
        #[test]
        fn the_order_of_changes_leaves_no_mark(
            changes in prop::collection::vec((0u8..40, prop::option::of(0u8..4), any::<bool>()), 0..200),
        ) {
            let mut tree = Tree::default();
            let mut model = BTreeMap::new();
            for (key, value, look) in changes {
                tree.set(&[key], value.as_ref().map(std::slice::from_ref));
                match value {
                    Some(value) => model.insert(key, value),
                    None => model.remove(&key),
                };
                if look {
                    tree.root();
                }
            }
            let entries: Vec<_> =
                model.iter().map(|(k, v)| (Digest::of(PATH, &[&[*k]]), Digest::of(LEAF, &[&[*k], &[*v]]))).collect();
            prop_assert_eq!(tree.root(), reference(&entries, 0));
        }
    }
}
