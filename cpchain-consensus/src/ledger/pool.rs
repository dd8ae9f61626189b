//! Transactions that wait for a block.
//!
//! - Bounded in number, in bytes, for each sender, and in time: what is not in a block after some heights, or has
//!   expired, is dropped.
//! - For each sender one transaction a nonce: the first one that came.
//! - A block takes transactions in the order in which they came, but those of one sender in the order of their nonces
//!   without a gap, so that each can be executed.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use bytes::Bytes;

use super::{
    module::ModuleError,
    payload,
    transaction::{AccountId, Nonce, Transaction, TransactionError, TransactionId},
};
use crate::Height;

/// Bounds of the pool. Each node may have its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Transactions in all.
    pub transactions: usize,
    /// Bytes in all.
    pub bytes: usize,
    /// Transactions of one sender; also how far a nonce may run ahead of the account's.
    pub per_sender: usize,
    /// Blocks that a transaction waits before it is dropped.
    pub age: u64,
}

impl Default for PoolLimits {
    /// 10,000 transactions, 64 MiB, 128 of one sender, 1,000 blocks.
    fn default() -> Self {
        Self { transactions: 10_000, bytes: 64 << 20, per_sender: 128, age: 1_000 }
    }
}

/// Why a transaction was not taken into the pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// It is not valid on this chain at the next height.
    #[error(transparent)]
    Invalid(#[from] TransactionError),
    /// It waits in the pool or was executed.
    #[error("the transaction {0} is known already")]
    Known(TransactionId),
    /// Its sender never received anything.
    #[error("the sender has no account yet: an account exists once it has received money")]
    UnknownAccount,
    /// No module has this kind.
    #[error("there is no module of the kind `{0}`")]
    UnknownKind(String),
    /// Its module finds the payload wrong.
    #[error("wrong payload: {0}")]
    Payload(#[from] ModuleError),
    /// The sender used this nonce before.
    #[error("the nonce {found} is used up: the sender's next one is {expected}")]
    StaleNonce {
        /// The sender's next nonce.
        expected: Nonce,
        /// The transaction's.
        found: Nonce,
    },
    /// Another transaction of the sender waits under this nonce.
    #[error("another transaction waits under the nonce {0}")]
    NonceTaken(Nonce),
    /// The nonce is too far ahead.
    #[error("the nonce {found} is too far ahead: the sender's next one is {expected}")]
    NonceTooHigh {
        /// The sender's next nonce.
        expected: Nonce,
        /// The transaction's.
        found: Nonce,
    },
    /// The pool is full.
    #[error("the pool of waiting transactions is full: try again after the next blocks")]
    Full,
}

#[derive(Debug)]
struct Waiting {
    transaction: Transaction,
    arrival: u64,
    since: Height,
}

/// The pool of one node.
#[derive(Debug)]
pub(crate) struct Pool {
    limits: PoolLimits,
    senders: BTreeMap<AccountId, BTreeMap<Nonce, Waiting>>,
    count: usize,
    bytes: usize,
    arrivals: u64,
}

impl Pool {
    pub(crate) fn new(limits: PoolLimits) -> Self {
        Self { limits, senders: BTreeMap::new(), count: 0, bytes: 0, arrivals: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Are exactly these bytes waiting?
    pub(crate) fn has(&self, transaction: &Transaction) -> bool {
        self.senders
            .get(&transaction.sender())
            .and_then(|waiting| waiting.get(&transaction.nonce()))
            .is_some_and(|waiting| waiting.transaction.bytes() == transaction.bytes())
    }

    /// Is there room for it, given the next nonce of its sender's account?
    pub(crate) fn admits(&self, transaction: &Transaction, expected: Nonce) -> Result<(), SubmitError> {
        let found = transaction.nonce();
        if found < expected {
            return Err(SubmitError::StaleNonce { expected, found });
        }
        if found.0 - expected.0 >= self.limits.per_sender as u64 || found.next().is_none() {
            return Err(SubmitError::NonceTooHigh { expected, found });
        }
        if let Some(other) = self.senders.get(&transaction.sender()).and_then(|waiting| waiting.get(&found)) {
            let same = other.transaction.id() == transaction.id();
            return Err(if same { SubmitError::Known(transaction.id()) } else { SubmitError::NonceTaken(found) });
        }
        if self.count >= self.limits.transactions || self.bytes + transaction.bytes().len() > self.limits.bytes {
            return Err(SubmitError::Full);
        }
        Ok(())
    }

    /// Takes in what [`admits`](Self::admits) has let through.
    pub(crate) fn insert(&mut self, transaction: Transaction, since: Height) {
        self.count += 1;
        self.bytes += transaction.bytes().len();
        self.arrivals += 1;
        let waiting = self.senders.entry(transaction.sender()).or_default();
        waiting.insert(transaction.nonce(), Waiting { transaction, arrival: self.arrivals, since });
    }

    /// The kind of the transaction that waits under a nonce.
    pub(crate) fn kind(&self, account: &AccountId, nonce: Nonce) -> Option<&str> {
        Some(self.senders.get(account)?.get(&nonce)?.transaction.kind())
    }

    /// All that wait, in the order in which they came.
    pub(crate) fn transactions(&self) -> Vec<Bytes> {
        let mut all: Vec<_> = self.senders.values().flat_map(BTreeMap::values).collect();
        all.sort_unstable_by_key(|waiting| waiting.arrival);
        all.into_iter().map(|waiting| waiting.transaction.bytes().clone()).collect()
    }

    /// The nonce after those that wait without a gap.
    pub(crate) fn next_nonce(&self, account: &AccountId, expected: Nonce) -> Nonce {
        let waiting = self.senders.get(account);
        let mut next = expected;
        while let (true, Some(after)) = (waiting.is_some_and(|waiting| waiting.contains_key(&next)), next.next()) {
            next = after;
        }
        next
    }

    /// Fills a block at `height`, given the next nonce of each account after the block's ancestors.
    pub(crate) fn fill(
        &self,
        height: Height,
        max_bytes: usize,
        expected: impl Fn(&AccountId) -> Option<Nonce>,
    ) -> Vec<Bytes> {
        let next = |account, nonce| {
            let waiting = self.senders.get(account)?.get(&nonce)?;
            (waiting.transaction.expires() >= height).then_some(waiting)
        };
        let mut ready: BinaryHeap<_> = self
            .senders
            .keys()
            .filter_map(|account| {
                let nonce = expected(account)?;
                Some(Reverse((next(account, nonce)?.arrival, account, nonce)))
            })
            .collect();
        let (mut block, mut room) = (Vec::new(), max_bytes);
        while let Some(Reverse((_, account, nonce))) = ready.pop() {
            let Some(waiting) = next(account, nonce) else { continue };
            let Some(rest) = room.checked_sub(payload::cost(&waiting.transaction)) else { continue };
            room = rest;
            block.push(waiting.transaction.bytes().clone());
            if block.len() == payload::MAX_BLOCK_TRANSACTIONS {
                break;
            }
            if let Some(after) = nonce.next()
                && let Some(waiting) = next(account, after)
            {
                ready.push(Reverse((waiting.arrival, account, after)));
            }
        }
        block
    }

    /// Drops what can no longer be executed after the block at `height`, and what waited too long.
    pub(crate) fn prune(&mut self, height: Height, expected: impl Fn(&AccountId) -> Nonce) {
        let (mut count, mut bytes) = (0, 0);
        let age = self.limits.age;
        self.senders.retain(|account, waiting| {
            let expected = expected(account);
            waiting.retain(|nonce, waiting| {
                *nonce >= expected
                    && waiting.transaction.expires() > height
                    && height.0.saturating_sub(waiting.since.0) < age
            });
            count += waiting.len();
            bytes += waiting.values().map(|waiting| waiting.transaction.bytes().len()).sum::<usize>();
            !waiting.is_empty()
        });
        (self.count, self.bytes) = (count, bytes);
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::{Signer, SigningKey};

    use super::*;
    use crate::{ChainId, ledger::TransactionDraft};

    fn transaction(key: u8, nonce: u64, expires: u64) -> Transaction {
        TransactionDraft {
            chain: ChainId::new("test", b""),
            nonce: Nonce(nonce),
            expires: Height(expires),
            kind: "k".into(),
            payload: Bytes::new(),
        }
        .sign(&SigningKey::from_seed(&[key; 32]))
        .unwrap()
    }

    fn add(pool: &mut Pool, transaction: Transaction) -> Result<(), SubmitError> {
        pool.admits(&transaction, Nonce(0))?;
        pool.insert(transaction, Height(0));
        Ok(())
    }

    fn first(_: &AccountId) -> Option<Nonce> {
        Some(Nonce(0))
    }

    #[test]
    fn a_sender_is_served_without_gaps_and_all_in_order_of_arrival() {
        let mut pool = Pool::new(PoolLimits::default());
        let list: Vec<_> = [(1, 1), (2, 0), (1, 0), (3, 1), (2, 1)].map(|(k, n)| transaction(k, n, 9)).into();
        for transaction in &list {
            add(&mut pool, transaction.clone()).unwrap();
        }
        let expected: Vec<_> = [1, 2, 0, 4].map(|i: usize| list[i].bytes().clone()).into();
        assert_eq!(pool.fill(Height(1), usize::MAX, first), expected);
        let sender = SigningKey::from_seed(&[1; 32]).public_key();
        assert_eq!(pool.next_nonce(&sender, Nonce(0)), Nonce(2));
        // After an ancestor that has the first of them.
        let after = |account: &AccountId| Some(Nonce(u64::from(*account == sender)));
        assert_eq!(pool.fill(Height(1), usize::MAX, after)[0], list[0].bytes());
    }

    #[test]
    fn a_block_is_not_overfilled() {
        let mut pool = Pool::new(PoolLimits::default());
        let list: Vec<_> = (0..5).map(|i| transaction(i, 0, 9)).collect();
        for transaction in &list {
            add(&mut pool, transaction.clone()).unwrap();
        }
        let two = payload::cost(&list[0]) + payload::cost(&list[1]);
        assert_eq!(pool.fill(Height(1), two, first).len(), 2);
        assert_eq!(pool.fill(Height(1), two - 1, first).len(), 1);
        assert_eq!(pool.fill(Height(1), 0, first).len(), 0);
    }

    #[test]
    fn every_bound_has_its_reason() {
        let size = transaction(1, 1, 9).bytes().len();
        let limits = PoolLimits { transactions: 3, bytes: 3 * size, per_sender: 2, age: 5 };
        let mut pool = Pool::new(limits);
        let one = transaction(1, 0, 9);
        add(&mut pool, one.clone()).unwrap();
        assert_eq!(add(&mut pool, one.clone()), Err(SubmitError::Known(one.id())));
        assert_eq!(add(&mut pool, transaction(1, 0, 8)), Err(SubmitError::NonceTaken(Nonce(0))));
        let high = SubmitError::NonceTooHigh { expected: Nonce(0), found: Nonce(2) };
        assert_eq!(add(&mut pool, transaction(1, 2, 9)), Err(high));
        let stale = SubmitError::StaleNonce { expected: Nonce(1), found: Nonce(0) };
        assert_eq!(pool.admits(&transaction(2, 0, 9), Nonce(1)), Err(stale));
        add(&mut pool, transaction(1, 1, 9)).unwrap();
        add(&mut pool, transaction(2, 0, 9)).unwrap();
        assert_eq!(add(&mut pool, transaction(3, 0, 9)), Err(SubmitError::Full));
        let mut small = Pool::new(PoolLimits { bytes: one.bytes().len() - 1, ..limits });
        assert_eq!(add(&mut small, one), Err(SubmitError::Full));
    }

    #[test]
    fn what_is_executed_expired_or_old_leaves() {
        let mut pool = Pool::new(PoolLimits { age: 5, ..PoolLimits::default() });
        for (key, nonce, expires) in [(1, 0, 9), (1, 1, 9), (2, 0, 3)] {
            add(&mut pool, transaction(key, nonce, expires)).unwrap();
        }
        assert_eq!(pool.fill(Height(4), usize::MAX, first).len(), 2);
        pool.prune(Height(2), |_| Nonce(0));
        assert_eq!(pool.len(), 3);
        pool.prune(Height(3), |_| Nonce(0));
        assert_eq!(pool.len(), 2);
        pool.prune(Height(4), |account| Nonce(u64::from(*account == SigningKey::from_seed(&[1; 32]).public_key())));
        assert_eq!(pool.len(), 1);
        pool.prune(Height(5), |_| Nonce(0));
        assert_eq!((pool.len(), pool.bytes), (0, 0));
    }
}
