//! The escrow's invariants under random events by parties that all misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use cpchain_crypto::{Digest, Key, PublicKey};
use cpchain_market::{
    Amount, Height,
    escrow::{Candidate, Command, Complaint, Context, Event, Order, OrderId, PostedFragment, State},
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use support::{ledger::Ledger, *};

/// One thing that somebody tries.
#[derive(Debug, Clone)]
struct Try {
    who: u8,
    what: u8,
    which: u8,
    blocks: u16,
    twist: bool,
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let what = prop_oneof![1 => 0u8..1, 4 => 1u8..3, 10 => 3u8..5, 1 => 5u8..6, 3 => 6u8..9];
    let blocks = prop_oneof![30 => 0u16..3, 1 => 0u16..400];
    let one = (0u8..10, what, 0u8..5, blocks, prop::bool::weighted(0.2));
    prop::collection::vec(
        one.prop_map(|(who, what, which, blocks, twist)| Try { who, what, which, blocks, twist }),
        0..40,
    )
}

/// Mostly the party that may do it, else anybody.
fn party(order: &Order, attempt: &Try, event: &Event) -> PublicKey {
    let drawn = order.slots().get(usize::from(attempt.which)).map_or(stranger(91), |slot| slot.proxy());
    match (attempt.who, event) {
        (0, _) => buyer(),
        (1, _) => seller(),
        (2, _) => stranger(90),
        (_, Event::Cancel | Event::Confirm | Event::Complain(_)) => buyer(),
        (_, Event::Accept { .. } | Event::Grant { .. }) => seller(),
        (_, Event::Fragments(_) | Event::BadGrant { .. }) => drawn,
    }
}

/// The event that is tried, and whether a complaint in it is a true one.
fn event(order: &Order, goods: &Goods, cheat: Cheat, attempt: &Try) -> (Event, bool) {
    let slot = usize::from(attempt.which);
    let complaint = |complaint| Event::Complain(Box::new(complaint));
    match attempt.what {
        0 => (Event::Cancel, false),
        1 => {
            (Event::Accept { bond: Amount(if attempt.twist { 3 } else { 35 + u128::from(attempt.which) * 31 }) }, false)
        }
        2 => {
            let mut event = grant(order);
            if let (true, Event::Grant { proxies, .. }) = (attempt.twist, &mut event) {
                proxies.iter_mut().for_each(|grant| grant.sealed = b"bad".to_vec());
            }
            (event, false)
        }
        3 | 4 if slot < order.slots().len() => {
            let mut fragments = bundle(order, slot);
            if let (true, Some(first)) = (attempt.twist, fragments.first_mut()) {
                first[50] ^= 1;
            }
            (Event::Fragments(fragments), false)
        }
        5 => (Event::BadGrant { sealed: b"bad".to_vec(), proof: b"opening".to_vec() }, false),
        6 => (Event::Confirm, false),
        7 => {
            let mut secrets = Goods::leaf_secrets(2);
            if attempt.twist {
                // A made-up salt, or a made-up key.
                if slot % 2 == 0 { secrets.salt = [9; 32] } else { secrets.key = Key::from_bytes([9; 32]) }
            }
            let truth = !attempt.twist && matches!(cheat, Cheat::OtherContent | Cheat::Garbage);
            (complaint(Complaint::BadLeaf { leaf: goods.evidence(2), secrets }), truth)
        }
        _ => {
            let posting = order.slots().iter().enumerate().filter(|(_, slot)| slot.has_posted());
            let fragments: Vec<_> = posting
                .map(|(i, slot)| PostedFragment { proxy: slot.proxy(), bytes: bundle(order, i).swap_remove(0) })
                .collect();
            let secret = if attempt.twist { b"another".to_vec() } else { BUYER_SECRET.to_vec() };
            let truth = !attempt.twist && cheat != Cheat::No;
            (complaint(Complaint::BadKey { secret, node: 0, fragments, leaf: Some(goods.evidence(2)) }), truth)
        }
    }
}

fn cheats() -> impl Strategy<Value = Cheat> {
    prop::sample::select(vec![Cheat::No, Cheat::OtherContent, Cheat::OtherKey, Cheat::OtherSalt, Cheat::Garbage])
}

/// What a random life of an order is made of.
#[derive(Debug, Clone)]
struct Life {
    tries: Vec<Try>,
    cheat: Cheat,
    price: u128,
    fee: u128,
    threshold: u8,
    /// Begins with the grant, where the interesting part does.
    granted: bool,
}

fn lives() -> impl Strategy<Value = Life> {
    (tries(), cheats(), 1000u128..5000, 0u128..9, 1u8..=5, any::<bool>()).prop_map(
        |(tries, cheat, price, fee, threshold, granted)| Life { tries, cheat, price, fee, threshold, granted },
    )
}

/// Lives it, checks every invariant, and tells how it ended and whether it was delivered.
fn live(life: Life) -> (State, bool) {
    let Life { tries, cheat, price, fee, threshold: t, granted: helpful } = life;
    let goods = Goods::new(cheat);
    let mut terms = terms(&goods);
    (terms.price, terms.bond, terms.fee, terms.threshold) = (Amount(price), Amount(price + 5), Amount(fee), t);
    let step = with(buyer(), 100, |context| Order::offer(terms, &signed(), context)).unwrap();
    let (mut order, mut ledger, mut height) = (step.order, Ledger::default(), 100);
    ledger.perform(&step.effects);
    if helpful {
        for (who, event) in [(seller(), Event::Accept { bond: Amount(100) }), (seller(), Event::Cancel)] {
            let event = if event == Event::Cancel { grant(&order) } else { event };
            let step = apply(&order, who, height, &event).unwrap();
            ledger.perform(&step.effects);
            order = step.order;
        }
    }
    let mut bundles = 0;
    let mut true_complaint = false;
    let mut was_delivered = false;
    for attempt in &tries {
        height += u64::from(attempt.blocks);
        if let Some(step) = order.tick(Height(height)) {
            ledger.perform(&step.effects);
            order = step.order;
            ledger.assert_consistent(&order);
        }
        let (event, truth) = event(&order, &goods, cheat, attempt);
        let who = party(&order, attempt, &event);
        let before = order.clone();
        let command = Command::Event { order: order.id(), event: event.clone() };
        assert_eq!(Command::from_bytes(&command.to_bytes()), Ok(command));
        if let Ok(step) = apply(&order, who, height, &event) {
            ledger.perform(&step.effects);
            order = Order::from_bytes(&step.order.to_bytes()).unwrap();
            assert_eq!(&order, &step.order);
            bundles += usize::from(matches!(event, Event::Fragments(_)));
            true_complaint |= truth && matches!(event, Event::Complain(_)) && who == buyer();
        } else {
            assert_eq!(&before, &order);
        }
        was_delivered |= order.state() == State::Delivered;
        ledger.assert_consistent(&order);
    }
    // Every state ends by time alone.
    for _ in 0..4 {
        height += 1000;
        if let Some(step) = order.tick(Height(height)) {
            ledger.perform(&step.effects);
            order = step.order;
            ledger.assert_consistent(&order);
        }
    }
    assert!(order.state().is_final());
    assert!(order.locked().is_empty());
    // The price goes to the seller or stays with the buyer, and the seller is paid for t valid bundles only.
    assert!(ledger.price_paid.iter().all(|(to, _)| *to == seller()));
    assert_eq!(ledger.price_paid.len(), usize::from(order.state() == State::Settled));
    if order.state() == State::Settled {
        assert!(bundles >= usize::from(t));
    }
    // No refund after Delivered without a valid proof, and none withheld with one.
    if was_delivered {
        assert_eq!(order.state() == State::SellerFault, true_complaint);
        assert!(order.state() == State::Settled || true_complaint);
    }
    (order.state(), was_delivered)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_the_parties_do(life in lives()) {
        live(life);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), version in any::<bool>()) {
        let mut bytes = bytes;
        if version {
            bytes.insert(0, 1);
        }
        let _ = Command::from_bytes(&bytes);
        let _ = Order::from_bytes(&bytes);
    }

    #[test]
    fn any_flipped_bit_in_an_order_gives_an_order_that_runs_or_an_error(at: prop::sample::Index, bit in 0u8..8) {
        let order = delivered(&Goods::new(Cheat::No));
        let mut bytes = order.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = Order::from_bytes(&bytes) {
            let _ = apply(&changed, buyer(), 130, &Event::Confirm);
            let _ = changed.tick(Height(10_000));
        }
    }

    #[test]
    fn colluding_off_the_chain_costs_more_than_the_price(price: u64, fee in 0u64..1000, n in 1u8..=16, t in 1u8..=16) {
        prop_assume!(t <= n);
        let mut terms = terms(&Goods::new(Cheat::No));
        (terms.price, terms.fee, terms.proxies, terms.threshold) =
            (Amount(price.into()), Amount(fee.into()), n, t);
        let silent = u128::from(n - t) + 1;
        prop_assert!(2 * silent * terms.stake().0 >= 3 * u128::from(price));
        prop_assert!(silent * terms.stake().0 >= u128::from(price) + u128::from(t - 1) * u128::from(fee));
    }
}

