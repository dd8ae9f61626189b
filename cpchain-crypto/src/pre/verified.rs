//! What verification says, as types.

use core::{fmt, marker::PhantomData};

use super::{Capsule, CapsuleFragment, KeyFragment, PrePublicKey, ProxyReEncryption};
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

/// A fragment that the scheme `S` verified, with what it was verified for.
///
/// Made by [`ProxyReEncryption::verify_key_fragment`] and [`ProxyReEncryption::verify_capsule_fragment`], and by nothing else: it
/// has no constructor and is not decoded from bytes. Whoever stored a fragment verifies it again when he reads it back.
///
/// An unverified fragment cannot be combined:
/// ```compile_fail,E0308
/// # use cpchain_crypto::pre::*;
/// fn open(secret: &PreSecretKey, delegating: &PrePublicKey, capsule: &Capsule, posted: Vec<CapsuleFragment>) {
///     let _ = Umbral.open(secret, delegating, capsule, &posted);
/// }
/// ```
///
/// Nor one that another implementation, perhaps a careless one, let through:
/// ```compile_fail,E0308
/// # use cpchain_crypto::pre::*;
/// fn open<Careless: ProxyReEncryption>(
///     secret: &PreSecretKey, delegating: &PrePublicKey, capsule: &Capsule, posted: Vec<Verified<Careless, CapsuleFragment>>,
/// ) {
///     let _ = Umbral.open(secret, delegating, capsule, &posted);
/// }
/// ```
///
/// The same with fragments that Umbral verified does compile:
/// ```
/// # #[cfg(feature = "umbral")] {
/// # use cpchain_crypto::pre::*;
/// fn open(
///     secret: &PreSecretKey, delegating: &PrePublicKey, capsule: &Capsule, posted: Vec<Verified<Umbral, CapsuleFragment>>,
/// ) {
///     let _ = Umbral.open(secret, delegating, capsule, &posted);
/// }
/// # }
/// ```
pub struct Verified<S, T> {
    fragment: T,
    context: Digest,
    scheme: PhantomData<fn() -> S>,
}

impl<S, T> Verified<S, T> {
    /// The fragment.
    pub const fn get(&self) -> &T {
        &self.fragment
    }

    /// The fragment, unverified again.
    pub fn into_inner(self) -> T {
        self.fragment
    }
}

impl<S, T: Clone> Clone for Verified<S, T> {
    fn clone(&self) -> Self {
        Self { fragment: self.fragment.clone(), context: self.context, scheme: PhantomData }
    }
}

impl<S, T: fmt::Debug> fmt::Debug for Verified<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verified").field(&self.fragment).finish()
    }
}

impl<S: ProxyReEncryption> Verified<S, KeyFragment> {
    /// For the trait's provided method, after the check of `S` has passed.
    pub(super) fn key_fragment(fragment: KeyFragment, parties: &Parties) -> Self {
        Self { fragment, context: key_context(parties), scheme: PhantomData }
    }

    /// Was it verified for these keys?
    pub fn is_for(&self, parties: &Parties) -> bool {
        self.context == key_context(parties)
    }
}

impl<S: ProxyReEncryption> Verified<S, CapsuleFragment> {
    /// For the trait's provided method, after the check of `S` has passed.
    pub(super) fn capsule_fragment(fragment: CapsuleFragment, capsule: &Capsule, parties: &Parties) -> Self {
        let context = capsule_context(capsule, &parties.delegating, &parties.receiving);
        Self { fragment, context, scheme: PhantomData }
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
