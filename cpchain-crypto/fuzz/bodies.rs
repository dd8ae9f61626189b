//! One body for each decoder of the crate: what must hold for any bytes at all.
//!
//! `fuzz_targets/NAME.rs` runs one under libFuzzer; `tests/decoders.rs` runs all of them on noise and on changed genuine bytes.
//! A new decoder gets a function here, a line in [`ALL`], and a target of the same name.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use cpchain_crypto::{
    Did, Digest, Domain, Signer as _, SigningKey,
    block::{BlockHeader, LEAF_LEN, LeafCommitment, SealedBlock},
    key_tree::{IntervalId, StreamSecret, TreeNode},
    merkle,
    sealed_box::{self, Opening},
};

/// What one target runs.
pub type Body = fn(&[u8]);

/// Every body by the name of its target.
pub const ALL: &[(&str, Body)] = &[
    #[cfg(feature = "search")]
    ("aggregate", aggregate),
    ("block_header", block_header),
    #[cfg(feature = "search")]
    ("catalogue", catalogue),
    ("did", did),
    #[cfg(feature = "search")]
    ("keyword", keyword),
    ("leaf_commitment", leaf_commitment),
    ("merkle_path", merkle_path),
    #[cfg(feature = "umbral")]
    ("pre_capsule", pre::capsule),
    #[cfg(feature = "umbral")]
    ("pre_capsule_fragment", pre::capsule_fragment),
    #[cfg(feature = "umbral")]
    ("pre_key_fragment", pre::key_fragment),
    #[cfg(feature = "umbral")]
    ("pre_public_key", pre::public_key),
    #[cfg(feature = "umbral")]
    ("pre_secret_key", pre::secret_key),
    #[cfg(feature = "search")]
    ("scan", scan),
    #[cfg(feature = "search")]
    ("scan_shared", scan_shared),
    ("sealed_block", sealed_block),
    ("sealed_box", sealed_box),
    ("tree_node", tree_node),
];

pub fn block_header(bytes: &[u8]) {
    let Ok(header) = BlockHeader::from_bytes(bytes) else { return };
    assert_eq!(header.to_bytes().as_slice(), bytes);
    assert!(header.leaf_count() >= 1 && header.leaf_count() as usize * LEAF_LEN >= header.body_len as usize);
}

pub fn sealed_block(bytes: &[u8]) {
    let Ok(block) = SealedBlock::parse(bytes) else { return };
    assert_eq!(bytes.len(), block.header().sealed_len());
    assert_eq!(block.leaves().count(), block.header().leaf_count() as usize);
    assert!(block.leaf(block.header().leaf_count()).is_none());
    // Nothing was ever sealed under this key.
    let key = StreamSecret::from_bytes([0x5a; 32]).interval_key(IntervalId(0));
    assert!(block.open(&key).is_err());
}

pub fn leaf_commitment(bytes: &[u8]) {
    if let Some(commitment) = LeafCommitment::from_bytes(bytes) {
        assert_eq!(commitment.to_bytes().as_slice(), bytes);
    }
}

pub fn tree_node(bytes: &[u8]) {
    let Some(node) = TreeNode::from_bytes(bytes) else { return };
    assert_eq!(node.to_bytes().as_slice(), bytes);
    let (first, last) = node.intervals();
    assert!(first <= last && node.contains(first) && node.contains(last));
}

pub fn did(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(did) = text.parse::<Did>() {
        assert_eq!(did.to_string(), text);
    }
}

/// Root, leaf, index, count and path from the bytes; and the path of a tree that is made of them.
pub fn merkle_path(bytes: &[u8]) {
    let digests: Vec<Digest> = bytes.chunks_exact(32).take(80).filter_map(Digest::from_slice).collect();
    let [root, leaf, numbers, path @ ..] = digests.as_slice() else { return };
    let number = |at: usize| u64::from_le_bytes(numbers.0[at..at + 8].try_into().unwrap());
    let (index, count) = (number(0), number(8));
    if merkle::verify(*root, *leaf, index, count, path) {
        assert!(index < count);
    }
    let index = (index % digests.len() as u64) as usize;
    let (root, path) = (merkle::root(&digests), merkle::path(&digests, index).unwrap());
    assert!(merkle::verify(root, digests[index], index as u64, digests.len() as u64, &path));
    assert!(!merkle::verify(root, Digest::content(&digests[index].0), index as u64, digests.len() as u64, &path));
}

