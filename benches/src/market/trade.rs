//! The parties of an order with real keys: what each of them puts on the chain.

use core::ops::Range;

use cpchain_crypto::{
    Digest, SeededEntropy, Signer, SigningKey,
    block::{BlockHeader, LeafCommitment, LeafSecrets, SealedBlock, seal},
    key_tree::{IntervalId, StreamSecret},
    merkle,
    pre::{Capsule, KeyFragment, Parties, PrePublicKey, PreSecretKey, ProxyReEncryption as _, Threshold, Umbral},
};
use cpchain_examples::adapters::{fragment_bundle, granted_fragments, open_bundle, seal_bundle};
use cpchain_market::{
    Amount,
    escrow::{Event, FragmentId, FragmentKeys, GrantedNode, LeafEvidence, Order, ProxyGrant, Terms},
    listing::{Action, Listing, Operation, SignedOperation, Unit},
};

use super::AnyError;

/// 3 of 5, as in the design.
pub(super) const THRESHOLD: u8 = 3;
pub(super) const PROXIES: u8 = 5;
pub(super) const PRICE: Amount = Amount(1_000_000_000_000_000_000);
pub(super) const FEE: Amount = Amount(1_000_000_000_000_000);

const STREAM: Digest = Digest([8; 32]);

pub(super) struct Trade {
    pub(super) buyer: SigningKey,
    pub(super) seller: SigningKey,
    pub(super) proxies: Vec<SigningKey>,
    pub(super) listing: SignedOperation,
    secret: StreamSecret,
    receiving: PreSecretKey,
    entropy: SeededEntropy,
}

impl Trade {
    pub(super) fn new() -> Result<Self, AnyError> {
        let key = |seed| SigningKey::from_seed(&[seed; 32]);
        let (seller, proxies): (_, Vec<_>) = (key(2), (10..10 + PROXIES).map(key).collect());
        let listing = Listing {
            title: "Pump".into(),
            description: String::new(),
            tags: vec![],
            category: String::new(),
            price: Amount(1),
            unit: Unit::Interval,
            period_ms: 0,
            from_ms: 0,
            to_ms: 0,
            samples: vec![],
            uri: String::new(),
            proxies: proxies.iter().map(Signer::public_key).collect(),
            stream: STREAM,
            manifest: None,
            created_ms: 0,
        };
        let action = Action::Publish(listing);
        let listing = Operation { seller: seller.public_key(), sequence: 0, action }.sign(&seller)?;
        let mut entropy = SeededEntropy::new(&[3; 32]);
        let (secret, receiving) = (StreamSecret::from_bytes([9; 32]), Umbral.generate_key(&mut entropy)?);
        Ok(Self { buyer: key(1), seller, proxies, listing, secret, receiving, entropy })
    }

    pub(super) fn terms(&self, intervals: Range<u32>, goods: Option<&Goods>) -> Result<Terms, AnyError> {
        Ok(Terms {
            listing: self.listing.listing_id(),
            revision: self.listing.id(),
            intervals,
            manifest: Digest([1; 32]),
            leaf_root: goods.map_or(Digest([2; 32]), |goods| merkle::root(&goods.leaves)),
            leaf_count: goods.map_or(1 << 18, |goods| goods.leaves.len() as u64),
            price: PRICE,
            fee: FEE,
            bond: PRICE,
            buyer_key: Umbral.public_key(&self.receiving)?.as_bytes().to_vec(),
            threshold: THRESHOLD,
            proxies: PROXIES,
            nonce: 1,
        })
    }

    /// The seller's grant, and what each drawn proxy then posts.
    pub(super) fn grant(&mut self, order: &Order) -> Result<Event, AnyError> {
        let granting = Umbral.granting_key(&self.secret)?;
        let receiving = Umbral.public_key(&self.receiving)?;
        let (mut nodes, mut bundles) = (Vec::new(), vec![Vec::<KeyFragment>::new(); usize::from(PROXIES)]);
        for node in order.terms().nodes() {
            let delegating = Umbral.delegating_key(&self.secret, node)?;
            let public = Umbral.public_key(&delegating)?;
            let seed = self.secret.seed(node).ok_or("no such node")?;
            let capsule = Umbral.encapsulate(&public, &order.stream(), &seed, &mut self.entropy)?;
            let threshold = Threshold::new(THRESHOLD, PROXIES)?;
            let made = Umbral.grant(&delegating, &granting, &receiving, threshold, &mut self.entropy)?;
            bundles.iter_mut().zip(made).for_each(|(bundle, fragment)| bundle.push(fragment));
            let (delegating_key, capsule) = (public.as_bytes().to_vec(), capsule.as_bytes().to_vec());
            nodes.push(GrantedNode { node, delegating_key, capsule });
        }
        let verifying_key = Umbral.public_key(&granting)?.as_bytes().to_vec();
        let mut proxies = Vec::new();
        for (slot, fragments) in order.slots().iter().zip(&bundles) {
            let fragment_ids: Vec<_> = fragments.iter().map(|fragment| FragmentId(fragment.id())).collect();
            let keys = nodes.iter().map(|node: &GrantedNode| FragmentKeys {
                delegating: &node.delegating_key,
                receiving: &order.terms().buyer_key,
                verifying: &verifying_key,
            });
            let granted: Vec<_> = keys.zip(fragment_ids.iter().copied()).collect();
            let sealed = seal_bundle(&slot.proxy(), &granted, &fragment_bundle(fragments), &mut self.entropy)?;
            proxies.push(ProxyGrant { fragment_ids, sealed });
        }
        Ok(Event::Grant { verifying_key, nodes, proxies })
    }

