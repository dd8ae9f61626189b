//! Proofs about the state, from what a full node answers to what a light client believes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ledger_common;

use cpchain_consensus::{
    ledger::{Amount, Genesis, Ledger, LedgerView},
    proof::{AccountState, MAX_PROOF_BYTES, StateKey, StateProof},
};
use cpchain_crypto::{Digest, Domain};
use ledger_common::id;
use proptest::prelude::*;

fn ledger(accounts: u8, entries: u8) -> LedgerView {
    let mut genesis = Genesis::new().vault("vault", b"v", Amount::cpc(7));
    for number in 0..accounts {
        genesis = genesis.account(id(number), Amount::cpc(1 + u64::from(number)));
    }
    for number in 0..entries {
        genesis = genesis.entry("module", &[number], vec![number; usize::from(number)]);
    }
    Ledger::builder(genesis.chain_id("proofs"), genesis).build().unwrap().view()
}

/// What a light client does with an answer: from bytes, the root alone is trusted.
fn checks(root: &Digest, key: &StateKey, value: Option<&[u8]>, proof: &[u8]) -> bool {
    StateProof::from_bytes(proof).is_some_and(|proof| proof.verify(root, key, value).is_ok())
}

fn all_keys() -> Vec<StateKey> {
    let accounts = (0..60).map(|number| StateKey::account(&id(number)));
    let entries = (0..60).map(|number| StateKey::entry("module", &[number]));
    let others = [StateKey::vault("vault", b"v"), StateKey::vault("vault", b"w"), StateKey::entry("vault", b"v")];
    accounts.chain(entries).chain(others).collect()
}

#[test]
fn every_key_is_proved_as_what_it_is() {
    for (accounts, entries) in [(0, 0), (1, 0), (2, 1), (40, 30), (60, 60)] {
        let view = ledger(accounts, entries);
        let (_, root) = view.height_and_root();
        let mut present = 0;
        for key in all_keys() {
            let answer = view.prove(&key);
            assert_eq!(answer.root, root);
            let (value, bytes) = (answer.value.as_deref(), answer.proof.to_bytes());
            assert!(checks(&root, &key, value, &bytes));
            present += u32::from(value.is_some());
            match value {
                Some(value) => {
                    assert!(!checks(&root, &key, None, &bytes));
                    assert!(!checks(&root, &key, Some(&[value, &[0]].concat()), &bytes));
                }
                None => assert!(!checks(&root, &key, Some(b""), &bytes)),
            }
        }
        assert_eq!(present, u32::from(accounts) + u32::from(entries) + 1);
    }
    let answer = ledger(3, 0).prove(&StateKey::account(&id(2)));
    let state = AccountState::from_value(&answer.value.unwrap());
    assert_eq!(state, Some(AccountState { balance: Amount::cpc(3).0, nonce: 0 }));
}

#[test]
fn a_changed_proof_proves_nothing() {
    let view = ledger(20, 20);
    let (_, root) = view.height_and_root();
    let keys = [StateKey::account(&id(3)), StateKey::account(&id(50)), StateKey::entry("module", &[40])];
    for key in &keys {
        let answer = view.prove(key);
        let (value, bytes) = (answer.value.as_deref(), answer.proof.to_bytes());
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!checks(&root, key, value, &changed), "bit {bit}");
            // Nor the contrary.
            let contrary = if value.is_some() { None } else { Some(b"".as_slice()) };
            assert!(!checks(&root, key, contrary, &changed), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(!checks(&root, key, value, &bytes[..length]));
        }
        assert!(!checks(&Digest::ZERO, key, value, &bytes));
        // A proof of one key says nothing about the others.
        for other in all_keys().iter().filter(|other| *other != key) {
            assert!(!checks(&root, other, value, &bytes) || (value.is_none() && view.prove(other).value.is_none()));
        }
    }
}

/// Says that a key which is there is not: before an empty place, or before another leaf at each level.
#[test]
fn what_is_there_is_not_proved_absent() {
    let view = ledger(30, 0);
    let (_, root) = view.height_and_root();
    let key = StateKey::account(&id(5));
    let answer = view.prove(&key);
    let bytes = answer.proof.to_bytes();
    let count = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
    assert!(count > 2);
    let leaf_of = |other: &StateKey| {
        let path = Digest::of(Domain::new("cpchain/consensus/state-path/v1"), &[other.as_bytes()]);
        let value = view.prove(other).value.unwrap();
        let value = Digest::of(Domain::new("cpchain/consensus/state-value/v1"), &[&value]);
        [path.0, value.0].concat()
    };
    for kept in 0..=count {
        let siblings = &bytes[4..4 + 32 * kept];
        let head = |kind| [1, kind, 0, kept as u8];
        assert!(!checks(&root, &key, None, &[&head(1), siblings].concat()));
        for other in (0..30).filter(|other| *other != 5) {
            let leaf = leaf_of(&StateKey::account(&id(other)));
            assert!(!checks(&root, &key, None, &[&head(2), siblings, &leaf].concat()));
        }
    }
    // The same bytes with the leaf in its own place do prove something: that its neighbours are not there.
    let mut as_other = bytes;
    as_other[1] = 2;
    as_other.extend(leaf_of(&key));
    let absent = (30..230).map(|number| StateKey::account(&id(number)));
    assert!(absent.filter(|absent| checks(&root, absent, None, &as_other)).count() > 0);
    assert!(!checks(&root, &key, None, &as_other));
}

#[test]
fn bytes_are_pinned() {
    let view = ledger(2, 1);
    let present = view.prove(&StateKey::account(&id(1)));
    let other = view.prove(&StateKey::account(&id(7)));
    let digest = Digest::content(&[present.proof.to_bytes(), other.proof.to_bytes()].concat());
    assert_eq!((present.root.to_string().as_str(), digest.to_string().as_str()), (ROOT, PROOFS));
}

const ROOT: &str = "fd26ce3239d196613477a91a5b7dd06f236d2e3cdb2e323836a1d8727d606534";
const PROOFS: &str = "3638bd320a084d9f2b624c60e6efba599cbe4a48f3cd7c3b8961f8db41f14fbb";

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_or_refused(
        head in prop::sample::select(vec![[1, 0, 0, 2], [1, 1, 0, 2], [1, 2, 0, 2], [1, 0, 1, 1], [2, 0, 0, 0], [1, 3, 0, 0]]),
        tail in prop::collection::vec(any::<u8>(), 0..140),
        raw in prop::collection::vec(any::<u8>(), 0..140),
    ) {
        for bytes in [[&head[..], &tail].concat(), [&head[..], &tail[..tail.len() / 32 * 32]].concat(), raw] {
            if let Some(proof) = StateProof::from_bytes(&bytes) {
                prop_assert_eq!(proof.to_bytes(), bytes);
                prop_assert!(proof.verify(&Digest::ZERO, &StateKey::account(&id(1)), Some(b"x")).is_err());
            }
        }
    }
}

#[test]
fn a_proof_is_bounded() {
    let full = [[1, 2, 1, 0].as_slice(), &[9; 258 * 32]].concat();
    assert_eq!(full.len(), MAX_PROOF_BYTES);
    assert!(StateProof::from_bytes(&full).is_some());
    let longer = [[1, 2, 1, 1].as_slice(), &[9; 259 * 32]].concat();
    assert!(StateProof::from_bytes(&longer).is_none());
}
