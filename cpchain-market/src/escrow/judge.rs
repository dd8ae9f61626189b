//! What the chain checks by itself: fragments and complaints.

use cpchain_crypto::{
    Digest, Domain, PublicKey,
    block::{BlockHeader, LeafSecrets},
    key_tree::{NodeSeed, TreeNode},
    merkle,
};

use super::{
    event::{Complaint, GrantedNode, LeafEvidence, PostedFragment},
    order::Order,
};

const FRAGMENT: Domain = Domain::new("cpchain/market/posted-fragment/v1");

/// Names a key fragment: the same for every capsule fragment that was made with it, another for any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FragmentId(pub Digest);

/// The public keys that a fragment is checked against, as the re-encryption scheme encodes them.
#[derive(Debug, Clone, Copy)]
pub struct FragmentKeys<'a> {
    /// The node's delegating key.
    pub delegating: &'a [u8],
    /// The buyer's key of this order.
    pub receiving: &'a [u8],
    /// The key that signed the key fragments.
    pub verifying: &'a [u8],
}

/// Why a capsule fragment is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// Over the bound, or not in the scheme's format.
    #[error("not a capsule fragment of this scheme")]
    Format,
    /// It was not made from this capsule with a key fragment of these keys.
    #[error("it does not verify against capsule and keys")]
    Invalid,
    /// It was made with another proxy's key fragment.
    #[error("it was made with another proxy's key fragment")]
    Foreign,
}

/// What a revealed buyer secret gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// The secret is not that of the order's buyer key: nothing is shown.
    WrongSecret,
    /// The secret is the right one, and capsule and fragments do not open.
    DoesNotOpen,
    /// They open to this node seed.
    Seed([u8; 32]),
}

