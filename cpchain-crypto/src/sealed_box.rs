//! Encryption to the holder of an Ed25519 key, with an opening that can be shown to a judge.
//!
//! A sealed box is `E ‖ ciphertext ‖ tag`: `E = e·B` for a fresh scalar `e`, and the ChaCha20-Poly1305 key derived with BLAKE3 from
//! (`A`, `E`, `e·A`), where `A` is the recipient's public key. It is bound to a [`Domain`] and associated bytes.
//! Signing and opening with one Ed25519 key is sound (Thormarker 2021, eprint 2021/509); here besides the hash domains differ.
//!
//! The recipient can prove what is in one box, and nothing about any other: [`Opening`] reveals the shared point `a·E`
//! with a proof of equal discrete logarithms (Chaum and Pedersen 1992, made non-interactive). A sender cannot deny what it
//! sealed, and a recipient cannot claim that it received something else (`an_opening_cannot_be_forged`).

use alloc::vec::Vec;

use curve25519_dalek::{
    constants::ED25519_BASEPOINT_POINT,
    edwards::{CompressedEdwardsY, EdwardsPoint},
    scalar::Scalar,
};
use zeroize::Zeroizing;

use crate::{
    aead::{Aead, ChaCha20Poly1305, Key, Nonce, TAG_LEN, Tag},
    entropy::{Entropy, EntropyError},
    hash::Domain,
    sign::{PublicKey, SigningKey},
};

/// Bytes that a box adds to its message.
pub const OVERHEAD: usize = 32 + TAG_LEN;
/// Bytes of an [`Opening`].
pub const OPENING_LEN: usize = 96;

const KEY: &str = "cpchain/crypto/sealed-box/key/v1";
const CHALLENGE: &str = "cpchain/crypto/sealed-box/challenge/v1";
const WITNESS: &str = "cpchain/crypto/sealed-box/witness/v1";
const EPHEMERAL: &str = "cpchain/crypto/sealed-box/ephemeral/v1";

/// Why a box was not made or does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealedBoxError {
    /// The recipient's key is no usable point of the curve.
    #[error("nothing can be sealed to this public key")]
    BadKey,
    /// The box is too short, or starts with no usable point.
    #[error("not a sealed box")]
    Format,
    /// Not for this key, domain and associated bytes, or changed.
    #[error("the box does not open: it is for another key or purpose, or was changed")]
    Sealed,
    /// The opening is not the recipient's for this box.
    #[error("the opening does not belong to this box and recipient")]
    Opening,
    /// The source of randomness failed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Shows a judge what is in one box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    shared: [u8; 32],
    challenge: [u8; 32],
    response: [u8; 32],
}

/// Encrypts `message` to the holder of `recipient`, for the purpose `domain` and bound to `associated`.
///
/// ```
/// use cpchain_crypto::{Domain, SeededEntropy, Signer, SigningKey, sealed_box};
/// const LETTER: Domain = Domain::new("example/letter/v1");
/// let bob = SigningKey::from_seed(&[2; 32]);
/// let mut entropy = SeededEntropy::new(&[1; 32]);
/// let sealed = sealed_box::seal(&bob.public_key(), LETTER, b"no. 1", b"hello", &mut entropy)?;
/// assert_eq!(sealed_box::open(&bob, LETTER, b"no. 1", &sealed)?, b"hello");
/// // Bob shows a judge what he got.
/// let opening = sealed_box::prove(&bob, &sealed)?;
/// assert_eq!(sealed_box::judge(&bob.public_key(), LETTER, b"no. 1", &sealed, &opening)?.unwrap(), b"hello");
/// # Ok::<(), cpchain_crypto::sealed_box::SealedBoxError>(())
/// ```
///
/// # Errors
/// [`SealedBoxError::BadKey`], [`SealedBoxError::Entropy`].
pub fn seal(
    recipient: &PublicKey,
    domain: Domain,
    associated: &[u8],
    message: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, SealedBoxError> {
    let to = point(&recipient.0).ok_or(SealedBoxError::BadKey)?;
    let mut seed = Zeroizing::new([0; 64]);
    entropy.fill(&mut *seed)?;
    let mut wide = Zeroizing::new([0; 64]);
    blake3::Hasher::new_derive_key(EPHEMERAL).update(&*seed).finalize_xof().fill(&mut *wide);
    let secret = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&wide));
    let ephemeral = EdwardsPoint::mul_base(&secret).compress().0;
    let shared = Zeroizing::new((to * *secret).compress().0);
    let mut out = Vec::with_capacity(message.len() + OVERHEAD);
    out.extend_from_slice(&ephemeral);
    out.extend_from_slice(message);
    let key = key(&recipient.0, &ephemeral, &shared, domain);
    let body = out.get_mut(32..).ok_or(SealedBoxError::Format)?;
    let tag = ChaCha20Poly1305::new(&key)
        .seal(&Nonce::counter(0, 0), associated, body)
        .map_err(|_| SealedBoxError::Format)?;
    out.extend_from_slice(&tag.0);
    Ok(out)
}