pub fn sealed_box(bytes: &[u8]) {
    const PURPOSE: Domain = Domain::new("cpchain/crypto/fuzz/sealed-box/v1");
    // Nothing was ever sealed for this purpose.
    let key = SigningKey::from_seed(&[0x5a; 32]);
    assert!(sealed_box::open(&key, PURPOSE, b"bound", bytes).is_err());
    let opening = sealed_box::prove(&key, PURPOSE, b"bound", bytes);
    assert_eq!(opening.is_ok(), sealed_box::is_well_formed(&key.public_key(), PURPOSE, b"bound", bytes));
    if let Some(opening) = Opening::from_bytes(bytes) {
        assert_eq!(opening.to_bytes().as_slice(), bytes);
    }
}

#[cfg(feature = "search")]
pub fn keyword(bytes: &[u8]) {
    use cpchain_crypto::{
        Key,
        search::{
            SearchServer,
            keyword::{KeywordIndex, KeywordServer, KeywordTable, Shard, add_answers},
        },
    };
    const MAX: u64 = 1 << 22;
    if let Ok(table) = KeywordTable::from_bytes(bytes) {
        assert_eq!(table.to_bytes().as_slice(), bytes);
        assert!(KeywordServer::new(table, Shard::WHOLE, MAX).apply(bytes).is_err());
    }
    if let Ok(mut server) = KeywordServer::from_bytes(bytes, MAX) {
        assert_eq!(server.to_bytes(), bytes);
        assert!(server.apply(bytes).is_err() && server.bytes() <= MAX);
        let _ = server.answer(bytes);
    }
    if let Ok(sum) = add_answers(&[bytes]) {
        assert_eq!(sum, bytes);
    }
    let _ = KeywordIndex::from_bytes(Key::from_bytes([8; 32]), bytes);
}

#[cfg(feature = "search")]
pub fn scan(bytes: &[u8]) {
    use cpchain_crypto::{
        Key,
        search::{
            SearchServer,
            scan::{ScanIndex, ScanServer, Table},
        },
    };
    if let Ok(table) = Table::from_bytes(bytes) {
        assert_eq!(table.to_bytes().as_slice(), bytes);
        let _ = ScanServer::new(table, 1);
    }
    if let Ok(mut server) = ScanServer::from_bytes(bytes, 2) {
        assert_eq!(server.to_bytes(), bytes);
        assert!(server.apply(bytes).is_err() || server.blocks() <= 2);
        let _ = server.answer(bytes);
    }
    let _ = ScanIndex::from_bytes(Key::from_bytes([8; 32]), bytes);
}

/// Everything that hosts, writers and readers of a shared table read.
#[cfg(feature = "search")]
pub fn scan_shared(bytes: &[u8]) {
    use cpchain_crypto::search::{
        SearchServer,
        scan::shared::{SharedServer, SharedTable, SharedWriter},
    };
    let key = SigningKey::from_seed(&[0x5a; 32]).public_key();
    if let Ok(mut server) = SharedServer::from_bytes(bytes, 2) {
        assert_eq!(server.to_bytes(), bytes);
        let _ = server.apply(bytes);
        let _ = server.answer(bytes);
        assert!(server.blocks() <= 2);
    }
    let mut host = SharedServer::new(SharedTable::new(key, &[1]).unwrap(), 2);
    assert!(host.apply(bytes).is_err() && host.answer(bytes).is_err() && host.blocks() == 0);
    if let Ok(writer) = SharedWriter::from_bytes(bytes) {
        assert_eq!(writer.to_bytes().as_slice(), bytes);
    }
}

/// Everything that hosts, publishers and readers of a catalogue read, but answers: those are judged in `tests/search_catalogue_bytes.rs`.
#[cfg(feature = "search")]
pub fn catalogue(bytes: &[u8]) {
    use cpchain_crypto::search::{
        SearchServer,
        catalogue::{Catalogue, CataloguePublisher, CatalogueServer, KeyLimits, Layout, Listing},
    };
    if let Ok(listing) = Listing::from_bytes(bytes) {
        assert_eq!(listing.to_bytes().as_slice(), bytes);
    }
    if let Ok(publisher) = CataloguePublisher::from_bytes(bytes) {
        assert_eq!(publisher.to_bytes().as_slice(), bytes);
    }
    let empty = Catalogue::new(b"fuzz", Layout::Position, 1).unwrap();
    let mut host = CatalogueServer::new(empty, 1, KeyLimits::default());
    if let Ok(stored) = CatalogueServer::from_bytes(bytes, 1, KeyLimits::default()) {
        assert_eq!(stored.to_bytes().as_slice(), bytes);
        host = stored;
    }
    let version = host.listing();
    assert!(host.apply(bytes).is_err() && host.answer(bytes).is_err() && host.listing() == version);
    assert_eq!(host.register(bytes, 0).is_ok(), host.clients() == 1);
}

