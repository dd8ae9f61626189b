//! Reading back: every way in which a sequence of blocks can be wrong is an error of its own.
#![cfg(all(feature = "csv", feature = "pco"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeMap;

use cpchain_crypto::{
    Digest,
    block::{BlockHeader, HEADER_LEN, SealedBlock, seal},
    key_tree::{IntervalId, IntervalKey, NodeSeed, StreamSecret, cover},
    merkle,
};
use cpchain_storage::{
    CodecRegistry, KeySource, Manifest, ReadError, Table, Upload, encode_object, read_blocks, read_object,
};
use support::*;

fn blocks(upload: &Upload) -> Vec<Vec<u8>> {
    let place = |block: &cpchain_storage::manifest::BlockEntry| {
        upload.object[block.offset as usize..][..block.length as usize].to_vec()
    };
    upload.manifest.body().blocks.iter().map(place).collect()
}

fn read(upload: &Upload, blocks: &[Vec<u8>]) -> Result<Table, ReadError> {
    read_blocks(&upload.manifest, 0..u32::MAX, blocks, &secret(), &CodecRegistry::default())
}

#[test]
fn rows_come_back_and_intervals_can_be_read_alone() {
    let upload = &uploads(4)[0];
    let all = read(upload, &blocks(upload)).unwrap();
    assert!(all.rows().eq(readings(0..4)));
    // Interval 1 alone, with the seed that was granted for it.
    let granted: Vec<NodeSeed> = cover(1..2).filter_map(|node| secret().seed(node)).collect();
    let codecs = CodecRegistry::default();
    let second = read_object(&upload.manifest, 1..2, &upload.object, &granted, &codecs).unwrap();
    assert!(second.rows().eq(readings(2..4)));
    let first = read_object(&upload.manifest, 0..1, &upload.object, &granted, &codecs);
    assert_eq!(first, Err(ReadError::NoKey { interval: IntervalId(0) }));
    let none = read_object(&upload.manifest, 7..9, &upload.object, &granted, &codecs);
    assert_eq!(none, Err(ReadError::NoBlocks));
    let short = read_object(&upload.manifest, 0..9, &upload.object[..300], &secret(), &codecs);
    assert!(matches!(short, Err(ReadError::ObjectLength { index: 0 | 1 })));
}

#[test]
fn missing() {
    let upload = &uploads(4)[0];
    for gone in 0..4 {
        let mut blocks = blocks(upload);
        blocks.remove(gone);
        assert_eq!(read(upload, &blocks), Err(ReadError::Missing { index: gone as u64 }));
    }
    assert_eq!(read(upload, &[]), Err(ReadError::Missing { index: 0 }));
}

#[test]
fn swapped() {
    let upload = &uploads(4)[0];
    let mut blocks = blocks(upload);
    blocks.swap(1, 2);
    assert_eq!(read(upload, &blocks), Err(ReadError::Swapped { expected: 1, found: 2 }));
}

#[test]
fn repeated() {
    let upload = &uploads(4)[0];
    let mut inside = blocks(upload);
    inside.insert(2, inside[1].clone());
    assert_eq!(read(upload, &inside), Err(ReadError::Repeated { index: 1 }));
    let mut after = blocks(upload);
    after.push(after[3].clone());
    assert_eq!(read(upload, &after), Err(ReadError::Repeated { index: 3 }));
}

#[test]
fn truncated() {
    let upload = &uploads(4)[0];
    for length in [0, 1, HEADER_LEN - 1, HEADER_LEN, HEADER_LEN + 10] {
        let mut blocks = blocks(upload);
        let expected = blocks[2].len();
        blocks[2].truncate(length);
        assert_eq!(read(upload, &blocks), Err(ReadError::Truncated { index: 2, expected, found: length }));
    }
}

#[test]
fn foreign() {
    let upload = &uploads(4)[0];
    let other = cpchain_storage::StreamConfig { name: "cellar".to_owned(), ..config() };
    let dir = tempfile::tempdir().unwrap();
    let codecs = CodecRegistry::default();
    let mut gateway = cpchain_storage::Gateway::open(other, secret(), owner(), codecs, dir.path()).unwrap();
    let strange: Vec<_> = readings(0..5).into_iter().filter_map(|reading| gateway.push(reading).unwrap()).collect();
    let mut of_another_stream = blocks(upload);
    of_another_stream[1] = blocks(&strange[0])[1].clone();
    assert_eq!(read(upload, &of_another_stream), Err(ReadError::Foreign { expected: 1 }));
    let mut of_another_upload = blocks(upload);
    of_another_upload[1] = blocks(&uploads(8)[1])[1].clone();
    assert_eq!(read(upload, &of_another_upload), Err(ReadError::Foreign { expected: 1 }));
}

#[test]
fn changed() {
    let upload = &uploads(4)[0];
    for at in [4, 8, 12, 16, 32, HEADER_LEN - 1, HEADER_LEN, HEADER_LEN + 40] {
        let mut blocks = blocks(upload);
        blocks[3][at] ^= 4;
        let result = read(upload, &blocks);
        assert!(
            matches!(result, Err(ReadError::Changed { index: 3, .. } | ReadError::Truncated { index: 3, .. })),
            "{at}: {result:?}"
        );
    }
    // A block that says that it is another one is taken for that one.
    for at in [24, 40] {
        let mut blocks = blocks(upload);
        blocks[3][at] ^= 64;
        assert_eq!(read(upload, &blocks), Err(ReadError::Foreign { expected: 3 }));
    }
}

