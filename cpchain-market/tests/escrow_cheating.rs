//! Who can cheat in an exchange, and what comes of it.
//!
//! | who | tries | test | outcome |
//! | --- | --- | --- | --- |
//! | seller | serves ciphertext that is missing or broken | `a_seller_who_serves_nothing_gets_no_offer` | the buyer, who checks first, never offers; no money moved |
//! | seller | grants nothing | `a_seller_who_grants_nothing_pays` | its bond pays |
//! | seller | seals rubbish to a proxy | `a_bad_key_fragment_is_proven_by_its_proxy` | its bond pays |
//! | seller | a capsule that does not open, or opens to another key | `a_wrong_key_is_shown_by_the_buyer` | its bond pays, the buyer has all back |
//! | seller | the right key and other data than committed to | `other_data_than_committed_to_is_shown_by_one_leaf` | its bond pays, the buyer has all back |
//! | seller | junk that matches its own commitments | `junk_as_committed_to_cannot_be_proven` | paid: preview leaves and ratings are against this |
//! | seller | sells the same data twice | `the_same_data_is_sold_twice` | allowed |
//! | buyer | takes the keys and is silent | `a_buyer_who_takes_the_keys_and_is_silent_pays` | the seller is paid when the time is over |
//! | buyer | complains in vain | `a_false_complaint_costs_the_bond` | the bond goes to the seller |
//! | buyer and t proxies | exchange fragments off the chain and let the order lapse | `colluding_off_the_chain_costs_more_than_the_price` | the silent lose 1.5 prices; the seller has its price from them |
//! | fewer proxies than n − t + 1 | are silent | `less_than_enough_silent_proxies_stop_nothing` | sold; they earn nothing |
//! | n − t + 1 proxies | are silent | `enough_silent_proxies_stop_a_sale_and_pay_for_it` | nobody else loses |
//! | proxy | forges a fragment | `a_forged_fragment_counts_for_nothing` | refused |
//! | proxy | reads what it relays | in `cpchain-crypto`: `tests/pre.rs` | needs the buyer's secret |
//! | validators | hold a complaint back | `a_complaint_has_time_for_any_run_of_censors` | the last block in time is as good as the first |

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use cpchain_crypto::{block::SealedBlock, key_tree::IntervalId};
use cpchain_market::escrow::{Complaint, EscrowError, Event, FragmentError, Order, Outcome, Rules, State};
use support::{run::*, *};

/// What a buyer does before it offers: every leaf against the list, the list against the root.
fn checks_out(goods: &Goods, served: &[Vec<u8>], root: cpchain_crypto::Digest) -> bool {
    let mut leaves = Vec::new();
    for (bytes, commitments) in served.iter().zip(&goods.commitments) {
        let Ok(block) = SealedBlock::parse(bytes) else { return false };
        for (leaf, commitment) in (0..).zip(commitments) {
            let Some(sealed) = block.leaf(leaf) else { return false };
            leaves.push(commitment.merkle_leaf(block.header(), leaf, sealed));
        }
    }
    cpchain_crypto::merkle::root(&leaves) == root
}

#[test]
fn a_seller_who_serves_nothing_gets_no_offer() {
    let goods = Goods::new(Cheat::No);
    assert!(checks_out(&goods, &goods.blocks, goods.root()));
    assert!(!checks_out(&goods, &goods.blocks[1..], goods.root()));
    for block in 0..goods.blocks.len() {
        let mut served = goods.blocks.clone();
        *served[block].last_mut().unwrap() ^= 1;
        assert!(!checks_out(&goods, &served, goods.root()));
        served[block].truncate(100);
        assert!(!checks_out(&goods, &served, goods.root()));
    }
}

