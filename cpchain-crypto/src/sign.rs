//! Ed25519 signatures with domain separation (RFC 8032).
//!
//! What is signed is the [`signing_digest`] of domain and message. One rule decides, for one signature and for a
//! [`Batch`](crate::batch::Batch): canonical encodings alone, no points of small order, and the cofactored equation
//! \[8\](sB − kA − R) = 0. So every verifier gives the same answer, however it checks; `sign/rule.rs` argues it.

mod rule;
#[cfg(test)]
mod vectors;

use core::fmt;

use curve25519_dalek::EdwardsPoint;
use ed25519_dalek::Signer as _;
use zeroize::Zeroizing;

#[cfg(feature = "alloc")]
pub(crate) use self::rule::Terms;
pub(crate) use self::rule::decode_point;
pub(crate) use self::rule::{decode_signature, holds};
use crate::{
    entropy::{Entropy, EntropyError},
    hash::{Digest, Domain, hex},
};

/// Why a signature or a key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The 32 bytes are not a usable Ed25519 key.
    #[error("not a usable Ed25519 public key")]
    BadKey,
    /// The signature does not belong to this key, domain and message.
    #[error("the signature does not match the key, the domain and the message")]
    Mismatch,
}

/// An Ed25519 public key: who signed, who owns, who is paid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// An Ed25519 signature, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

/// Signs in the name of one key.
///
/// Implement it over a TPM or a remote signer; [`SigningKey`] is the in-memory one. The implementation signs
/// exactly the [`signing_digest`] of what it is given.
pub trait Signer: Send + Sync {
    /// The key that verifies what [`sign`](Signer::sign) returns.
    fn public_key(&self) -> PublicKey;

    /// Signs `message` under `domain`.
    fn sign(&self, domain: Domain, message: &[u8]) -> Signature;
}

/// A secret signing key: wiped when dropped, never printed.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A new key from an entropy source.
    ///
    /// # Errors
    /// [`EntropyError`] when the source fails.
    pub fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let mut seed = Zeroizing::new([0; 32]);
        entropy.fill(&mut *seed)?;
        Ok(Self::from_seed(&seed))
    }

    /// The key of a 32-byte seed (RFC 8032 secret key).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed, for storing the key; wiped when dropped.
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }
}

impl Signer for SigningKey {
    fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        Signature(self.0.sign(signing_digest(domain, message).as_bytes()).to_bytes())
    }
}

impl<S: Signer + ?Sized> Signer for &S {
    fn public_key(&self) -> PublicKey {
        (**self).public_key()
    }

    fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        (**self).sign(domain, message)
    }
}

#[cfg(feature = "alloc")]
impl<S: Signer + ?Sized> Signer for alloc::sync::Arc<S> {
    fn public_key(&self) -> PublicKey {
        (**self).public_key()
    }

    fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        (**self).sign(domain, message)
    }
}

/// The 32 bytes that Ed25519 signs for this domain and message: [`Digest::of`] one part.
///
/// A hash and not the message, so that signing needs no heap and a hardware key sees 32 bytes whatever the size.
pub fn signing_digest(domain: Domain, message: &[u8]) -> Digest {
    Digest::of(domain, &[message])
}

impl PublicKey {
    /// Accepts `signature` if this key made it over `message` under `domain`, judged by the rule of this module.
    ///
    /// # Errors
    /// [`SignatureError::BadKey`] for a key that no signature can satisfy, [`SignatureError::Mismatch`] otherwise.
    ///
    /// ```
    /// use cpchain_crypto::{Domain, Signer, SigningKey};
    /// const READING: Domain = Domain::new("example/reading/v1");
    /// let key = SigningKey::from_seed(&[1; 32]);
    /// let signature = key.sign(READING, b"21.5 C");
    /// assert!(key.public_key().verify(READING, b"21.5 C", &signature).is_ok());
    /// assert!(key.public_key().verify(READING, b"99.9 C", &signature).is_err());
    /// ```
    pub fn verify(&self, domain: Domain, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        self.verify_digest(&signing_digest(domain, message), signature)
    }

