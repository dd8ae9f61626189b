//! The state root: a binary radix tree over hashed keys, as [`proof`](crate::proof) specifies it.
//!
//! So the root is a function of the entries alone, not of the order of changes (`the_order_of_changes_leaves_no_mark`).
//! Changes only mark their path; [`Tree::root`] hashes what is marked, once for a block: O(touched · log entries).

use std::{mem, sync::Arc};

use cpchain_crypto::Digest;

use crate::proof::{self, End, StateProof};

#[derive(Debug, Clone, Default)]
enum Node {
    #[default]
    Empty,
    Leaf {
        path: Digest,
        value: Digest,
    },
    Branch(Arc<Branch>),
}

#[derive(Debug, Clone)]
struct Branch {
    left: Node,
    right: Node,
    /// `None` after a change below.
    digest: Option<Digest>,
}

/// The tree over all entries of the state. A copy shares all branches, and what changes after it is copied on the way, so an
/// earlier tree costs what changed since (`a_copy_stays_as_it_was`).
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    top: Node,
}

impl Tree {
    /// Sets the value of a key, or removes the key.
    pub(crate) fn set(&mut self, key: &[u8], value: Option<&[u8]>) {
        let path = proof::path(key);
        match value {
            Some(value) => self.top.insert(0, path, proof::value(value)),
            None => self.top.remove(0, path),
        }
    }

    /// The digest that commits to every entry.
    pub(crate) fn root(&mut self) -> Digest {
        self.top.digest()
    }

    /// What the tree says about a key. O(log entries) after [`root`](Self::root); before it, all that is marked is hashed.
    pub(crate) fn prove(&self, key: &[u8]) -> StateProof {
        let own = proof::path(key);
        let mut siblings = Vec::new();
        let mut at = &self.top;
        while let Node::Branch(branch) = at {
            let (next, sibling) = match proof::bit(&own, siblings.len()) {
                true => (&branch.right, &branch.left),
                false => (&branch.left, &branch.right),
            };
            siblings.push(sibling.known());
            at = next;
        }
        let end = match at {
            Node::Leaf { path, .. } if *path == own => End::Present,
            Node::Leaf { path, value } => End::Other { path: *path, value: *value },
            Node::Empty | Node::Branch(_) => End::Empty,
        };
        StateProof { siblings, end }
    }
}

impl Node {
    fn insert(&mut self, depth: usize, path: Digest, value: Digest) {
        match self {
            Self::Branch(branch) => Arc::make_mut(branch).side(depth, path).insert(depth + 1, path, value),
            Self::Empty => *self = Self::Leaf { path, value },
            Self::Leaf { path: at, .. } if *at == path => *self = Self::Leaf { path, value },
            Self::Leaf { path: at, .. } => {
                let at = *at;
                let mut branch = Branch { left: Self::Empty, right: Self::Empty, digest: None };
                *branch.side(depth, at) = mem::take(self);
                branch.side(depth, path).insert(depth + 1, path, value);
                *self = Self::Branch(Arc::new(branch));
            }
        }
    }

    fn remove(&mut self, depth: usize, path: Digest) {
        match self {
            Self::Leaf { path: at, .. } if *at == path => *self = Self::Empty,
            Self::Empty | Self::Leaf { .. } => {}
            Self::Branch(branch) => {
                let branch = Arc::make_mut(branch);
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
            Self::Leaf { path, value } => proof::leaf(path, value),
            Self::Branch(branch) => match branch.digest {
                Some(digest) => digest,
                None => {
                    let branch = Arc::make_mut(branch);
                    let digest = proof::node(&branch.left.digest(), &branch.right.digest());
                    branch.digest = Some(digest);
                    digest
                }
            },
        }
    }

    /// The digest, without a note of it.
    fn known(&self) -> Digest {
        match self {
            Self::Empty => Digest::ZERO,
            Self::Leaf { path, value } => proof::leaf(path, value),
            Self::Branch(branch) => {
                branch.digest.unwrap_or_else(|| proof::node(&branch.left.known(), &branch.right.known()))
            }
        }
    }
}

impl Branch {
    /// The half in which a path goes on, to be changed.
    fn side(&mut self, depth: usize, path: Digest) -> &mut Node {
        self.digest = None;
        if proof::bit(&path, depth) { &mut self.right } else { &mut self.left }
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
            [(path, value)] => proof::leaf(path, value),
            _ => {
                let left = |path: &Digest| path.0[depth / 8] & (0x80 >> (depth % 8)) == 0;
                let (l, r): (Vec<_>, Vec<_>) = entries.iter().partition(|(path, _)| left(path));
                proof::node(&reference(&l, depth + 1), &reference(&r, depth + 1))
            }
        }
    }

    proptest! {
        #[test]
        fn a_copy_stays_as_it_was(
            before in prop::collection::vec((0u8..40, prop::option::of(0u8..4)), 0..60),
            after in prop::collection::vec((0u8..40, prop::option::of(0u8..4)), 0..60),
        ) {
            let mut tree = Tree::default();
            let set = |tree: &mut Tree, changes: &[(u8, Option<u8>)]| {
                changes.iter().for_each(|(key, value)| tree.set(&[*key], value.as_ref().map(std::slice::from_ref)));
            };
            set(&mut tree, &before);
            let root = tree.root();
            let mut copy = tree.clone();
            set(&mut tree, &after);
            tree.root();
            prop_assert_eq!(copy.root(), root);
            let mut again = Tree::default();
            set(&mut again, &before);
            set(&mut again, &after);
            prop_assert_eq!(tree.root(), again.root());
            for key in 0..40 {
                set(&mut copy, &[(key, None)]);
            }
            prop_assert_eq!(copy.root(), Digest::ZERO);
        }

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
                model.iter().map(|(k, v)| (proof::path(&[*k]), proof::value(&[*v]))).collect();
            prop_assert_eq!(tree.root(), reference(&entries, 0));
        }
    }
}