#[test]
fn wrong_keys() {
    let upload = &uploads(4)[0];
    let codecs = CodecRegistry::default();
    let stranger = StreamSecret::from_bytes([9; 32]);
    let result = read_object(&upload.manifest, 0..9, &upload.object, &stranger, &codecs);
    assert_eq!(result, Err(ReadError::WrongKey { interval: IntervalId(0) }));
    let mut some: BTreeMap<IntervalId, IntervalKey> = BTreeMap::new();
    some.insert(IntervalId(0), secret().interval_key(IntervalId(0)));
    let result = read_object(&upload.manifest, 0..9, &upload.object, &some, &codecs);
    assert_eq!(result, Err(ReadError::NoKey { interval: IntervalId(1) }));
}

/// An upload whose owner sealed one block of its own making, and signed it all.
fn forged(change: impl Fn(&mut BlockHeader, &mut Vec<u8>), key: &dyn KeySource) -> Upload {
    let upload = uploads(2).remove(0);
    let mut body = upload.manifest.body().clone();
    let mut sealed = blocks(&upload);
    let old = SealedBlock::parse(&sealed[1]).unwrap();
    let (mut header, interval) = (*old.header(), old.header().interval);
    let mut plain = old.open(&secret().interval_key(interval)).unwrap();
    change(&mut header, &mut plain);
    header.body_len = plain.len() as u32;
    let (bytes, _) = seal(&header, &key.interval_key(interval).unwrap(), &plain).unwrap();
    sealed[1] = bytes;
    body.blocks[1].hash = SealedBlock::parse(&sealed[1]).unwrap().hash();
    body.blocks[1].length = sealed[1].len() as u32;
    body.blocks[1].count = header.count;
    let mut object = sealed.concat();
    let list = &upload.object[upload.manifest.body().commitments_offset() as usize..];
    object.extend_from_slice(list);
    (body.object, _) = encode_object(&object, body.object.params).unwrap();
    let manifest = Manifest::sign(body, &owner()).unwrap();
    Upload { manifest, object: object.into(), ..upload }
}

#[test]
fn what_only_the_owner_can_do_wrong() {
    let codecs = CodecRegistry::default();
    let read = |upload: &Upload| read_object(&upload.manifest, 0..9, &upload.object, &secret(), &codecs);
    let honest = forged(|_, _| {}, &secret());
    assert!(read(&honest).is_ok());

    let chain = forged(|header, _| header.previous = Digest([7; 32]), &secret());
    assert_eq!(read(&chain), Err(ReadError::Chain { index: 1 }));
    assert!(chain.manifest.verify(&chain.object).is_err(), "a buyer sees it before it offers");

    let other_key = forged(|_, _| {}, &StreamSecret::from_bytes([9; 32]));
    assert!(matches!(read(&other_key), Err(ReadError::Sealed { index: 1, .. })));

    let junk = forged(|_, body| body.fill(0xff), &secret());
    assert!(matches!(read(&junk), Err(ReadError::Codec { index: 1, .. })));

    let fewer = forged(|header, _| header.count = 3, &secret());
    assert!(matches!(read(&fewer), Err(ReadError::Codec { index: 1, .. })));

    let mut strange = Table::new(["other"]).unwrap();
    strange.push(cpchain_storage::gateway::DAY_MS + 1, &[1.0]).unwrap();
    let columns = |header: &mut BlockHeader, body: &mut Vec<u8>| {
        header.count = 1;
        *body = codecs.encode(1, &strange).unwrap();
    };
    assert!(matches!(read(&forged(columns, &secret())), Err(ReadError::Rows { index: 1, .. })));

    let mut late = Table::new(["a", "b"]).unwrap();
    late.push(9 * cpchain_storage::gateway::DAY_MS, &[1.0, 2.0]).unwrap();
    let period = |header: &mut BlockHeader, body: &mut Vec<u8>| {
        header.count = 1;
        *body = codecs.encode(1, &late).unwrap();
    };
    assert_eq!(read(&forged(period, &secret())), Err(ReadError::Period { index: 1 }));
}

#[test]
fn a_leaf_is_proven_under_the_root_of_the_voucher() {
    let upload = &uploads(4)[0];
    let verified = upload.manifest.verify(&upload.object).unwrap();
    let voucher = upload.voucher.body();
    for (position, block) in verified.blocks().iter().enumerate() {
        let index = verified.leaf_index(position, 0).unwrap();
        let commitment = verified.commitments()[index as usize];
        let leaf = commitment.merkle_leaf(block.header(), 0, block.leaf(0).unwrap());
        let path = verified.leaf_path(index).unwrap();
        assert!(merkle::verify(voucher.leaf_root, leaf, index, u64::from(voucher.leaf_count), &path));
        assert!(!merkle::verify(voucher.leaf_root, Digest::ZERO, index, u64::from(voucher.leaf_count), &path));
    }
    assert_eq!(verified.leaf_index(0, 1), None);
    assert_eq!(verified.leaf_path(99), None);
}
