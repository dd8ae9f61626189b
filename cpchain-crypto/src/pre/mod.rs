//! Proxy re-encryption: an owner hands a key to a buyer through proxies that never see it.
//!
//! The parts, in the order in which they act (white paper 2.2.2 and 2.2.4):
//!
//! 1. The owner encrypts the [`NodeSeed`] of a key tree node under that node's *delegating* key: a [`Capsule`], public.
//! 2. To sell, the owner makes `n` [`KeyFragment`]s from the delegating secret to the buyer's *receiving* public key, and gives each
//!    of `n` proxies one. A fragment is secret between owner and proxy.
//! 3. A proxy turns capsule and key fragment into a [`CapsuleFragment`], which carries its own proof: anyone, a chain too,
//!    verifies it (`verify_fragment_bytes`) without any secret.
//! 4. Any `t` verified capsule fragments and the receiving secret open the capsule. Fewer say nothing.
//!
//! # Rules, and the tests that hold them
//! - **One delegating key per tree node.** A key fragment re-encrypts *every* capsule of its delegating key, and `t` proxies
//!   who collude with the buyer can recover that key. So [`ProxyReEncryption::delegating_key`] derives a key of its own for each node, and
//!   what is lost is what was sold (`fragments_open_the_granted_node_and_nothing_else`,
//!   `colluders_open_the_granted_range_and_nothing_else`).
//! - **The root is never granted**: its seed is the stream secret, which everything else is derived from
//!   (`the_root_is_refused`). [`cover`](crate::key_tree::cover) never yields it.
//! - **A capsule is bound to its stream and node**: the sealed part carries a digest of both, and opening compares
//!   (`a_relabelled_capsule_does_not_open`).
//! - **Only verified fragments are combined**: [`Verified`] is made by verification alone, names its scheme in its type, remembers what
//!   it was verified for, and [`ProxyReEncryption::open`] takes nothing else (`a_fragment_of_another_capsule_is_refused`, and the
//!   doctests of [`Verified`] that do not compile).
//! - **Bytes have one form.** Every type is an envelope of one version byte, one [`Scheme`] byte and a payload whose length the
//!   scheme fixes; other versions, schemes and lengths are refused, and so is a second encoding of the same value
//!   (`decoders_take_any_bytes`, `golden_bytes`).
//!
//! # Bytes
//! Every envelope is `01` (version), `01` (Umbral), and then, all of fixed width, points compressed (33 bytes), scalars big endian (32):
//!
//! | type | bytes | the scheme's own bytes |
//! | --- | --- | --- |
//! | [`PrePublicKey`] | 35 | point |
//! | [`PreSecretKey`] | 34 | the seed that the scalar is derived from (`Umbral::KEY_LABEL`) |
//! | [`Capsule`] | 241 | stream (32), node (5), point E, point V, signature scalar, then nonce (24), ciphertext (64), tag (16) |
//! | [`KeyFragment`] | 196 | id (32), share, precursor, commitment, signature (64) over id, commitment, precursor and both keys |
//! | [`CapsuleFragment`] | 361 | E₁, V₁, key fragment id (32), precursor, E₂, V₂, U₁ commitment, U₁, proof scalar, signature (64) |
//!
//! `scheme_bytes` (`expose_scheme_bytes` for secrets) and `from_scheme_bytes` give and take what follows the two head bytes,
//! [`Capsule::sealed`] and [`Capsule::from_parts`] what follows the node as well. With these, other implementations of the scheme open what this one makes and
//! the other way round: `examples/interop/umbral` does it with pyUmbral, which shares no code with `umbral-pre`.
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
mod error;
mod parsed;
mod range;
mod threshold;
#[cfg(feature = "umbral")]
mod umbral;
mod verified;

use alloc::vec::Vec;
use core::ops::RangeBounds;

use zeroize::Zeroizing;

#[cfg(feature = "umbral")]
pub use umbral::Umbral;
pub use {
    envelope::{Capsule, CapsuleFragment, KeyFragment, PrePublicKey, PreSecretKey, Scheme},
    error::PreError,
    range::{NodeGrant, RangeGrant},
    threshold::Threshold,
    verified::{Parties, Verified},
};

use crate::{
    entropy::Entropy,
    hash::{Digest, Domain},
    key_tree::{NodeSeed, StreamSecret, TreeNode},
};

const DELEGATING: Domain = Domain::new("cpchain/crypto/pre/delegating-key/v1");
const LABEL: Domain = Domain::new("cpchain/crypto/pre/capsule-label/v1");
const GRANTING: Domain = Domain::new("cpchain/crypto/pre/granting-key/v1");

/// The digest that binds a capsule to its stream and node; the second half of what it seals.
fn capsule_label(stream: &Digest, node: TreeNode) -> Digest {
    Digest::of(LABEL, &[&stream.0, &node.to_bytes()])
}

