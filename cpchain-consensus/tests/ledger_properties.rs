//! Random histories: what holds whatever is put into the blocks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ledger_common;

use bytes::Bytes;
use cpchain_consensus::{
    Application, FinalBlock, Height,
    ledger::{Amount, Cursor, Ledger, Outcome, Transaction, Transfer},
};
use cpchain_crypto::Digest;
use ledger_common::*;
use proptest::prelude::*;

/// A transaction of anybody, about anything, with a nonce that is often the right one.
#[derive(Debug, Clone)]
struct Plan {
    from: u8,
    off: u64,
    expires: u64,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Pay(u8, u128),
    Till(Vec<u8>),
    Garbage(Vec<u8>),
    /// One of the transactions so far, again.
    Again(prop::sample::Index),
}

fn plan() -> impl Strategy<Value = Plan> {
    let amount = prop_oneof![4 => 0..200 * 10u128.pow(18), 1 => any::<u128>()];
    let what = prop_oneof![
        4 => (0..6u8, amount).prop_map(|(to, amount)| What::Pay(to, amount)),
        4 => prop::collection::vec(any::<u8>(), 1..6).prop_map(What::Till),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(What::Garbage),
        2 => any::<prop::sample::Index>().prop_map(What::Again),
    ];
    let off = prop_oneof![6 => Just(0u64), 1 => 1..3u64];
    let expires = prop_oneof![8 => Just(100u64), 1 => 0..6u64];
    (1..6u8, off, expires, what).prop_map(|(from, off, expires, what)| Plan { from, off, expires, what })
}

fn make(plan: &Plan, nonces: &mut [u64; 8], past: &[Transaction]) -> Option<Transaction> {
    let (kind, payload) = match &plan.what {
        What::Again(which) => return (!past.is_empty()).then(|| which.get(past).clone()),
        What::Pay(to, amount) => (Transfer::KIND, Transfer { to: id(*to), amount: Amount(*amount) }.encode()),
        What::Till(steps) => ("till", steps.clone().into()),
        What::Garbage(bytes) => (Transfer::KIND, bytes.clone().into()),
    };
    let nonce = &mut nonces[usize::from(plan.from)];
    let mut draft = draft(*nonce + plan.off, kind, payload);
    *nonce += u64::from(plan.off == 0);
    draft.expires = Height(plan.expires);
    Some(draft.sign(&key(plan.from)).unwrap())
}

/// The blocks of a plan, as a Byzantine proposer and a quorum in its hand would make them.
fn blocks(plans: &[(bool, Vec<Plan>)]) -> Vec<FinalBlock> {
    let (mut past, mut nonces) = (Vec::new(), [0; 8]);
    let mut blocks = Vec::new();
    for (height, (impeached, plans)) in (1..).zip(plans) {
        let mut list = Vec::new();
        for plan in plans.iter().filter(|_| !impeached) {
            if let Some(transaction) = make(plan, &mut nonces, &past) {
                past.push(transaction.clone());
                list.push(transaction);
            }
        }
        let mut block = block(height, payload(&list));
        block.impeached = *impeached;
        blocks.push(block);
    }
    blocks
}

