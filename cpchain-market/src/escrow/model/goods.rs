//! What is sold, well or badly, and the parties' keys; with a re-encryption scheme of hashes, which is all that the machine's logic can
//! tell from the real one.

use std::sync::LazyLock;

use cpchain_crypto::{
    Digest, Domain, Key, PublicKey, Signer, SigningKey,
    block::{BlockHeader, LeafCommitment, LeafSecrets, SealedBlock, seal},
    key_tree::{IntervalId, StreamSecret, TreeNode},
    merkle,
};

use super::{super::*, FEE, PRICE};
use crate::{
    listing::{Action, Listing, Operation, SignedOperation, Unit},
    units::Amount,
};

const TOY: Domain = Domain::new("cpchain/test/model-scheme/v1");
const STREAM: Digest = Digest([8; 32]);
pub(in crate::escrow) const BUYER_SECRET: &[u8] = b"the buyer's secret of this order";

/// How the goods differ from what was committed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::escrow) enum Cheat {
    No,
    /// The plaintext is another.
    OtherContent,
    /// The ciphertext does not open.
    Garbage,
    /// The leaf's key is another than the tree's.
    OtherKey,
}

impl Cheat {
    pub(in crate::escrow) const ALL: [Self; 4] = [Self::No, Self::OtherContent, Self::Garbage, Self::OtherKey];
}

/// What the seller granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::escrow) enum Granted {
    Good,
    /// The capsule opens to nothing.
    Closed,
    /// It opens to a key of another tree.
    Elsewhere,
    /// What is sealed to this slot is no bundle.
    BadBox(usize),
}

#[derive(Debug, Clone)]
pub(in crate::escrow) struct Goods {
    pub(in crate::escrow) cheat: Cheat,
    header: BlockHeader,
    sealed: Vec<u8>,
    commitment: LeafCommitment,
}

fn key(i: u8) -> PublicKey {
    static KEYS: LazyLock<Vec<PublicKey>> =
        LazyLock::new(|| (0..20).map(|i| SigningKey::from_seed(&[i; 32]).public_key()).collect());
    KEYS[usize::from(i)]
}

pub(in crate::escrow) fn buyer() -> PublicKey {
    key(1)
}

pub(in crate::escrow) fn seller() -> PublicKey {
    key(2)
}

pub(in crate::escrow) fn stranger() -> PublicKey {
    key(3)
}

pub(in crate::escrow) fn proxy(i: u8) -> PublicKey {
    key(10 + i)
}

fn secret() -> StreamSecret {
    StreamSecret::from_bytes([5; 32])
}

pub(in crate::escrow) fn listing(proxies: u8) -> SignedOperation {
    let listing = Listing {
        title: "Pump".into(),
        description: String::new(),
        tags: vec![],
        category: String::new(),
        price: Amount(PRICE),
        unit: Unit::Interval,
        period_ms: 0,
        from_ms: 0,
        to_ms: 0,
        samples: vec![],
        uri: String::new(),
        proxies: (0..=proxies).map(proxy).collect(),
        stream: STREAM,
        manifest: None,
        created_ms: 0,
    };
    let signer = SigningKey::from_seed(&[2; 32]);
    Operation { seller: seller(), sequence: 0, action: Action::Publish(listing) }.sign(&signer).unwrap()
}

impl Goods {
    /// One interval of one leaf.
    pub(in crate::escrow) fn new(cheat: Cheat) -> Self {
        Self::of(cheat, 0)
    }

    /// That interval of a stream.
    pub(in crate::escrow) fn of(cheat: Cheat, interval: u32) -> Self {
        let body = [7; 20];
        let header = BlockHeader {
            stream: STREAM,
            index: u64::from(interval),
            interval: IntervalId(interval),
            start_ms: 0,
            count: 1,
            codec: 0,
            body_len: body.len() as u32,
            previous: Digest::ZERO,
        };
        let (bytes, commitments) = seal(&header, &secret().interval_key(IntervalId(interval)), &body).unwrap();
        let mut sealed = SealedBlock::parse(&bytes).unwrap().leaf(0).unwrap().to_vec();
        let mut commitment = commitments[0];
        match cheat {
            Cheat::No => {}
            Cheat::OtherContent => commitment.plain = Digest([1; 32]),
            Cheat::Garbage => sealed[0] ^= 1,
            Cheat::OtherKey => commitment.key = Digest([2; 32]),
        }
        Self { cheat, header, sealed, commitment }
    }

    /// What a buyer who has checked these goods asks for.
    pub(in crate::escrow) fn ask(&self) -> Ask {
        let (manifest, leaf_root) = (Digest([6; 32]), merkle::root(&[self.leaf()]));
        Ask { buyer_key: Toy::public(BUYER_SECRET), manifest, leaf_root, leaf_count: 1 }
    }

