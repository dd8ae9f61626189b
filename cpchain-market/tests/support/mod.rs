//! What the escrow tests share: a real manifest of sealed blocks, a listing, the parties, and a re-encryption scheme small
//! enough to be read here.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod ledger;
pub mod run;

use cpchain_crypto::{
    Digest, Domain, PublicKey, Signer, SigningKey,
    block::{BlockHeader, LEAF_LEN, LeafCommitment, LeafSecrets, SealedBlock, seal},
    key_tree::{IntervalId, StreamSecret, TreeNode, cover},
    merkle,
};
use cpchain_market::{
    Amount, Height,
    escrow::{
        Candidate, Context, EscrowError, Event, FragmentError, FragmentId, FragmentKeys, FragmentVerifier, GrantedNode,
        LeafEvidence, Order, ProxyGrant, Recovered, Rules, Step, Terms,
    },
    listing::{Action, Listing, Operation, SignedOperation, Unit},
};

pub const PRICE: Amount = Amount(1_000);
pub const FEE: Amount = Amount(7);
pub const RULES: Rules = Rules { accept_blocks: 60, grant_blocks: 30, fragment_blocks: 30, dispute_blocks: 360 };

const TOY: Domain = Domain::new("cpchain/test/toy-scheme/v1");

/// A scheme of hashes: verifiable by anyone and forgeable by anyone, which is all that the escrow's logic can tell. The
/// real one runs against it in the examples.
///
/// A key fragment is its id; a capsule is a seed in the clear; public key = hash of secret.
pub struct Toy;

impl Toy {
    pub fn public(secret: &[u8]) -> Vec<u8> {
        Digest::of(TOY, &[b"public", secret]).0.to_vec()
    }

    pub fn fragment(capsule: &[u8], id: FragmentId, keys: &FragmentKeys<'_>) -> Vec<u8> {
        let mut bytes = id.0.0.to_vec();
        let tag = Digest::of(TOY, &[b"tag", capsule, &id.0.0, keys.delegating, keys.receiving, keys.verifying]);
        bytes.extend(tag.0);
        bytes
    }
}

impl FragmentVerifier for Toy {
    fn accepts(&self, _: &Digest, granted: &GrantedNode, _: &FragmentKeys<'_>) -> bool {
        granted.capsule != b"malformed"
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
        sealed.starts_with(b"bad") && proof == b"opening"
    }

    fn recover(&self, secret: &[u8], _: TreeNode, capsule: &[u8], _: &[&[u8]], keys: &FragmentKeys<'_>) -> Recovered {
        if Self::public(secret) != keys.receiving {
            return Recovered::WrongSecret;
        }
        capsule.try_into().map_or(Recovered::DoesNotOpen, Recovered::Seed)
    }
}

pub fn key(i: u8) -> SigningKey {
    SigningKey::from_seed(&[i; 32])
}

pub fn buyer() -> PublicKey {
    key(1).public_key()
}

pub fn seller() -> PublicKey {
    key(2).public_key()
}

pub fn proxy(i: u8) -> PublicKey {
    key(10 + i).public_key()
}

pub fn secret() -> StreamSecret {
    StreamSecret::from_bytes([5; 32])
}

