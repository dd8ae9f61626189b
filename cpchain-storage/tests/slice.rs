//! Slices against the reference implementation of Bao, and against whoever forges them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::io::{Cursor, Read};

use bao::{decode::SliceDecoder, encode::SliceExtractor};
use cpchain_storage::{
    ChunkId,
    slice::{LEAF_LEN, SliceError, leaf_count, prove, verify, verify_leaf},
};
use proptest::prelude::*;

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 + n / 251) as u8).collect()
}

fn bao_slice(chunk: &[u8], start: u64, length: u64) -> Vec<u8> {
    let (encoded, _) = bao::encode::encode(chunk);
    let mut slice = Vec::new();
    SliceExtractor::new(Cursor::new(encoded), start, length).read_to_end(&mut slice).unwrap();
    slice
}

fn ask() -> impl Strategy<Value = (Vec<u8>, u64, u64)> {
    (1usize..20_000).prop_flat_map(|length| {
        (Just(bytes(length)), 0..length).prop_flat_map(move |(chunk, start)| {
            (Just(chunk), Just(start as u64), (start + 1..=length).prop_map(|end| end as u64))
        })
    })
}

proptest! {
    #[test]
    fn slices_are_those_of_bao((chunk, start, end) in ask()) {
        let id = ChunkId::of(&chunk);
        let slice = prove(&chunk, start..end).unwrap();
        prop_assert_eq!(&slice, &bao_slice(&chunk, start, end - start));
        let mut read = Vec::new();
        let hash = blake3::Hash::from(*id.as_bytes());
        SliceDecoder::new(slice.as_slice(), &hash, start, end - start).read_to_end(&mut read).unwrap();
        let expected = &chunk[start as usize..end as usize];
        prop_assert_eq!(read.as_slice(), expected);
        prop_assert_eq!(verify(&id, chunk.len() as u64, start..end, &slice).unwrap(), expected);
    }

    #[test]
    fn a_flipped_bit_is_refused((chunk, start, end) in ask(), at: prop::sample::Index, bit in 0..8u8) {
        let mut slice = prove(&chunk, start..end).unwrap();
        let at = at.index(slice.len());
        slice[at] ^= 1 << bit;
        prop_assert!(verify(&ChunkId::of(&chunk), chunk.len() as u64, start..end, &slice).is_err());
    }

    #[test]
    fn cut_and_lengthened_slices_are_refused((chunk, start, end) in ask(), at: prop::sample::Index) {
        let mut slice = prove(&chunk, start..end).unwrap();
        let (id, length) = (ChunkId::of(&chunk), chunk.len() as u64);
        prop_assert_eq!(verify(&id, length, start..end, &slice[..at.index(slice.len())]), Err(SliceError::Malformed));
        slice.push(0);
        prop_assert_eq!(verify(&id, length, start..end, &slice), Err(SliceError::Malformed));
    }

    #[test]
    fn arbitrary_bytes_never_verify(slice: Vec<u8>, length: u64, start: u64, end: u64, id: [u8; 32]) {
        let id = ChunkId::from_slice(&id).unwrap();
        prop_assert!(verify(&id, length, start..end, &slice).is_err());
        prop_assert!(verify_leaf(&id, length, start, &slice).is_err());
        let mut headed = length.to_le_bytes().to_vec();
        headed.extend_from_slice(&slice);
        prop_assert!(verify(&id, length, start..end, &headed).is_err());
    }
}

#[test]
fn a_slice_is_good_for_its_own_question_only() {
    let chunk = bytes(10 * LEAF_LEN as usize);
    let (id, length) = (ChunkId::of(&chunk), chunk.len() as u64);
    let slice = prove(&chunk, 3 * LEAF_LEN..4 * LEAF_LEN).unwrap();
    assert_eq!(verify_leaf(&id, length, 3, &slice).unwrap(), &chunk[3 * 1024..4 * 1024]);
    for leaf in (0..leaf_count(length)).filter(|leaf| *leaf != 3) {
        assert!(verify_leaf(&id, length, leaf, &slice).is_err(), "leaf {leaf}");
    }
    assert_eq!(verify_leaf(&id, length, 10, &slice), Err(SliceError::Range));
    assert_eq!(verify_leaf(&id, length, u64::MAX, &slice), Err(SliceError::Range));
    assert!(verify_leaf(&ChunkId::of(b"other"), length, 3, &slice).is_err());
    assert!(verify_leaf(&id, length - 1, 3, &slice).is_err());
    assert!(verify(&id, length, 0..length, &slice).is_err());
    // Every range inside the same leaf has the same slice.
    assert_eq!(prove(&chunk, 3100..3101).unwrap(), slice);
    assert_eq!(verify(&id, length, 3100..3101, &slice).unwrap(), [chunk[3100]]);
}

#[test]
fn ranges_are_checked() {
    let chunk = bytes(2000);
    for range in [0..0, 5..5, 2000..2001, 0..2001] {
        assert_eq!(prove(&chunk, range.clone()), Err(SliceError::Range), "{range:?}");
        assert_eq!(verify(&ChunkId::of(&chunk), 2000, range, &[]), Err(SliceError::Range));
    }
    assert_eq!(prove(&[], 0..1), Err(SliceError::Range));
    assert_eq!(prove(&[1], 0..1).unwrap(), [1, 0, 0, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn golden_slice() {
    let slice = prove(&bytes(104_896), 50_000..52_000).unwrap();
    assert_eq!(slice.len(), 3592);
    let hash = "d62074959b546d2c58738e6bf55a553448d799f748e73f213d409d3ff72052aa";
    assert_eq!(blake3::hash(&slice).to_hex().as_str(), hash);
}
