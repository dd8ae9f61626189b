//! What proxies can do together with a buyer when nobody verifies anything: they know the scheme's own functions.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use proptest::prelude::*;

use super::*;
use crate::{
    entropy::SeededEntropy,
    key_tree::{IntervalId, StreamSecret, cover},
    pre::{NodeGrant, RangeGrant},
};

struct Sale {
    secret: StreamSecret,
    stream: Digest,
    receiving: PreSecretKey,
    entropy: SeededEntropy,
}

impl Sale {
    fn new(seed: u8) -> Self {
        let mut entropy = SeededEntropy::new(&[seed; 32]);
        let secret = StreamSecret::generate(&mut entropy).unwrap();
        let receiving = Umbral.generate_key(&mut entropy).unwrap();
        Self { secret, stream: Digest([seed; 32]), receiving, entropy }
    }

    fn grant(&mut self, range: &RangeInclusive<u32>, needed: u8, shares: u8) -> RangeGrant {
        let (threshold, to) = (Threshold::new(needed, shares).unwrap(), Umbral.public_key(&self.receiving).unwrap());
        Umbral.grant_range(&self.secret, &self.stream, range.clone(), &to, threshold, &mut self.entropy).unwrap()
    }

    /// What the owner publishes for a node that nobody bought.
    fn published(&mut self, node: TreeNode) -> (PrePublicKey, Capsule) {
        let key = Umbral.public_key(&Umbral.delegating_key(&self.secret, node).unwrap()).unwrap();
        let seed = self.secret.seed(node).unwrap();
        let capsule = Umbral.encapsulate(&key, &self.stream, &seed, &mut self.entropy).unwrap();
        (key, capsule)
    }

    /// The receiving secret and these key fragments against a capsule, all verification skipped.
    fn attack(&self, keys: &[&KeyFragment], delegating: &PrePublicKey, capsule: &Capsule) -> Option<NodeSeed> {
        let parts = Parts::of(capsule).unwrap();
        let mut random = Random::from_seed(&[1; 32]);
        let made: Vec<_> = keys
            .iter()
            .map(|key| reencrypt_with_rng(&mut random, parts.kem, read_key_fragment(key).unwrap().skip_verification()))
            .collect();
        let secret = read_secret(&self.receiving).unwrap();
        let plain =
            decrypt_reencrypted(&secret, read_public(delegating).unwrap(), parts.kem, made, parts.sealed).ok()?;
        parts.seed(Zeroizing::new(plain.into_vec())).ok()
    }
}

/// Nodes around a range that overlap no interval of it, and those that hold it and more.
fn neighbours(range: &RangeInclusive<u32>, granted: &RangeGrant) -> Vec<TreeNode> {
    let (first, last) = (*range.start(), *range.end());
    let mut nodes: Vec<_> =
        first.checked_sub(1).into_iter().chain(last.checked_add(1)).map(|at| TreeNode::leaf(IntervalId(at))).collect();
    for NodeGrant { node, .. } in &granted.nodes {
        // Its sibling and its parent, where they reach outside.
        nodes.extend(TreeNode::new(node.depth(), node.index() ^ 1));
        nodes.extend(TreeNode::new(node.depth() - 1, node.index() >> 1).filter(|parent| parent.depth() > 0));
    }
    nodes.retain(|node| {
        let (low, high) = node.intervals();
        low.0 < first || high.0 > last
    });
    nodes.truncate(6);
    nodes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn colluders_open_the_granted_range_and_nothing_else(
        seed: u8, start in prop_oneof![0u32..64, any::<u32>()], length in 0u32..9, needed in 1u8..4, spare in 0u8..2,
    ) {
        let mut sale = Sale::new(seed);
        let range = start..=start.saturating_add(length);
        let granted = sale.grant(&range, needed, needed + spare);
        let shares = |place: usize, count: u8| -> Vec<&KeyFragment> {
            granted.proxies.iter().take(usize::from(count)).map(|bundle| &bundle[place]).collect()
        };
        let mut opened = Vec::new();
        for (place, NodeGrant { delegating, capsule, .. }) in granted.nodes.iter().enumerate() {
            opened.push(sale.attack(&shares(place, needed), delegating, capsule).unwrap());
            // One proxy too few.
            prop_assert!(needed == 1 || sale.attack(&shares(place, needed - 1), delegating, capsule).is_none());
        }
        // The seeds give every key of the range, and none beside it.
        for interval in range.clone() {
            let key = opened.iter().find_map(|seed| seed.interval_key(IntervalId(interval)));
            prop_assert_eq!(key, Some(sale.secret.interval_key(IntervalId(interval))));
        }
        for outside in neighbours(&range, &granted) {
            let (low, high) = outside.intervals();
            let foreign = if range.contains(&low.0) { high } else { low };
            prop_assert!(opened.iter().all(|seed| seed.interval_key(foreign).is_none()));
            let (key, capsule) = sale.published(outside);
            for (place, node) in granted.nodes.iter().enumerate() {
                // Every share there is, under either key.
                let all = shares(place, needed + spare);
                for delegating in [&key, &node.delegating] {
                    prop_assert!(sale.attack(&all, delegating, &capsule).is_none());
                }
                // And should they work out the node's delegating secret itself, which is the most that they can.
                let recovered = Umbral.delegating_key(&sale.secret, node.node).unwrap();
                prop_assert_eq!(Umbral.open_original(&recovered, &capsule).unwrap_err(), PreError::Sealed);
            }
        }
    }
}

#[test]
fn shares_of_different_nodes_do_not_add_up() {
    let mut sale = Sale::new(1);
    let granted = sale.grant(&(1..=2), 2, 2);
    assert_eq!(cover(1..=2).count(), 2);
    let mixed = [&granted.proxies[0][0], &granted.proxies[1][1]];
    for NodeGrant { delegating, capsule, .. } in &granted.nodes {
        assert!(sale.attack(&mixed, delegating, capsule).is_none());
    }
}