/// A manifest of four one-block intervals; the block of interval 2 can be made bad in the ways that a seller can cheat.
pub struct Goods {
    pub blocks: Vec<Vec<u8>>,
    pub commitments: Vec<Vec<LeafCommitment>>,
    pub leaves: Vec<Digest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cheat {
    No,
    /// The committed plaintext is not what was sealed.
    OtherContent,
    /// The committed key is not the one that the tree gives.
    OtherKey,
    /// The committed salt is not the one that the tree gives.
    OtherSalt,
    /// The ciphertext does not open under the committed key.
    Garbage,
}

pub const STREAM: Digest = Digest([8; 32]);

impl Goods {
    pub fn new(cheat: Cheat) -> Self {
        let (mut blocks, mut commitments, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
        for interval in 0..4u32 {
            let body: Vec<u8> = (0..5000u32).map(|i| (i * 7 + interval) as u8).collect();
            let header = BlockHeader {
                stream: STREAM,
                index: u64::from(interval),
                interval: IntervalId(interval),
                start_ms: 0,
                count: 10,
                codec: 0,
                body_len: body.len() as u32,
                previous: Digest::ZERO,
            };
            let (mut bytes, mut commits) = seal(&header, &secret().interval_key(IntervalId(interval)), &body).unwrap();
            if interval == 2 {
                match cheat {
                    Cheat::No => {}
                    Cheat::OtherContent => commits[1].plain = Digest([1; 32]),
                    Cheat::OtherKey => commits[1].key = Digest([2; 32]),
                    Cheat::OtherSalt => {
                        let mut secrets = Self::leaf_secrets(2);
                        secrets.salt = [3; 32];
                        commits[1] = secrets.commit(&body[LEAF_LEN..]);
                    }
                    Cheat::Garbage => *bytes.last_mut().unwrap() ^= 1,
                }
            }
            let block = SealedBlock::parse(&bytes).unwrap();
            for (leaf, commitment) in (0..).zip(&commits) {
                leaves.push(commitment.merkle_leaf(block.header(), leaf, block.leaf(leaf).unwrap()));
            }
            blocks.push(bytes);
            commitments.push(commits);
        }
        Self { blocks, commitments, leaves }
    }

    pub fn root(&self) -> Digest {
        merkle::root(&self.leaves)
    }

    /// Evidence for the second leaf of the block of `interval`.
    pub fn evidence(&self, interval: u32) -> LeafEvidence {
        let block = SealedBlock::parse(&self.blocks[interval as usize]).unwrap();
        let index = interval as usize * 2 + 1;
        LeafEvidence {
            header: block.header().to_bytes(),
            leaf: 1,
            sealed: block.leaf(1).unwrap().to_vec(),
            commitment: self.commitments[interval as usize][1],
            index: index as u64,
            path: merkle::path(&self.leaves, index).unwrap(),
        }
    }

    /// The leaf at `place` of all, with its path; each block has two.
    pub fn leaf(&self, place: usize) -> LeafEvidence {
        let (interval, leaf) = (place / 2, place % 2);
        let block = SealedBlock::parse(&self.blocks[interval]).unwrap();
        LeafEvidence {
            header: block.header().to_bytes(),
            leaf: leaf as u32,
            sealed: block.leaf(leaf as u32).unwrap().to_vec(),
            commitment: self.commitments[interval][leaf],
            index: place as u64,
            path: merkle::path(&self.leaves, place).unwrap(),
        }
    }

    /// Key and salt of that leaf, as the tree gives them.
    pub fn secrets_of(place: usize) -> LeafSecrets {
        let interval = (place / 2) as u32;
        LeafSecrets::derive(&secret().interval_key(IntervalId(interval)), u64::from(interval), (place % 2) as u32)
    }

    /// What is in that leaf.
    pub fn plain(place: usize) -> Vec<u8> {
        let body: Vec<u8> = (0..5000u32).map(|i| (i * 7 + (place / 2) as u32) as u8).collect();
        body.chunks(LEAF_LEN).nth(place % 2).unwrap().to_vec()
    }

    /// Key and salt of that same leaf, as a buyer derives them.
    pub fn leaf_secrets(interval: u32) -> LeafSecrets {
        LeafSecrets::derive(&secret().interval_key(IntervalId(interval)), u64::from(interval), 1)
    }
}

pub fn listing() -> Listing {
    Listing {
        title: "Hourly weather of Seattle".into(),
        description: "Temperature and wind".into(),
        tags: vec!["weather".into()],
        category: "climate".into(),
        price: Amount(500),
        unit: Unit::Interval,
        period_ms: 3_600_000,
        from_ms: 0,
        to_ms: 0,
        samples: vec![],
        uri: "otp:1/seattle".into(),
        proxies: (0..8).map(proxy).collect(),
        stream: STREAM,
        manifest: Some(Digest([6; 32])),
        created_ms: 1,
    }
}

pub fn signed() -> SignedOperation {
    Operation { seller: seller(), sequence: 0, action: Action::Publish(listing()) }.sign(&key(2)).unwrap()
}

pub const BUYER_SECRET: &[u8] = b"ephemeral secret of this order";

/// Two intervals (2 and 3: one node), 3 of 5.
pub fn terms(goods: &Goods) -> Terms {
    let signed = signed();
    Terms {
        listing: signed.listing_id(),
        revision: signed.id(),
        intervals: 2..4,
        manifest: Digest([6; 32]),
        leaf_root: goods.root(),
        leaf_count: goods.leaves.len() as u64,
        price: PRICE,
        fee: FEE,
        bond: PRICE,
        buyer_key: Toy::public(BUYER_SECRET),
        threshold: 3,
        proxies: 5,
        nonce: 0,
    }
}

pub fn candidates() -> Vec<Candidate> {
    (0..8).map(|i| Candidate { proxy: proxy(i), reputation: 100, free_stake: Amount(1 << 90) }).collect()
}

/// Runs `f` with the context of an event by `sender` at `height`.
pub fn with<R>(sender: PublicKey, height: u64, f: impl FnOnce(&Context<'_>) -> R) -> R {
    let candidates = candidates();
    let randomness = Digest::content(&height.to_le_bytes());
    f(&Context { height: Height(height), sender, randomness, candidates: &candidates, rules: &RULES })
}

pub fn apply(order: &Order, sender: PublicKey, height: u64, event: &Event) -> Result<Step, EscrowError> {
    with(sender, height, |context| order.apply(event, context, &Toy))
}

pub fn offered(goods: &Goods) -> Step {
    with(buyer(), 100, |context| Order::offer(terms(goods), &signed(), context)).unwrap()
}

pub fn accept() -> Event {
    Event::Accept { bond: Amount(100) }
}

pub fn grant(order: &Order) -> Event {
    let intervals = order.terms().intervals.clone();
    let nodes: Vec<_> = cover(intervals)
        .map(|node| GrantedNode {
            node,
            delegating_key: Toy::public(&node.to_bytes()),
            capsule: secret().seed(node).unwrap().expose().to_vec(),
        })
        .collect();
    let proxies = (order.slots().iter())
        .map(|slot| ProxyGrant {
            fragment_ids: nodes
                .iter()
                .map(|node| FragmentId(Digest::of(TOY, &[b"id", &slot.proxy().0, &node.node.to_bytes()])))
                .collect(),
            sealed: b"sealed to one proxy".to_vec(),
        })
        .collect();
    Event::Grant { verifying_key: b"verifying".to_vec(), nodes, proxies }
}

/// The bundle that the proxy of `slot` posts.
pub fn bundle(order: &Order, slot: usize) -> Vec<Vec<u8>> {
    order
        .nodes()
        .iter()
        .zip(order.slots()[slot].fragment_ids())
        .map(|(node, id)| Toy::fragment(&node.capsule, *id, &order.keys_of(node)))
        .collect()
}

pub fn accepted(goods: &Goods) -> Order {
    apply(&offered(goods).order, seller(), 110, &accept()).unwrap().order
}

pub fn granted(goods: &Goods) -> Order {
    let order = accepted(goods);
    let event = grant(&order);
    apply(&order, seller(), 120, &event).unwrap().order
}

pub fn post(order: &Order, slot: usize, height: u64) -> Result<Step, EscrowError> {
    apply(order, order.slots()[slot].proxy(), height, &Event::Fragments(bundle(order, slot)))
}

pub fn delivered(goods: &Goods) -> Order {
    (0..3).fold(granted(goods), |order, slot| post(&order, slot, 125).unwrap().order)
}

pub fn stranger(i: u8) -> PublicKey {
    key(i).public_key()
}
