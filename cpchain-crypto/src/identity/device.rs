//! A device's keys, all derived from one secret that the device reproduces when it starts (white paper 3.1.4: many keys,
//! no extra data stored).
//!
//! Rules and the tests that hold them (`tests/identity_device.rs`): the same secret gives the same keys, for ever
//! (`golden_device_keys`); keys of different purposes, streams and generations have nothing in common
//! (`every_purpose_has_a_key_of_its_own`); a source that fails gives no identity (`a_failing_source_gives_no_identity`).

use core::fmt;

use zeroize::Zeroizing;

use crate::{
    aead::Key,
    hash::{Digest, Domain},
    key_tree::StreamSecret,
    sign::{PublicKey, Signature, Signer, SigningKey},
};

use super::did::Did;

const SIGNING: Domain = Domain::new("cpchain/crypto/device/signing-key/v1");
const STREAM: Domain = Domain::new("cpchain/crypto/device/stream-secret/v1");
const PURPOSE: Domain = Domain::new("cpchain/crypto/device/purpose-key/v1");
const DERIVE: &str = "cpchain/crypto/device/derive/v1";

/// Why a source gave no secret. What the secret might have been is never said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySourceError {
    /// There is no secret yet: enrol the device first.
    #[error("the key source is not set up: create the key file, or enrol the device")]
    NotEnrolled,
    /// The hardware or the file could not be read now.
    #[error("the key source could not be read: check the device, then try again")]
    Unavailable,
    /// It was read, but what came is not the secret that was enrolled: noise above the bound, other hardware, or changed data.
    #[error(
        "the key source did not give the enrolled secret: restart the device; if it persists, it is other or damaged hardware"
    )]
    NotReproduced,
    /// Others than the owner could read the secret.
    #[error("the key source is open to others: restrict its permissions to its owner, and rotate the key")]
    Exposed,
}

/// Gives the one secret of a device, the same each time.
///
/// Ours are `KeyFile` (feature `std`) and [`PufSource`](super::puf::PufSource). **TPM and secure elements:**
/// if the chip signs Ed25519 itself, implement [`Signer`] over it, and no secret leaves the chip; if it only stores, seal 32
/// random bytes to the platform state, and let `secret` unseal them.
pub trait KeySource {
    /// The 32 secret bytes, full entropy. Called at start; the caller derives what it needs and drops them.
    ///
    /// # Errors
    /// [`KeySourceError`]. An implementation returns the enrolled secret or an error, never another value.
    fn secret(&mut self) -> Result<Zeroizing<[u8; 32]>, KeySourceError>;
}

impl<K: KeySource + ?Sized> KeySource for &mut K {
    fn secret(&mut self) -> Result<Zeroizing<[u8; 32]>, KeySourceError> {
        (**self).secret()
    }
}

/// A device that knows who it is: its DID, its signature, and the secrets of its streams. Wiped when dropped, never printed.
///
/// ```
/// use cpchain_crypto::identity::{DeviceIdentity, KeySource, KeySourceError};
/// use zeroize::Zeroizing;
/// /// Unseals 32 bytes that were burnt in at the factory.
/// struct Fuses([u8; 32]);
/// impl KeySource for Fuses {
///     fn secret(&mut self) -> Result<Zeroizing<[u8; 32]>, KeySourceError> {
///         Ok(Zeroizing::new(self.0))
///     }
/// }
/// let device = DeviceIdentity::from_source(&mut Fuses([7; 32]))?;
/// let after_restart = DeviceIdentity::from_source(&mut Fuses([7; 32]))?;
/// assert_eq!(device.did(), after_restart.did());
/// assert_eq!(device.stream_secret(b"temperature").expose(), after_restart.stream_secret(b"temperature").expose());
/// # Ok::<(), KeySourceError>(())
/// ```
pub struct DeviceIdentity {
    root: Zeroizing<[u8; 32]>,
    signing: SigningKey,
}

impl DeviceIdentity {
    /// Asks the source once, and derives the device's first signing key.
    ///
    /// # Errors
    /// [`KeySourceError`] of the source.
    pub fn from_source(source: &mut dyn KeySource) -> Result<Self, KeySourceError> {
        let root = source.secret()?;
        let signing = signing_key(&root, 0);
        Ok(Self { root, signing })
    }

    /// The device's identifier: the `did:key` of its first signing key.
    pub fn did(&self) -> Did {
        Did::from(self.signing.public_key())
    }

    /// The signing key number `generation`, 0 the first. A [`Rotation`](super::Rotation) leads from one to the next,
    /// so a device that rotates stores a number and no key.
    ///
    /// All come from one secret, so old keys cannot be destroyed. A leaked key speaks no more after a rotation, but its thief can
    /// still fork the history and so end the identity, unless a ledger orders the records; a leaked secret is lost whole.
    pub fn signing_key(&self, generation: u32) -> SigningKey {
        signing_key(&self.root, generation)
    }

    /// The secret of the stream of that name: the root of its [key tree](crate::key_tree).
    pub fn stream_secret(&self, name: &[u8]) -> StreamSecret {
        StreamSecret::from_bytes(*derive(&self.root, STREAM, name))
    }

    /// A key for another purpose of the caller's.
    pub fn key(&self, purpose: Domain) -> Key {
        Key::from_bytes(*derive(&self.root, PURPOSE, purpose.as_str().as_bytes()))
    }
}

fn signing_key(root: &[u8; 32], generation: u32) -> SigningKey {
    SigningKey::from_seed(&derive(root, SIGNING, &generation.to_le_bytes()))
}

/// The key material is the whole input of the derivation, so that every purpose and label is a key of its own.
fn derive(root: &[u8; 32], purpose: Domain, label: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut hasher = blake3::Hasher::new_derive_key(DERIVE);
    hasher.update(root);
    hasher.update(Digest::of(purpose, &[label]).as_bytes());
    Zeroizing::new(*hasher.finalize().as_bytes())
}

impl Signer for DeviceIdentity {
    fn public_key(&self) -> PublicKey {
        self.signing.public_key()
    }

    fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        self.signing.sign(domain, message)
    }
}

impl fmt::Debug for DeviceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceIdentity({})", self.did())
    }
}
