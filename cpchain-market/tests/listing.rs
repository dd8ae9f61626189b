//! Listings as bytes: golden vectors, bounds, signatures, and the committed message descriptions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use cpchain_crypto::{Digest, Signer};
use cpchain_market::{
    Amount,
    listing::{
        Action, Listing, ListingError, ListingId, Operation, SignedOperation,
        rule::{Known, Skip, decide},
    },
};
use proptest::prelude::*;
use support::{key, listing, seller, signed};

fn publish(listing: Listing) -> Result<SignedOperation, ListingError> {
    Operation { seller: seller(), sequence: 0, action: Action::Publish(listing) }.sign(&key(2))
}

fn update(sequence: u64, of: &SignedOperation, by: u8) -> SignedOperation {
    let action = Action::Update { listing: of.listing_id(), content: Listing { price: Amount(9), ..listing() } };
    Operation { seller: key(by).public_key(), sequence, action }.sign(&key(by)).unwrap()
}

#[test]
fn golden_operation() {
    let operation = signed();
    let found = format!("{}\n{}", operation.id(), Digest::content(operation.as_bytes()));
    assert_eq!(found, include_str!("../testdata/operation.hex").trim());
}

#[test]
fn fields_cannot_be_shifted_into_each_other() {
    let shifted = |title: &str, description: &str| {
        publish(Listing { title: title.into(), description: description.into(), ..listing() }).unwrap().id()
    };
    assert_ne!(shifted("ab", "c"), shifted("a", "bc"));
    let tags = |tags: &[&str]| {
        publish(Listing { tags: tags.iter().map(|tag| (*tag).into()).collect(), ..listing() }).unwrap().id()
    };
    assert_ne!(tags(&["ab", "c"]), tags(&["a", "bc"]));
}

#[test]
fn signed_bytes_are_kept_as_received() {
    let bytes = signed().as_bytes().to_vec();
    assert_eq!(SignedOperation::from_bytes(&bytes).unwrap().as_bytes(), bytes);
    // An unknown field after the signed body is not what the seller signed.
    let more = [bytes.as_slice(), &[0xf8, 0x01, 0x01]].concat();
    assert!(matches!(SignedOperation::from_bytes(&more), Err(ListingError::Signature(_))));
}

#[test]
fn bounds_are_kept() {
    let refused = |change: &dyn Fn(&mut Listing)| {
        let mut listing = listing();
        change(&mut listing);
        publish(listing).unwrap_err()
    };
    assert_eq!(refused(&|l| l.title = "x".repeat(201)), ListingError::TooLong { field: "title" });
    assert_eq!(refused(&|l| l.title = "  ".into()), ListingError::Text { field: "title" });
    assert_eq!(refused(&|l| l.title = "a\nb".into()), ListingError::Text { field: "title" });
    assert_eq!(refused(&|l| l.description = "x".repeat(16_385)), ListingError::TooLong { field: "description" });
    assert_eq!(refused(&|l| l.description = "\u{7}".into()), ListingError::Text { field: "description" });
    assert_eq!(refused(&|l| l.tags = vec!["t".into(); 2]), ListingError::Repeated { field: "tags" });
    assert_eq!(refused(&|l| l.tags = vec![String::new()]), ListingError::Text { field: "tags" });
    assert_eq!(
        refused(&|l| l.tags = (0..17).map(|i| i.to_string()).collect()),
        ListingError::TooLong { field: "tags" }
    );
    assert_eq!(refused(&|l| l.proxies = vec![seller(); 2]), ListingError::Repeated { field: "proxies" });
    assert_eq!(refused(&|l| l.price = Amount(Amount::LIMIT.0 + 1)), ListingError::TooLong { field: "price" });
    assert_eq!(refused(&|l| (l.from_ms, l.to_ms) = (10, 10)), ListingError::TimeRange);
    assert_eq!(refused(&|l| l.uri = "u".repeat(2049)), ListingError::TooLong { field: "uri" });
    let overlong = vec![1; 40_000];
    assert_eq!(SignedOperation::from_bytes(&overlong), Err(ListingError::TooLong { field: "operation" }));
}

#[test]
fn only_the_seller_signs_and_sequences_fit_the_action() {
    let operation = Operation { seller: seller(), sequence: 0, action: Action::Publish(listing()) };
    assert!(matches!(operation.sign(&key(3)), Err(ListingError::Signature(_))));
    let late = Operation { sequence: 1, ..operation };
    assert_eq!(late.sign(&key(2)), Err(ListingError::Sequence(1)));
    let withdraw = Action::Withdraw { listing: ListingId(Digest::ZERO) };
    let early = Operation { seller: seller(), sequence: 0, action: withdraw };
    assert_eq!(early.sign(&key(2)), Err(ListingError::Sequence(0)));
}

#[test]
fn updates_follow_the_rule() {
    let first = signed();
    let known = Known::from(&first);
    assert_eq!(decide(None, &first), Ok(()));
    assert_eq!(decide(Some(&known), &first), Err(Skip::Exists));
    let second = update(5, &first, 2);
    assert_eq!(decide(None, &second), Err(Skip::Unknown));
    assert_eq!(decide(Some(&known), &second), Ok(()));
    assert_eq!(decide(Some(&known), &update(5, &first, 3)), Err(Skip::NotSeller));
    let known = Known::from(&second);
    assert_eq!(decide(Some(&known), &update(5, &first, 2)), Err(Skip::Stale { given: 5, current: 5 }));
    let action = Action::Withdraw { listing: first.listing_id() };
    let gone = Operation { seller: seller(), sequence: 6, action }.sign(&key(2)).unwrap();
    assert_eq!(decide(Some(&known), &gone), Ok(()));
    assert_eq!(decide(Some(&Known::from(&gone)), &update(7, &first, 2)), Err(Skip::Withdrawn));
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = SignedOperation::from_bytes(&bytes);
        let mut framed = vec![1; 65];
        framed.extend(bytes);
        prop_assert!(SignedOperation::from_bytes(&framed).is_err());
    }

    #[test]
    fn any_flipped_bit_is_refused(at: prop::sample::Index, bit in 0u8..8) {
        let mut bytes = signed().as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(SignedOperation::from_bytes(&bytes).is_err());
    }
}
