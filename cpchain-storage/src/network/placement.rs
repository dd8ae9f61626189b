//! Which node gets which shard: a pure function of the object, the shard's index, and the nodes that are known.
//!
//! | rule | test |
//! | --- | --- |
//! | Shard j goes to the node closest to H(object, j) that has room | `the_closest_node_with_room_gets_the_shard` |
//! | At most one shard per operator while there are enough operators, else an even spread: ⌈shards / operators⌉ | `operators_share_evenly` |
//! | The same holds inside an operator's nodes | `nodes_of_an_operator_share_evenly` |
//! | The order of the nodes given does not matter | `the_order_of_nodes_does_not_matter` |

use std::collections::HashMap;

use cpchain_crypto::{Digest, Domain, PublicKey};

const SHARD: Domain = Domain::new("cpchain/storage/placement-shard/v1");
const NODE: Domain = Domain::new("cpchain/storage/placement-node/v1");

/// Who runs a node, as far as the network can tell: nodes of one operator are likely to fail together.
///
/// libp2p nodes are grouped by the address they are reached at: IPv4 /24, IPv6 /48; loopback addresses by port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperatorId(pub Vec<u8>);

/// A storage node that shards can be given to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeInfo {
    /// The key that it signs receipts with; also its address in the network.
    pub id: PublicKey,
    /// Who runs it.
    pub operator: OperatorId,
}

/// The place in the key space that shard `index` of `object` belongs to.
pub fn shard_point(object: &Digest, index: usize) -> Digest {
    Digest::of(SHARD, &[object.as_bytes(), &(index as u64).to_le_bytes()])
}

/// The nodes for each of `shards` shards, or `None` without any node.
///
/// ```
/// use cpchain_crypto::{Digest, PublicKey};
/// use cpchain_storage::network::{NodeInfo, OperatorId, place};
///
/// let nodes: Vec<_> = (0..12).map(|n| NodeInfo { id: PublicKey([n; 32]), operator: OperatorId(vec![n]) }).collect();
/// let placed = place(&Digest([1; 32]), 30, &nodes).unwrap();
/// for node in &nodes {
///     assert!((2..=3).contains(&placed.iter().filter(|id| **id == node.id).count()));
/// }
/// ```
pub fn place(object: &Digest, shards: usize, nodes: &[NodeInfo]) -> Option<Vec<PublicKey>> {
    let mut placer = Placer::new(nodes);
    (0..shards).map(|shard| placer.next(&shard_point(object, shard))).collect()
}

/// Gives out nodes one shard at a time and remembers their burden.
pub(crate) struct Placer<'a> {
    nodes: Vec<(Digest, &'a NodeInfo)>,
    operators: HashMap<&'a OperatorId, usize>,
    burden: HashMap<PublicKey, usize>,
}

impl<'a> Placer<'a> {
    pub(crate) fn new(nodes: &'a [NodeInfo]) -> Self {
        let mut nodes: Vec<_> = nodes.iter().map(|node| (Digest::of(NODE, &[&node.id.0]), node)).collect();
        nodes.sort_unstable();
        nodes.dedup_by_key(|(_, node)| node.id);
        Self { nodes, operators: HashMap::new(), burden: HashMap::new() }
    }

    /// Counts a shard that a node holds already.
    pub(crate) fn burden(&mut self, id: &PublicKey) {
        if let Some((_, node)) = self.nodes.iter().find(|(_, node)| node.id == *id) {
            *self.operators.entry(&node.operator).or_default() += 1;
            *self.burden.entry(node.id).or_default() += 1;
        }
    }

    /// The node for a shard that belongs to `point`.
    pub(crate) fn next(&mut self, point: &Digest) -> Option<PublicKey> {
        let burden = |node: &NodeInfo| {
            let operator = self.operators.get(&node.operator).copied().unwrap_or_default();
            (operator, self.burden.get(&node.id).copied().unwrap_or_default())
        };
        let (_, node) = self.nodes.iter().min_by_key(|(hash, node)| (burden(node), distance(point, hash)))?;
        let id = node.id;
        self.burden(&id);
        Some(id)
    }
}

fn distance(a: &Digest, b: &Digest) -> [u8; 32] {
    let mut xor = a.0;
    xor.iter_mut().zip(b.0).for_each(|(x, y)| *x ^= y);
    xor
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nodes(operators: &[usize]) -> Vec<NodeInfo> {
        let named = operators.iter().enumerate().flat_map(|(operator, count)| (0..*count).map(move |n| (operator, n)));
        named
            .map(|(operator, n)| NodeInfo {
                id: PublicKey(Digest::content(&[operator as u8, n as u8]).0),
                operator: OperatorId(vec![operator as u8]),
            })
            .collect()
    }

    #[test]
    fn the_closest_node_with_room_gets_the_shard() {
        let nodes = nodes(&[1; 50]);
        let placed = place(&Digest([1; 32]), 30, &nodes).unwrap();
        for (shard, chosen) in placed.iter().enumerate() {
            let rank = |id: &PublicKey| distance(&shard_point(&Digest([1; 32]), shard), &Digest::of(NODE, &[&id.0]));
            let free = nodes.iter().filter(|node| !placed[..shard].contains(&node.id));
            assert_eq!(free.map(|node| rank(&node.id)).min(), Some(rank(chosen)));
        }
        assert_eq!(place(&Digest([1; 32]), 30, &[]), None);
    }

    #[test]
    fn different_objects_burden_different_nodes() {
        let nodes = nodes(&[1; 100]);
        let one = place(&Digest([1; 32]), 30, &nodes).unwrap();
        let two = place(&Digest([2; 32]), 30, &nodes).unwrap();
        assert!(one.iter().filter(|id| two.contains(id)).count() < 20);
    }

    proptest! {
        #[test]
        fn operators_share_evenly(operators in prop::collection::vec(1usize..5, 1..40), shards in 1usize..60, object: [u8; 32]) {
            let nodes = nodes(&operators);
            let placed = place(&Digest(object), shards, &nodes).unwrap();
            let cap = shards.div_ceil(operators.len());
            for operator in 0..operators.len() {
                let mine = |id: &&PublicKey| nodes.iter().any(|n| n.id == **id && n.operator.0 == [operator as u8]);
                prop_assert!(placed.iter().filter(mine).count() <= cap);
            }
        }

        #[test]
        fn nodes_of_an_operator_share_evenly(count in 1usize..20, shards in 1usize..60) {
            let nodes = nodes(&[count]);
            let placed = place(&Digest([1; 32]), shards, &nodes).unwrap();
            for node in &nodes {
                prop_assert!(placed.iter().filter(|id| **id == node.id).count() <= shards.div_ceil(count));
            }
        }

        #[test]
        fn the_order_of_nodes_does_not_matter(mut nodes in Just(nodes(&[2; 10])).prop_shuffle(), object: [u8; 32]) {
            let shuffled = place(&Digest(object), 30, &nodes);
            nodes.sort();
            prop_assert_eq!(shuffled, place(&Digest(object), 30, &nodes));
        }
    }
}
