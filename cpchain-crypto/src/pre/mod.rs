//! Proxy re-encryption: an owner hands a key to a buyer through proxies that never see it.
//!
//! The parts, in the order in which they act (white paper 2.2.2 and 2.2.4):
//!
//! 1. The owner encrypts the [`NodeSeed`] of a key tree node under that node's *delegating* key: a [`Capsule`], public.
//! 2. To sell, the owner makes `n` [`KeyFragment`]s from the delegating secret to the buyer's *receiving* public key, and gives each
//!    of `n` proxies one. A fragment is secret between owner and proxy.
//! 3. A proxy turns capsule and key fragment into a [`CapsuleFragment`], which carries its own proof: anyone, a chain too,
//!    verifies it ([`verify_fragment_bytes`]) without any secret.
//! 4. Any `t` verified capsule fragments and the receiving secret open the capsule. Fewer say nothing.
//!
//! # Rules, and the tests that hold them
//! - **One delegating key per tree node.** A key fragment re-encrypts *every* capsule of its delegating key, and `t` proxies
//!   who collude with the buyer can recover that key. So [`ProxyReEncryption::delegating_key`] derives a key of its own for each node, and
//!   what is lost is what was sold (`fragments_open_the_granted_node_and_nothing_else`).
//! - **The root is never granted**: its seed is the stream secret, which everything else is derived from
//!   (`the_root_is_refused`). [`cover`](crate::key_tree::cover) never yields it.
//! - **A capsule is bound to its stream and node**: the sealed part carries a digest of both, and opening compares
//!   (`a_relabelled_capsule_does_not_open`).
//! - **Only verified fragments are combined**: [`Verified`] is made by verification, remembers what it was
//!   verified for, and [`ProxyReEncryption::open`] takes nothing else (`a_fragment_of_another_capsule_is_refused`).
//! - **Bytes have one form.** Every type is an envelope of one version byte, one [`Scheme`] byte and a payload whose length the
//!   scheme fixes; other versions, schemes and lengths are refused, and so is a second encoding of the same value
//!   (`decoders_take_any_bytes`, `golden_bytes`).
//!
//! A seller can make fragments that verify and still do not open (shares of a polynomial of too high a degree). That is not
//! seen by verification; the buyer proves it by showing an ephemeral receiving secret, with which a judge repeats
//! [`ProxyReEncryption::open`] (`a_judge_repeats_the_opening`).
//!
//! ```
//! # #[cfg(feature = "umbral")] {
//! use cpchain_crypto::{Digest, SeededEntropy};
//! use cpchain_crypto::key_tree::{IntervalId, StreamSecret, TreeNode};
//! use cpchain_crypto::pre::{Parties, ProxyReEncryption, Threshold, Umbral};
//!
//! let mut entropy = SeededEntropy::new(&[1; 32]);
//! let stream = Digest::content(b"my stream");
//! let secret = StreamSecret::generate(&mut entropy)?;
//!
//! // The owner publishes the capsule of intervals 8 to 11.
//! let node = TreeNode::new(30, 2).unwrap();
//! let delegating = Umbral.delegating_key(&secret, node)?;
//! let seed = secret.seed(node).unwrap();
//! let capsule = Umbral.encapsulate(&Umbral.public_key(&delegating)?, &stream, &seed, &mut entropy)?;
//!
//! // A buyer shows a receiving key; the owner makes three fragments of which any two will do.
//! let receiving = Umbral.generate_key(&mut entropy)?;
//! let granting = Umbral.granting_key(&secret)?;
//! let parties = Parties {
//!     delegating: Umbral.public_key(&delegating)?,
//!     receiving: Umbral.public_key(&receiving)?,
//!     verifying: Umbral.public_key(&granting)?,
//! };
//! let key_fragments = Umbral.grant(&delegating, &granting, &parties.receiving, Threshold::new(2, 3)?, &mut entropy)?;
//!
//! // Two proxies check what they were given, and re-encrypt.
//! let mut posted = Vec::new();
//! for fragment in key_fragments.into_iter().take(2) {
//!     let fragment = Umbral.verify_key_fragment(fragment, &parties)?;
//!     posted.push(Umbral.reencrypt(&capsule, &fragment)?);
//! }
//!
//! // The buyer verifies each, and opens.
//! let mut verified = Vec::new();
//! for fragment in posted {
//!     verified.push(Umbral.verify_capsule_fragment(fragment, &capsule, &parties)?);
//! }
//! let opened = Umbral.open(&receiving, &parties.delegating, &capsule, &verified)?;
//! assert_eq!(opened.interval_key(IntervalId(9)), Some(secret.interval_key(IntervalId(9))));
//! # }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod envelope;
#[cfg(feature = "umbral")]
mod umbral;
mod verified;

use alloc::vec::Vec;

#[cfg(feature = "umbral")]
pub use umbral::Umbral;
pub use {
    envelope::{Capsule, CapsuleFragment, KeyFragment, PrePublicKey, PreSecretKey, Scheme},
    verified::{Parties, Verified},
};

