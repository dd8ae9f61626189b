//! The bytes that the page writes in JavaScript: `tests/page/golden.json` holds what the crates write, and `tests/page/page.mjs` compares them with
//! what the page's modules make of the same fields. `GOLDEN=write cargo test --test golden` writes the file anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_consensus::{
    ChainId, Height,
    ledger::{Amount as LedgerAmount, Nonce, TransactionDraft, Transfer},
};
use cpchain_crypto::{
    Digest, Domain, Signer as _, SigningKey,
    pre::{PreSecretKey, ProxyReEncryption as _, Umbral},
};
use cpchain_examples::adapters::chain::EscrowModule;
use cpchain_market::{
    Amount,
    escrow::{Command, Event, OrderId, Terms},
    listing::{Action, Listing, ListingId, Operation, RevisionId, SignedOperation, Unit},
};
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/page/golden.json");
/// Over one chunk of BLAKE3, so that its tree is used.
const LONG: usize = 5_000;

fn listing() -> Listing {
    Listing {
        title: "Wind – çà et là".into(),
        description: "x".repeat(LONG),
        tags: vec!["wind".into(), "sea".into()],
        category: "climate".into(),
        price: Amount((3 << 64) + 5),
        unit: Unit::Stream,
        period_ms: 3_600_000,
        from_ms: 1_262_304_000_000,
        to_ms: 0,
        samples: vec![Digest([3; 32])],
        uri: "otp:1/x".into(),
        proxies: vec![SigningKey::from_seed(&[4; 32]).public_key(), SigningKey::from_seed(&[5; 32]).public_key()],
        stream: Digest([6; 32]),
        manifest: Some(Digest([7; 32])),
        created_ms: u64::MAX,
    }
}

fn signed(operation: &SignedOperation) -> Value {
    json!({ "bytes": hex::encode(operation.as_bytes()), "id": operation.id().to_string(), "listing": operation.listing_id().to_string() })
}

fn golden() -> Value {
    let key = SigningKey::from_seed(&[1; 32]);
    let id = ListingId(Digest([8; 32]));
    let operation = |sequence, action| Operation { seller: key.public_key(), sequence, action }.sign(&key).unwrap();
    let terms = Terms {
        listing: id,
        revision: RevisionId(Digest([9; 32])),
        intervals: 8..300,
        manifest: Digest([10; 32]),
        leaf_root: Digest([11; 32]),
        leaf_count: 1 << 40,
        price: Amount(7),
        fee: Amount(1 << 70),
        bond: Amount(7),
        buyer_key: vec![12; 34],
        threshold: 2,
        proxies: 3,
        nonce: 13,
    };
    let order = OrderId(Digest([14; 32]));
    let event = |event| hex::encode(EscrowModule::<()>::payload(&Command::Event { order, event }));
    let transaction = TransactionDraft {
        chain: ChainId(Digest([15; 32])),
        nonce: Nonce(300),
        expires: Height(70_000),
        kind: "escrow".into(),
        payload: vec![16; 3].into(),
    };
    let transaction = transaction.sign(&key).unwrap();
    let transfer = Transfer { to: key.public_key(), amount: LedgerAmount(1 << 90) };
    let secret = |seed: u8| {
        let bytes = [&[1, 1][..], &[seed; 32]].concat();
        let public = Umbral.public_key(&PreSecretKey::from_bytes(&bytes).unwrap()).unwrap();
        json!({ "secret": hex::encode(&bytes), "public": hex::encode(public.as_bytes()) })
    };
    const DOMAIN: Domain = Domain::new("cpchain/example/page/v1");
    let digest = |length: usize| {
        let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        json!({ "length": length, "digest": Digest::of(DOMAIN, &[&bytes, b"second"]).to_string() })
    };
    let lengths = [0, 1, 56, 64, 1008, 1009, 1024, 2048, 3000, 4096, 9000, 31 * 1024];
    let (digests, order_keys) = (lengths.map(digest), [1, 2, 3, 4, 5].map(secret));
    json!({
        "seed": hex::encode([1; 32]),
        "account": key.public_key().to_string(),
        "long": LONG,
        "digests": digests,
        "publish": signed(&operation(0, Action::Publish(listing()))),
        "update": signed(&operation(1, Action::Update { listing: id, content: listing() })),
        "withdraw": signed(&operation(2, Action::Withdraw { listing: id })),
        "offer": hex::encode(EscrowModule::<()>::payload(&Command::Offer(terms))),
        "cancel": event(Event::Cancel),
        "confirm": event(Event::Confirm),
        "transfer": hex::encode(transfer.encode()),
        "transaction": { "bytes": hex::encode(transaction.bytes()), "id": transaction.id().to_string() },
        "order_keys": order_keys,
    })
}

#[test]
fn the_page_is_held_to_the_bytes_of_the_crates() {
    let now = serde_json::to_string_pretty(&golden()).unwrap() + "\n";
    if std::env::var("GOLDEN").is_ok_and(|how| how == "write") {
        std::fs::write(FILE, &now).unwrap();
    }
    assert_eq!(std::fs::read_to_string(FILE).unwrap(), now, "the bytes of the crates changed: see GOLDEN in this file");
}
