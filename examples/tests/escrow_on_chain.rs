//! The escrow on the ledger with Umbral as its judge: who is paid, who pays, and that no money is made or lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod escrow_world;

use cpchain_consensus::ledger::{Amount, Outcome};
use cpchain_crypto::{
    Digest, Signer,
    key_tree::IntervalId,
    pre::{Capsule, ProxyReEncryption, Umbral},
};
use cpchain_examples::adapters::{
    UmbralJudge,
    chain::{StakeCommand, burn_account},
    granted_fragments, open_bundle, prove_bundle, seal_bundle,
};
use cpchain_market::escrow::{Event, FragmentId, FragmentKeys, FragmentVerifier as _, GrantedNode, ProxyGrant, State};
use escrow_world::*;

#[test]
fn a_sale_pays_the_seller_and_the_posting_proxies_and_opens_the_range() {
    let mut world = World::new();
    let (buyer, seller) = (world.balance(&world.buyer), world.balance(&world.seller));
    let id = world.accepted();
    world.grant(id, |_, bundle| bundle);
    assert_eq!(world.post(id, 0), Outcome::Applied);
    assert_eq!(world.order(id).state(), State::Granted);
    assert_eq!(world.post(id, 2), Outcome::Applied);
    let order = world.order(id);
    assert_eq!(order.state(), State::Delivered);

    for (place, node) in order.nodes().iter().enumerate() {
        let capsule = Capsule::from_bytes(&node.capsule).unwrap();
        let parties = parties(&order, node);
        let verified: Vec<_> = [0, 2]
            .map(|slot| world.bundle(id, slot).1[place].clone())
            .into_iter()
            .map(|bytes| cpchain_crypto::pre::CapsuleFragment::from_bytes(&bytes).unwrap())
            .map(|fragment| Umbral.verify_capsule_fragment(fragment, &capsule, &parties).unwrap())
            .collect();
        let seed = Umbral.open(&world.receiving, &parties.delegating, &capsule, &verified).unwrap();
        let (first, _) = node.node.intervals();
        assert_eq!(seed.interval_key(first), Some(world.secret.interval_key(first)));
        assert_eq!(seed.interval_key(IntervalId(8)), None);
    }

    let key = world.buyer.clone();
    assert_eq!(world.event(&key, id, Event::Confirm), Outcome::Applied);
    assert_eq!(world.order(id).state(), State::Settled);
    assert_eq!(world.balance(&world.seller), seller + PRICE);
    assert_eq!(world.balance(&world.buyer), buyer - PRICE - 2 * CPC);
    // Stakes are free again.
    for proxy in world.proxies.clone() {
        world.must(&proxy, Escrow::KIND, StakeCommand::Withdraw(Amount::cpc(100)).to_payload());
    }
}

#[test]
fn a_bad_grant_is_proven_and_costs_the_seller() {
    for spoilt in [vec![0; 10], Vec::new()] {
        let mut world = World::new();
        let (buyer, seller) = (world.balance(&world.buyer), world.balance(&world.seller));
        let id = world.accepted();
        world.grant(id, |place, bundle| if place == 1 { spoilt.clone() } else { bundle });
        let drawn = world.order(id).slots()[1].proxy();
        let proxy = world.proxies.iter().find(|key| key.public_key() == drawn).unwrap().clone();
        let grant = world.granted[1].clone();
        let order = world.order(id);
        let fragments = granted_fragments(&order, &grant);
        assert!(open_bundle(&proxy, &fragments, &grant.sealed).is_err());
        let proof = prove_bundle(&proxy, &fragments, &grant.sealed).unwrap().to_bytes().to_vec();
        let event = Event::BadGrant { sealed: grant.sealed, proof };
        assert_eq!(world.event(&proxy, id, event), Outcome::Applied);
        assert_eq!(world.order(id).state(), State::SellerFault);
        assert!(world.balance(&world.buyer) > buyer, "the buyer is made good");
        assert!(world.balance(&world.seller) < seller, "the seller's bond is gone");
    }
}

#[test]
fn a_box_that_is_none_is_proven_bad_without_an_opening() {
    let mut world = World::new();
    let id = world.accepted();
    world.rubbish = true;
    world.grant(id, |_, bundle| bundle);
    let drawn = world.order(id).slots()[0].proxy();
    let proxy = world.proxies.iter().find(|key| key.public_key() == drawn).unwrap().clone();
    let (order, grant) = (world.order(id), world.granted[0].clone());
    let sealed = grant.sealed.clone();
    assert!(prove_bundle(&proxy, &granted_fragments(&order, &grant), &sealed).is_err());
    assert_eq!(world.event(&proxy, id, Event::BadGrant { sealed, proof: vec![] }), Outcome::Applied);
    assert_eq!(world.order(id).state(), State::SellerFault);
}

