//! An identity together with the key that speaks for it.

use crate::{
    hash::Domain,
    sign::{PublicKey, Signature, SignatureError},
};

use super::did::Did;

/// An identity and the key that speaks for it at the time that matters.
///
/// There are three ways to one: [`Speaker::from`] a [`Did`] whose key never changed,
/// [`KeyHistory::speaker_at`](super::KeyHistory::speaker_at) for one that rotated, and [`Speaker::registered`] where a registry that you trust, such as
/// a ledger, folded the history. So a record cannot be checked by accident against the key of somebody else.
///
/// ```
/// use cpchain_crypto::{Did, Domain, Signer, SigningKey, identity::Speaker};
/// const GREETING: Domain = Domain::new("example/greeting/v1");
/// let key = SigningKey::from_seed(&[1; 32]);
/// let speaker = Speaker::from(Did::from(key.public_key()));
/// assert!(speaker.verify(GREETING, b"hello", &key.sign(GREETING, b"hello")).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speaker {
    identity: Did,
    key: PublicKey,
}

impl Speaker {
    pub(super) const fn new(identity: Did, key: PublicKey) -> Self {
        Self { identity, key }
    }

    /// As a registry has it that took the key records of `identity` in their order and checked each.
    pub const fn registered(identity: Did, key: PublicKey) -> Self {
        Self::new(identity, key)
    }

    /// Who speaks.
    pub const fn identity(&self) -> Did {
        self.identity
    }

    /// The key that signs.
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// [`PublicKey::verify`] under the speaker's key.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, domain: Domain, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        self.key.verify(domain, message, signature)
    }
}

impl From<Did> for Speaker {
    fn from(identity: Did) -> Self {
        Self { identity, key: identity.public_key() }
    }
}
