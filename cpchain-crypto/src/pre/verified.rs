//! What verification says, as types.

use super::{Capsule, CapsuleFragment, KeyFragment, PrePublicKey};
use crate::hash::{Digest, Domain};

const KEY_FRAGMENT: Domain = Domain::new("cpchain/crypto/pre/verified-key-fragment/v1");
const CAPSULE_FRAGMENT: Domain = Domain::new("cpchain/crypto/pre/verified-capsule-fragment/v1");

/// The three public keys that a fragment is verified against.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Parties {
    /// The owner's key of the granted tree node.
    pub delegating: PrePublicKey,
    /// The buyer's key.
    pub receiving: PrePublicKey,
    /// The owner's key that signs grants.
    pub verifying: PrePublicKey,
}

/// A fragment that was verified, with what it was verified for.
///
/// Made by [`ProxyReEncryption::verify_key_fragment`](super::ProxyReEncryption::verify_key_fragment) and
/// [`verify_capsule_fragment`](super::ProxyReEncryption::verify_capsule_fragment). Dereference by [`get`](Self::get).
#[derive(Debug, Clone)]
pub struct Verified<T> {
    fragment: T,
    context: Digest,
}

impl<T> Verified<T> {
    /// The fragment.
    pub const fn get(&self) -> &T {
        &self.fragment
    }

    /// The fragment, unverified again.
    pub fn into_inner(self) -> T {
        self.fragment
    }
}

impl Verified<KeyFragment> {
    /// States that the caller has verified `fragment` for `parties`: for implementations of
    /// [`ProxyReEncryption`](super::ProxyReEncryption), and for a proxy that reads back what it verified before it stored it.
    pub fn vouch(fragment: KeyFragment, parties: &Parties) -> Self {
        Self { fragment, context: key_context(parties) }
    }

    /// Was it verified for these keys?
    pub fn is_for(&self, parties: &Parties) -> bool {
        self.context == key_context(parties)
    }
}

impl Verified<CapsuleFragment> {
    /// States that the caller has verified `fragment` for `capsule` and `parties`: for implementations of
    /// [`ProxyReEncryption`](super::ProxyReEncryption), and for a ledger that reads back what it verified before it stored it.
    pub fn vouch(fragment: CapsuleFragment, capsule: &Capsule, parties: &Parties) -> Self {
        Self { fragment, context: capsule_context(capsule, &parties.delegating, &parties.receiving) }
    }

    /// Was it verified for this capsule and these keys?
    pub fn is_for(&self, capsule: &Capsule, delegating: &PrePublicKey, receiving: &PrePublicKey) -> bool {
        self.context == capsule_context(capsule, delegating, receiving)
    }
}

fn key_context(parties: &Parties) -> Digest {
    let Parties { delegating, receiving, verifying } = parties;
    Digest::of(KEY_FRAGMENT, &[delegating.as_bytes(), receiving.as_bytes(), verifying.as_bytes()])
}

fn capsule_context(capsule: &Capsule, delegating: &PrePublicKey, receiving: &PrePublicKey) -> Digest {
    Digest::of(CAPSULE_FRAGMENT, &[capsule.as_bytes(), delegating.as_bytes(), receiving.as_bytes()])
}