#[test]
fn a_malformed_grant_never_stands() {
    let mut world = World::new();
    let id = world.accepted();
    let seller = world.seller.clone();
    let (nodes, verifying_key) = world.nodes(id);
    let proxies: Vec<_> = (0..3u8)
        .map(|slot| {
            let fragment_ids = (0..nodes.len() as u8).map(|node| FragmentId(Digest([slot * 16 + node; 32]))).collect();
            ProxyGrant { fragment_ids, sealed: vec![1] }
        })
        .collect();
    type Spoil<'a> = &'a dyn Fn(&mut Vec<GrantedNode>);
    let spoil: [Spoil<'_>; 4] = [
        &|nodes| nodes[0].capsule = vec![0],
        // A capsule of another node, and one whose two points are the same but for their sign.
        &|nodes| nodes[0].capsule = nodes[1].capsule.clone(),
        &|nodes| {
            let point = nodes[0].capsule[39..72].to_vec();
            nodes[0].capsule[72..105].copy_from_slice(&point);
        },
        &|nodes| nodes[0].delegating_key[5] ^= 1,
    ];
    for spoil in spoil {
        let mut nodes = nodes.clone();
        spoil(&mut nodes);
        let event = Event::Grant { verifying_key: verifying_key.clone(), nodes, proxies: proxies.clone() };
        assert!(matches!(world.event(&seller, id, event), Outcome::Failed(_)));
    }
    assert_eq!(world.order(id).state(), State::Accepted);
}

#[test]
fn another_orders_fragments_in_a_grant_are_proven_bad() {
    let mut world = World::new();
    let id = world.accepted();
    // Well-formed fragments, but the last proxy's in the place of the first one's.
    let last = std::cell::RefCell::new(None);
    world.grant(id, |place, bundle| match place {
        0 => {
            *last.borrow_mut() = Some(bundle.clone());
            bundle
        }
        1 => last.borrow().clone().unwrap(),
        _ => bundle,
    });
    let drawn = world.order(id).slots()[1].proxy();
    let proxy = world.proxies.iter().find(|key| key.public_key() == drawn).unwrap().clone();
    let (order, grant) = (world.order(id), world.granted[1].clone());
    let sealed = grant.sealed.clone();
    let proof = prove_bundle(&proxy, &granted_fragments(&order, &grant), &sealed).unwrap().to_bytes().to_vec();
    assert_eq!(world.event(&proxy, id, Event::BadGrant { sealed, proof }), Outcome::Applied);
    assert_eq!(world.order(id).state(), State::SellerFault);
}

/// Its opening would give the honest order's fragments away.
#[test]
fn a_bundle_copied_into_another_order_is_bad_without_an_opening() {
    let mut world = World::new();
    let id = world.accepted();
    world.grant(id, |_, bundle| bundle);
    let (proxy, _) = world.bundle(id, 0);
    let (order, grant) = (world.order(id), world.granted[0].clone());
    let honest = granted_fragments(&order, &grant);
    let other = Umbral.public_key(&Umbral.generate_key(&mut world.entropy).unwrap()).unwrap();
    let copied: Vec<_> =
        honest.iter().map(|(keys, id)| (FragmentKeys { receiving: other.as_bytes(), ..*keys }, *id)).collect();
    assert!(prove_bundle(&proxy, &copied, &grant.sealed).is_err());
    assert!(UmbralJudge.proves_bad_grant(&proxy.public_key(), &grant.sealed, &[], &copied));
    assert!(!UmbralJudge.proves_bad_grant(&proxy.public_key(), &grant.sealed, &[], &honest));
}

