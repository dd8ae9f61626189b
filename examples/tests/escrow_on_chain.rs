//! The escrow on the ledger with Umbral as its judge: who is paid, who pays, and that no money is made or lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use bytes::Bytes;
use cpchain_consensus::{
    Application, FinalBlock, Height,
    ledger::{Amount, Genesis, Ledger, LedgerView, Outcome, TransactionDraft, TransactionId},
};
use cpchain_crypto::{
    Digest, PublicKey, SeededEntropy, Signer, SigningKey,
    key_tree::{IntervalId, StreamSecret},
    pre::{Capsule, KeyFragment, Parties, PrePublicKey, PreSecretKey, ProxyReEncryption, Threshold, Umbral},
};
use cpchain_examples::adapters::{
    UmbralJudge,
    chain::{EscrowModule, ListingModule, StakeCommand, burn_account, read_order},
    fragment_bundle, granted_fragments, open_bundle, prove_bundle, seal_bundle,
};
use cpchain_market::{
    escrow::{
        Command, Event, FragmentId, FragmentKeys, FragmentVerifier as _, GrantedNode, Order, OrderId, ProxyGrant,
        Rules, State, Terms,
    },
    listing::{Action, Listing, Operation, SignedOperation, Unit},
};

type Escrow = EscrowModule<UmbralJudge>;

const CPC: u128 = 1_000_000_000_000_000_000;
const PRICE: u128 = 5 * CPC;
const RULES: Rules = Rules { accept_blocks: 5, grant_blocks: 8, fragment_blocks: 12, dispute_blocks: 5 };

/// One ledger, driven block by block, and everybody's keys.
struct World {
    ledger: Ledger,
    view: LedgerView,
    height: u64,
    supply: Amount,
    buyer: SigningKey,
    seller: SigningKey,
    proxies: Vec<SigningKey>,
    secret: StreamSecret,
    receiving: PreSecretKey,
    entropy: SeededEntropy,
    listing: SignedOperation,
    granted: Vec<ProxyGrant>,
    /// The seller grants bytes that are no box.
    rubbish: bool,
}

impl World {
    fn new() -> Self {
        let key = |seed| SigningKey::from_seed(&[seed; 32]);
        let (buyer, seller) = (key(1), key(2));
        let proxies: Vec<_> = (10..13).map(key).collect();
        let everybody = proxies.iter().chain([&buyer, &seller]);
        let genesis = everybody.fold(Genesis::new(), |g, key| g.account(key.public_key(), Amount::cpc(1000)));
        let ledger = Ledger::builder(genesis.chain_id("test"), genesis);
        let ledger = ledger.module(ListingModule).module(EscrowModule::new(RULES, UmbralJudge)).build().unwrap();
        let content = Listing {
            title: "Pump".into(),
            description: String::new(),
            tags: vec![],
            category: String::new(),
            price: cpchain_market::Amount(CPC),
            unit: Unit::Interval,
            period_ms: 0,
            from_ms: 0,
            to_ms: 0,
            samples: vec![],
            uri: String::new(),
            proxies: proxies.iter().map(Signer::public_key).collect(),
            stream: Digest([7; 32]),
            manifest: None,
            created_ms: 0,
        };
        let operation = Operation { seller: seller.public_key(), sequence: 0, action: Action::Publish(content) };
        let listing = operation.sign(&seller).unwrap();
        let mut entropy = SeededEntropy::new(&[3; 32]);
        let receiving = Umbral.generate_key(&mut entropy).unwrap();
        let (view, secret) = (ledger.view(), StreamSecret::from_bytes([9; 32]));
        let supply = view.supply();
        let mut world = Self {
            ledger,
            view,
            height: 0,
            supply,
            buyer,
            seller,
            proxies,
            secret,
            receiving,
            entropy,
            listing,
            granted: vec![],
            rubbish: false,
        };
        let seller = world.seller.clone();
        let payload = world.listing.as_bytes().to_vec().into();
        world.must(&seller, ListingModule::KIND, payload);
        for proxy in world.proxies.clone() {
            world.must(&proxy, Escrow::KIND, StakeCommand::Deposit(Amount::cpc(100)).to_payload());
        }
        world
    }

