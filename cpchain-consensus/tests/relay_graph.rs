//! Receipts of relayed messages as a graph: whatever the order, the same credits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_consensus::{
    ChainId, Height,
    relay::{Carriage, Dag, ENVELOPE_BYTES, Envelope, MAX_HOPS, MAX_KNOWN, Order, Receipt, RelayError},
};
use cpchain_crypto::{Digest, PublicKey, Signer, SigningKey};
use proptest::prelude::*;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn id(seed: u8) -> PublicKey {
    key(seed).public_key()
}

fn chain() -> ChainId {
    ChainId::new("test", b"")
}

fn sealed(origin: u8, destination: u8, number: u64, reward: u128) -> Envelope {
    let content = Digest::content(&number.to_be_bytes());
    let order = Order { chain: chain(), destination: id(destination), number, expires: Height(100), reward, content };
    Envelope::seal(&key(origin), order)
}

/// The receipts of a way over these relays, the first hop first.
fn way(envelope: &Envelope, relays: &[u8], destination: u8) -> Vec<Receipt> {
    let mut receipts: Vec<Receipt> = Vec::new();
    for giver in relays.iter().chain([&destination]) {
        let relay = receipts.last().map_or(envelope.origin(), Receipt::giver);
        receipts.push(Receipt::sign(envelope, &key(*giver), relay, receipts.last(), &[]).unwrap());
    }
    receipts
}

fn dag(envelopes: &[&Envelope], receipts: &[Receipt]) -> Dag {
    let mut dag = Dag::new(chain());
    for envelope in envelopes {
        assert_eq!(dag.witness((*envelope).clone()), Ok(true));
    }
    for receipt in receipts {
        dag.insert(receipt.clone()).unwrap();
    }
    dag
}

#[test]
fn a_way_pays_all_its_relays() {
    let envelope = sealed(1, 9, 1, 100);
    let receipts = way(&envelope, &[2, 3, 4], 9);
    let dag = dag(&[&envelope], &receipts);
    assert_eq!(dag.credits(), [(id(4), 34), (id(3), 33), (id(2), 33)].into());
    let carriage = dag.carriage(&envelope.id()).unwrap();
    assert_eq!(Carriage::open(chain(), &carriage.to_bytes()), Ok(carriage.clone()));
    assert_eq!(Carriage::open(ChainId::new("other", b""), &carriage.to_bytes()), Err(RelayError::WrongChain));
}

#[test]
fn a_longer_way_earns_no_more() {
    let envelope = sealed(1, 9, 1, 1_000);
    for hops in 1..=MAX_HOPS as u8 {
        let relays: Vec<u8> = (20..20 + hops).collect();
        let credits = dag(&[&envelope], &way(&envelope, &relays, 9)).credits();
        assert_eq!((credits.len(), credits.values().sum()), (usize::from(hops), 1_000));
    }
    let relays: Vec<u8> = (20..21 + MAX_HOPS as u8).collect();
    assert_eq!(dag(&[&envelope], &way(&envelope, &relays, 9)).credits(), [].into());
}

#[test]
fn self_relays_earn_nothing() {
    let envelope = sealed(1, 9, 1, 100);
    // Straight to the destination; over the origin itself; over one relay twice; over the destination; to oneself.
    for relays in [&[][..], &[2, 1], &[1, 2], &[2, 3, 2], &[9, 2]] {
        assert_eq!(dag(&[&envelope], &way(&envelope, relays, 9)).credits(), [].into(), "{relays:?}");
    }
    let own = Envelope::seal(&key(1), Order { destination: id(1), ..*envelope });
    assert_eq!(dag(&[&own], &way(&own, &[2], 1)).credits(), [].into());
    // Without the origin's envelope receipts are worth nothing, however many keys sign.
    assert_eq!(dag(&[], &way(&envelope, &[2, 3], 9)).credits(), [].into());
    // Nobody can name a hop that did not sign for this envelope.
    let other = sealed(1, 9, 2, 100);
    let foreign = way(&other, &[2], 9);
    assert_eq!(Receipt::sign(&envelope, &key(9), id(2), Some(&foreign[0]), &[]), Err(RelayError::Broken));
    assert_eq!(Receipt::sign(&envelope, &key(9), id(2), None, &[]), Err(RelayError::Broken));
}

#[test]
fn a_way_with_a_gap_pays_nothing_until_it_is_closed() {
    let envelope = sealed(1, 9, 1, 100);
    let receipts = way(&envelope, &[2, 3], 9);
    let mut dag = dag(&[&envelope], &[receipts[0].clone(), receipts[2].clone()]);
    assert_eq!(dag.missing().collect::<Vec<_>>(), [receipts[1].id()]);
    assert_eq!(dag.credits(), [].into());
    assert_eq!(dag.insert(receipts[1].clone()), Ok(true));
    assert_eq!(dag.insert(receipts[1].clone()), Ok(false));
    assert_eq!((dag.missing().count(), dag.credits().len()), (0, 2));
    assert_eq!(dag.heads(), [receipts[2].id()]);
    dag.forget(&envelope.id());
    assert!(dag.is_empty() && dag.heads().is_empty() && dag.missing().count() == 0);
}