#[test]
fn an_honest_grant_cannot_be_proven_bad() {
    let mut world = World::new();
    let id = world.accepted();
    world.grant(id, |_, bundle| bundle);
    let (proxy, _) = world.bundle(id, 0);
    let (order, grant) = (world.order(id), world.granted[0].clone());
    let sealed = grant.sealed.clone();
    let fragments = granted_fragments(&order, &grant);
    let true_opening = prove_bundle(&proxy, &fragments, &sealed).unwrap().to_bytes().to_vec();
    let foreign = seal_bundle(&proxy.public_key(), &fragments, b"another box", &mut world.entropy).unwrap();
    let other_box = prove_bundle(&proxy, &fragments, &foreign).unwrap().to_bytes().to_vec();
    for proof in [true_opening.clone(), other_box, vec![0; 96], vec![], vec![1; 95]] {
        let outcome = world.event(&proxy, id, Event::BadGrant { sealed: sealed.clone(), proof });
        assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    }
    let mut changed = sealed;
    changed[40] ^= 1;
    let outcome = world.event(&proxy, id, Event::BadGrant { sealed: changed, proof: true_opening });
    assert!(matches!(outcome, Outcome::Failed(_)));
    assert_eq!(world.order(id).state(), State::Granted);
}

#[test]
fn a_proxy_cannot_post_anothers_fragments_or_changed_ones() {
    let mut world = World::new();
    let id = world.accepted();
    world.grant(id, |_, bundle| bundle);
    let (first, _) = world.bundle(id, 0);
    let (_, foreign) = world.bundle(id, 1);
    assert!(matches!(world.event(&first, id, Event::Fragments(foreign)), Outcome::Failed(_)));
    let (_, mut changed) = world.bundle(id, 0);
    changed[0][100] ^= 1;
    assert!(matches!(world.event(&first, id, Event::Fragments(changed)), Outcome::Failed(_)));
    assert!(matches!(world.event(&first, id, Event::Fragments(vec![])), Outcome::Failed(_)));
    assert_eq!(world.order(id).posted(), 0);
}

#[test]
fn silent_proxies_pay_the_seller_and_the_buyer_has_all_back() {
    let mut world = World::new();
    let (buyer, seller) = (world.balance(&world.buyer), world.balance(&world.seller));
    let id = world.accepted();
    world.grant(id, |_, bundle| bundle);
    assert_eq!(world.post(id, 0), Outcome::Applied);
    world.blocks(RULES.fragment_blocks);
    assert_eq!(world.order(id).state(), State::Refunded);
    assert_eq!(world.balance(&world.buyer), buyer);
    assert_eq!(world.balance(&world.seller), seller + PRICE);
    // What was locked of the silent ones' stakes is gone, the rest is theirs.
    let poorer = world.proxies.clone().into_iter().filter(|proxy| {
        let outcome = world.send(proxy, Escrow::KIND, StakeCommand::Withdraw(Amount::cpc(100)).to_payload()).1;
        outcome != Outcome::Applied
    });
    assert_eq!(poorer.count(), 2);
}

#[test]
fn time_alone_ends_every_order() {
    // Offered: all back. Accepted without a grant: the seller's fault. Delivered without a word: settled.
    let mut world = World::new();
    let buyer = world.balance(&world.buyer);
    let id = world.offered();
    world.blocks(RULES.accept_blocks);
    assert_eq!(world.order(id).state(), State::Cancelled);
    assert_eq!(world.balance(&world.buyer), buyer);

    let id = world.accepted();
    world.blocks(RULES.grant_blocks);
    assert_eq!(world.order(id).state(), State::SellerFault);
    assert!(world.balance(&world.buyer) >= buyer);

    let seller = world.balance(&world.seller);
    let id = world.accepted();
    world.grant(id, |_, bundle| bundle);
    assert_eq!([world.post(id, 1), world.post(id, 2)], [Outcome::Applied, Outcome::Applied]);
    world.blocks(RULES.dispute_blocks);
    assert_eq!(world.order(id).state(), State::Settled);
    assert_eq!(world.balance(&world.seller), seller + PRICE);
}

#[test]
fn locked_stake_cannot_be_withdrawn_and_slashed_money_is_burnt() {
    let mut world = World::new();
    let id = world.accepted();
    let proxy = world.proxies[0].clone();
    let withdraw = |amount| StakeCommand::Withdraw(Amount::cpc(amount)).to_payload();
    assert!(matches!(world.send(&proxy, Escrow::KIND, withdraw(100)).1, Outcome::Failed(_)));
    world.must(&proxy, Escrow::KIND, withdraw(90));
    world.blocks(RULES.grant_blocks);
    assert_eq!(world.order(id).state(), State::SellerFault);
    assert!(world.view.balance(&burn_account()).0 > 0);
    world.must(&proxy, Escrow::KIND, withdraw(10));
}
