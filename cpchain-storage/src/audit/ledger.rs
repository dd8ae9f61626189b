//! Which shards count as lost: a count of missed epochs, nothing else.

use std::collections::BTreeMap;

use cpchain_crypto::PublicKey;

use super::Question;
use crate::chunk::ChunkId;

/// Epochs in a row that a holder may miss before its shard counts as lost: the second one decides.
pub const EPOCHS_TO_LOSE: u32 = 2;

/// Who has missed how many audits. Only misses take memory, at most one entry a question.
///
/// ```
/// use cpchain_crypto::{Digest, PublicKey};
/// use cpchain_storage::{ChunkId, audit::{AuditLedger, Question}};
/// let question = Question { holder: PublicKey([1; 32]), shard: ChunkId(Digest([2; 32])), length: 1024 };
/// let mut ledger = AuditLedger::default();
/// ledger.record(7, &question, false);
/// assert!(!ledger.is_lost(&question.holder, &question.shard));
/// ledger.record(8, &question, false);
/// assert!(ledger.is_lost(&question.holder, &question.shard));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditLedger {
    missed: BTreeMap<(PublicKey, ChunkId), Missed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Missed {
    last_epoch: u64,
    in_a_row: u32,
}

impl AuditLedger {
    /// Notes how an audit of `epoch` went. An epoch counts once, and only after those before it; a proof clears all misses.
    pub fn record(&mut self, epoch: u64, question: &Question, is_proved: bool) {
        let key = (question.holder, question.shard);
        if is_proved {
            self.missed.remove(&key);
            return;
        }
        let missed = self.missed.get(&key).copied();
        let in_a_row = match missed {
            Some(missed) if missed.last_epoch >= epoch => return,
            Some(missed) => missed.in_a_row.saturating_add(1),
            None => 1,
        };
        self.missed.insert(key, Missed { last_epoch: epoch, in_a_row });
    }

    /// Has this holder missed [`EPOCHS_TO_LOSE`] epochs in a row with this shard?
    pub fn is_lost(&self, holder: &PublicKey, shard: &ChunkId) -> bool {
        self.missed.get(&(*holder, *shard)).is_some_and(|missed| missed.in_a_row >= EPOCHS_TO_LOSE)
    }

    /// All that count as lost, in the order of holders.
    pub fn lost(&self) -> impl Iterator<Item = (PublicKey, ChunkId)> + '_ {
        self.missed.iter().filter(|(_, missed)| missed.in_a_row >= EPOCHS_TO_LOSE).map(|(key, _)| *key)
    }

    /// Forgets a shard whose lease is over, or that another holder has now.
    pub fn forget(&mut self, holder: &PublicKey, shard: &ChunkId) {
        self.missed.remove(&(*holder, *shard));
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::Digest;

    use super::*;

    #[test]
    fn two_missed_epochs_lose_a_shard() {
        let question = |n| Question { holder: PublicKey([n; 32]), shard: ChunkId(Digest([2; 32])), length: 9 };
        let (a, b) = (question(1), question(3));
        let mut ledger = AuditLedger::default();
        let lost = |ledger: &AuditLedger| ledger.lost().map(|(holder, _)| holder).collect::<Vec<_>>();
        ledger.record(5, &a, false);
        // The same epoch again, and an earlier one, count for nothing.
        ledger.record(5, &a, false);
        ledger.record(4, &a, false);
        assert!(lost(&ledger).is_empty());
        ledger.record(6, &a, true);
        ledger.record(7, &a, false);
        ledger.record(7, &b, false);
        assert!(lost(&ledger).is_empty());
        ledger.record(9, &a, false);
        assert_eq!(lost(&ledger), [a.holder]);
        ledger.record(9, &a, true);
        assert_eq!(ledger, {
            let mut only = AuditLedger::default();
            only.record(7, &b, false);
            only
        });
        ledger.forget(&b.holder, &b.shard);
        assert_eq!(ledger, AuditLedger::default());
    }
}