/// Decrypts a box that was sealed to `recipient`.
///
/// # Errors
/// [`SealedBoxError::Format`], [`SealedBoxError::Sealed`].
pub fn open(
    recipient: &SigningKey,
    domain: Domain,
    associated: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, SealedBoxError> {
    let (secret, public) = secret(recipient);
    let (ephemeral, from) = ephemeral(sealed)?;
    let shared = Zeroizing::new((from * *secret).compress().0);
    decrypt(&key(&public, &ephemeral, &shared, domain), associated, sealed)
}

/// Makes the opening of one box, also of one that does not decrypt.
///
/// # Errors
/// [`SealedBoxError::Format`].
pub fn prove(recipient: &SigningKey, sealed: &[u8]) -> Result<Opening, SealedBoxError> {
    let (secret, public) = secret(recipient);
    let (ephemeral, from) = ephemeral(sealed)?;
    let shared = (from * *secret).compress().0;
    let mut hasher = blake3::Hasher::new_derive_key(WITNESS);
    hasher.update(secret.as_bytes()).update(&ephemeral);
    let mut wide = Zeroizing::new([0; 64]);
    hasher.finalize_xof().fill(&mut *wide);
    let witness = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&wide));
    let (first, second) = (EdwardsPoint::mul_base(&witness), from * *witness);
    let challenge = challenge(&public, &ephemeral, &shared, &first, &second);
    let response = *witness + challenge * *secret;
    Ok(Opening { shared, challenge: challenge.to_bytes(), response: response.to_bytes() })
}

/// Does it have the form of a box? One that does not is the sender's fault, and has no opening.
pub fn is_well_formed(sealed: &[u8]) -> bool {
    sealed.len() >= OVERHEAD && ephemeral(sealed).is_ok()
}

/// What a box holds, judged from its opening: the message, or `None` if the sender sealed something that does not decrypt.
///
/// # Errors
/// [`SealedBoxError::Opening`] if the opening is not the recipient's for this box; [`SealedBoxError::Format`],
/// [`SealedBoxError::BadKey`].
pub fn judge(
    recipient: &PublicKey,
    domain: Domain,
    associated: &[u8],
    sealed: &[u8],
    opening: &Opening,
) -> Result<Option<Vec<u8>>, SealedBoxError> {
    let to = point(&recipient.0).ok_or(SealedBoxError::BadKey)?;
    let (ephemeral, from) = ephemeral(sealed)?;
    let shared = point(&opening.shared).ok_or(SealedBoxError::Opening)?;
    let scalar = |bytes| Option::<Scalar>::from(Scalar::from_canonical_bytes(bytes)).ok_or(SealedBoxError::Opening);
    let (claimed, response) = (scalar(opening.challenge)?, scalar(opening.response)?);
    let first = response * ED25519_BASEPOINT_POINT - claimed * to;
    let second = response * from - claimed * shared;
    if challenge(&recipient.0, &ephemeral, &opening.shared, &first, &second) != claimed {
        return Err(SealedBoxError::Opening);
    }
    let key = key(&recipient.0, &ephemeral, &opening.shared, domain);
    Ok(decrypt(&key, associated, sealed).ok())
}

impl Opening {
    /// The 96 bytes: shared point, challenge, response.
    pub fn to_bytes(&self) -> [u8; OPENING_LEN] {
        let mut out = [0; OPENING_LEN];
        let parts = [&self.shared, &self.challenge, &self.response];
        out.chunks_exact_mut(32).zip(parts).for_each(|(place, part)| place.copy_from_slice(part));
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; OPENING_LEN] = bytes.try_into().ok()?;
        let (shared, rest) = bytes.split_first_chunk::<32>()?;
        let (challenge, response) = rest.split_first_chunk::<32>()?;
        Some(Self { shared: *shared, challenge: *challenge, response: response.try_into().ok()? })
    }
}

