//! Bytes of the catalogue lookup: pinned, and bounded against any others.
#![cfg(feature = "search")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::{LazyLock, Mutex};

use cpchain_crypto::{
    Digest, SeededEntropy,
    search::{
        SearchClient, SearchError, SearchServer, Term,
        catalogue::{
            Catalogue, CatalogueClient, CataloguePublisher, CatalogueServer, KeyLimits, Layout, Listing, Wanted,
        },
    },
};
use proptest::prelude::*;

const LIMITS: KeyLimits = KeyLimits { clients: 4, per_minute: u32::MAX };

/// One of each message, and what made them.
struct Messages {
    client: CatalogueClient,
    host: CatalogueServer,
    /// Listing, update, keys, query, answer, stored state.
    all: [Vec<u8>; 6],
}

const NAMES: [&str; 6] = ["listing", "update", "keys", "query", "answer", "stored"];

fn messages() -> Messages {
    let mut entropy = SeededEntropy::new(&[4; 32]);
    let catalogue = Catalogue::new(b"golden", Layout::Keyword, 32).unwrap();
    let mut publisher = CataloguePublisher::new(catalogue);
    let update = publisher.insert(&[(Term::new("a", b"b"), &[3; 32]), (Term::new("c", b"d"), &[4; 32])], 60).unwrap();
    let mut host = CatalogueServer::new(catalogue, 1, LIMITS);
    host.apply(&update).unwrap();
    let mut client = CatalogueClient::new(publisher.listing(), &mut entropy).unwrap();
    host.register(client.evaluation_keys(), 0).unwrap();
    let (query, _) = client.query(&Wanted::Keyword(Term::new("a", b"b")), &mut entropy).unwrap();
    let answer = host.answer(&query).unwrap();
    let listing = publisher.listing().to_bytes();
    let all = [listing, update, client.evaluation_keys().to_vec(), query, answer, host.to_bytes()];
    Messages { client, host, all }
}

/// A client with a secret of its own.
static OTHER: LazyLock<Mutex<(CatalogueClient, SeededEntropy)>> = LazyLock::new(|| {
    let mut entropy = SeededEntropy::new(&[8; 32]);
    let client = CatalogueClient::new(MESSAGES.client.listing(), &mut entropy).unwrap();
    Mutex::new((client, entropy))
});

static MESSAGES: LazyLock<Messages> = LazyLock::new(messages);

/// A change of these bytes is a change of the wire or of the disk. An answer is not among them: its last bits are those of floats.
#[test]
fn bytes_are_these() {
    let mut lines = String::new();
    for (name, bytes) in NAMES.iter().zip(&MESSAGES.all) {
        let content = if *name == "answer" { String::from("-") } else { Digest::content(bytes).to_string() };
        lines += &format!("{name} {} {content}\n", bytes.len());
    }
    assert_eq!(lines, include_str!("../testdata/search_catalogue.txt"));
}

/// Everything that reads bytes, on these: errors at the most, and what is accepted is written back as it was.
fn read_all(bytes: &[u8]) {
    let messages = &*MESSAGES;
    if let Ok(listing) = Listing::from_bytes(bytes) {
        assert_eq!(listing.to_bytes(), bytes);
    }
    if let Ok(server) = CatalogueServer::from_bytes(bytes, 1, LIMITS) {
        assert_eq!(server.to_bytes(), bytes);
    }
    if let Ok(publisher) = CataloguePublisher::from_bytes(bytes) {
        assert_eq!(publisher.to_bytes(), bytes);
    }
    let mut fresh = CatalogueServer::new(messages.client.listing().catalogue(), 1, LIMITS);
    if fresh.apply(bytes).is_ok() {
        assert!(fresh.listing().version() <= 1);
    }
    if fresh.register(bytes, 0).is_ok() {
        assert_eq!(bytes.len(), CatalogueClient::KEYS_LEN);
    }
    if let Ok(answer) = messages.host.answer(bytes) {
        assert_eq!(answer.len(), messages.all[4].len());
    }
    let wanted = Wanted::Keyword(Term::new("a", b"b"));
    let (client, entropy) = &mut *OTHER.lock().unwrap();
    if client.query(&wanted, entropy).is_err_and(|error| error == SearchError::Spent) {
        client.renew(entropy).unwrap();
    }
    let (_, pending) = client.query(&wanted, entropy).unwrap();
    // Made for another secret, so nothing of it may pass.
    assert!(client.decode(pending, bytes).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoders_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
    }

    #[test]
    fn decoders_take_changed_bytes(
        kind in 0usize..6, cut in any::<prop::sample::Index>(), flips in prop::collection::vec((0usize..86, any::<u8>()), 0..4),
    ) {
        let mut bytes = MESSAGES.all[kind].clone();
        for (at, byte) in flips {
            bytes[at] = byte;
        }
        read_all(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        read_all(&bytes);
    }
}

/// A listing that promises more pages than there are makes nobody take memory for them.
#[test]
fn lengths_are_checked_before_they_are_used() {
    let mut stored = MESSAGES.all[5].clone();
    // Version, kind, catalogue, version, entries; then the pages.
    let pages = 2 + 36 + 4 + 8;
    stored[pages..pages + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = SearchError::Format { what: "stored catalogue" };
    assert_eq!(CataloguePublisher::from_bytes(&stored).unwrap_err(), error);
    stored[pages..pages + 4].copy_from_slice(&32_768u32.to_le_bytes());
    assert_eq!(CataloguePublisher::from_bytes(&stored).unwrap_err(), error);
    assert_eq!(CatalogueServer::from_bytes(&stored, 1, LIMITS).unwrap_err(), SearchError::Full { most: 1 });
}