use crate::{
    entropy::{Entropy, EntropyError},
    hash::{Digest, Domain},
    key_tree::{NodeSeed, StreamSecret, TreeNode},
};

/// Why keys, capsules or fragments were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PreError {
    /// The bytes are not an envelope of a known version and scheme, or their length is not the scheme's.
    #[error("not a {what} of a version, scheme and length that this build reads")]
    Format {
        /// What was expected.
        what: &'static str,
    },
    /// The envelope is right, the curve points or numbers inside are not.
    #[error("the {what} holds values that the scheme does not allow")]
    Value {
        /// What was expected.
        what: &'static str,
    },
    /// A threshold that is zero, above the number of fragments, or more than 64 fragments.
    #[error("a threshold needs 1 <= t <= n <= {}", Threshold::MAX_SHARES)]
    Threshold,
    /// The root of a key tree is the stream secret itself.
    #[error("the root of the key tree is not granted: grant nodes below it, as `cover` gives them")]
    Root,
    /// The key fragment was not made by these parties.
    #[error("the key fragment does not verify for these delegating, receiving and verifying keys: refuse the grant")]
    KeyFragment,
    /// The capsule fragment does not verify.
    #[error("the capsule fragment does not verify for this capsule and these keys: ask another proxy")]
    CapsuleFragment,
    /// A fragment was verified for another capsule or other keys than it is combined for.
    #[error("a fragment was verified for another capsule, delegating key or receiving key")]
    OtherCapsule,
    /// No fragment, or the same one twice.
    #[error("the fragments to combine must be at least one and all different")]
    Fragments,
    /// The fragments do not open the capsule.
    #[error(
        "the capsule does not open: fewer fragments than the threshold, fragments of different grants, or a false grant"
    )]
    Sealed,
    /// What the capsule seals is of another stream or node than it says.
    #[error("the capsule opens to a seed of another stream or node than its label says: refuse it")]
    Label,
    /// The source of randomness failed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// How many fragments open (`t`) of how many that are made (`n`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Threshold {
    needed: u8,
    shares: u8,
}

impl Threshold {
    /// Most fragments of one grant.
    pub const MAX_SHARES: u8 = 64;

    /// `needed` of `shares`.
    ///
    /// # Errors
    /// [`PreError::Threshold`] unless 1 ≤ needed ≤ shares ≤ 64.
    pub const fn new(needed: u8, shares: u8) -> Result<Self, PreError> {
        if needed == 0 || needed > shares || shares > Self::MAX_SHARES {
            return Err(PreError::Threshold);
        }
        Ok(Self { needed, shares })
    }

    /// Fragments that open.
    pub const fn needed(&self) -> u8 {
        self.needed
    }

    /// Fragments that are made.
    pub const fn shares(&self) -> u8 {
        self.shares
    }
}

const DELEGATING: Domain = Domain::new("cpchain/crypto/pre/delegating-key/v1");
const GRANTING: Domain = Domain::new("cpchain/crypto/pre/granting-key/v1");

/// A proxy re-encryption scheme over the byte types of this module.
///
/// Every method refuses values of another [`Scheme`] with [`PreError::Format`], and values whose envelope is right but
/// whose content is not with [`PreError::Value`].
pub trait ProxyReEncryption: Send + Sync {
    /// The scheme whose bytes this implementation reads and writes.
    fn scheme(&self) -> Scheme;

    /// The public key of a secret.
    ///
    /// # Errors
    /// [`PreError::Format`] for a key of another scheme.
    fn public_key(&self, secret: &PreSecretKey) -> Result<PrePublicKey, PreError>;

    /// Anyone's check that a public key is a usable one.
    ///
    /// # Errors
    /// [`PreError::Value`] for a key that is no curve point.
    fn verify_public_key(&self, key: &PrePublicKey) -> Result<(), PreError>;

    /// Anyone's check that a capsule is well formed: one that passes can be re-encrypted, and no fragment of it is refused for
    /// the capsule's sake. What is sealed in it is seen only by opening.
    ///
    /// # Errors
    /// [`PreError::Value`] for a capsule whose values the scheme does not allow.
    fn verify_capsule(&self, capsule: &Capsule) -> Result<(), PreError>;

    /// Encrypts `seed` under the delegating key of its node. `stream` is the stream's id as its block headers carry it.
    ///
    /// # Errors
    /// [`PreError::Root`] for the root, [`PreError::Entropy`], [`PreError::Value`] for a key that is no curve point.
    fn encapsulate(
        &self,
        delegating: &PrePublicKey,
        stream: &Digest,
        seed: &NodeSeed,
        entropy: &mut dyn Entropy,
    ) -> Result<Capsule, PreError>;

    /// Opens a capsule with the delegating secret: the owner's own way, without proxies.
    ///
    /// # Errors
    /// [`PreError::Sealed`] for a capsule of another key, [`PreError::Label`] for a relabelled one.
    fn open_original(&self, delegating: &PreSecretKey, capsule: &Capsule) -> Result<NodeSeed, PreError>;