fn decrypt(key: &Key, associated: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealedBoxError> {
    let (body, tag) =
        sealed.get(32..).and_then(|rest| rest.split_last_chunk::<TAG_LEN>()).ok_or(SealedBoxError::Format)?;
    let mut message = body.to_vec();
    ChaCha20Poly1305::new(key)
        .open(&Nonce::counter(0, 0), associated, &mut message, &Tag(*tag))
        .map_err(|_| SealedBoxError::Sealed)?;
    Ok(message)
}

fn secret(key: &SigningKey) -> (Zeroizing<Scalar>, [u8; 32]) {
    let key = ed25519_dalek::SigningKey::from_bytes(&key.to_seed());
    (Zeroizing::new(key.to_scalar()), key.verifying_key().to_bytes())
}

/// A canonical point of the prime-order subgroup that is not the identity; one encoding for each point, so that no box or proof has a twin.
fn point(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    let point = CompressedEdwardsY(*bytes).decompress()?;
    (point.compress().0 == *bytes && point.is_torsion_free() && !point.is_small_order()).then_some(point)
}

fn ephemeral(sealed: &[u8]) -> Result<([u8; 32], EdwardsPoint), SealedBoxError> {
    let bytes = sealed.first_chunk::<32>().ok_or(SealedBoxError::Format)?;
    Ok((*bytes, point(bytes).ok_or(SealedBoxError::Format)?))
}

fn key(recipient: &[u8; 32], ephemeral: &[u8; 32], shared: &[u8; 32], domain: Domain) -> Key {
    let mut hasher = blake3::Hasher::new_derive_key(KEY);
    hasher.update(recipient).update(ephemeral).update(shared).update(domain.as_str().as_bytes());
    Key::from_bytes(*hasher.finalize().as_bytes())
}

fn challenge(
    recipient: &[u8; 32],
    ephemeral: &[u8; 32],
    shared: &[u8; 32],
    first: &EdwardsPoint,
    second: &EdwardsPoint,
) -> Scalar {
    let mut hasher = blake3::Hasher::new_derive_key(CHALLENGE);
    hasher.update(recipient).update(ephemeral).update(shared);
    hasher.update(&first.compress().0).update(&second.compress().0);
    let mut wide = [0; 64];
    hasher.finalize_xof().fill(&mut wide);
    Scalar::from_bytes_mod_order_wide(&wide)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Digest, SeededEntropy, Signer};

    const D: Domain = Domain::new("cpchain/test/sealed-box/v1");

    fn boxed() -> (SigningKey, Vec<u8>) {
        let bob = SigningKey::from_seed(&[2; 32]);
        let sealed = seal(&bob.public_key(), D, b"aad", b"message", &mut SeededEntropy::new(&[1; 32])).unwrap();
        (bob, sealed)
    }

    #[test]
    fn only_the_recipient_opens_and_only_for_the_purpose() {
        let (bob, sealed) = boxed();
        assert_eq!(open(&bob, D, b"aad", &sealed).unwrap(), b"message");
        let eve = SigningKey::from_seed(&[3; 32]);
        assert_eq!(open(&eve, D, b"aad", &sealed), Err(SealedBoxError::Sealed));
        assert_eq!(open(&bob, D, b"other", &sealed), Err(SealedBoxError::Sealed));
        assert_eq!(open(&bob, Domain::new("other"), b"aad", &sealed), Err(SealedBoxError::Sealed));
        assert_eq!(open(&bob, D, b"aad", &sealed[..40]), Err(SealedBoxError::Format));
    }

    #[test]
    fn weak_points_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut entropy = SeededEntropy::new(&[1; 32]);
        assert_eq!(seal(&PublicKey(identity), D, b"", b"m", &mut entropy), Err(SealedBoxError::BadKey));
        let (bob, mut sealed) = boxed();
        sealed[..32].copy_from_slice(&identity);
        assert_eq!(open(&bob, D, b"aad", &sealed), Err(SealedBoxError::Format));
        assert!(prove(&bob, &sealed).is_err());
        assert!(!is_well_formed(&sealed) && !is_well_formed(&[]) && is_well_formed(&boxed().1));
    }

    #[test]
    fn a_judge_sees_what_was_sealed_and_that_rubbish_was() {
        let (bob, mut sealed) = boxed();
        let opening = prove(&bob, &sealed).unwrap();
        assert_eq!(judge(&bob.public_key(), D, b"aad", &sealed, &opening), Ok(Some(b"message".to_vec())));
        let end = sealed.len() - 1;
        sealed[end] ^= 1;
        assert_eq!(judge(&bob.public_key(), D, b"aad", &sealed, &opening), Ok(None));
    }

    #[test]
    fn an_opening_cannot_be_forged() {
        let (bob, sealed) = boxed();
        let opening = prove(&bob, &sealed).unwrap();
        let eve = SigningKey::from_seed(&[3; 32]);
        let foreign = prove(&eve, &sealed).unwrap();
        let refused = |opening: &Opening| judge(&bob.public_key(), D, b"aad", &sealed, opening);
        assert_eq!(refused(&foreign), Err(SealedBoxError::Opening));
        // Another shared point under the true proof, and each part changed alone.
        assert_eq!(refused(&Opening { shared: foreign.shared, ..opening }), Err(SealedBoxError::Opening));
        for at in 0..OPENING_LEN {
            let mut bytes = opening.to_bytes();
            bytes[at] ^= 1;
            assert_eq!(refused(&Opening::from_bytes(&bytes).unwrap()), Err(SealedBoxError::Opening), "{at}");
        }
    }

    #[test]
    fn golden_box() {
        let (bob, sealed) = boxed();
        let opening = prove(&bob, &sealed).unwrap().to_bytes();
        let golden = include_str!("../testdata/sealed_box.hex");
        assert_eq!(format!("{}\n{}", Digest::content(&sealed), Digest::content(&opening)), golden.trim());
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (bob, _) = boxed();
            prop_assert!(open(&bob, D, b"", &bytes).is_err());
            let _ = prove(&bob, &bytes);
            let _ = Opening::from_bytes(&bytes);
        }
    }
}
