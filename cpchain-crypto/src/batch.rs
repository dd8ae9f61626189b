//! Many signatures checked at once: a batch costs about half of what its signatures cost one by one.
//!
//! A batch is judged by the rule of single signatures (see [`PublicKey::verify`]), all its equations at once: their sum, each
//! times a weight of 128 bits. Rules, and the tests that hold them (`tests/batch.rs`):
//! - a batch is accepted just if each of its signatures is (`a_batch_decides_as_single_checks_do`, also for keys and
//!   signatures with points of small order mixed in, and for every encoding that is not canonical). A batch with a bad
//!   signature passes with a chance of 2⁻¹²⁸;
//! - the weights are hashed from all keys, digests and signatures, so everyone who checks the same batch gets the same answer,
//!   and no entropy is needed (`a_batch_decides_the_same_twice`);
//! - [`Batch::invalid`] names exactly those that a single check refuses (`the_invalid_ones_are_named`).

use alloc::{collections::BTreeMap, vec::Vec};

use curve25519_dalek::{EdwardsPoint, Scalar, constants::ED25519_BASEPOINT_POINT, traits::VartimeMultiscalarMul as _};

use crate::{
    hash::{Digest, Domain},
    sign::{PublicKey, Signature, Terms, VerifyingKey, decode_signature, holds, signing_digest},
};

const WEIGHTS: &str = "cpchain/crypto/batch-weights/v1";

/// Not all signatures of a batch are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not all signatures of the batch are valid: `Batch::invalid` names those that are not")]
pub struct BatchError;

/// Signatures that are checked together.
///
/// ```
/// use cpchain_crypto::{Domain, Signature, Signer, SigningKey, batch::Batch};
/// const VOTE: Domain = Domain::new("example/vote/v1");
/// let mut batch = Batch::new();
/// for seed in 0..10 {
///     let key = SigningKey::from_seed(&[seed; 32]);
///     batch.push(key.public_key(), VOTE, b"yes", key.sign(VOTE, b"yes"));
/// }
/// assert!(batch.verify().is_ok());
///
/// let key = SigningKey::from_seed(&[1; 32]);
/// batch.push(key.public_key(), VOTE, b"no", key.sign(VOTE, b"yes"));
/// assert!(batch.verify().is_err());
/// assert_eq!(batch.invalid(), [10]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Batch(Vec<Item>);

#[derive(Debug, Clone)]
struct Item {
    key: PublicKey,
    prepared: Option<VerifyingKey>,
    digest: Digest,
    signature: Signature,
}

/// An item whose encodings are in order: what is left is its equation.
struct Decoded<'a> {
    place: usize,
    item: &'a Item,
    minus_a: EdwardsPoint,
    terms: Terms,
}

impl Batch {
    /// An empty batch.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// An empty batch with room for `signatures`.
    pub fn with_capacity(signatures: usize) -> Self {
        Self(Vec::with_capacity(signatures))
    }

    /// How many signatures it holds.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Does it hold none? All signatures of an empty batch are valid.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds `signature` by `key` over `message` under `domain`.
    pub fn push(&mut self, key: PublicKey, domain: Domain, message: &[u8], signature: Signature) {
        self.push_digest(key, signing_digest(domain, message), signature);
    }

    /// [`push`](Self::push) for a message whose [`signing_digest`] is at hand: the votes of a certificate share one.
    pub fn push_digest(&mut self, key: PublicKey, digest: Digest, signature: Signature) {
        self.0.push(Item { key, prepared: None, digest, signature });
    }

    /// [`push_digest`](Self::push_digest) for a key that is decoded already: the keys of a committee.
    pub fn push_prepared(&mut self, key: &VerifyingKey, digest: Digest, signature: Signature) {
        self.0.push(Item { key: key.public_key(), prepared: Some(*key), digest, signature });
    }

    /// Accepts if every signature is valid.
    ///
    /// # Errors
    /// [`BatchError`] if one is not.
    pub fn verify(&self) -> Result<(), BatchError> {
        let decoded = self.decoded();
        if decoded.len() == self.len() && all_hold(&decoded) { Ok(()) } else { Err(BatchError) }
    }

    /// The places of the signatures that are not valid, in the order in which they were added. Costs about
    /// as much as [`verify`](Self::verify) for a good batch, and for each bad signature some more batches of half the size.
    pub fn invalid(&self) -> Vec<usize> {
        let decoded = self.decoded();
        let mut good = alloc::vec![false; self.len()];
        let mut open = alloc::vec![decoded.as_slice()];
        while let Some(part) = open.pop() {
            if all_hold(part) {
                for decoded in part {
                    if let Some(good) = good.get_mut(decoded.place) {
                        *good = true;
                    }
                }
            } else if part.len() > 1 {
                let (left, right) = part.split_at(part.len() / 2);
                open.extend([left, right]);
            }
        }
        good.iter().enumerate().filter(|(_, good)| !**good).map(|(place, _)| place).collect()
    }

    /// The items whose encodings are in order; each key is decoded once.
    fn decoded(&self) -> Vec<Decoded<'_>> {
        let mut keys = BTreeMap::new();
        let decode = |(place, item): (usize, &'_ Item)| {
            let key =
                *keys.entry(item.key).or_insert_with(|| item.prepared.or_else(|| VerifyingKey::new(item.key).ok()));
            let terms = decode_signature(&item.key.0, &item.digest.0, &item.signature.0)?;
            Some((place, *key?.minus_a(), terms))
        };
        let decoded: Vec<_> = self.0.iter().enumerate().map(decode).collect();
        let with_item = self.0.iter().zip(decoded);
        with_item
            .filter_map(|(item, decoded)| {
                decoded.map(|(place, minus_a, terms)| Decoded { place, item, minus_a, terms })
            })
            .collect()
    }
}

/// Rule 3 for all: \[8\](Σz·s B − Σz·k A − Σz·R) = 0.
fn all_hold(part: &[Decoded<'_>]) -> bool {
    if let [one] = part {
        return holds(&one.minus_a, &one.terms);
    }
    let mut base = Scalar::ZERO;
    // The terms of one key are one term.
    let mut keys: BTreeMap<PublicKey, (EdwardsPoint, Scalar)> = BTreeMap::new();
    let mut commitments = Vec::with_capacity(part.len());
    for (decoded, weight) in part.iter().zip(weights(part)) {
        let Terms { r, s, k } = decoded.terms;
        base += weight * s;
        keys.entry(decoded.item.key).or_insert((decoded.minus_a, Scalar::ZERO)).1 += weight * k;
        commitments.push((-r, weight));
    }
    let terms = || keys.values().chain(&commitments);
    let scalars = terms().map(|(_, scalar)| *scalar).chain([base]);
    let points = terms().map(|(point, _)| *point).chain([ED25519_BASEPOINT_POINT]);
    EdwardsPoint::vartime_multiscalar_mul(scalars, points).is_small_order()
}

/// A weight of 128 bits for each, hashed from all of them. Whoever makes a signature fixes every weight with it, so a
/// batch can only be searched for by chance, at one hash of all a try.
fn weights(part: &[Decoded<'_>]) -> impl Iterator<Item = Scalar> {
    let mut hasher = blake3::Hasher::new_derive_key(WEIGHTS);
    for Decoded { item, .. } in part {
        hasher.update(&item.key.0);
        hasher.update(&item.digest.0);
        hasher.update(&item.signature.0);
    }
    let mut stream = hasher.finalize_xof();
    core::iter::from_fn(move || {
        let mut weight = [0; 16];
        stream.fill(&mut weight);
        Some(Scalar::from(u128::from_le_bytes(weight)))
    })
}
