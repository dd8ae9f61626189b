//! Every row of the escrow's table by name, with what it does to everybody's money.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use cpchain_crypto::{Digest, Key, block::LeafSecrets};
use cpchain_market::{
    Amount, Height,
    escrow::{Complaint, Context, EscrowError, Event, FragmentError, Order, Outcome, State, TermsError},
};
use support::{run::*, *};

#[test]
fn offer_locks_price_fees_and_bond() {
    let run = Run::offered(&Goods::new(Cheat::No));
    assert_eq!(run.order.state(), State::Offered);
    assert_eq!(run.ledger.gain(buyer()), -(2 * PRICE_I + 5 * FEE_I));
}

#[test]
fn offers_that_cannot_stand_are_refused() {
    let goods = Goods::new(Cheat::No);
    let refused = |change: &dyn Fn(&mut cpchain_market::escrow::Terms)| {
        let mut terms = terms(&goods);
        change(&mut terms);
        match with(buyer(), 100, |context| Order::offer(terms, &signed(), context)) {
            Err(EscrowError::Terms(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(&|t| t.bond = Amount(999)), TermsError::Bond);
    assert_eq!(refused(&|t| t.price = Amount(999)), TermsError::BelowListing { asked: Amount(1000) });
    assert_eq!(refused(&|t| t.threshold = 0), TermsError::Threshold { most: 16 });
    assert_eq!(refused(&|t| t.threshold = 6), TermsError::Threshold { most: 16 });
    assert_eq!(refused(&|t| t.proxies = 17), TermsError::Threshold { most: 16 });
    assert_eq!(refused(&|t| t.proxies = 9), TermsError::Threshold { most: 8 });
    assert_eq!(refused(&|t| t.intervals = 4..4), TermsError::Range);
    assert_eq!(refused(&|t| t.buyer_key.clear()), TermsError::Key);
    assert_eq!(refused(&|t| t.leaf_count = 0), TermsError::Leaves);
    assert_eq!(refused(&|t| t.manifest = Digest::ZERO), TermsError::Listing);
    assert_eq!(refused(&|t| t.revision.0 = Digest::ZERO), TermsError::Listing);
    assert_eq!(refused(&|t| t.fee = Amount(u128::MAX)), TermsError::Amount);
    let own = with(seller(), 100, |context| Order::offer(terms(&goods), &signed(), context));
    assert_eq!(own, Err(EscrowError::Terms(TermsError::SameParty)));
}

#[test]
fn offered_cancel_gives_all_back() {
    let mut run = Run::offered(&Goods::new(Cheat::No));
    assert_eq!(apply(&run.order, seller(), 101, &Event::Cancel), Err(EscrowError::NotYours("buyer")));
    let step = apply(&run.order, buyer(), 101, &Event::Cancel).unwrap();
    assert_eq!(run.step(step), State::Cancelled);
    assert_eq!(run.ledger.gain(buyer()), 0);
}

#[test]
fn offered_times_out_and_gives_all_back() {
    let mut run = Run::offered(&Goods::new(Cheat::No));
    assert_eq!(run.order.tick(Height(159)), None);
    assert_eq!(run.tick(160), State::Cancelled);
    assert_eq!(run.ledger.gain(buyer()), 0);
}

#[test]
fn accept_draws_staked_proxies_of_the_listing() {
    let run = Run::accepted(&Goods::new(Cheat::No));
    assert_eq!(run.order.slots().len(), 5);
    for slot in run.order.slots() {
        assert!(listing().proxies.contains(&slot.proxy()));
        assert_eq!(run.ledger.gain(slot.proxy()), -STAKE);
    }
    assert_eq!(run.ledger.gain(seller()), -100);
    // The rule on stakes: those who must be won over lose 1.5 times the price.
    assert!(3 * run.order.terms().stake().0 * 2 >= 3 * run.order.terms().price.0);
}

#[test]
fn accept_is_refused_without_bond_or_proxies() {
    let order = offered(&Goods::new(Cheat::No)).order;
    let small = Event::Accept { bond: Amount(34) };
    assert_eq!(apply(&order, seller(), 110, &small), Err(EscrowError::SellerBond { least: Amount(35) }));
    let huge = Event::Accept { bond: Amount(u128::MAX) };
    assert!(matches!(apply(&order, seller(), 110, &huge), Err(EscrowError::SellerBond { .. })));
    assert_eq!(apply(&order, buyer(), 110, &accept()), Err(EscrowError::NotYours("seller")));
    let mut few = candidates();
    few[0].free_stake = Amount(504);
    few[1].proxy = stranger(99);
    few.truncate(6);
    let context =
        Context { height: Height(110), sender: seller(), randomness: Digest::ZERO, candidates: &few, rules: &RULES };
    let stake = Amount(STAKE as u128);
    assert_eq!(order.apply(&accept(), &context, &Toy), Err(EscrowError::TooFewProxies { found: 4, wanted: 5, stake }));
}

#[test]
fn accepted_without_grant_is_the_sellers_fault() {
    let mut run = Run::accepted(&Goods::new(Cheat::No));
    assert_eq!(run.order.tick(Height(139)), None);
    assert_eq!(run.tick(140), State::SellerFault);
    assert_eq!((run.ledger.gain(buyer()), run.ledger.gain(seller()), run.ledger.burnt), (80, -100, 20));
    assert!(run.order.slots().iter().all(|slot| run.ledger.gain(slot.proxy()) == 0));
}

#[test]
fn grants_that_do_not_fit_are_refused() {
    let order = accepted(&Goods::new(Cheat::No));
    let good = grant(&order);
    let refused = |change: &dyn Fn(&mut Event)| {
        let mut event = good.clone();
        change(&mut event);
        assert!(matches!(apply(&order, seller(), 120, &event), Err(EscrowError::Grant(_))), "{event:?}");
    };
    fn parts(
        event: &mut Event,
    ) -> (&mut Vec<cpchain_market::escrow::GrantedNode>, &mut Vec<cpchain_market::escrow::ProxyGrant>) {
        match event {
            Event::Grant { nodes, proxies, .. } => (nodes, proxies),
            _ => panic!("not a grant"),
        }
    }
    refused(&|event| parts(event).0.clear());
    refused(&|event| parts(event).0[0].node = cpchain_crypto::key_tree::TreeNode::new(31, 0).unwrap());
    refused(&|event| parts(event).0[0].capsule.clear());
    refused(&|event| parts(event).0[0].delegating_key = vec![0; 1000]);
    refused(&|event| drop(parts(event).1.pop()));
    refused(&|event| parts(event).1[0].sealed.clear());
    refused(&|event| parts(event).1[0].fragment_ids.clear());
    refused(&|event| parts(event).1[0].fragment_ids = parts(&mut good.clone()).1[1].fragment_ids.clone());
    assert_eq!(apply(&order, buyer(), 120, &good), Err(EscrowError::NotYours("seller")));
    assert!(apply(&order, seller(), 120, &good).is_ok());
}

#[test]
fn granted_delivers_at_the_t_th_verified_bundle() {
    let run = Run::delivered(&Goods::new(Cheat::No));
    assert_eq!(run.order.posted(), 3);
    assert_eq!(run.order.deadline(), Some(Height(125 + 360)));
}

#[test]
fn bundles_that_do_not_verify_are_refused() {
    let order = granted(&Goods::new(Cheat::No));
    let mut wrong = bundle(&order, 0);
    wrong[0][40] ^= 1;
    let proxy = order.slots()[0].proxy();
    let fragment = |error| Err(EscrowError::Fragment { index: 0, error });
    assert_eq!(apply(&order, proxy, 121, &Event::Fragments(wrong)), fragment(FragmentError::Invalid));
    assert_eq!(apply(&order, proxy, 121, &Event::Fragments(vec![vec![0; 2000]])), fragment(FragmentError::Format));
    assert_eq!(
        apply(&order, proxy, 121, &Event::Fragments(vec![])),
        Err(EscrowError::BundleLength { found: 0, expected: 1 })
    );
    let nobody = support::stranger(77);
    assert_eq!(
        apply(&order, nobody, 121, &Event::Fragments(bundle(&order, 0))),
        Err(EscrowError::NotYours("drawn proxies"))
    );
    let once = post(&order, 0, 121).unwrap().order;
    assert_eq!(post(&once, 0, 122), Err(EscrowError::Posted));
}

#[test]
fn a_proxy_cannot_post_what_another_one_posted() {
    let order = post(&granted(&Goods::new(Cheat::No)), 0, 121).unwrap().order;
    let copied = Event::Fragments(bundle(&order, 0));
    assert_eq!(
        apply(&order, order.slots()[1].proxy(), 122, &copied),
        Err(EscrowError::Fragment { index: 0, error: FragmentError::Foreign })
    );
}

#[test]
fn bad_grant_proven_is_the_sellers_fault() {
    let goods = Goods::new(Cheat::No);
    let mut run = Run::accepted(&goods);
    let mut event = grant(&run.order);
    let Event::Grant { proxies, .. } = &mut event else { panic!("not a grant") };
    proxies[4].sealed = b"bad bundle".to_vec();
    let step = apply(&run.order, seller(), 120, &event).unwrap();
    run.step(step);
    let step = post(&run.order, 0, 121).unwrap();
    run.step(step);
    let report = |sealed: &[u8], proof: &[u8]| Event::BadGrant { sealed: sealed.to_vec(), proof: proof.to_vec() };
    let victim = run.order.slots()[4].proxy();
    let refused = [
        apply(&run.order, victim, 122, &report(b"bad bundle", b"no opening")),
        apply(&run.order, victim, 122, &report(b"bad, but not what was granted", b"opening")),
        apply(&run.order, run.order.slots()[3].proxy(), 122, &report(b"bad bundle", b"opening")),
    ];
    assert!(refused.iter().all(|result| *result == Err(EscrowError::NotProven)), "{refused:?}");
    let step = apply(&run.order, victim, 122, &report(b"bad bundle", b"opening")).unwrap();
    assert_eq!(run.step(step), State::SellerFault);
    // The bond of 100 pays the posting proxy 7; of the other 93 the buyer gets 74 and 19 burn.
    assert_eq!((run.ledger.gain(buyer()), run.ledger.gain(seller()), run.ledger.burnt), (74, -100, 19));
    assert_eq!(run.ledger.gain(run.order.slots()[0].proxy()), FEE_I);
}

#[test]
fn granted_times_out_and_silent_proxies_pay() {
    let mut run = Run::granted(&Goods::new(Cheat::No));
    let step = post(&run.order, 2, 121).unwrap();
    run.step(step);
    assert_eq!(run.order.tick(Height(149)), None);
    assert_eq!(run.tick(150), State::Refunded);
    assert_eq!(run.ledger.gain(buyer()), 0);
    assert_eq!(run.ledger.gain(seller()), PRICE_I);
    for (i, slot) in run.order.slots().iter().enumerate() {
        assert_eq!(run.ledger.gain(slot.proxy()), if i == 2 { FEE_I } else { -STAKE });
    }
    assert_eq!(run.ledger.burnt as i128, 4 * STAKE - PRICE_I - FEE_I);
    assert_eq!((run.said(Outcome::Silent), run.said(Outcome::Delivered)), (4, 1));
    assert!(run.ledger.price_paid.is_empty());
}

fn assert_settled(run: &Run) {
    assert_eq!(run.ledger.gain(buyer()), -(PRICE_I + 3 * FEE_I));
    assert_eq!(run.ledger.gain(seller()), PRICE_I);
    for (i, slot) in run.order.slots().iter().enumerate() {
        assert_eq!(run.ledger.gain(slot.proxy()), if i < 3 { FEE_I } else { 0 });
    }
    assert_eq!(run.ledger.price_paid, [(seller(), PRICE.0)]);
    assert_eq!((run.said(Outcome::Sold), run.said(Outcome::Bought), run.ledger.burnt), (1, 1, 0));
}

#[test]
fn delivered_confirm_settles() {
    let mut run = Run::delivered(&Goods::new(Cheat::No));
    let step = apply(&run.order, buyer(), 130, &Event::Confirm).unwrap();
    assert_eq!(run.step(step), State::Settled);
    assert_settled(&run);
}

#[test]
fn delivered_times_out_and_settles() {
    let mut run = Run::delivered(&Goods::new(Cheat::No));
    assert_eq!(run.order.tick(Height(484)), None);
    assert_eq!(run.tick(485), State::Settled);
    assert_settled(&run);
}

fn assert_faulted(run: &Run) {
    // Three fees of 7 out of the bond of 100; of the other 79 the buyer gets 63 and 16 burn.
    assert_eq!((run.ledger.gain(buyer()), run.ledger.gain(seller()), run.ledger.burnt), (63, -100, 16));
    assert!(run.ledger.price_paid.is_empty());
    assert_eq!(run.said(Outcome::Faulted), 1);
}

#[test]
fn delivered_complaint_with_a_bad_leaf_is_the_sellers_fault() {
    for cheat in [Cheat::OtherContent, Cheat::Garbage] {
        let goods = Goods::new(cheat);
        let mut run = Run::delivered(&goods);
        assert_eq!(run.complain(bad_leaf(&goods)), State::SellerFault, "{cheat:?}");
        assert_faulted(&run);
    }
}

#[test]
fn delivered_complaint_with_a_key_off_the_commitment_is_the_sellers_fault() {
    for cheat in [Cheat::OtherKey, Cheat::OtherSalt, Cheat::OtherContent, Cheat::Garbage] {
        let goods = Goods::new(cheat);
        let mut run = Run::delivered(&goods);
        let complaint = run.bad_key(&goods);
        assert_eq!(run.complain(complaint), State::SellerFault, "{cheat:?}");
        assert_faulted(&run);
    }
}

#[test]
fn delivered_complaint_about_a_capsule_that_does_not_open_is_the_sellers_fault() {
    let goods = Goods::new(Cheat::No);
    let mut run = Run::accepted(&goods);
    let mut event = grant(&run.order);
    let Event::Grant { nodes, .. } = &mut event else { panic!("not a grant") };
    nodes[0].capsule = b"opens to nothing".to_vec();
    let step = apply(&run.order, seller(), 120, &event).unwrap();
    run.step(step);
    for slot in 0..3 {
        let step = post(&run.order, slot, 125).unwrap();
        run.step(step);
    }
    let Complaint::BadKey { secret, node, fragments, .. } = run.bad_key(&goods) else { panic!("not a bad key") };
    assert_eq!(run.complain(Complaint::BadKey { secret, node, fragments, leaf: None }), State::SellerFault);
    assert_faulted(&run);
}

/// Every way to complain in vain costs the buyer its bond, and the seller is paid.
#[test]
fn delivered_complaint_that_fails_settles_and_costs_the_bond() {
    type Change = fn(&Run, &Goods) -> Complaint;
    let lies: [(&str, Cheat, Change); 11] = [
        ("a good leaf", Cheat::No, |_, goods| bad_leaf(goods)),
        ("a good key", Cheat::No, |run, goods| run.bad_key(goods)),
        ("a made-up salt", Cheat::No, |_, goods| {
            let secrets = LeafSecrets { salt: [7; 32], key: Key::from_bytes(*Goods::leaf_secrets(2).key.expose()) };
            Complaint::BadLeaf { leaf: goods.evidence(2), secrets }
        }),
        ("a made-up leaf key", Cheat::No, |_, goods| {
            let secrets = LeafSecrets { key: Key::from_bytes([7; 32]), salt: Goods::leaf_secrets(2).salt };
            Complaint::BadLeaf { leaf: goods.evidence(2), secrets }
        }),
        ("the secrets of another leaf", Cheat::No, |_, goods| Complaint::BadLeaf {
            leaf: goods.evidence(2),
            secrets: Goods::leaf_secrets(3),
        }),
        ("a leaf that was not bought", Cheat::No, |_, goods| Complaint::BadLeaf {
            leaf: goods.evidence(1),
            secrets: Goods::leaf_secrets(1),
        }),
        ("another ciphertext", Cheat::No, |_, goods| {
            let mut leaf = goods.evidence(2);
            leaf.sealed[0] ^= 1;
            Complaint::BadLeaf { leaf, secrets: Goods::leaf_secrets(2) }
        }),
        ("another commitment", Cheat::No, |_, goods| {
            let mut leaf = goods.evidence(2);
            leaf.commitment.plain = Digest::ZERO;
            Complaint::BadLeaf { leaf, secrets: Goods::leaf_secrets(2) }
        }),
        ("a fragment left out", Cheat::OtherKey, |run, goods| {
            let Complaint::BadKey { secret, node, mut fragments, leaf } = run.bad_key(goods) else { panic!() };
            fragments.pop();
            Complaint::BadKey { secret, node, fragments, leaf }
        }),
        ("a fragment that was not posted", Cheat::OtherKey, |run, goods| {
            let Complaint::BadKey { secret, node, mut fragments, leaf } = run.bad_key(goods) else { panic!() };
            fragments[0].bytes[0] ^= 1;
            Complaint::BadKey { secret, node, fragments, leaf }
        }),
        ("another secret", Cheat::OtherKey, |run, goods| {
            let Complaint::BadKey { node, fragments, leaf, .. } = run.bad_key(goods) else { panic!() };
            Complaint::BadKey { secret: b"another".to_vec(), node, fragments, leaf }
        }),
    ];
    for (name, cheat, lie) in lies {
        let goods = Goods::new(cheat);
        let mut run = Run::delivered(&goods);
        let complaint = lie(&run, &goods);
        assert_eq!(run.complain(complaint), State::Settled, "{name}");
        assert_eq!(run.ledger.gain(seller()), 2 * PRICE_I, "{name}");
        assert_eq!(run.ledger.gain(buyer()), -(2 * PRICE_I + 3 * FEE_I), "{name}");
        assert_eq!(run.said(Outcome::FalseComplaint), 1, "{name}");
    }
}

#[test]
fn events_at_the_deadline_are_too_late_and_ended_orders_stay_ended() {
    let goods = Goods::new(Cheat::No);
    let order = offered(&goods).order;
    assert_eq!(apply(&order, seller(), 160, &accept()), Err(EscrowError::TooLate(Height(160))));
    assert!(apply(&order, seller(), 159, &accept()).is_ok());
    let ended = order.tick(Height(160)).unwrap().order;
    assert_eq!(apply(&ended, seller(), 161, &accept()), Err(EscrowError::Ended(State::Cancelled)));
    assert_eq!(ended.tick(Height(u64::MAX)), None);
}

#[test]
fn each_event_belongs_to_its_state() {
    let goods = Goods::new(Cheat::No);
    let orders = [offered(&goods).order, accepted(&goods), granted(&goods), delivered(&goods)];
    let complaint = Event::Complain(Box::new(bad_leaf(&goods)));
    let events = [
        (Event::Cancel, 0),
        (accept(), 0),
        (grant(&orders[1]), 1),
        (Event::Fragments(vec![]), 2),
        (Event::BadGrant { sealed: vec![], proof: vec![] }, 2),
        (Event::Confirm, 3),
        (complaint, 3),
    ];
    for (event, home) in &events {
        for (i, order) in orders.iter().enumerate().filter(|(i, _)| i != home) {
            let refused = apply(order, buyer(), 126, event);
            assert_eq!(refused, Err(EscrowError::WrongState(order.state())), "{event:?} in {i}");
        }
    }
}
