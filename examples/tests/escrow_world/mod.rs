//! A market of one buyer, one seller and three proxies on a ledger, driven block by block.

// Each test program uses its part.
#![allow(dead_code)]

use bytes::Bytes;
use cpchain_consensus::{
    Application, FinalBlock, Height,
    ledger::{Amount, Genesis, Ledger, LedgerBuilder, LedgerView, Outcome, TransactionDraft, TransactionId},
};
use cpchain_crypto::{
    Digest, PublicKey, SeededEntropy, Signer, SigningKey,
    key_tree::StreamSecret,
    pre::{Capsule, KeyFragment, Parties, PrePublicKey, PreSecretKey, ProxyReEncryption, Threshold, Umbral},
};
use cpchain_examples::adapters::{
    UmbralJudge,
    chain::{EscrowModule, ListingModule, StakeCommand, read_order},
    fragment_bundle, granted_fragments, open_bundle, seal_bundle,
};
use cpchain_market::{
    escrow::{Command, Event, FragmentId, FragmentKeys, GrantedNode, Order, OrderId, ProxyGrant, Rules, State, Terms},
    listing::{Action, Listing, Operation, SignedOperation, Unit},
};

pub(crate) type Escrow = EscrowModule<UmbralJudge>;

pub(crate) const CPC: u128 = 1_000_000_000_000_000_000;
pub(crate) const PRICE: u128 = 5 * CPC;
pub(crate) const RULES: Rules = Rules { accept_blocks: 5, grant_blocks: 8, fragment_blocks: 12, dispute_blocks: 5 };

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// One ledger, driven block by block, and everybody's keys.
pub(crate) struct World {
    pub(crate) ledger: Box<dyn Application>,
    pub(crate) view: LedgerView,
    pub(crate) height: u64,
    pub(crate) supply: Amount,
    pub(crate) buyer: SigningKey,
    pub(crate) seller: SigningKey,
    pub(crate) proxies: Vec<SigningKey>,
    pub(crate) secret: StreamSecret,
    pub(crate) receiving: PreSecretKey,
    pub(crate) entropy: SeededEntropy,
    pub(crate) listing: SignedOperation,
    pub(crate) granted: Vec<ProxyGrant>,
    /// The seller grants bytes that are no box.
    pub(crate) rubbish: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::on(Genesis::new(), |ledger| {
            let ledger = ledger.build().unwrap();
            (ledger.view(), Box::new(ledger))
        })
    }

    /// On a ledger that begins with more than the accounts of the market, and has more than its modules.
    pub(crate) fn on(
        genesis: Genesis,
        build: impl FnOnce(LedgerBuilder) -> (LedgerView, Box<dyn Application>),
    ) -> Self {
        let (buyer, seller, proxies) = (key(1), key(2), (10..13).map(key).collect::<Vec<_>>());
        let everybody = proxies.iter().chain([&buyer, &seller]);
        let genesis = everybody.fold(genesis, |g, key| g.account(key.public_key(), Amount::cpc(1000)));
        let ledger = Ledger::builder(genesis.chain_id("test"), genesis);
        let ledger = ledger.module(ListingModule).module(EscrowModule::new(RULES, UmbralJudge));
        let (view, ledger) = build(ledger);
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
        let secret = StreamSecret::from_bytes([9; 32]);
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
    pub(crate) fn block(&mut self) {
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

    pub(crate) fn send(&mut self, key: &SigningKey, kind: &str, payload: Bytes) -> (TransactionId, Outcome) {
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

    pub(crate) fn must(&mut self, key: &SigningKey, kind: &str, payload: Bytes) -> TransactionId {
        let (id, outcome) = self.send(key, kind, payload);
        assert_eq!(outcome, Outcome::Applied);
        id
    }

    pub(crate) fn event(&mut self, key: &SigningKey, order: OrderId, event: Event) -> Outcome {
        self.send(key, Escrow::KIND, Escrow::payload(&Command::Event { order, event })).1
    }

    pub(crate) fn order(&self, id: OrderId) -> Order {
        read_order(&self.view, &id).unwrap()
    }

    pub(crate) fn balance(&self, key: &SigningKey) -> u128 {
        self.view.balance(&key.public_key()).0
    }

    /// The buyer offers for intervals 3 to 7 and the seller accepts.
    pub(crate) fn accepted(&mut self) -> OrderId {
        let id = self.offered();
        let seller = self.seller.clone();
        let accept = Event::Accept { bond: cpchain_market::Amount(3 * CPC) };
        assert_eq!(self.event(&seller, id, accept), Outcome::Applied);
        id
    }

    pub(crate) fn offered(&mut self) -> OrderId {
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
    pub(crate) fn grant(&mut self, id: OrderId, spoil: impl Fn(usize, Vec<u8>) -> Vec<u8>) {
        let order = self.order(id);
        let grant = self.make_grant(&order, spoil);
        let seller = self.seller.clone();
        assert_eq!(self.event(&seller, id, grant), Outcome::Applied);
    }

    /// That grant, unsent: for an order, or for an interval of a stream order.
    pub(crate) fn make_grant(&mut self, order: &Order, spoil: impl Fn(usize, Vec<u8>) -> Vec<u8>) -> Event {
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
        self.granted = proxies.clone();
        Event::Grant { verifying_key, nodes, proxies }
    }

    /// Well-formed nodes of a grant, and the verifying key.
    pub(crate) fn nodes(&mut self, id: OrderId) -> (Vec<GrantedNode>, Vec<u8>) {
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
    pub(crate) fn bundle(&self, id: OrderId, place: usize) -> (SigningKey, Vec<Vec<u8>>) {
        self.bundle_of(&self.order(id), place)
    }

    pub(crate) fn bundle_of(&self, order: &Order, place: usize) -> (SigningKey, Vec<Vec<u8>>) {
        let drawn = order.slots()[place].proxy();
        let proxy = self.proxies.iter().find(|key| key.public_key() == drawn).unwrap().clone();
        let grant = &self.granted[place];
        let fragments = open_bundle(&proxy, &granted_fragments(order, grant), &grant.sealed).unwrap();
        let made = order.nodes().iter().zip(fragments).map(|(node, fragment)| {
            let fragment = Umbral.verify_key_fragment(fragment, &parties(order, node)).unwrap();
            Umbral.reencrypt(&Capsule::from_bytes(&node.capsule).unwrap(), &fragment).unwrap().as_bytes().to_vec()
        });
        (proxy, made.collect())
    }

    pub(crate) fn post(&mut self, id: OrderId, place: usize) -> Outcome {
        let (proxy, bundle) = self.bundle(id, place);
        self.event(&proxy, id, Event::Fragments(bundle))
    }

    pub(crate) fn blocks(&mut self, count: u64) {
        (0..count).for_each(|_| self.block());
    }
}

pub(crate) fn parties(order: &Order, node: &GrantedNode) -> Parties {
    let keys = order.keys_of(node);
    let public = |bytes| PrePublicKey::from_bytes(bytes).unwrap();
    Parties {
        delegating: public(keys.delegating),
        receiving: public(keys.receiving),
        verifying: public(keys.verifying),
    }
}