    /// One final block with whatever waits.
    fn block(&mut self) {
        self.height += 1;
        let payload = self.ledger.propose(Height(self.height), &[], 1 << 20);
        let block = FinalBlock {
            height: Height(self.height),
            digest: Digest::content(&self.height.to_le_bytes()),
            parent: Digest::ZERO,
            proposer: PublicKey([1; 32]),
            impeached: false,
            payload,
        };
        self.ledger.finalised(&block);
        assert_eq!(self.view.supply(), self.supply, "money was made or lost in block {}", self.height);
    }

    fn send(&mut self, key: &SigningKey, kind: &str, payload: Bytes) -> (TransactionId, Outcome) {
        let draft = TransactionDraft {
            chain: self.view.chain_id(),
            nonce: self.view.next_nonce(&key.public_key()),
            expires: Height(self.height + 10),
            kind: kind.into(),
            payload,
        };
        let transaction = draft.sign(key).unwrap();
        self.ledger.submit(transaction.bytes().clone()).unwrap();
        self.block();
        (transaction.id(), self.view.receipt(&transaction.id()).unwrap().outcome)
    }

    fn must(&mut self, key: &SigningKey, kind: &str, payload: Bytes) -> TransactionId {
        let (id, outcome) = self.send(key, kind, payload);
        assert_eq!(outcome, Outcome::Applied);
        id
    }

    fn event(&mut self, key: &SigningKey, order: OrderId, event: Event) -> Outcome {
        self.send(key, Escrow::KIND, Escrow::payload(&Command::Event { order, event })).1
    }

    fn order(&self, id: OrderId) -> Order {
        read_order(&self.view, &id).unwrap()
    }

    fn balance(&self, key: &SigningKey) -> u128 {
        self.view.balance(&key.public_key()).0
    }

    /// The buyer offers for intervals 3 to 7 and the seller accepts.
    fn accepted(&mut self) -> OrderId {
        let id = self.offered();
        let seller = self.seller.clone();
        let accept = Event::Accept { bond: cpchain_market::Amount(3 * CPC) };
        assert_eq!(self.event(&seller, id, accept), Outcome::Applied);
        id
    }

    fn offered(&mut self) -> OrderId {
        let terms = Terms {
            listing: self.listing.listing_id(),
            revision: self.listing.id(),
            intervals: 3..8,
            manifest: Digest([1; 32]),
            leaf_root: Digest([2; 32]),
            leaf_count: 10,
            price: cpchain_market::Amount(PRICE),
            fee: cpchain_market::Amount(CPC),
            bond: cpchain_market::Amount(PRICE),
            buyer_key: Umbral.public_key(&self.receiving).unwrap().as_bytes().to_vec(),
            threshold: 2,
            proxies: 3,
            nonce: self.height,
        };
        let buyer = self.buyer.clone();
        self.must(&buyer, Escrow::KIND, Escrow::payload(&Command::Offer(terms)));
        let orders = self.view.scan(Escrow::KIND, b"order/", None, 10);
        orders
            .iter()
            .map(|(_, bytes)| Order::from_bytes(bytes).unwrap())
            .find(|o| o.state() == State::Offered)
            .unwrap()
            .id()
    }