    fn leaf(&self) -> Digest {
        self.commitment.merkle_leaf(&self.header, 0, &self.sealed)
    }

    pub(in crate::escrow) fn terms(&self, threshold: u8, proxies: u8) -> Terms {
        let listing = listing(proxies);
        Terms {
            listing: listing.listing_id(),
            revision: listing.id(),
            intervals: 0..1,
            manifest: Digest([6; 32]),
            leaf_root: merkle::root(&[self.leaf()]),
            leaf_count: 1,
            price: Amount(PRICE),
            fee: Amount(FEE),
            bond: Amount(PRICE),
            buyer_key: Toy::public(BUYER_SECRET),
            threshold,
            proxies,
            nonce: 0,
        }
    }

    pub(in crate::escrow) fn evidence(&self) -> LeafEvidence {
        LeafEvidence {
            header: self.header.to_bytes(),
            leaf: 0,
            sealed: self.sealed.clone(),
            commitment: self.commitment,
            index: 0,
            path: vec![],
        }
    }

    /// The leaf's secrets as the tree gives them, or made up.
    pub(in crate::escrow) fn secrets(&self, made_up: bool) -> LeafSecrets {
        let interval = self.header.interval;
        let mut secrets = LeafSecrets::derive(&secret().interval_key(interval), self.header.index, 0);
        if made_up {
            secrets.key = Key::from_bytes([9; 32]);
        }
        secrets
    }
}

pub(in crate::escrow) fn grant(order: &Order, kind: Granted) -> Event {
    let tree = if kind == Granted::Elsewhere { StreamSecret::from_bytes([6; 32]) } else { secret() };
    let node = order.terms().nodes().next().unwrap();
    let seed = tree.seed(node).unwrap().expose().to_vec();
    let capsule = if kind == Granted::Closed { b"opens to nothing".to_vec() } else { seed };
    let nodes = vec![GrantedNode { node, delegating_key: b"delegating".to_vec(), capsule }];
    let bundle = |(slot, drawn): (usize, &Slot)| ProxyGrant {
        fragment_ids: vec![FragmentId(Digest::of(TOY, &[b"id", &drawn.proxy().0]))],
        sealed: if kind == Granted::BadBox(slot) { b"bad".to_vec() } else { b"bundle".to_vec() },
    };
    let proxies = order.slots().iter().enumerate().map(bundle).collect();
    Event::Grant { verifying_key: b"verifying".to_vec(), nodes, proxies }
}

/// The fragments that the proxy of `slot` owes.
pub(in crate::escrow) fn bundle(order: &Order, slot: usize) -> Vec<Vec<u8>> {
    let fragment = |node: &GrantedNode, id: &FragmentId| Toy::fragment(&node.capsule, *id, &order.keys_of(node));
    order.nodes().iter().zip(order.slots()[slot].fragment_ids()).map(|(node, id)| fragment(node, id)).collect()
}

pub(in crate::escrow) struct Toy;

impl Toy {
    fn public(secret: &[u8]) -> Vec<u8> {
        Digest::of(TOY, &[b"public", secret]).0.to_vec()
    }

    fn fragment(capsule: &[u8], id: FragmentId, keys: &FragmentKeys<'_>) -> Vec<u8> {
        let tag = Digest::of(TOY, &[b"tag", capsule, &id.0.0, keys.delegating, keys.receiving, keys.verifying]);
        [id.0.0, tag.0].concat()
    }
}

impl FragmentVerifier for Toy {
    fn accepts(&self, _: &Digest, _: &GrantedNode, _: &FragmentKeys<'_>) -> bool {
        true
    }

    fn verify(&self, capsule: &[u8], fragment: &[u8], keys: &FragmentKeys<'_>) -> Result<FragmentId, FragmentError> {
        let id = fragment.get(..32).and_then(Digest::from_slice).map(FragmentId).ok_or(FragmentError::Format)?;
        if fragment == Self::fragment(capsule, id, keys) { Ok(id) } else { Err(FragmentError::Invalid) }
    }

    fn proves_bad_grant(
        &self,
        _: &PublicKey,
        sealed: &[u8],
        proof: &[u8],
        _: &[(FragmentKeys<'_>, FragmentId)],
    ) -> bool {
        sealed == b"bad" && proof == b"opening"
    }

    fn recover(&self, secret: &[u8], _: TreeNode, capsule: &[u8], _: &[&[u8]], keys: &FragmentKeys<'_>) -> Recovered {
        if Self::public(secret) != keys.receiving {
            return Recovered::WrongSecret;
        }
        capsule.try_into().map_or(Recovered::DoesNotOpen, Recovered::Seed)
    }
}