/// The random lives are worth something: they end in every way, and often after a delivery.
#[test]
fn random_lives_reach_every_end() {
    let mut runner = TestRunner::deterministic();
    let mut ends: Vec<_> = (0..300).map(|_| live(lives().new_tree(&mut runner).unwrap().current())).collect();
    assert!(ends.iter().filter(|(_, delivered)| *delivered).count() > 30);
    assert!(ends.contains(&(State::SellerFault, true)) && ends.contains(&(State::SellerFault, false)));
    ends.retain(|(state, _)| matches!(state, State::Cancelled | State::Refunded | State::Settled));
    for end in [State::Cancelled, State::Refunded, State::Settled] {
        assert!(ends.iter().filter(|(state, _)| *state == end).count() > 5, "{end:?}");
    }
}

#[test]
fn golden_order_and_command() {
    let goods = Goods::new(Cheat::No);
    let order = delivered(&goods);
    let offer = Command::Offer(terms(&goods));
    let complaint = Complaint::BadLeaf { leaf: goods.evidence(2), secrets: Goods::leaf_secrets(2) };
    let complaint = Command::Event { order: order.id(), event: Event::Complain(Box::new(complaint)) };
    let digest = |bytes: &[u8]| Digest::content(bytes).to_string();
    let found =
        [order.id().to_string(), digest(&order.to_bytes()), digest(&offer.to_bytes()), digest(&complaint.to_bytes())];
    assert_eq!(found.join("\n"), include_str!("../testdata/escrow.hex").trim());
}

#[test]
fn unknown_versions_and_overlong_bytes_are_refused() {
    let command = Command::Event { order: OrderId(Digest::ZERO), event: Event::Confirm };
    let mut bytes = command.to_bytes();
    bytes[0] = 2;
    assert!(Command::from_bytes(&bytes).is_err());
    assert!(Command::from_bytes(&vec![1; 3 << 20]).is_err());
    assert!(Order::from_bytes(&[]).is_err());
}

#[test]
fn candidates_that_the_listing_does_not_allow_are_never_drawn() {
    let order = offered(&Goods::new(Cheat::No)).order;
    let mut all = candidates();
    let foreign = |i: u8| Candidate { proxy: stranger(100 + i), reputation: u64::MAX, free_stake: Amount(1 << 99) };
    all.extend((0..20).map(foreign));
    for block in 0..50u64 {
        let randomness = Digest::content(&block.to_le_bytes());
        let context = Context { height: Height(110), sender: seller(), randomness, candidates: &all, rules: &RULES };
        let accepted = order.apply(&accept(), &context, &Toy).unwrap().order;
        assert!(accepted.slots().iter().all(|slot| order.allowed().contains(&slot.proxy())));
    }
}