/// The 64 bytes that a capsule seals: the node's seed, then a digest of stream and node. For whoever seals with another
/// implementation of the scheme; [`ProxyReEncryption::encapsulate`] does it by itself.
pub fn capsule_plaintext(stream: &Digest, seed: &NodeSeed) -> Zeroizing<[u8; 64]> {
    let mut plain = Zeroizing::new([0; 64]);
    let (left, right) = plain.split_at_mut(32);
    left.copy_from_slice(seed.expose());
    right.copy_from_slice(&capsule_label(stream, seed.node()).0);
    plain
}

/// A proxy re-encryption scheme over the byte types of this module.
///
/// An implementor writes the checks ([`check_key_fragment`](Self::check_key_fragment),
/// [`check_capsule_fragment`](Self::check_capsule_fragment)); the [`Verified`] values around them are made by the provided methods
/// alone, and carry the scheme in their type: what one implementation let through, no other one takes.
///
/// Every method refuses values of another [`Scheme`] with [`PreError::Format`], and values whose envelope is right but
/// whose content is not with [`PreError::Value`].
pub trait ProxyReEncryption: Sized + Send + Sync {
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

    /// Was the fragment made by these parties? What [`verify_key_fragment`](Self::verify_key_fragment) asks.
    ///
    /// # Errors
    /// [`PreError::KeyFragment`] if the signature or the commitment is wrong.
    fn check_key_fragment(&self, fragment: &KeyFragment, parties: &Parties) -> Result<(), PreError>;

    /// Re-encrypts a capsule. The same capsule and fragment give the same bytes, so a repeated request costs no new
    /// randomness and reveals nothing new. A fragment of another node's key gives bytes that open nothing.
    ///
    /// # Errors
    /// [`PreError::Value`] for a capsule that is not well formed.
    fn reencrypt(&self, capsule: &Capsule, fragment: &Verified<Self, KeyFragment>)
    -> Result<CapsuleFragment, PreError>;

    /// Is the fragment the re-encryption of `capsule`? What [`verify_capsule_fragment`](Self::verify_capsule_fragment) asks.
    ///
    /// # Errors
    /// [`PreError::CapsuleFragment`] if it is not.
    fn check_capsule_fragment(
        &self,
        fragment: &CapsuleFragment,
        capsule: &Capsule,
        parties: &Parties,
    ) -> Result<(), PreError>;

    /// Opens a capsule with `t` or more verified fragments of one grant.
    ///
    /// # Errors
    /// [`PreError::OtherCapsule`], [`PreError::Fragments`], [`PreError::Sealed`] or [`PreError::Label`].
    fn open(
        &self,
        receiving: &PreSecretKey,
        delegating: &PrePublicKey,
        capsule: &Capsule,
        fragments: &[Verified<Self, CapsuleFragment>],
    ) -> Result<NodeSeed, PreError>;

    /// The proxy's check of what it was given: a fragment that passes makes capsule fragments that pass.
    ///
    /// # Errors
    /// Those of [`check_key_fragment`](Self::check_key_fragment).
    fn verify_key_fragment(
        &self,
        fragment: KeyFragment,
        parties: &Parties,
    ) -> Result<Verified<Self, KeyFragment>, PreError> {
        self.check_key_fragment(&fragment, parties)?;
        Ok(Verified::key_fragment(fragment, parties))
    }

    /// Anyone's check that a capsule fragment is the re-encryption of `capsule` from `parties.delegating` to
    /// `parties.receiving`, authorised by `parties.verifying`.
    ///
    /// # Errors
    /// Those of [`check_capsule_fragment`](Self::check_capsule_fragment).
    fn verify_capsule_fragment(
        &self,
        fragment: CapsuleFragment,
        capsule: &Capsule,
        parties: &Parties,
    ) -> Result<Verified<Self, CapsuleFragment>, PreError> {
        self.check_capsule_fragment(&fragment, capsule, parties)?;
        Ok(Verified::capsule_fragment(fragment, capsule, parties))
    }

    /// Grants a range of intervals: its [`cover`](crate::key_tree::cover), a capsule for each node, and for each proxy a key fragment of each node.
    ///
    /// A year of hourly intervals is at most 26 nodes. [`RangeGrant`] says how many bytes that is.
    ///
    /// # Errors
    /// [`PreError::EmptyRange`], and those of [`encapsulate`](Self::encapsulate) and [`grant`](Self::grant).
    fn grant_range(
        &self,
        secret: &StreamSecret,
        stream: &Digest,
        intervals: impl RangeBounds<u32>,
        receiving: &PrePublicKey,
        threshold: Threshold,
        entropy: &mut dyn Entropy,
    ) -> Result<RangeGrant, PreError> {
        range::grant(self, (secret, stream), intervals, (receiving, threshold), entropy)
    }

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