#[test]
fn a_seller_who_grants_nothing_pays() {
    let mut run = Run::accepted(&Goods::new(Cheat::No));
    assert_eq!(run.tick(140), State::SellerFault);
    assert!(run.ledger.gain(buyer()) > 0 && run.ledger.gain(seller()) == -100);
    // Without an acceptance there is no bond, and nobody has lost anything.
    let mut run = Run::offered(&Goods::new(Cheat::No));
    assert_eq!(run.tick(160), State::Cancelled);
    assert_eq!((run.ledger.gain(buyer()), run.ledger.gain(seller())), (0, 0));
}

#[test]
fn a_bad_key_fragment_is_proven_by_its_proxy() {
    let mut run = Run::accepted(&Goods::new(Cheat::No));
    let mut event = grant(&run.order);
    let Event::Grant { proxies, .. } = &mut event else { panic!("not a grant") };
    proxies[2].sealed = b"bad".to_vec();
    let step = apply(&run.order, seller(), 120, &event).unwrap();
    run.step(step);
    let proof = Event::BadGrant { sealed: b"bad".to_vec(), proof: b"opening".to_vec() };
    let step = apply(&run.order, run.order.slots()[2].proxy(), 121, &proof).unwrap();
    assert_eq!(run.step(step), State::SellerFault);
    assert!(run.ledger.gain(buyer()) > 0 && run.ledger.gain(seller()) == -100);
}

#[test]
fn a_wrong_key_is_shown_by_the_buyer() {
    for capsule in [b"opens to nothing".to_vec(), vec![9; 32]] {
        let goods = Goods::new(Cheat::No);
        let mut run = Run::accepted(&goods);
        let mut event = grant(&run.order);
        let Event::Grant { nodes, .. } = &mut event else { panic!("not a grant") };
        nodes[0].capsule = capsule;
        let step = apply(&run.order, seller(), 120, &event).unwrap();
        run.step(step);
        for slot in 0..3 {
            let step = post(&run.order, slot, 125).unwrap();
            run.step(step);
        }
        let complaint = run.bad_key(&goods);
        assert_eq!(run.complain(complaint), State::SellerFault);
        assert!(run.ledger.gain(buyer()) > 0 && run.ledger.price_paid.is_empty());
    }
}

#[test]
fn other_data_than_committed_to_is_shown_by_one_leaf() {
    for cheat in [Cheat::OtherContent, Cheat::Garbage] {
        let goods = Goods::new(cheat);
        let mut run = Run::delivered(&goods);
        assert_eq!(run.complain(bad_leaf(&goods)), State::SellerFault);
        assert!(run.ledger.gain(buyer()) > 0 && run.ledger.price_paid.is_empty());
    }
}

#[test]
fn junk_as_committed_to_cannot_be_proven() {
    // What is in the blocks is nobody's business here: all that a buyer can show is as committed to.
    let goods = Goods::new(Cheat::No);
    for complaint in [bad_leaf(&goods), Run::delivered(&goods).bad_key(&goods)] {
        let mut run = Run::delivered(&goods);
        assert_eq!(run.complain(complaint), State::Settled);
        assert_eq!(run.ledger.price_paid, [(seller(), PRICE.0)]);
    }
}

#[test]
fn the_same_data_is_sold_twice() {
    let goods = Goods::new(Cheat::No);
    let first = offered(&goods).order;
    let offer = |sender, nonce| {
        let mut terms = terms(&goods);
        terms.nonce = nonce;
        with(sender, 100, |context| Order::offer(terms, &signed(), context)).unwrap().order
    };
    let ids = [first.id(), offer(buyer(), 1).id(), offer(stranger(90), 0).id()];
    assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
}

#[test]
fn a_buyer_who_takes_the_keys_and_is_silent_pays() {
    let mut run = Run::delivered(&Goods::new(Cheat::No));
    // The keys are in its hands from here on, and nothing of its own takes the price back.
    for event in [Event::Cancel, Event::Fragments(vec![]), accept()] {
        assert!(apply(&run.order, buyer(), 130, &event).is_err());
    }
    assert_eq!(run.tick(485), State::Settled);
    assert_eq!(run.ledger.gain(seller()), PRICE_I);
}

