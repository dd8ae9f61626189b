//! A range of intervals granted at once.

use alloc::vec::Vec;
use core::ops::RangeBounds;

use super::{Capsule, KeyFragment, PreError, PrePublicKey, ProxyReEncryption, Threshold};
use crate::{
    entropy::Entropy,
    hash::Digest,
    key_tree::{StreamSecret, TreeNode, cover},
};

/// One node of a granted range: what everybody may see of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeGrant {
    /// Its place in the key tree.
    pub node: TreeNode,
    /// The delegating key of this node alone.
    pub delegating: PrePublicKey,
    /// The node's seed, sealed under that key.
    pub capsule: Capsule,
}

/// A granted range: at most `2·⌊log2 n⌋` nodes for `n` intervals, one for one.
///
/// For Umbral a node takes 276 public bytes (delegating key 35, capsule 241) and each proxy 196 secret bytes of it. A year of hourly
/// intervals at 2 of 3 takes 26 nodes at most: 7 KiB in public and 5 KiB for each proxy (`a_year_is_granted_in_few_bytes`).
pub struct RangeGrant {
    /// The key that signed the key fragments.
    pub verifying: PrePublicKey,
    /// The nodes from left to right, as [`cover`] gives them.
    pub nodes: Vec<NodeGrant>,
    /// For each proxy a fragment of each node, in the order of `nodes`: secret between owner and that proxy.
    pub proxies: Vec<Vec<KeyFragment>>,
}

pub(super) fn grant<S: ProxyReEncryption>(
    scheme: &S,
    (secret, stream): (&StreamSecret, &Digest),
    intervals: impl RangeBounds<u32>,
    (receiving, threshold): (&PrePublicKey, Threshold),
    entropy: &mut dyn Entropy,
) -> Result<RangeGrant, PreError> {
    let granting = scheme.granting_key(secret)?;
    let mut nodes = Vec::new();
    let mut proxies: Vec<_> = (0..threshold.shares()).map(|_| Vec::new()).collect();
    for node in cover(intervals) {
        let delegating_secret = scheme.delegating_key(secret, node)?;
        let delegating = scheme.public_key(&delegating_secret)?;
        let seed = secret.seed(node).ok_or(PreError::Root)?;
        let capsule = scheme.encapsulate(&delegating, stream, &seed, entropy)?;
        let fragments = scheme.grant(&delegating_secret, &granting, receiving, threshold, entropy)?;
        proxies.iter_mut().zip(fragments).for_each(|(bundle, fragment)| bundle.push(fragment));
        nodes.push(NodeGrant { node, delegating, capsule });
    }
    if nodes.is_empty() {
        return Err(PreError::EmptyRange);
    }
    Ok(RangeGrant { verifying: scheme.public_key(&granting)?, nodes, proxies })
}
