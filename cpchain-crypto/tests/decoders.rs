//! Every decoder of the crate on noise and on changed genuine bytes: the bodies of the fuzz targets, bounded.
#![cfg(feature = "std")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../fuzz/bodies.rs"]
mod bodies;

use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex},
};

use cpchain_crypto::{
    Did, Digest, Domain, Signer, SigningKey, SystemEntropy,
    block::{BlockHeader, seal},
    key_tree::{IntervalId, StreamSecret, TreeNode},
    sealed_box,
};
use proptest::prelude::*;

/// Genuine bytes for the body of this name, made once.
fn genuine(name: &'static str) -> Vec<u8> {
    static MADE: LazyLock<Mutex<BTreeMap<&str, Vec<u8>>>> = LazyLock::new(Mutex::default);
    MADE.lock().unwrap().entry(name).or_insert_with(|| make(name)).clone()
}

fn make(name: &str) -> Vec<u8> {
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
        #[cfg(feature = "search")]
        "aggregate" | "catalogue" | "keyword" | "scan" | "scan_shared" => tables::stored(name),
        other => panic!("no genuine bytes for {other}: add them"),
    }
}

/// Tables as hosts keep them. Other messages have proptests of their own: `search_keyword_bytes.rs`, `scan.rs`, `scan_shared.rs`, `search_catalogue_bytes.rs` and
/// `aggregate.rs`.
#[cfg(feature = "search")]
mod tables {
    use cpchain_crypto::{
        Key, SeededEntropy, Signer, SigningKey,
        search::{
            SearchServer, Term,
            aggregate::{AggregateIndex, AggregateServer, Bins},
            catalogue::{Catalogue, CataloguePublisher, CatalogueServer, KeyLimits, Layout},
            keyword::{KeywordIndex, KeywordServer, ParameterSet, Posting, Shard},
            scan::{
                ScanIndex, ScanServer,
                shared::{SharedServer, SharedTable, SharedWriter},
            },
        },
    };

    /// Tables with a little in them.
    pub(super) fn stored(name: &str) -> Vec<u8> {
        let (key, entropy) = (Key::from_bytes([8; 32]), &mut SeededEntropy::new(&[3; 32]));
        match name {
            "aggregate" => {
                let mut owner = AggregateIndex::new(key, Bins::new(&[3, 10]).unwrap()).unwrap();
                let mut host = AggregateServer::new(owner.table(), 2);
                let tally = owner.bins().tally([(3, 7)]).unwrap();
                owner.append(&[tally], entropy).unwrap().iter().for_each(|update| host.apply(update).unwrap());
                host.to_bytes()
            }
            "catalogue" => {
                let mut publisher = CataloguePublisher::new(Catalogue::new(b"", Layout::Position, 1).unwrap());
                let mut host = CatalogueServer::new(publisher.listing().catalogue(), 1, KeyLimits::default());
                host.apply(&publisher.append(&[&[7]]).unwrap()).unwrap();
                host.to_bytes()
            }
            "keyword" => {
                let mut owner = KeywordIndex::new(key, ParameterSet::Bucket1K, 1).unwrap();
                let mut host = KeywordServer::new(owner.table(), Shard::new(0, 64).unwrap(), 1 << 22);
                let posting = Posting { term: Term::new("a", b"b"), record: 1 };
                host.apply(&owner.append(&[posting], entropy).unwrap()).unwrap();
                host.to_bytes()
            }
            "scan" => {
                let mut owner = ScanIndex::new(key, &[1]).unwrap();
                let mut host = ScanServer::new(owner.table(), 2);
                owner.append(&[&[7, 8]], entropy).unwrap().iter().for_each(|update| host.apply(update).unwrap());
                host.to_bytes()
            }
            _ => {
                let table = SharedTable::new(SigningKey::from_seed(&[0x5a; 32]).public_key(), &[1]).unwrap();
                let mut host = SharedServer::new(table, 2);
                let (mut writer, announcement) = SharedWriter::join(table, entropy).unwrap();
                host.apply(&announcement).unwrap();
                writer.append(&[&[7]], entropy).unwrap().iter().for_each(|block| host.apply(block).unwrap());
                host.to_bytes()
            }
        }
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
