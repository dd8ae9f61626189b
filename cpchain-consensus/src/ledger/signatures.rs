//! The signatures of a block, checked together and on several threads, with the verdict of single checks.
//!
//! A [`Batch`] decides by the rule of [`PublicKey::verify`](cpchain_crypto::PublicKey::verify), so how many threads a node has, and how
//! the list falls into batches, changes the time and never the answer (`batches_decide_as_single_checks_do`).

use std::{num::NonZero, thread};

use cpchain_crypto::batch::Batch;

use super::transaction::Transaction;

/// Fewer than this are not worth a thread.
const PER_THREAD: usize = 128;

/// Is every one signed by its sender? On so many threads at most, or as many as there are cores.
pub(crate) fn hold(transactions: &[&Transaction], threads: Option<NonZero<usize>>) -> bool {
    let most = transactions.len() / PER_THREAD;
    let threads = threads.map_or_else(|| thread::available_parallelism().map_or(1, NonZero::get), NonZero::get);
    hold_on(if most > 1 { threads.min(most) } else { 1 }, transactions)
}

fn hold_on(threads: usize, transactions: &[&Transaction]) -> bool {
    let part = transactions.len().div_ceil(threads.max(1)).max(1);
    let mut parts = transactions.chunks(part);
    let Some(first) = parts.next() else { return true };
    thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(move || holds_together(part))).collect();
        let own = holds_together(first);
        // A check that panicked has not accepted anything.
        others.into_iter().fold(own, |good, other| other.join().unwrap_or(false) && good)
    })
}

fn holds_together(transactions: &[&Transaction]) -> bool {
    if let [single] = transactions {
        return single.check_signature().is_ok();
    }
    let mut batch = Batch::with_capacity(transactions.len());
    for transaction in transactions {
        transaction.add_to(&mut batch);
    }
    batch.verify().is_ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cpchain_crypto::SigningKey;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        ChainId, Height,
        ledger::{Nonce, TransactionDraft},
    };

    fn signed(seed: u8, nonce: u64) -> Transaction {
        TransactionDraft {
            chain: ChainId::new("test", b""),
            nonce: Nonce(nonce),
            expires: Height(9),
            kind: "k".into(),
            payload: Bytes::new(),
        }
        .sign(&SigningKey::from_seed(&[seed; 32]))
        .unwrap()
    }

    /// The signature stands at the end: another bit of it.
    fn spoiled(transaction: &Transaction, bit: usize) -> Transaction {
        let mut bytes = transaction.bytes().to_vec();
        let end = bytes.len();
        bytes[end - 1 - bit / 8 % 64] ^= 1 << (bit % 8);
        Transaction::decode(bytes.into()).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn batches_decide_as_single_checks_do(
            list in prop::collection::vec((0u8..4, prop::option::weighted(0.05, 0usize..512)), 0..24),
            threads in 0usize..6,
        ) {
            let list: Vec<_> = list
                .into_iter()
                .zip(0..)
                .map(|((seed, bit), nonce)| {
                    let good = signed(seed, nonce);
                    bit.map_or_else(|| good.clone(), |bit| spoiled(&good, bit))
                })
                .collect();
            let singles = list.iter().all(|transaction| transaction.check_signature().is_ok());
            let list: Vec<_> = list.iter().collect();
            prop_assert_eq!(hold_on(threads, &list), singles);
            prop_assert_eq!(hold(&list, None), singles);
        }
    }

    /// `cargo test --release -p cpchain-consensus --lib a_block_of_signatures -- --ignored --nocapture`
    #[test]
    #[ignore = "a measurement"]
    fn a_block_of_signatures() {
        let list: Vec<_> = (0..2_000).map(|nonce| signed((nonce % 200) as u8, nonce)).collect();
        let list: Vec<_> = list.iter().collect();
        let took = |what: &str, check: &dyn Fn() -> bool| {
            let start = std::time::Instant::now();
            assert!(check());
            println!("{} signatures, {what}: {:?}", list.len(), start.elapsed());
        };
        took("one by one", &|| list.iter().all(|transaction| transaction.check_signature().is_ok()));
        took("together, one thread", &|| hold_on(1, &list));
        took("together, all threads", &|| hold(&list, None));
    }

    /// Enough for several threads, with one bad signature at each end of each part.
    #[test]
    fn one_bad_signature_is_seen_wherever_it_stands() {
        let good: Vec<_> = (0..300).map(|nonce| signed((nonce % 7) as u8, nonce)).collect();
        let list: Vec<_> = good.iter().collect();
        assert!(hold(&list, None) && hold_on(3, &list));
        for place in [0, 99, 100, 199, 200, 299] {
            let bad = spoiled(&good[place], 3);
            let mut list = list.clone();
            list[place] = &bad;
            assert!(!hold_on(3, &list) && !hold(&list, None), "{place}");
        }
    }
}