    /// [`verify`](Self::verify) for a message whose [`signing_digest`] is at hand: many signers, one message.
    ///
    /// # Errors
    /// As `verify`.
    pub fn verify_digest(&self, digest: &Digest, signature: &Signature) -> Result<(), SignatureError> {
        VerifyingKey::new(*self)?.verify_digest(digest, signature)
    }

    /// A key from exactly 32 bytes; whether a signature can satisfy it is seen by [`verify`](Self::verify).
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// A [`PublicKey`] that was decoded and found usable, for those who verify with it often: saves a tenth of each check.
///
/// ```
/// use cpchain_crypto::{Domain, PublicKey, Signer, SigningKey, VerifyingKey};
/// const VOTE: Domain = Domain::new("example/vote/v1");
/// let key = SigningKey::from_seed(&[1; 32]);
/// let member = VerifyingKey::new(key.public_key())?;
/// assert!(member.verify(VOTE, b"yes", &key.sign(VOTE, b"yes")).is_ok());
/// assert!(VerifyingKey::new(PublicKey([0; 32])).is_err());
/// # Ok::<(), cpchain_crypto::SignatureError>(())
/// ```
#[derive(Clone, Copy)]
pub struct VerifyingKey {
    key: PublicKey,
    minus_a: EdwardsPoint,
}

impl VerifyingKey {
    /// Decodes a key.
    ///
    /// # Errors
    /// [`SignatureError::BadKey`] for a key that no signature can satisfy.
    pub fn new(key: PublicKey) -> Result<Self, SignatureError> {
        let point = decode_point(&key.0).ok_or(SignatureError::BadKey)?;
        Ok(Self { key, minus_a: -point })
    }

    /// The 32 bytes that it was decoded from.
    pub const fn public_key(&self) -> PublicKey {
        self.key
    }

    /// As [`PublicKey::verify`].
    ///
    /// # Errors
    /// [`SignatureError::Mismatch`].
    pub fn verify(&self, domain: Domain, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        self.verify_digest(&signing_digest(domain, message), signature)
    }

    /// As [`PublicKey::verify_digest`].
    ///
    /// # Errors
    /// [`SignatureError::Mismatch`].
    pub fn verify_digest(&self, digest: &Digest, signature: &Signature) -> Result<(), SignatureError> {
        if self.verify_raw(&digest.0, signature) { Ok(()) } else { Err(SignatureError::Mismatch) }
    }

    /// The rule over the bytes that Ed25519 itself signs.
    fn verify_raw(&self, message: &[u8], signature: &Signature) -> bool {
        decode_signature(&self.key.0, message, &signature.0).is_some_and(|terms| holds(&self.minus_a, &terms))
    }

    #[cfg(feature = "alloc")]
    pub(crate) const fn minus_a(&self) -> &EdwardsPoint {
        &self.minus_a
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({:?})", self.key)
    }
}

impl Signature {
    /// A signature from exactly 64 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, self.0.first_chunk::<4>().map_or(&[], |head| head))?;
        f.write_str("…")
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, self.0.first_chunk::<4>().map_or(&[], |head| head))?;
        f.write_str("…")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: Domain = Domain::new("cpchain/test/sign/v1");

    #[test]
    fn another_domain_message_or_key_is_refused() {
        let key = SigningKey::from_seed(&[1; 32]);
        let signature = key.sign(D, b"m");
        assert_eq!(key.public_key().verify(D, b"m", &signature), Ok(()));
        let other = Domain::new("cpchain/test/other/v1");
        assert_eq!(key.public_key().verify(other, b"m", &signature), Err(SignatureError::Mismatch));
        assert_eq!(key.public_key().verify(D, b"n", &signature), Err(SignatureError::Mismatch));
        let stranger = SigningKey::from_seed(&[2; 32]).public_key();
        assert_eq!(stranger.verify(D, b"m", &signature), Err(SignatureError::Mismatch));
    }

    #[test]
    fn weak_keys_are_refused() {
        // The identity point: every signature with R = S·B would satisfy it.
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey(identity).verify(D, b"m", &Signature([0; 64])), Err(SignatureError::BadKey));
    }
}