    /// What the proxy drawn at `place` posts for `grant`.
    pub(super) fn bundle(&self, order: &Order, grant: &Event, place: usize) -> Result<Event, AnyError> {
        let (Event::Grant { proxies, .. }, Some(slot)) = (grant, order.slots().get(place)) else {
            return Err("not a grant, or no such slot".into());
        };
        let grant = proxies.get(place).ok_or("no such slot")?;
        let proxy = self.proxies.iter().find(|key| key.public_key() == slot.proxy()).ok_or("a stranger was drawn")?;
        let fragments = open_bundle(proxy, &granted_fragments(order, grant), &grant.sealed)?;
        let mut posted = Vec::new();
        for (node, fragment) in order.nodes().iter().zip(fragments) {
            let fragment = Umbral.verify_key_fragment(fragment, &parties(order, node)?)?;
            let capsule = Capsule::from_bytes(&node.capsule)?;
            posted.push(Umbral.reencrypt(&capsule, &fragment)?.as_bytes().to_vec());
        }
        Ok(Event::Fragments(posted))
    }

    /// A GiB of sealed leaves, one of which was committed to another plaintext.
    pub(super) fn bad_goods(&self) -> Result<Goods, AnyError> {
        let body: Vec<u8> = (0..8192u32).map(|i| (i * 7) as u8).collect();
        let header = BlockHeader {
            stream: STREAM,
            index: 0,
            interval: IntervalId(0),
            start_ms: 0,
            count: 10,
            codec: 0,
            body_len: body.len() as u32,
            previous: Digest::ZERO,
        };
        let key = self.secret.interval_key(IntervalId(0));
        let (bytes, mut commitments) = seal(&header, &key, &body)?;
        let block = SealedBlock::parse(&bytes)?;
        let first = commitments.first_mut().ok_or("no leaf")?;
        first.plain = Digest([1; 32]);
        let sealed = block.leaf(0).ok_or("no leaf")?.to_vec();
        let mut leaves: Vec<_> = (0..1u64 << 18).map(|i| Digest::content(&i.to_le_bytes())).collect();
        if let Some(leaf) = leaves.first_mut() {
            *leaf = first.merkle_leaf(&header, 0, &sealed);
        }
        Ok(Goods { leaves, header, sealed, commitment: *first, secrets: LeafSecrets::derive(&key, 0, 0) })
    }
}

/// The leaves of a manifest, and what shows that the first is bad.
pub(super) struct Goods {
    leaves: Vec<Digest>,
    header: BlockHeader,
    sealed: Vec<u8>,
    commitment: LeafCommitment,
    secrets: LeafSecrets,
}

impl Goods {
    pub(super) fn complaint(self) -> Result<Event, AnyError> {
        use cpchain_market::escrow::Complaint;
        let leaf = LeafEvidence {
            header: self.header.to_bytes(),
            leaf: 0,
            sealed: self.sealed,
            commitment: self.commitment,
            index: 0,
            path: merkle::path(&self.leaves, 0).ok_or("no leaf")?,
        };
        Ok(Event::Complain(Box::new(Complaint::BadLeaf { leaf, secrets: self.secrets })))
    }
}

fn parties(order: &Order, node: &GrantedNode) -> Result<Parties, AnyError> {
    let keys = order.keys_of(node);
    Ok(Parties {
        delegating: PrePublicKey::from_bytes(keys.delegating)?,
        receiving: PrePublicKey::from_bytes(keys.receiving)?,
        verifying: PrePublicKey::from_bytes(keys.verifying)?,
    })
}