#[test]
fn two_receipts_of_one_gateway_void_the_way() {
    let envelope = sealed(1, 9, 1, 100);
    let (first, second) = (way(&envelope, &[2, 3], 9), way(&envelope, &[4], 9));
    let both = dag(&[&envelope], &[first.clone(), second.clone()].concat());
    assert_eq!(both.credits(), [].into());
    assert_eq!(both.equivocations().collect::<Vec<_>>(), [(id(9), envelope.id())]);
    // One that is not on the way voids nothing.
    let aside = way(&envelope, &[5, 6], 7);
    let again = way(&envelope, &[6], 7);
    let dag = dag(&[&envelope], &[first, aside, again].concat());
    assert_eq!(dag.credits().len(), 2);
    assert_eq!(dag.equivocations().count(), 2);
}

#[test]
fn receipts_name_others_and_form_no_cycle() {
    let (one, two) = (sealed(1, 9, 1, 10), sealed(2, 8, 2, 10));
    let first = way(&one, &[3], 9);
    let known: Vec<_> = first.iter().map(Receipt::id).collect();
    let naming = Receipt::sign(&two, &key(4), id(2), None, &known).unwrap();
    assert_eq!(Receipt::open(&naming.to_bytes()), Ok(naming.clone()));
    assert!(naming.names().all(|name| known.contains(&name)));
    // A receipt that names itself, or one made later, would need its own digest before it is made: other names are another receipt.
    let other = Receipt::sign(&two, &key(4), id(2), None, &[naming.id()]).unwrap();
    assert_ne!(other.id(), naming.id());
    assert_eq!(dag(&[&one], &[first, vec![naming.clone()]].concat()).heads(), [naming.id()]);
    let many: Vec<_> = (0..=MAX_KNOWN as u8).map(|i| Digest([i; 32])).collect();
    assert_eq!(Receipt::sign(&two, &key(4), id(2), None, &many), Err(RelayError::TooManyKnown));
}

#[test]
fn every_byte_is_bound() {
    let envelope = sealed(1, 9, 1, 100);
    let receipts = way(&envelope, &[2], 9);
    let carriage = dag(&[&envelope], &receipts).carriage(&envelope.id()).unwrap();
    let bytes = carriage.to_bytes();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(Carriage::open(chain(), &changed).is_err(), "byte {at}");
    }
    assert!(Carriage::open(chain(), &[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn golden_bytes() {
    let envelope = sealed(1, 9, 1, 100);
    let receipts = way(&envelope, &[2], 9);
    let text = [envelope.id(), receipts[0].id(), receipts[1].id()].map(|id| format!("{id}\n")).concat();
    assert_eq!(text, include_str!("../testdata/relay_digests.txt"));
    assert_eq!(envelope.to_bytes().len(), ENVELOPE_BYTES);
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600), version: bool) {
        let bytes = if version { [&[1][..], &bytes].concat() } else { bytes };
        prop_assert!(Envelope::open(&bytes).is_err());
        prop_assert!(Carriage::open(chain(), &bytes).is_err());
        prop_assert!(Receipt::open(&bytes).is_err());
    }

    /// Ways over random relays, some of them twice, in any order, with repeats.
    #[test]
    fn any_order_gives_the_same_credits(
        ways in prop::collection::vec((0u64..4, prop::collection::vec(2u8..8, 0..4)), 1..7),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let envelopes: Vec<_> = (0..4).map(|number| sealed(1, 9, number, 90)).collect();
        let receipts: Vec<_> =
            ways.iter().flat_map(|(number, relays)| way(&envelopes[*number as usize], relays, 9)).collect();
        let all: Vec<_> = envelopes.iter().collect();
        let expected = dag(&all, &receipts);
        let mut other = Dag::new(chain());
        for index in order.iter().map(|at| at.index(receipts.len())) {
            other.insert(receipts[index].clone()).unwrap();
        }
        for receipt in receipts.iter().rev() {
            other.insert(receipt.clone()).unwrap();
        }
        for envelope in envelopes.iter().rev() {
            other.witness(envelope.clone()).unwrap();
        }
        prop_assert_eq!(other.credits(), expected.credits());
        prop_assert_eq!(other.heads(), expected.heads());
        prop_assert!(expected.credits().values().sum::<u128>() <= 4 * 90);
    }
}