    /// Makes `threshold.shares()` key fragments, one for each proxy, signed with the owner's `granting` key.
    /// Two calls give fragments that cannot be mixed.
    ///
    /// # Errors
    /// [`PreError::Entropy`], [`PreError::Value`] for a receiving key that is no curve point.
    fn grant(
        &self,
        delegating: &PreSecretKey,
        granting: &PreSecretKey,
        receiving: &PrePublicKey,
        threshold: Threshold,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<KeyFragment>, PreError>;

    /// The proxy's check of what it was given: a fragment that passes makes capsule fragments that pass.
    ///
    /// # Errors
    /// [`PreError::KeyFragment`] if the signature or the commitment is wrong.
    fn verify_key_fragment(&self, fragment: KeyFragment, parties: &Parties) -> Result<Verified<KeyFragment>, PreError>;

    /// Re-encrypts a capsule. The same capsule and fragment give the same bytes, so a repeated request costs no new
    /// randomness and reveals nothing new. A fragment of another node's key gives bytes that nobody will accept.
    ///
    /// # Errors
    /// [`PreError::Value`] for a capsule that is not well formed.
    fn reencrypt(&self, capsule: &Capsule, fragment: &Verified<KeyFragment>) -> Result<CapsuleFragment, PreError>;

    /// Anyone's check that a capsule fragment is the re-encryption of `capsule` from `parties.delegating` to
    /// `parties.receiving`, authorised by `parties.verifying`.
    ///
    /// # Errors
    /// [`PreError::CapsuleFragment`] if it is not.
    fn verify_capsule_fragment(
        &self,
        fragment: CapsuleFragment,
        capsule: &Capsule,
        parties: &Parties,
    ) -> Result<Verified<CapsuleFragment>, PreError>;

    /// Opens a capsule with `t` or more verified fragments of one grant.
    ///
    /// # Errors
    /// [`PreError::OtherCapsule`], [`PreError::Fragments`], [`PreError::Sealed`] or [`PreError::Label`].
    fn open(
        &self,
        receiving: &PreSecretKey,
        delegating: &PrePublicKey,
        capsule: &Capsule,
        fragments: &[Verified<CapsuleFragment>],
    ) -> Result<NodeSeed, PreError>;

    /// A fresh secret: a buyer's receiving key, best one for each purchase.
    ///
    /// # Errors
    /// [`PreError::Entropy`].
    fn generate_key(&self, entropy: &mut dyn Entropy) -> Result<PreSecretKey, PreError> {
        let mut seed = zeroize::Zeroizing::new([0; 32]);
        entropy.fill(&mut *seed)?;
        Ok(PreSecretKey::from_seed(self.scheme(), &seed))
    }

    /// The delegating secret of one node, always the same for the same stream secret and node.
    ///
    /// # Errors
    /// [`PreError::Root`] for the root.
    fn delegating_key(&self, stream: &StreamSecret, node: TreeNode) -> Result<PreSecretKey, PreError> {
        if node.depth() == 0 {
            return Err(PreError::Root);
        }
        let parent = stream.derive(DELEGATING);
        let mut hasher = blake3::Hasher::new_keyed(parent.expose());
        hasher.update(&node.to_bytes());
        let seed = zeroize::Zeroizing::new(*hasher.finalize().as_bytes());
        Ok(PreSecretKey::from_seed(self.scheme(), &seed))
    }

    /// The secret that signs a stream's key fragments; its public key is [`Parties::verifying`].
    ///
    /// # Errors
    /// None today; the result leaves room for schemes whose keys can fail.
    fn granting_key(&self, stream: &StreamSecret) -> Result<PreSecretKey, PreError> {
        Ok(PreSecretKey::from_seed(self.scheme(), stream.derive(GRANTING).expose()))
    }
}

/// Verifies a capsule fragment given everything as bytes, for a chain's module: which scheme is meant is read from the
/// capsule's envelope.
///
/// # Errors
/// [`PreError::Format`] and [`PreError::Value`] for bytes that are not what their place says,
/// [`PreError::CapsuleFragment`] for a fragment that is not the re-encryption of this capsule for these keys.
#[cfg(feature = "umbral")]
pub fn verify_fragment_bytes(
    capsule: &[u8],
    fragment: &[u8],
    delegating: &[u8],
    receiving: &[u8],
    verifying: &[u8],
) -> Result<(), PreError> {
    let capsule = Capsule::from_bytes(capsule)?;
    let fragment = CapsuleFragment::from_bytes(fragment)?;
    let parties = Parties {
        delegating: PrePublicKey::from_bytes(delegating)?,
        receiving: PrePublicKey::from_bytes(receiving)?,
        verifying: PrePublicKey::from_bytes(verifying)?,
    };
    match capsule.scheme() {
        Scheme::Umbral => Umbral.verify_capsule_fragment(fragment, &capsule, &parties).map(drop),
    }
}
