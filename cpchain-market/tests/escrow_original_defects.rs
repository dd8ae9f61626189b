//! What was wrong with the original escrow contract, each defect as a test that this one does not have it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use cpchain_crypto::Digest;
use cpchain_market::{
    Amount, Height,
    escrow::{Context, EscrowError, Event, Order, State},
};
use support::{ledger::Ledger, run::*, *};

/// The original computed the deduction from a proxy's deposit, threw it away, and paid from other people's money.
#[test]
fn deposits_are_deducted_from_the_one_who_pays() {
    let mut run = Run::granted(&Goods::new(Cheat::No));
    run.tick(150);
    let paid: i128 = run.order.slots().iter().map(|slot| run.ledger.gain(slot.proxy())).sum();
    assert_eq!(-paid, PRICE_I + run.ledger.burnt as i128);
}

/// The original had no way out of a dispute in which no proxy acted.
#[test]
fn a_dispute_needs_nobody_but_its_proof() {
    let goods = Goods::new(Cheat::OtherContent);
    let mut run = Run::delivered(&goods);
    assert!(run.complain(bad_leaf(&goods)).is_final());
}

/// In the original a proxy could serve without a deposit.
#[test]
fn no_proxy_without_stake_is_drawn() {
    let order = offered(&Goods::new(Cheat::No)).order;
    let mut poor = candidates();
    poor.iter_mut().for_each(|candidate| candidate.free_stake = Amount::ZERO);
    let context =
        Context { height: Height(110), sender: seller(), randomness: Digest::ZERO, candidates: &poor, rules: &RULES };
    assert!(matches!(order.apply(&accept(), &context, &Toy), Err(EscrowError::TooFewProxies { found: 0, .. })));
}

/// In the original half a price below two fees made a settlement impossible.
#[test]
fn fees_above_the_price_settle() {
    let goods = Goods::new(Cheat::No);
    let mut terms = terms(&goods);
    terms.fee = Amount(50_000);
    let step = with(buyer(), 100, |context| Order::offer(terms, &signed(), context)).unwrap();
    for posting in 0..=3 {
        let mut run = Run { order: step.order.clone(), ledger: Ledger::default() };
        run.ledger.perform(&step.effects);
        let accepted = apply(&run.order, seller(), 110, &Event::Accept { bond: Amount(250_000) }).unwrap();
        run.step(accepted);
        let granted = apply(&run.order, seller(), 120, &grant(&run.order)).unwrap();
        run.step(granted);
        for slot in 0..posting {
            let posted = post(&run.order, slot, 121).unwrap();
            run.step(posted);
        }
        let end = run.tick(10_000);
        assert_eq!(end, if posting == 3 { State::Settled } else { State::Refunded });
        for slot in &run.order.slots()[..posting] {
            assert_eq!(run.ledger.gain(slot.proxy()), 50_000);
        }
        assert_eq!(run.ledger.gain(seller()), PRICE_I);
    }
}

/// In the original the wallet named the proxy itself, the same one twice.
#[test]
fn the_chain_and_nobody_else_picks_the_proxies() {
    let goods = Goods::new(Cheat::No);
    let order = offered(&goods).order;
    let draws: std::collections::BTreeSet<Vec<_>> = (101..140)
        .map(|height| {
            let accepted = apply(&order, seller(), height, &accept()).unwrap().order;
            let drawn: Vec<_> = accepted.slots().iter().map(|slot| slot.proxy()).collect();
            assert_eq!(drawn.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
            drawn
        })
        .collect();
    assert!(draws.len() > 30, "the draw does not follow the chain's randomness");
}

/// In the original a confirmed order of the older contract kept the seller's deposit.
#[test]
fn a_sellers_deposit_comes_back_when_it_sold() {
    let mut run = Run::delivered(&Goods::new(Cheat::No));
    let step = apply(&run.order, buyer(), 130, &Event::Confirm).unwrap();
    assert_eq!(run.step(step), State::Settled);
    assert_eq!(run.ledger.gain(seller()), PRICE_I);
}

/// In the original an order whose seller or proxy stopped after the confirmation had no exit.
#[test]
fn every_state_has_an_exit_by_time_alone() {
    let goods = Goods::new(Cheat::No);
    let runs = [Run::offered(&goods), Run::accepted(&goods), Run::granted(&goods), Run::delivered(&goods)];
    let ends = [State::Cancelled, State::SellerFault, State::Refunded, State::Settled];
    for (mut run, end) in runs.into_iter().zip(ends) {
        assert_eq!(run.tick(10_000), end);
        assert!(run.order.locked().is_empty());
    }
}

/// In the original a verdict of "neither bad" paid nobody, and the money stayed in the contract.
#[test]
fn every_end_pays_out_all_that_was_locked() {
    let goods = Goods::new(Cheat::No);
    for complains in [true, false] {
        let mut run = Run::delivered(&goods);
        if complains {
            run.complain(bad_leaf(&goods));
        } else {
            run.tick(10_000);
        }
        assert!(run.ledger.held.values().all(|held| *held == 0));
    }
}

/// In the original either proxy judged, and could judge again.
#[test]
fn nobody_votes_and_a_verdict_stands() {
    let goods = Goods::new(Cheat::OtherContent);
    let mut run = Run::delivered(&goods);
    let complaint = Event::Complain(Box::new(bad_leaf(&goods)));
    for slot in run.order.slots() {
        assert_eq!(apply(&run.order, slot.proxy(), 130, &complaint), Err(EscrowError::NotYours("buyer")));
    }
    assert_eq!(run.complain(bad_leaf(&goods)), State::SellerFault);
    assert_eq!(apply(&run.order, buyer(), 131, &complaint), Err(EscrowError::Ended(State::SellerFault)));
}

/// In the original a delivery was claimed with a constant in the place of a hash, and nobody could tell.
#[test]
fn a_delivery_is_verified_before_it_counts() {
    let order = granted(&Goods::new(Cheat::No));
    let claim = Event::Fragments(vec![b"delivered".to_vec()]);
    assert!(matches!(apply(&order, order.slots()[0].proxy(), 121, &claim), Err(EscrowError::Fragment { .. })));
}

/// In the original the key of one sale opened all: the wallet's one RSA key stood in each order, and one AES key in each sale.
#[test]
fn a_grant_opens_the_bought_intervals_and_no_other() {
    let order = delivered(&Goods::new(Cheat::No));
    let opened: Vec<_> = order.nodes().iter().map(|node| node.node.intervals()).collect();
    assert_eq!(opened.len(), 1);
    assert_eq!((opened[0].0.0, opened[0].1.0), (2, 3));
}