    /// The seller's grant; `spoil` may change what is sealed to each proxy.
    fn grant(&mut self, id: OrderId, spoil: impl Fn(usize, Vec<u8>) -> Vec<u8>) {
        let order = self.order(id);
        let granting = Umbral.granting_key(&self.secret).unwrap();
        let receiving = Umbral.public_key(&self.receiving).unwrap();
        let mut nodes = Vec::new();
        let mut bundles: Vec<Vec<KeyFragment>> = vec![Vec::new(), Vec::new(), Vec::new()];
        for node in order.terms().nodes() {
            let delegating = Umbral.delegating_key(&self.secret, node).unwrap();
            let public = Umbral.public_key(&delegating).unwrap();
            let seed = self.secret.seed(node).unwrap();
            let capsule = Umbral.encapsulate(&public, &order.stream(), &seed, &mut self.entropy).unwrap();
            let threshold = Threshold::new(2, 3).unwrap();
            let made = Umbral.grant(&delegating, &granting, &receiving, threshold, &mut self.entropy).unwrap();
            bundles.iter_mut().zip(made).for_each(|(bundle, fragment)| bundle.push(fragment));
            let (delegating_key, capsule) = (public.as_bytes().to_vec(), capsule.as_bytes().to_vec());
            nodes.push(GrantedNode { node, delegating_key, capsule });
        }
        let verifying_key = Umbral.public_key(&granting).unwrap().as_bytes().to_vec();
        let proxies = order.slots().iter().zip(&bundles).enumerate().map(|(place, (slot, fragments))| {
            let fragment_ids: Vec<_> = fragments.iter().map(|fragment| FragmentId(fragment.id())).collect();
            let bundle = spoil(place, fragment_bundle(fragments));
            let keys = nodes.iter().map(|node: &GrantedNode| FragmentKeys {
                delegating: &node.delegating_key,
                receiving: &order.terms().buyer_key,
                verifying: &verifying_key,
            });
            let granted: Vec<_> = keys.zip(fragment_ids.iter().copied()).collect();
            let mut sealed = seal_bundle(&slot.proxy(), &granted, &bundle, &mut self.entropy).unwrap();
            if self.rubbish {
                sealed = vec![0];
            }
            ProxyGrant { fragment_ids, sealed }
        });
        let proxies: Vec<_> = proxies.collect();
        let seller = self.seller.clone();
        let outcome = self.event(&seller, id, Event::Grant { verifying_key, nodes, proxies: proxies.clone() });
        assert_eq!(outcome, Outcome::Applied);
        self.granted = proxies;
    }

    /// Well-formed nodes of a grant, and the verifying key.
    fn nodes(&mut self, id: OrderId) -> (Vec<GrantedNode>, Vec<u8>) {
        let order = self.order(id);
        let granting = Umbral.granting_key(&self.secret).unwrap();
        let nodes = order.terms().nodes().map(|node| {
            let public = Umbral.public_key(&Umbral.delegating_key(&self.secret, node).unwrap()).unwrap();
            let seed = self.secret.seed(node).unwrap();
            let capsule = Umbral.encapsulate(&public, &order.stream(), &seed, &mut self.entropy).unwrap();
            GrantedNode { node, delegating_key: public.as_bytes().to_vec(), capsule: capsule.as_bytes().to_vec() }
        });
        (nodes.collect(), Umbral.public_key(&granting).unwrap().as_bytes().to_vec())
    }

    /// The drawn proxy at `place`, and the capsule fragments that it owes.
    fn bundle(&self, id: OrderId, place: usize) -> (SigningKey, Vec<Vec<u8>>) {
        let order = self.order(id);
        let drawn = order.slots()[place].proxy();
        let proxy = self.proxies.iter().find(|key| key.public_key() == drawn).unwrap().clone();
        let grant = &self.granted[place];
        let fragments = open_bundle(&proxy, &granted_fragments(&order, grant), &grant.sealed).unwrap();
        let made = order.nodes().iter().zip(fragments).map(|(node, fragment)| {
            let fragment = Umbral.verify_key_fragment(fragment, &parties(&order, node)).unwrap();
            Umbral.reencrypt(&Capsule::from_bytes(&node.capsule).unwrap(), &fragment).unwrap().as_bytes().to_vec()
        });
        (proxy, made.collect())
    }

    fn post(&mut self, id: OrderId, place: usize) -> Outcome {
        let (proxy, bundle) = self.bundle(id, place);
        self.event(&proxy, id, Event::Fragments(bundle))
    }

    fn blocks(&mut self, count: u64) {
        (0..count).for_each(|_| self.block());
    }
}

fn parties(order: &Order, node: &GrantedNode) -> Parties {
    let keys = order.keys_of(node);
    let public = |bytes| PrePublicKey::from_bytes(bytes).unwrap();
    Parties {
        delegating: public(keys.delegating),
        receiving: public(keys.receiving),
        verifying: public(keys.verifying),
    }
}

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
