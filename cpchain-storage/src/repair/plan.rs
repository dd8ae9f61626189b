//! When a repair is due, and who gets what is rebuilt: pure functions.

use std::collections::HashMap;

use cpchain_crypto::PublicKey;

use crate::{
    erasure::ErasureParams,
    network::{NodeInfo, OperatorId},
};

/// A chunk with fewer shards than this is repaired, and a put is not done before so many are placed: data + 70 % of the
/// others, 24 of 10/30.
///
/// ```
/// use cpchain_storage::{ErasureParams, repair::threshold};
/// assert_eq!(threshold(ErasureParams::default()), 24);
/// # Ok::<(), cpchain_storage::ErasureError>(())
/// ```
pub const fn threshold(params: ErasureParams) -> usize {
    let (data, total) = (params.data() as usize, params.total() as usize);
    data + ((total - data) * 7).div_ceil(10)
}

/// A shard that nobody holds, and the nodes closest to its point, the closest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing<'a> {
    /// The shard's index in its chunk.
    pub shard: u8,
    /// Who may be given it.
    pub nearest: &'a [NodeInfo],
}

/// A node for each missing shard of one chunk, in their order; `None` where no node is left.
///
/// `holders` are those that hold the other shards, one entry a shard. `suspicion` says how often a node has failed: the
/// least suspected come first, then those whose operator, then those who themselves hold least of the chunk, then the closest.
/// `None` excludes a node.
pub fn targets(
    holders: &[PublicKey],
    missing: &[Missing<'_>],
    suspicion: impl Fn(&PublicKey) -> Option<u32>,
) -> Vec<Option<PublicKey>> {
    let operators: HashMap<PublicKey, &OperatorId> =
        missing.iter().flat_map(|shard| shard.nearest).map(|node| (node.id, &node.operator)).collect();
    let (mut by_operator, mut by_node) = (HashMap::<&OperatorId, usize>::new(), HashMap::<PublicKey, usize>::new());
    for holder in holders {
        *by_node.entry(*holder).or_default() += 1;
        if let Some(operator) = operators.get(holder) {
            *by_operator.entry(operator).or_default() += 1;
        }
    }
    let mut chosen = Vec::with_capacity(missing.len());
    for shard in missing {
        let ranked = shard.nearest.iter().enumerate().filter_map(|(rank, node)| {
            let operator = by_operator.get(&node.operator).copied().unwrap_or_default();
            let own = by_node.get(&node.id).copied().unwrap_or_default();
            Some(((suspicion(&node.id)?, operator, own, rank), node))
        });
        let best = ranked.min_by_key(|(rank, _)| *rank).map(|(_, node)| node);
        if let Some(node) = best {
            *by_operator.entry(&node.operator).or_default() += 1;
            *by_node.entry(node.id).or_default() += 1;
        }
        chosen.push(best.map(|node| node.id));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8, operator: u8) -> NodeInfo {
        NodeInfo { id: PublicKey([n; 32]), operator: OperatorId(vec![operator]) }
    }

    fn id(n: u8) -> Option<PublicKey> {
        Some(PublicKey([n; 32]))
    }

    #[test]
    fn the_threshold_is_between_enough_and_all() {
        for (data, total, due) in [(10, 30, 24), (10, 20, 17), (1, 2, 2), (4, 12, 10), (1, 255, 179)] {
            assert_eq!(threshold(ErasureParams::new(data, total).unwrap()), due);
        }
    }

    #[test]
    fn the_near_node_with_least_gets_the_shard() {
        let near: Vec<_> = (1..=4).map(|n| node(n, n)).collect();
        let missing: Vec<_> = (0..3).map(|shard| Missing { shard, nearest: &near }).collect();
        let held = [PublicKey([1; 32]), PublicKey([9; 32])];
        assert_eq!(targets(&held, &missing, |_| Some(0)), [id(2), id(3), id(4)]);
        // One operator runs 1 and 2: once it has a shard, others come first.
        let shared = [node(1, 7), node(2, 7), node(3, 8)];
        let missing: Vec<_> = (0..3).map(|shard| Missing { shard, nearest: &shared }).collect();
        assert_eq!(targets(&[], &missing, |_| Some(0)), [id(1), id(3), id(2)]);
        assert_eq!(targets(&[], &[Missing { shard: 0, nearest: &[] }], |_| Some(0)), [None]);
    }

    #[test]
    fn suspects_come_last() {
        let near: Vec<_> = (1..=3).map(|n| node(n, n)).collect();
        let missing: Vec<_> = (0..4).map(|shard| Missing { shard, nearest: &near }).collect();
        let suspicion = |id: &PublicKey| if id.0[0] == 3 { None } else { Some(u32::from(id.0[0] == 1)) };
        assert_eq!(targets(&[], &missing, suspicion), [id(2), id(2), id(2), id(2)]);
        assert_eq!(targets(&[], &missing[..1], |_| None), [None]);
    }
}