#[cfg(feature = "search")]
pub fn aggregate(bytes: &[u8]) {
    use cpchain_crypto::{
        Key,
        search::{
            SearchServer,
            aggregate::{AggregateIndex, AggregateServer, AggregateTable},
        },
    };
    if let Ok(table) = AggregateTable::from_bytes(bytes) {
        assert_eq!(table.to_bytes().as_slice(), bytes);
        assert!(AggregateServer::new(table, 2).apply(bytes).is_err());
    }
    if let Ok(mut server) = AggregateServer::from_bytes(bytes, 2) {
        assert_eq!(server.to_bytes(), bytes);
        assert!(server.apply(bytes).is_err() && server.intervals() <= 2);
        let _ = server.answer(bytes);
    }
    let _ = AggregateIndex::from_bytes(Key::from_bytes([8; 32]), bytes);
}

/// The envelopes of proxy re-encryption, against one genuine sale.
#[cfg(feature = "umbral")]
pub mod pre {
    use std::sync::LazyLock;

    use cpchain_crypto::{
        Digest, SeededEntropy,
        key_tree::{StreamSecret, TreeNode},
        pre::*,
    };

    pub struct Sale {
        pub delegating: PreSecretKey,
        pub receiving: PreSecretKey,
        pub parties: Parties,
        pub capsule: Capsule,
        pub key: KeyFragment,
        pub fragment: CapsuleFragment,
    }

    pub static SALE: LazyLock<Sale> = LazyLock::new(|| {
        let mut entropy = SeededEntropy::new(&[4; 32]);
        let (secret, node) = (StreamSecret::from_bytes([7; 32]), TreeNode::new(20, 5).unwrap());
        let delegating = Umbral.delegating_key(&secret, node).unwrap();
        let granting = Umbral.granting_key(&secret).unwrap();
        let receiving = Umbral.generate_key(&mut entropy).unwrap();
        let [d, r, v] = [&delegating, &receiving, &granting].map(|key| Umbral.public_key(key).unwrap());
        let parties = Parties { delegating: d, receiving: r, verifying: v };
        let seed = secret.seed(node).unwrap();
        let capsule = Umbral.encapsulate(&parties.delegating, &Digest([9; 32]), &seed, &mut entropy).unwrap();
        let one = Threshold::new(1, 1).unwrap();
        let key = Umbral.grant(&delegating, &granting, &parties.receiving, one, &mut entropy).unwrap().remove(0);
        let verified = Umbral.verify_key_fragment(key.clone(), &parties).unwrap();
        let fragment = Umbral.reencrypt(&capsule, &verified).unwrap();
        Sale { delegating, receiving, parties, capsule, key, fragment }
    });

    pub fn public_key(bytes: &[u8]) {
        let Ok(key) = PrePublicKey::from_bytes(bytes) else { return };
        assert_eq!(key.as_bytes(), bytes);
        if Umbral.verify_public_key(&key).is_ok() {
            // A compressed point and nothing else.
            assert!(matches!(key.scheme_bytes()[0], 2 | 3));
        }
        let parties = Parties { verifying: key, ..SALE.parties.clone() };
        let passed = Umbral.verify_capsule_fragment(SALE.fragment.clone(), &SALE.capsule, &parties).is_ok();
        assert_eq!(passed, parties == SALE.parties);
    }

    pub fn secret_key(bytes: &[u8]) {
        let Ok(key) = PreSecretKey::from_bytes(bytes) else { return };
        assert_eq!(key.expose(), bytes);
        let mine = key.expose() == SALE.delegating.expose();
        assert_eq!(Umbral.open_original(&key, &SALE.capsule).is_ok(), mine);
    }

    pub fn capsule(bytes: &[u8]) {
        let Ok(capsule) = Capsule::from_bytes(bytes) else { return };
        assert_eq!(capsule.as_bytes(), bytes);
        assert_eq!(Umbral.open_original(&SALE.delegating, &capsule).is_ok(), capsule == SALE.capsule);
        // One that is well formed can be re-encrypted.
        let key = Umbral.verify_key_fragment(SALE.key.clone(), &SALE.parties).unwrap();
        assert_eq!(Umbral.verify_capsule(&capsule).is_ok(), Umbral.reencrypt(&capsule, &key).is_ok());
    }

    pub fn key_fragment(bytes: &[u8]) {
        let Ok(key) = KeyFragment::from_bytes(bytes) else { return };
        assert_eq!(key.expose(), bytes);
        let mine = key.expose() == SALE.key.expose();
        assert_eq!(Umbral.verify_key_fragment(key, &SALE.parties).is_ok(), mine);
    }

    pub fn capsule_fragment(bytes: &[u8]) {
        let Ok(fragment) = CapsuleFragment::from_bytes(bytes) else { return };
        assert_eq!(fragment.as_bytes(), bytes);
        let mine = fragment == SALE.fragment;
        assert_eq!(Umbral.verify_capsule_fragment(fragment, &SALE.capsule, &SALE.parties).is_ok(), mine);
    }
}
