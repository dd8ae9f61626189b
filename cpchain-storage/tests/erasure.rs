//! Erasure coding: any k of n, and never a wrong byte.
#![cfg(feature = "objects")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use bytes::Bytes;
use cpchain_crypto::Digest;
use cpchain_storage::{
    CHUNK_LEN, CodedChunk, Coder, ErasureError, ErasureParams, HashedChunk, MAX_LISTED_CHUNKS, MIN_SHARD_LEN,
    ObjectRef, encode_object, encode_stream,
};
use proptest::prelude::*;

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 251) as u8).collect()
}

fn joined(shards: &[HashedChunk]) -> Vec<u8> {
    shards.iter().flat_map(|shard| shard.bytes()).copied().collect()
}

fn some(coded: &CodedChunk, places: &[u8]) -> Vec<(u8, Bytes)> {
    places.iter().map(|place| (*place, coded.shards[usize::from(*place)].bytes().clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_k_of_n_shards_give_the_chunk_back(
        length in prop_oneof![1usize..700, Just(CHUNK_LEN), 1usize..100_000],
        (data, total, order) in (1u8..20, 1u8..20).prop_flat_map(|(data, more)| {
            let places: Vec<u8> = (0..data + more).collect();
            (Just(data), Just(data + more), Just(places).prop_shuffle())
        }),
    ) {
        let mut coder = Coder::new(ErasureParams::new(data, total).unwrap());
        let chunk = bytes(length);
        let coded = coder.encode_chunk(&chunk).unwrap();
        let enough = some(&coded, &order[..usize::from(data)]);
        prop_assert_eq!(coder.decode_chunk(&coded.reference, length, enough.clone()).unwrap(), chunk);
        prop_assert_eq!(coder.repair_chunk(&coded.reference, length, enough).unwrap(), coded.clone());
        let too_few = coder.decode_chunk(&coded.reference, length, some(&coded, &order[1..usize::from(data)]));
        let is_too_few = matches!(too_few, Err(ErasureError::NotEnough { .. }));
        prop_assert!(is_too_few);
    }
}

#[test]
fn data_shards_are_the_chunk() {
    let chunk = bytes(1000);
    let coded = Coder::new(ErasureParams::default()).encode_chunk(&chunk).unwrap();
    assert_eq!(joined(&coded.shards[..10]), chunk);
    let golden = Digest::content(&joined(&coded.shards)).to_string();
    assert_eq!(golden, include_str!("../testdata/shards_hash.hex").trim());
}

#[test]
fn shard_lengths() {
    let params = ErasureParams::default();
    assert_eq!(params.shard_len(1), MIN_SHARD_LEN);
    assert_eq!(params.shard_len(640), 64);
    assert_eq!(params.shard_len(641), 66);
    assert_eq!(params.shard_len(CHUNK_LEN), 104_858);
}

#[test]
fn a_wrong_shard_is_never_used() {
    let mut coder = Coder::new(ErasureParams::default());
    let chunk = bytes(5000);
    let coded = coder.encode_chunk(&chunk).unwrap();
    let mut shards = some(&coded, &(0..11).collect::<Vec<_>>());
    let mut wrong = shards[3].1.to_vec();
    wrong[7] ^= 1;
    shards[3].1 = wrong.into();
    assert_eq!(coder.decode_chunk(&coded.reference, 5000, shards.clone()).unwrap(), chunk);
    shards[4].0 = 5;
    let result = coder.decode_chunk(&coded.reference, 5000, shards);
    assert!(matches!(result, Err(ErasureError::NotEnough { found: 9, needed: 10 })));
    // Twice the same shard counts once, and a place that is none not at all.
    let twice = [some(&coded, &[0; 9]), some(&coded, &[9]), vec![(200, coded.shards[1].bytes().clone())]].concat();
    let result = coder.decode_chunk(&coded.reference, 5000, twice);
    assert!(matches!(result, Err(ErasureError::NotEnough { found: 2, .. })));
}

#[test]
fn shards_that_are_no_code_word_are_the_owners_fault() {
    let mut coder = Coder::new(ErasureParams::default());
    let mut coded = coder.encode_chunk(&bytes(5000)).unwrap();
    coded.shards[12] = HashedChunk::new(vec![0; coded.shards[12].bytes().len()].into());
    coded.reference.shards[12] = *coded.shards[12].id();
    let shards = some(&coded, &(5..15).collect::<Vec<_>>());
    assert!(matches!(coder.decode_chunk(&coded.reference, 5000, shards), Err(ErasureError::WrongChunk)));
}

#[test]
fn objects_are_cut_at_one_mebibyte() {
    for (length, chunks) in [(0, 0), (1, 1), (CHUNK_LEN, 1), (CHUNK_LEN + 1, 2), (3 * CHUNK_LEN, 3)] {
        let object = bytes(length);
        let (reference, coded) = encode_object(&object, ErasureParams::default()).unwrap();
        assert_eq!((reference.chunks.len(), reference.length), (chunks, length as u64));
        assert_eq!(reference.root, Digest::content(&object));
        assert_eq!(ObjectRef::decode(&reference.encode()).unwrap(), reference);
        let mut coder = Coder::new(reference.params);
        let mut back = Vec::new();
        for (i, (chunk, coded)) in reference.chunks.iter().zip(&coded).enumerate() {
            let last = some(coded, &(20..30).collect::<Vec<_>>());
            back.extend(coder.decode_chunk(chunk, reference.chunk_len(i).unwrap(), last).unwrap());
        }
        assert_eq!(back, object);
    }
}

#[test]
fn references_that_contradict_themselves_are_refused() {
    let (reference, _) = encode_object(&bytes(10), ErasureParams::default()).unwrap();
    let refused = |change: &dyn Fn(&mut ObjectRef)| {
        let mut changed = reference.clone();
        change(&mut changed);
        assert!(ObjectRef::decode(&changed.encode()).is_err());
    };
    refused(&|object| object.chunks.clear());
    refused(&|object| object.length = 0);
    refused(&|object| object.length = u64::MAX);
    refused(&|object| object.chunks[0].shards.truncate(3));
    refused(&|object| object.params = ErasureParams::new(2, 3).unwrap());
    assert!(ErasureParams::new(0, 3).is_err());
    assert!(ErasureParams::new(3, 3).is_err());
}

#[test]
fn an_index_is_there_when_it_is_needed() {
    let params = ErasureParams::new(1, 2).unwrap();
    let (mut object, _) = encode_object(&bytes(10), params).unwrap();
    let chunk = object.chunks[0].clone();
    object.length = (MAX_LISTED_CHUNKS as u64 + 1) * CHUNK_LEN as u64;
    object.chunks = vec![chunk.clone(); MAX_LISTED_CHUNKS + 1];
    assert!(ObjectRef::decode(&object.encode()).is_err(), "too many to be listed");
    let entries = (MAX_LISTED_CHUNKS as u64 + 1) * 96;
    let index = ObjectRef { root: object.root, length: entries, params, chunks: vec![chunk.clone()], index: None };
    object.index = Some(Box::new(index.clone()));
    assert!(ObjectRef::decode(&object.encode()).is_err(), "listed twice");
    object.chunks.clear();
    assert_eq!(ObjectRef::decode(&object.encode()).unwrap(), object);
    let refused = |change: &dyn Fn(&mut ObjectRef)| {
        let mut changed = object.clone();
        change(&mut changed);
        assert!(ObjectRef::decode(&changed.encode()).is_err());
    };
    refused(&|object| object.length -= CHUNK_LEN as u64);
    refused(&|object| object.length += CHUNK_LEN as u64);
    refused(&|object| object.index.as_mut().unwrap().length += 96);
    refused(&|object| object.index.as_mut().unwrap().params = ErasureParams::new(2, 3).unwrap());
    refused(&|object| object.index.as_mut().unwrap().index = Some(Box::new(index.clone())));
    assert_eq!(ObjectRef::longest(ErasureParams::default()), 1 << 40);
    assert!(ObjectRef::longest(ErasureParams::new(100, 255).unwrap()) < 1 << 40);
}

#[test]
fn a_stream_is_coded_chunk_by_chunk() {
    let object = bytes(CHUNK_LEN * 2 + 5);
    let mut seen = 0;
    let streamed = encode_stream(object.as_slice(), ErasureParams::default(), |_| -> Result<(), ErasureError> {
        seen += 1;
        Ok(())
    });
    assert_eq!(streamed.unwrap(), encode_object(&object, ErasureParams::default()).unwrap().0);
    assert_eq!(seen, 3);
}