#[test]
fn a_false_complaint_costs_the_bond() {
    let goods = Goods::new(Cheat::No);
    let mut run = Run::delivered(&goods);
    let made_up = Goods::leaf_secrets(3);
    let complaint = Complaint::BadLeaf { leaf: goods.evidence(2), secrets: made_up };
    assert_eq!(run.complain(complaint), State::Settled);
    assert_eq!(run.ledger.gain(seller()), 2 * PRICE_I);
    assert_eq!(run.ledger.gain(buyer()), -(2 * PRICE_I + 3 * FEE_I));
    assert!(Goods::leaf_secrets(2).key_hash() != Goods::leaf_secrets(3).key_hash());
}

#[test]
fn colluding_off_the_chain_costs_more_than_the_price() {
    // t of the proxies give the buyer their fragments by hand; so many are then missing on the chain that the order lapses.
    let mut run = Run::granted(&Goods::new(Cheat::No));
    for slot in 3..5 {
        let step = post(&run.order, slot, 121).unwrap();
        run.step(step);
    }
    assert_eq!(run.tick(150), State::Refunded);
    let lost: i128 = (0..3).map(|slot| -run.ledger.gain(run.order.slots()[slot].proxy())).sum();
    assert!(2 * lost >= 3 * PRICE_I, "they lose {lost}, and the buyer has saved {PRICE_I}");
    assert_eq!(run.ledger.gain(seller()), PRICE_I);
}

#[test]
fn less_than_enough_silent_proxies_stop_nothing() {
    let mut run = Run::delivered(&Goods::new(Cheat::No));
    assert_eq!(run.tick(485), State::Settled);
    for slot in 3..5 {
        assert_eq!(run.ledger.gain(run.order.slots()[slot].proxy()), 0);
    }
    assert_eq!(run.said(Outcome::Delivered), 3);
}

#[test]
fn enough_silent_proxies_stop_a_sale_and_pay_for_it() {
    let mut run = Run::granted(&Goods::new(Cheat::No));
    for slot in 0..2 {
        let step = post(&run.order, slot, 121).unwrap();
        run.step(step);
    }
    assert_eq!(run.tick(150), State::Refunded);
    assert_eq!((run.ledger.gain(buyer()), run.ledger.gain(seller())), (0, PRICE_I));
    assert_eq!(run.said(Outcome::Silent), 3);
    for slot in 0..2 {
        assert_eq!(run.ledger.gain(run.order.slots()[slot].proxy()), FEE_I);
    }
    // t − 1 bundles open nothing: no secret of an interval is on the chain.
    assert!(run.order.posted() < usize::from(run.order.terms().threshold));
    assert!(run.order.nodes()[0].node.intervals().0 == IntervalId(2));
}

#[test]
fn a_forged_fragment_counts_for_nothing() {
    let order = granted(&Goods::new(Cheat::No));
    for bit in 0..8 {
        for byte in 0..64 {
            let mut forged = bundle(&order, 0);
            forged[0][byte] ^= 1 << bit;
            let refused = apply(&order, order.slots()[0].proxy(), 121, &Event::Fragments(forged));
            assert!(matches!(refused, Err(EscrowError::Fragment { index: 0, error: FragmentError::Invalid })));
        }
    }
    assert_eq!(order.posted(), 0);
}

#[test]
fn a_complaint_has_time_for_any_run_of_censors() {
    assert!(Rules::default().dispute_blocks >= 360, "an hour of blocks of ten seconds");
    let goods = Goods::new(Cheat::OtherContent);
    let run = Run::delivered(&goods);
    let last = run.order.deadline().unwrap().0 - 1;
    assert_eq!(last, 125 + 359);
    let step = apply(&run.order, buyer(), last, &Event::Complain(Box::new(bad_leaf(&goods)))).unwrap();
    assert_eq!(step.order.state(), State::SellerFault);
}
