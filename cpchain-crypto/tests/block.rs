//! Sealed blocks from the outside: round trips, changes, single leaves, golden bytes.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::{
    Digest,
    block::{BlockHeader, ChainError, LeafSecrets, SealedBlock, seal},
    key_tree::{IntervalId, IntervalKey, StreamSecret},
};
use proptest::prelude::*;

fn header(body_len: usize) -> BlockHeader {
    BlockHeader {
        stream: Digest([1; 32]),
        index: 7,
        interval: IntervalId(2),
        start_ms: 1_262_304_000_000,
        count: 24,
        codec: 1,
        body_len: body_len as u32,
        previous: Digest([2; 32]),
    }
}

fn key() -> IntervalKey {
    StreamSecret::from_bytes([5; 32]).interval_key(IntervalId(2))
}

#[test]
fn golden_block() {
    let (bytes, commitments) = seal(&header(5000), &key(), &[42; 5000]).unwrap();
    let block = SealedBlock::parse(&bytes).unwrap();
    let leaf = commitments[1].merkle_leaf(block.header(), 1, block.leaf(1).unwrap());
    let golden = include_str!("../testdata/sealed_block.hex");
    assert_eq!(format!("{}\n{leaf}", block.hash()), golden.trim());
}

proptest! {
    #[test]
    fn blocks_of_any_length_round_trip(length in prop_oneof![Just(0usize), Just(4096), Just(8192), 0usize..20_000]) {
        let body: Vec<u8> = (0..length).map(|i| i as u8).collect();
        let (bytes, commitments) = seal(&header(length), &key(), &body).unwrap();
        let block = SealedBlock::parse(&bytes).unwrap();
        prop_assert_eq!(commitments.len(), block.leaves().count());
        prop_assert_eq!(block.open(&key()).unwrap(), body);
    }

    #[test]
    fn any_flipped_bit_is_found(length in 1usize..9000, at: prop::sample::Index, bit in 0u8..8) {
        let body = vec![3; length];
        let (mut bytes, _) = seal(&header(length), &key(), &body).unwrap();
        let hash = SealedBlock::parse(&bytes).unwrap().hash();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(block) = SealedBlock::parse(&bytes) {
            prop_assert_ne!(block.hash(), hash);
            prop_assert!(block.open(&key()).is_err());
            let mut opened = vec![1; length];
            prop_assert!(block.open_into(&key(), &mut opened).is_err());
            // A header that claims another length is refused before anything is written.
            prop_assert!(opened == vec![0; length] || block.header().body_len as usize != length);
        }
    }

    #[test]
    fn parsing_any_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = SealedBlock::parse(&bytes);
        let mut framed = b"CPB1".to_vec();
        framed.extend(bytes);
        let _ = SealedBlock::parse(&framed);
    }
}

#[test]
fn one_leaf_opens_alone_and_only_at_its_place() {
    let body: Vec<u8> = (0..10_000u32).map(|i| i as u8).collect();
    let (bytes, commitments) = seal(&header(body.len()), &key(), &body).unwrap();
    let block = SealedBlock::parse(&bytes).unwrap();
    let secrets = LeafSecrets::derive(&key(), 7, 1);
    let mut leaf = block.leaf(1).unwrap().to_vec();
    let plain = secrets.open(block.header(), 1, &mut leaf).unwrap();
    assert_eq!(plain, &body[4096..8192]);
    assert_eq!(secrets.commit(plain), commitments[1]);
    let mut moved = block.leaf(1).unwrap().to_vec();
    assert!(secrets.open(block.header(), 0, &mut moved).is_err());
}

#[test]
fn the_key_commitment_binds_the_salt() {
    let body = [9; 100];
    let (_, commitments) = seal(&header(body.len()), &key(), &body).unwrap();
    let secrets = LeafSecrets::derive(&key(), 7, 0);
    assert_eq!(secrets.key_hash(), commitments[0].key);
    let mut made_up = secrets.clone();
    made_up.salt[0] ^= 1;
    assert_ne!(made_up.key_hash(), commitments[0].key);
    assert_ne!(made_up, secrets);
    assert_eq!(format!("{secrets:?}"), "LeafSecrets(..)");
}

/// Four blocks of one chain, the last two in a later interval.
fn chain(stream: u8) -> Vec<Vec<u8>> {
    let mut previous = Digest::ZERO;
    let mut sealed = |index| {
        let interval = IntervalId(2 + (index as u32) / 2);
        let header = BlockHeader { stream: Digest([stream; 32]), index, interval, previous, ..header(100) };
        let key = StreamSecret::from_bytes([5; 32]).interval_key(interval);
        let (bytes, _) = seal(&header, &key, &[index as u8; 100]).unwrap();
        previous = SealedBlock::parse(&bytes).unwrap().hash();
        bytes
    };
    (0..4).map(&mut sealed).collect()
}

fn walk(blocks: &[Vec<u8>]) -> Result<(), ChainError> {
    let mut last = None;
    for bytes in blocks {
        let block = SealedBlock::parse(bytes).unwrap();
        block.follows(last.as_ref())?;
        last = Some(block);
    }
    Ok(())
}

#[test]
fn a_chain_shows_what_was_done_to_it() {
    let whole = chain(1);
    assert_eq!(walk(&whole), Ok(()));
    for missing in 0..3 {
        let mut blocks = whole.clone();
        blocks.remove(missing);
        let (expected, found) = (missing as u64, missing as u64 + 1);
        assert_eq!(walk(&blocks), Err(ChainError::WrongIndex { expected, found }));
    }
    for at in 0..3 {
        let mut swapped = whole.clone();
        swapped.swap(at, at + 1);
        assert_eq!(walk(&swapped), Err(ChainError::WrongIndex { expected: at as u64, found: at as u64 + 1 }));

        let mut twice = whole.clone();
        twice.insert(at, whole[at].clone());
        assert_eq!(walk(&twice), Err(ChainError::WrongIndex { expected: at as u64 + 1, found: at as u64 }));

        let mut changed = whole.clone();
        *changed[at].last_mut().unwrap() ^= 1;
        assert_eq!(walk(&changed), Err(ChainError::WrongPrevious));

        let mut foreign = whole.clone();
        foreign[at + 1] = chain(2)[at + 1].clone();
        assert_eq!(walk(&foreign), Err(ChainError::WrongStream));
    }
}

#[test]
fn a_chain_neither_goes_back_nor_ends_in_a_circle() {
    let after = |first: &BlockHeader, index, interval| {
        let (bytes, _) = seal(first, &key(), &[1; 10]).unwrap();
        let first = SealedBlock::parse(&bytes).unwrap();
        let next = BlockHeader { index, interval, previous: first.hash(), ..*first.header() };
        let (bytes, _) = seal(&next, &key(), &[1; 10]).unwrap();
        SealedBlock::parse(&bytes).unwrap().follows(Some(&first))
    };
    assert_eq!(after(&header(10), 8, IntervalId(2)), Ok(()));
    assert_eq!(after(&header(10), 8, IntervalId(1)), Err(ChainError::IntervalGoesBack));
    let last = BlockHeader { index: u64::MAX, ..header(10) };
    let wrong = ChainError::WrongIndex { expected: u64::MAX, found: u64::MAX };
    assert_eq!(after(&last, u64::MAX, IntervalId(2)), Err(wrong));
}