/// The re-encryption scheme as the judge needs it. Every method is a pure function of its arguments: all validators
/// must come to the same answer.
pub trait FragmentVerifier {
    /// Are the capsule and the keys of a granted node well formed, and the capsule labelled for this node of `stream`?
    ///
    /// A grant for which this is `false` never stands. What it lets through, `verify` must not refuse for anything that is of
    /// the seller's making: else honest proxies would lose their stakes.
    fn accepts(&self, stream: &Digest, granted: &GrantedNode, keys: &FragmentKeys<'_>) -> bool;

    /// Checks that `fragment` was made from `capsule` with a key fragment from the delegating to the receiving key,
    /// signed by the verifying key, and names that key fragment.
    ///
    /// The id must be bound by what is verified, so that no proxy can pass another's fragment off as its own.
    ///
    /// # Errors
    /// [`FragmentError::Format`] or [`FragmentError::Invalid`].
    fn verify(&self, capsule: &[u8], fragment: &[u8], keys: &FragmentKeys<'_>) -> Result<FragmentId, FragmentError>;

    /// Does `proof` show that `sealed`, which the seller encrypted to `proxy`, does not hold for each of `nodes` a valid
    /// key fragment with the id given there? `false` whenever it does not show it.
    fn proves_bad_grant(
        &self,
        proxy: &PublicKey,
        sealed: &[u8],
        proof: &[u8],
        nodes: &[(FragmentKeys<'_>, FragmentId)],
    ) -> bool;

    /// Opens a capsule for `node` with the buyer's revealed secret and all `fragments`, each verified before. A capsule that
    /// says it is of another node counts as one that does not open.
    fn recover(
        &self,
        secret: &[u8],
        node: TreeNode,
        capsule: &[u8],
        fragments: &[&[u8]],
        keys: &FragmentKeys<'_>,
    ) -> Recovered;
}

pub(super) fn fragment_digest(bytes: &[u8]) -> Digest {
    Digest::of(FRAGMENT, &[bytes])
}

/// Does the complaint hold against the seller of `order`?
pub(super) fn holds(order: &Order, complaint: &Complaint, verifier: &dyn FragmentVerifier) -> bool {
    match complaint {
        Complaint::BadLeaf { leaf, secrets } => bad_leaf(order, leaf, secrets),
        Complaint::BadKey { secret, node, fragments, leaf } => {
            bad_key(order, secret, *node, fragments, leaf.as_ref(), verifier)
        }
    }
}

fn bad_leaf(order: &Order, evidence: &LeafEvidence, secrets: &LeafSecrets) -> bool {
    let Some(header) = committed(order, evidence) else { return false };
    // Secrets that are off the commitment say nothing: the buyer may have made them up.
    matches!(compare(&header, evidence, secrets), Leaf::DoesNotOpen | Leaf::OtherContent)
}

fn bad_key(
    order: &Order,
    secret: &[u8],
    place: u32,
    fragments: &[PostedFragment],
    evidence: Option<&LeafEvidence>,
    verifier: &dyn FragmentVerifier,
) -> bool {
    let place = place as usize;
    let Some(granted) = order.nodes().get(place) else { return false };
    // Exactly the fragments that are on the chain for this node: leaving one out must not make a capsule "not open".
    let mut ordered = Vec::new();
    for slot in order.slots().iter().filter(|slot| slot.has_posted()) {
        let Some(shown) = fragments.iter().find(|shown| shown.proxy == slot.proxy()) else { return false };
        if slot.posted_digest(place) != Some(fragment_digest(&shown.bytes)) {
            return false;
        }
        ordered.push(shown.bytes.as_slice());
    }
    let keys = order.keys_of(granted);
    match verifier.recover(secret, granted.node, &granted.capsule, &ordered, &keys) {
        Recovered::WrongSecret => false,
        Recovered::DoesNotOpen => true,
        Recovered::Seed(seed) => {
            let Some(evidence) = evidence else { return false };
            let Some(header) = committed(order, evidence) else { return false };
            // The seed came from the seller's own grant, so that secrets off the commitment are the seller's fault.
            let key = NodeSeed::from_bytes(granted.node, seed).interval_key(header.interval);
            let secrets = key.map(|key| LeafSecrets::derive(&key, header.index, evidence.leaf));
            secrets.is_some_and(|secrets| !matches!(compare(&header, evidence, &secrets), Leaf::AsCommitted(_)))
        }
    }
}

/// What key and salt make of a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenedAs {
    /// This plaintext, to which the manifest commits.
    Committed(Vec<u8>),
    /// The leaf is not under the root, or of another stream.
    NotInManifest,
    /// Key, salt or plaintext are not those of the commitment.
    Otherwise,
}

/// Opens one leaf of `stream` that is under `root`, with `count` leaves, as the judge does.
pub fn open_leaf(evidence: &LeafEvidence, secrets: &LeafSecrets, stream: Digest, root: Digest, count: u64) -> OpenedAs {
    let Some(header) = under_root(evidence, stream, root, count) else { return OpenedAs::NotInManifest };
    match compare(&header, evidence, secrets) {
        Leaf::AsCommitted(plain) => OpenedAs::Committed(plain),
        Leaf::OtherSecrets | Leaf::DoesNotOpen | Leaf::OtherContent => OpenedAs::Otherwise,
    }
}

/// The header, if the leaf is one that was bought and that the order's root commits to.
fn committed(order: &Order, evidence: &LeafEvidence) -> Option<BlockHeader> {
    let terms = order.terms();
    let header = under_root(evidence, order.stream(), terms.leaf_root, terms.leaf_count)?;
    terms.intervals.contains(&header.interval.0).then_some(header)
}

fn under_root(evidence: &LeafEvidence, stream: Digest, root: Digest, count: u64) -> Option<BlockHeader> {
    let header = BlockHeader::from_bytes(&evidence.header).ok()?;
    if header.stream != stream || evidence.leaf >= header.leaf_count() {
        return None;
    }
    let leaf = evidence.commitment.merkle_leaf(&header, evidence.leaf, &evidence.sealed);
    merkle::verify(root, leaf, evidence.index, count, &evidence.path).then_some(header)
}

enum Leaf {
    AsCommitted(Vec<u8>),
    OtherSecrets,
    DoesNotOpen,
    OtherContent,
}

/// What key and salt show about a committed leaf.
fn compare(header: &BlockHeader, evidence: &LeafEvidence, secrets: &LeafSecrets) -> Leaf {
    if secrets.key_hash() != evidence.commitment.key {
        return Leaf::OtherSecrets;
    }
    let mut sealed = evidence.sealed.clone();
    match secrets.open(header, evidence.leaf, &mut sealed) {
        Err(_) => Leaf::DoesNotOpen,
        Ok(plain) if secrets.plain_hash(plain) != evidence.commitment.plain => Leaf::OtherContent,
        Ok(plain) => Leaf::AsCommitted(plain.to_vec()),
    }
}
