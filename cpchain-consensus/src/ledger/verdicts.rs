//! Signatures of transactions that were found good, for the ledgers of one process.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cpchain_crypto::Digest;

use super::transaction::Transaction;

/// A memory of good signatures that several ledgers of one process share: each signature is checked by the first of them that
/// meets it. The ledgers trust each other then, as the parts of one program do; a ledger without it checks all itself.
///
/// Only what was found good is remembered, by the digest of all bytes of the transaction, so it never changes a verdict
/// (`shared_verdicts_spare_work_and_change_none`). Bounded: at most twice its capacity of 32-byte entries.
#[derive(Debug, Clone)]
pub struct Verdicts {
    capacity: usize,
    generations: Arc<Mutex<[HashSet<Digest>; 2]>>,
}

impl Verdicts {
    /// One that remembers at least the last `capacity` good transactions. Clones share the memory.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), generations: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, [HashSet<Digest>; 2]> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has(&self, name: &Digest) -> bool {
        self.lock().iter().any(|generation| generation.contains(name))
    }

    pub(crate) fn add(&self, names: impl IntoIterator<Item = Digest>) {
        let mut generations = self.lock();
        let [young, old] = &mut *generations;
        for name in names {
            young.insert(name);
            if young.len() >= self.capacity {
                *old = std::mem::take(young);
            }
        }
    }
}

/// What a good signature is remembered by.
pub(crate) fn name(transaction: &Transaction) -> Digest {
    Digest::content(transaction.bytes())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cpchain_crypto::{Signer as _, SigningKey};

    use super::*;
    use crate::{
        Application as _, Height,
        ledger::{Amount, Genesis, Ledger, Nonce, TransactionDraft, Transfer, block_payload},
        proof::PayloadHead,
    };

    fn genesis() -> Genesis {
        Genesis::new().account(SigningKey::from_seed(&[1; 32]).public_key(), Amount::cpc(10))
    }

    fn ledger(verdicts: &Verdicts) -> Ledger {
        Ledger::builder(genesis().chain_id("shared"), genesis()).verdicts(verdicts.clone()).build().unwrap()
    }

    fn transfer(nonce: u64, spoiled: bool) -> Transaction {
        let key = SigningKey::from_seed(&[1; 32]);
        let signed = TransactionDraft {
            chain: genesis().chain_id("shared"),
            nonce: Nonce(nonce),
            expires: Height(9),
            kind: Transfer::KIND.into(),
            payload: Transfer { to: key.public_key(), amount: Amount(1) }.encode(),
        }
        .sign(&key)
        .unwrap();
        let mut bytes = signed.bytes().to_vec();
        *bytes.last_mut().unwrap() ^= u8::from(spoiled);
        Transaction::decode(bytes.into()).unwrap()
    }

    #[test]
    fn shared_verdicts_spare_work_and_change_none() {
        let verdicts = Verdicts::new(100);
        let (mut one, mut two) = (ledger(&verdicts), ledger(&verdicts));
        let (_, root) = one.view().height_and_root();
        let payload = |list: &[Transaction]| -> Bytes { block_payload(&PayloadHead { root, beacon: None }, list) };
        let (good, bad) = (transfer(0, false), transfer(1, true));
        for ledger in [&mut one, &mut two] {
            let illicit = payload(&[good.clone(), bad.clone()]);
            assert!(ledger.verify(Height(1), &[], &illicit).is_err());
            assert!(ledger.admit(bad.bytes().clone()).is_err());
        }
        assert!(!verdicts.has(&name(&bad)));
        one.verify(Height(1), &[], &payload(std::slice::from_ref(&good))).unwrap();
        assert!(verdicts.has(&name(&good)));
        // Nobody looks again at what one of them found: also not if that was wrong.
        verdicts.add([name(&bad)]);
        two.verify(Height(1), &[], &payload(&[good, bad.clone()])).unwrap();
        two.admit(bad.bytes().clone()).unwrap();
    }

    #[test]
    fn the_memory_is_bounded() {
        let verdicts = Verdicts::new(10);
        verdicts.add((0..95_u8).map(|number| Digest([number; 32])));
        assert!(verdicts.lock().iter().map(HashSet::len).sum::<usize>() <= 20);
        assert!((85..95).all(|number| verdicts.has(&Digest([number; 32]))));
    }
}
