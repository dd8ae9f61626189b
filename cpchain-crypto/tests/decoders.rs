//! Every decoder of the crate on noise and on changed genuine bytes: the bodies of the fuzz targets, bounded.
#![cfg(feature = "std")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../fuzz/bodies.rs"]
mod bodies;

use cpchain_crypto::{
    Did, Digest, Domain, Signer, SigningKey, SystemEntropy,
    block::{BlockHeader, seal},
    key_tree::{IntervalId, StreamSecret, TreeNode},
    sealed_box,
};
use proptest::prelude::*;

/// Genuine bytes for the body of this name.
fn genuine(name: &str) -> Vec<u8> {
    let header = BlockHeader {
        stream: Digest([1; 32]),
        index: 7,
        interval: IntervalId(2),
        start_ms: 9,
        count: 2,
        codec: 1,
        body_len: 100,
        previous: Digest::ZERO,
    };
    let key = StreamSecret::from_bytes([5; 32]).interval_key(IntervalId(2));
    let signing = SigningKey::from_seed(&[3; 32]);
    match name {
        "block_header" => header.to_bytes().to_vec(),
        "sealed_block" => seal(&header, &key, &[8; 100]).unwrap().0,
        "leaf_commitment" => seal(&header, &key, &[8; 100]).unwrap().1[0].to_bytes().to_vec(),
        "tree_node" => TreeNode::new(20, 5).unwrap().to_bytes().to_vec(),
        "did" => Did::from(signing.public_key()).to_string().into_bytes(),
        "merkle_path" => (0..7u8).flat_map(|i| [i; 32]).collect(),
        "sealed_box" => {
            const PURPOSE: Domain = Domain::new("cpchain/crypto/tests/decoders/v1");
            sealed_box::seal(&signing.public_key(), PURPOSE, b"", &[1; 40], &mut SystemEntropy).unwrap()
        }
        #[cfg(feature = "umbral")]
        "pre_public_key" => bodies::pre::SALE.parties.verifying.as_bytes().to_vec(),
        #[cfg(feature = "umbral")]
        "pre_secret_key" => bodies::pre::SALE.delegating.expose().to_vec(),
        #[cfg(feature = "umbral")]
        "pre_capsule" => bodies::pre::SALE.capsule.as_bytes().to_vec(),
        #[cfg(feature = "umbral")]
        "pre_key_fragment" => bodies::pre::SALE.key.expose().to_vec(),
        #[cfg(feature = "umbral")]
        "pre_capsule_fragment" => bodies::pre::SALE.fragment.as_bytes().to_vec(),
        // Long messages: their own proptests are in `search_keyword_bytes.rs`, `scan.rs`, `scan_shared.rs` and `aggregate.rs`, here they are met by noise.
        #[cfg(feature = "search")]
        "keyword" => [vec![1; 33], vec![2]].concat(),
        "aggregate" | "scan" | "scan_shared" => vec![1; 33],
        other => panic!("no genuine bytes for {other}: add them"),
    }
}

#[test]
fn genuine_bytes_pass() {
    for (name, body) in bodies::ALL {
        body(&genuine(name));
    }
}

#[test]
fn every_body_has_a_target() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/fuzz_targets");
    for (name, _) in bodies::ALL {
        assert!(std::path::Path::new(folder).join(format!("{name}.rs")).exists(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoders_take_any_bytes(
        noise in prop::collection::vec(any::<u8>(), 0..400), at: prop::sample::Index, with in 1u8.., cut in 0usize..3,
    ) {
        for (name, body) in bodies::ALL {
            body(&noise);
            let mut bytes = genuine(name);
            let place = at.index(bytes.len());
            bytes[place] ^= with;
            body(&bytes);
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            body(&bytes);
            bytes.extend(&noise);
            body(&bytes);
        }
    }
}
