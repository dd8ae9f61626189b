//! How nodes behaved towards this client: the good are asked first.
//!
//! | rule | test |
//! | --- | --- |
//! | A wrong byte weighs more than silence, silence more than a missing shard; good answers make up for silence, never for wrong bytes | `penalties_are_ordered_and_only_silence_is_forgiven` |
//! | At most 4096 nodes are remembered, the best forgotten first | `memory_is_bounded` |

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cpchain_crypto::PublicKey;

const MAX_NODES: usize = 4096;

/// What a node did for this client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeScore {
    /// Requests answered well.
    pub good: u64,
    /// Shards that it should have and had not.
    pub missing: u64,
    /// Requests without an answer in time, or refused; halved by each good answer.
    pub failed: u64,
    /// Answers with wrong bytes or a wrong receipt.
    pub wrong: u64,
}

impl NodeScore {
    /// 0 for a node that has done nothing wrong lately; the higher, the later it is asked.
    pub fn penalty(&self) -> u64 {
        self.wrong.saturating_mul(1000).saturating_add(self.failed.saturating_mul(10)).saturating_add(self.missing)
    }
}

/// One thing that a node did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Good,
    Missing,
    Failed,
    Wrong,
}

#[derive(Debug, Default)]
pub(crate) struct Scores(Mutex<HashMap<PublicKey, NodeScore>>);

impl Scores {
    pub(crate) fn record(&self, node: PublicKey, deed: Deed) {
        let mut scores = self.lock();
        if scores.len() >= MAX_NODES && !scores.contains_key(&node) {
            let best = scores.iter().min_by_key(|(_, score)| score.penalty()).map(|(node, _)| *node);
            best.and_then(|best| scores.remove(&best));
        }
        let score = scores.entry(node).or_default();
        match deed {
            Deed::Good => {
                score.good = score.good.saturating_add(1);
                score.failed /= 2;
            }
            Deed::Missing => score.missing = score.missing.saturating_add(1),
            Deed::Failed => score.failed = score.failed.saturating_add(1),
            Deed::Wrong => score.wrong = score.wrong.saturating_add(1),
        }
    }

    pub(crate) fn penalty(&self, node: &PublicKey) -> u64 {
        self.lock().get(node).map_or(0, NodeScore::penalty)
    }

    pub(crate) fn all(&self) -> Vec<(PublicKey, NodeScore)> {
        let mut all: Vec<_> = self.lock().iter().map(|(node, score)| (*node, *score)).collect();
        all.sort_unstable_by_key(|(node, _)| *node);
        all
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PublicKey, NodeScore>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn penalties_are_ordered_and_only_silence_is_forgiven() {
        let scores = Scores::default();
        let node = |n| PublicKey([n; 32]);
        for (n, deed) in [(0, Deed::Good), (1, Deed::Missing), (2, Deed::Failed), (3, Deed::Wrong)] {
            scores.record(node(n), deed);
        }
        let penalties: Vec<_> = (0..4).map(|n| scores.penalty(&node(n))).collect();
        assert!(penalties[0] == 0 && penalties.is_sorted_by(|a, b| a < b));
        for n in 0..4 {
            scores.record(node(n), Deed::Good);
        }
        assert_eq!(scores.penalty(&node(2)), 0);
        assert!(scores.penalty(&node(3)) > 0);
        assert_eq!(scores.all().len(), 4);
    }

    #[test]
    fn memory_is_bounded() {
        let scores = Scores::default();
        scores.record(PublicKey([0xff; 32]), Deed::Wrong);
        for n in 0..MAX_NODES + 10 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_le_bytes());
            scores.record(PublicKey(key), Deed::Good);
        }
        assert_eq!(scores.all().len(), MAX_NODES);
        assert!(scores.penalty(&PublicKey([0xff; 32])) > 0);
    }
}