fn history() -> impl Strategy<Value = Vec<(bool, Vec<Plan>)>> {
    prop::collection::vec((prop::bool::weighted(0.1), prop::collection::vec(plan(), 0..8)), 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn money_is_conserved_and_roots_agree(plans in history()) {
        let blocks = blocks(&plans);
        // One has everything in its pool and verifies; one only follows, and forgets.
        let mut full = ledger();
        let mut lean = Ledger::builder(chain(), genesis()).module(Till).retain(1).build().unwrap();
        let supply = full.view().supply();
        prop_assert_eq!(Ok(supply), genesis().supply());
        for block in &blocks {
            let list = split(&block.payload);
            for transaction in list {
                let _ = full.submit(transaction);
            }
            let _ = full.verify(block.height, &[], &block.payload);
            prop_assert_eq!(full.finalised(block), lean.finalised(block));
            prop_assert_eq!(full.view().supply(), supply);
        }
        // After a restart.
        let mut replayed = ledger();
        for block in &blocks {
            replayed.finalised(block);
        }
        let (a, b) = (full.view(), replayed.view());
        prop_assert_eq!(a.height_and_root(), b.height_and_root());
        prop_assert_eq!(a.events(None, Cursor::default(), usize::MAX), b.events(None, Cursor::default(), usize::MAX));
        prop_assert_eq!(till_entries(&a), till_entries(&b));
        for transaction in blocks.iter().flat_map(|block| split(&block.payload)) {
            let id = Transaction::decode(transaction).unwrap().id();
            prop_assert_eq!(a.receipt(&id), b.receipt(&id));
        }
    }

    #[test]
    fn a_nonce_counts_the_executed_transactions(plans in history()) {
        let blocks = blocks(&plans);
        let mut ledger = ledger();
        let mut executed = std::collections::HashMap::new();
        for block in &blocks {
            ledger.finalised(block);
            for transaction in split(&block.payload) {
                let transaction = Transaction::decode(transaction).unwrap();
                let receipt = ledger.view().receipt(&transaction.id()).unwrap();
                if !matches!(receipt.outcome, Outcome::Refused(_)) {
                    executed.insert(transaction.id(), transaction.sender());
                }
            }
        }
        for seed in 1..6 {
            let count = executed.values().filter(|sender| **sender == id(seed)).count() as u64;
            prop_assert_eq!(ledger.view().nonce(&id(seed)).unwrap_or_default().0, count);
        }
    }

    #[test]
    fn what_is_proposed_verifies_and_executes(plans in prop::collection::vec(plan(), 0..30), room in 0usize..4000) {
        let mut nonces = [0; 8];
        let (mut proposer, mut validator) = (ledger(), ledger());
        for plan in &plans {
            if let Some(transaction) = make(plan, &mut nonces, &[]) {
                let _ = proposer.submit(transaction.bytes().clone());
            }
        }
        let first = proposer.propose(Height(1), &[], room);
        prop_assert!(first.len() <= room);
        let ancestor = block(1, first.clone());
        let second = proposer.propose(Height(2), std::slice::from_ref(&ancestor), room);
        if first.is_empty() {
            prop_assert!(room < HEAD && second.is_empty() && validator.verify(Height(1), &[], &first).is_err());
            return Ok(());
        }
        prop_assert_eq!(validator.verify(Height(1), &[], &first), Ok(()));
        prop_assert_eq!(validator.verify(Height(2), std::slice::from_ref(&ancestor), &second), Ok(()));
        for (height, payload) in [(1, first), (2, second)] {
            validator.finalised(&block(height, payload.clone()));
            for transaction in split(&payload) {
                let id = Transaction::decode(transaction).unwrap().id();
                let outcome = validator.view().receipt(&id).unwrap().outcome;
                prop_assert!(!matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
            }
        }
    }

    /// One node executes blocks as they become final, the other ran some ahead, on this chain and on others, before they did.
    #[test]
    fn what_ran_ahead_is_what_becomes_final(
        plans in prop::collection::vec((plan(), plan(), prop::option::of(1usize..6)), 1..25),
    ) {
        let (mut nonces, mut past) = ([0; 8], Vec::new());
        let blocks: Vec<_> = (1..)
            .zip(&plans)
            .map(|(height, (one, two, _))| {
                let list: Vec<_> = [one, two].iter().filter_map(|plan| make(plan, &mut nonces, &past)).collect();
                past.extend(list.iter().cloned());
                let payload = if list.is_empty() { Bytes::new() } else { payload(&list) };
                FinalBlock { digest: Digest::content(&[height as u8]), ..block(height, payload) }
            })
            .collect();
        let (mut plain, mut eager) = (ledger(), ledger());
        for (index, (_, _, look)) in plans.iter().enumerate() {
            if let Some(look) = look {
                let ancestors = &blocks[index..blocks.len().min(index + look)];
                let mut strange = ancestors.to_vec();
                strange[0].digest = Digest::content(b"another");
                strange[0].payload = Bytes::new();
                for ancestors in [ancestors, &strange] {
                    let height = ancestors.last().unwrap().height.next();
                    prop_assert!(!eager.propose(height, ancestors, ROOM).is_empty());
                }
            }
            prop_assert_eq!(plain.finalised(&blocks[index]), eager.finalised(&blocks[index]));
        }
        let (plain, eager) = (plain.view(), eager.view());
        prop_assert_eq!(till_entries(&plain), till_entries(&eager));
        prop_assert_eq!(plain.supply(), eager.supply());
        prop_assert_eq!(plain.events(None, Cursor::default(), 10_000), eager.events(None, Cursor::default(), 10_000));
        for transaction in &past {
            prop_assert_eq!(plain.receipt(&transaction.id()), eager.receipt(&transaction.id()));
        }
    }

    #[test]
    fn any_payload_is_judged_and_survived(bytes: Vec<u8>) {
        let mut ledger = ledger();
        let bytes = Bytes::from(bytes);
        let _ = ledger.submit(bytes.clone());
        let ancestor = block(1, bytes.clone());
        let _ = ledger.verify(Height(1), std::slice::from_ref(&ancestor), &bytes);
        let _ = ledger.propose(Height(2), std::slice::from_ref(&ancestor), ROOM);
        ledger.finalised(&ancestor);
        prop_assert_eq!(ledger.last_height(), Height(1));
    }
}

/// Bytes of the head of a payload.
const HEAD: usize = 38;

/// The transactions of a payload.
fn split(payload: &Bytes) -> Vec<Bytes> {
    <ledger_common::Block as prost::Message>::decode(payload.clone()).unwrap().transactions
}
