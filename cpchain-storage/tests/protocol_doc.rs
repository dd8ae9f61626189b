//! The examples of `docs/protocol.md`, computed anew: what others implement is what this crate does.
#![cfg(feature = "network")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::{Signer, SigningKey};
use cpchain_storage::{
    ChunkId,
    network::{Receipt, RecordKind, SignedRecord},
    slice,
};
use libp2p::kad::{KBucketKey, RecordKey as KadKey};

const PAGE: &str = include_str!("../docs/protocol.md");

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A frame of the chunk protocol around a message of one field (number and wire type 2) that holds one field of bytes.
fn frame(outer: u8, inner: &[u8]) -> String {
    let message = [&[outer << 3 | 2, inner.len() as u8], inner].concat();
    hex([&(message.len() as u32).to_le_bytes(), message.as_slice()].concat())
}

fn examples() -> Vec<(&'static str, String)> {
    let (owner, holder) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
    let expires_ms = 1_800_000_000_000;
    let record =
        SignedRecord::sign(&owner, RecordKind::ProxyDescriptor, b"proxy", 1, expires_ms, b"body".to_vec()).unwrap();
    let key = record.key().dht_key();
    let shard = b"shard";
    let id = ChunkId::of(shard);
    let receipt = Receipt::sign(&holder, id, shard.len() as u32, expires_ms);
    let point = KBucketKey::new(KadKey::new(&key));
    let offered = [&point.hashed_bytes()[..16], &blake3::hash(&record.to_bytes()).as_bytes()[..8]].concat();
    let id_field = [&[0x0a, 32], id.as_bytes().as_slice()].concat();
    vec![
        ("owner", hex(owner.public_key().0)),
        ("record (kind 4, name proxy, sequence 1, expires 1800000000000, body)", hex(record.to_bytes())),
        ("its key in the DHT", hex(&key)),
        ("its 24 bytes in an offer", hex(offered)),
        ("id of the shard `shard`", hex(id.as_bytes())),
        ("its slice of bytes 0 to 5", hex(slice::prove(shard, 0..5).unwrap())),
        ("its receipt by the holder", hex(receipt.to_bytes())),
        ("frame: get it", frame(2, &id_field)),
        ("frame: is it held?", frame(3, &id_field)),
        ("frame: the shard", frame(2, &[&[0x0a, 5], shard.as_slice()].concat())),
        ("frame: it is held", frame(3, &[0x0a, 1, 1])),
        ("frame: malformed", frame(4, &[0x08, 1])),
    ]
}

#[test]
fn the_examples_of_the_page_are_right() {
    let page: String = examples().iter().map(|(name, bytes)| format!("{name}\n  {bytes}\n")).collect();
    assert!(PAGE.contains(&page), "the page should say:\n{page}");
}
