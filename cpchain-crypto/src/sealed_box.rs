//! Encryption to the holder of an Ed25519 key, with an opening that can be shown to a judge.
//!
//! A sealed box is `E ‖ proof ‖ ciphertext ‖ tag`: `E = e·B` for a fresh scalar `e`, and the ChaCha20-Poly1305 key derived with
//! BLAKE3 from (`A`, `E`, `e·A`), where `A` is the recipient's public key. It is bound to a [`Domain`] and associated bytes.
//! Signing and opening with one Ed25519 key is sound (Thormarker 2021, eprint 2021/509); here besides the hash domains differ.
//!
//! The recipient can prove what is in one box: [`Opening`] reveals the shared point `a·E` with a proof of equal discrete
//! logarithms (Chaum and Pedersen 1992, made non-interactive). A sender cannot deny what it sealed, and a recipient cannot claim
//! that it received something else (`an_opening_cannot_be_forged`).
//!
//! An opening must say nothing about any other box. So the sender proves that it knows `e` (Schnorr 1991), over recipient, domain,
//! associated bytes and ciphertext. Without it, somebody could put the `E` of another's box before rubbish, wait for
//! the complaint, and open the other's box with it (`nobody_else_makes_a_box_with_the_same_point`). ElGamal encryption with
//! this proof stands against chosen ciphertexts (Fuchsbauer, Plouviez and Seurin 2020, eprint 2019/877). Name in the associated
//! bytes all that a box is for: one that is repeated elsewhere is no box there (`a_box_is_none_in_another_place`).

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
    hash::{Digest, Domain},
    sign::{PublicKey, SigningKey},
};

/// Bytes that a box adds to its message.
pub const OVERHEAD: usize = HEAD + TAG_LEN;
/// Bytes of an [`Opening`].
pub const OPENING_LEN: usize = 96;

/// The point, then challenge and response of the sender's proof.
const HEAD: usize = 32 + PROOF;
const PROOF: usize = 64;

const KEY: &str = "cpchain/crypto/sealed-box/key/v2";
const SENDER: &str = "cpchain/crypto/sealed-box/sender/v1";
const SEALED: Domain = Domain::new("cpchain/crypto/sealed-box/sealed/v1");
const MESSAGE: Domain = Domain::new("cpchain/crypto/sealed-box/message/v1");
const CHALLENGE: &str = "cpchain/crypto/sealed-box/challenge/v1";
const WITNESS: &str = "cpchain/crypto/sealed-box/witness/v1";
const EPHEMERAL: &str = "cpchain/crypto/sealed-box/ephemeral/v2";

/// Why a box was not made or does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealedBoxError {
    /// The recipient's key is no usable point of the curve.
    #[error("nothing can be sealed to this public key")]
    BadKey,
    /// Too short, starts with no usable point, is for another key, domain or associated bytes, or was changed.
    #[error("not a sealed box for this key and purpose")]
    Format,
    /// The sender sealed something that does not decrypt.
    #[error("the box does not open: its sender made it so")]
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
/// let opening = sealed_box::prove(&bob, LETTER, b"no. 1", &sealed)?;
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
    // Hashed with the message, so that a source that repeats itself does not seal two messages under one scalar.
    let what = Digest::of(MESSAGE, &[&recipient.0, domain.as_str().as_bytes(), associated, message]);
    let mut stream = blake3::Hasher::new_derive_key(EPHEMERAL).update(&*seed).update(&what.0).finalize_xof();
    let (secret, witness) = (random_scalar(&mut stream), random_scalar(&mut stream));
    let ephemeral = EdwardsPoint::mul_base(&secret).compress().0;
    let shared = Zeroizing::new((to * *secret).compress().0);
    let mut out = Vec::with_capacity(message.len() + OVERHEAD);
    out.extend_from_slice(&ephemeral);
    out.extend_from_slice(&[0; PROOF]);
    out.extend_from_slice(message);
    let key = key(&recipient.0, &ephemeral, &shared, domain);
    let body = out.get_mut(HEAD..).ok_or(SealedBoxError::Format)?;
    let tag = ChaCha20Poly1305::new(&key)
        .seal(&Nonce::counter(0, 0), associated, body)
        .map_err(|_| SealedBoxError::Format)?;
    out.extend_from_slice(&tag.0);
    sign(&recipient.0, domain, associated, &mut out, (&secret, &witness));
    Ok(out)
}

/// Puts the sender's proof over the rest of the box into its place.
fn sign(
    recipient: &[u8; 32],
    domain: Domain,
    associated: &[u8],
    out: &mut [u8],
    (secret, witness): (&Scalar, &Scalar),
) {
    let Some((head, body)) = out.split_first_chunk_mut::<HEAD>() else { return };
    let Some((ephemeral, proof)) = head.split_first_chunk_mut::<32>() else { return };
    let commitment = EdwardsPoint::mul_base(witness);
    let challenge = sender_challenge(recipient, ephemeral, &commitment, domain, associated, body);
    let response = witness + challenge * secret;
    let parts = [challenge.to_bytes(), response.to_bytes()];
    proof.chunks_exact_mut(32).zip(parts).for_each(|(place, part)| place.copy_from_slice(&part));
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
    let (ephemeral, from) = check(&public, domain, associated, sealed)?;
    let shared = Zeroizing::new((from * *secret).compress().0);
    decrypt(&key(&public, &ephemeral, &shared, domain), associated, sealed)
}

/// Makes the opening of one box, also of one that does not decrypt. What is not a box for this purpose has none.
///
/// # Errors
/// [`SealedBoxError::Format`].
pub fn prove(
    recipient: &SigningKey,
    domain: Domain,
    associated: &[u8],
    sealed: &[u8],
) -> Result<Opening, SealedBoxError> {
    let (secret, public) = secret(recipient);
    let (ephemeral, from) = check(&public, domain, associated, sealed)?;
    let shared = (from * *secret).compress().0;
    let mut hasher = blake3::Hasher::new_derive_key(WITNESS);
    hasher.update(secret.as_bytes()).update(&ephemeral);
    let witness = random_scalar(&mut hasher.finalize_xof());
    let (first, second) = (EdwardsPoint::mul_base(&witness), from * *witness);
    let challenge = challenge(&public, &ephemeral, &shared, &first, &second);
    let response = *witness + challenge * *secret;
    Ok(Opening { shared, challenge: challenge.to_bytes(), response: response.to_bytes() })
}

/// Is it a box to this recipient, for this purpose, by a sender that made it? If not it is the sender's fault, and has no opening.
pub fn is_well_formed(recipient: &PublicKey, domain: Domain, associated: &[u8], sealed: &[u8]) -> bool {
    check(&recipient.0, domain, associated, sealed).is_ok()
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
    let (ephemeral, from) = check(&recipient.0, domain, associated, sealed)?;
    let shared = point(&opening.shared).ok_or(SealedBoxError::Opening)?;
    let scalar = |bytes| scalar(bytes).ok_or(SealedBoxError::Opening);
    let (claimed, response) = (scalar(&opening.challenge)?, scalar(&opening.response)?);
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
        sealed.get(HEAD..).and_then(|rest| rest.split_last_chunk::<TAG_LEN>()).ok_or(SealedBoxError::Format)?;
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

fn scalar(bytes: &[u8; 32]) -> Option<Scalar> {
    Scalar::from_canonical_bytes(*bytes).into()
}

fn random_scalar(stream: &mut blake3::OutputReader) -> Zeroizing<Scalar> {
    let mut wide = Zeroizing::new([0; 64]);
    stream.fill(&mut *wide);
    Zeroizing::new(Scalar::from_bytes_mod_order_wide(&wide))
}

/// What everybody can see: the point is a usable one, and whoever made the box for this purpose knew its scalar.
fn check(
    recipient: &[u8; 32],
    domain: Domain,
    associated: &[u8],
    sealed: &[u8],
) -> Result<([u8; 32], EdwardsPoint), SealedBoxError> {
    let find = || {
        let (ephemeral, rest) = sealed.split_first_chunk::<32>()?;
        let (claimed, rest) = rest.split_first_chunk::<32>()?;
        let (response, body) = rest.split_first_chunk::<32>()?;
        let (from, claimed, response) = (point(ephemeral)?, scalar(claimed)?, scalar(response)?);
        let commitment = EdwardsPoint::vartime_double_scalar_mul_basepoint(&-claimed, &from, &response);
        let challenge = sender_challenge(recipient, ephemeral, &commitment, domain, associated, body);
        (body.len() >= TAG_LEN && challenge == claimed).then_some((*ephemeral, from))
    };
    find().ok_or(SealedBoxError::Format)
}

fn sender_challenge(
    recipient: &[u8; 32],
    ephemeral: &[u8; 32],
    commitment: &EdwardsPoint,
    domain: Domain,
    associated: &[u8],
    body: &[u8],
) -> Scalar {
    let what = Digest::of(SEALED, &[domain.as_str().as_bytes(), associated, body]);
    let mut hasher = blake3::Hasher::new_derive_key(SENDER);
    hasher.update(recipient).update(ephemeral).update(&commitment.compress().0).update(&what.0);
    let mut wide = [0; 64];
    hasher.finalize_xof().fill(&mut wide);
    Scalar::from_bytes_mod_order_wide(&wide)
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
    use crate::{SeededEntropy, Signer};

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
        assert_eq!(open(&eve, D, b"aad", &sealed), Err(SealedBoxError::Format));
        assert_eq!(open(&bob, D, b"other", &sealed), Err(SealedBoxError::Format));
        assert_eq!(open(&bob, Domain::new("other"), b"aad", &sealed), Err(SealedBoxError::Format));
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
        assert!(prove(&bob, D, b"aad", &sealed).is_err());
        let is_well_formed = |sealed: &[u8]| is_well_formed(&bob.public_key(), D, b"aad", sealed);
        assert!(!is_well_formed(&sealed) && !is_well_formed(&[]) && is_well_formed(&boxed().1));
    }

    /// The complaint about such a box would open the honest one.
    #[test]
    fn nobody_else_makes_a_box_with_the_same_point() {
        let (bob, honest) = boxed();
        for body in [&[0; TAG_LEN][..], &honest[HEAD + 1..], &[&honest[HEAD..], b"x"].concat()] {
            let rubbish = [&honest[..HEAD], body].concat();
            assert!(!is_well_formed(&bob.public_key(), D, b"aad", &rubbish));
            assert_eq!(prove(&bob, D, b"aad", &rubbish), Err(SealedBoxError::Format));
        }
        // Nor has the box a twin, of which another opening could be asked.
        for at in 0..honest.len() {
            let mut changed = honest.clone();
            changed[at] ^= 1;
            assert!(!is_well_formed(&bob.public_key(), D, b"aad", &changed), "{at}");
        }
    }

    #[test]
    fn a_box_is_none_in_another_place() {
        let (bob, sealed) = boxed();
        let eve = SigningKey::from_seed(&[3; 32]);
        for (who, domain, associated) in
            [(&bob, D, &b"other"[..]), (&bob, Domain::new("other"), b"aad"), (&eve, D, b"aad")]
        {
            assert!(!is_well_formed(&who.public_key(), domain, associated, &sealed));
            assert_eq!(prove(who, domain, associated, &sealed), Err(SealedBoxError::Format));
        }
    }

    #[test]
    fn a_source_that_repeats_itself_seals_under_new_points() {
        let bob = SigningKey::from_seed(&[2; 32]);
        let seal = |associated: &[u8], message: &[u8]| {
            seal(&bob.public_key(), D, associated, message, &mut SeededEntropy::new(&[1; 32])).unwrap()[..32].to_vec()
        };
        assert_ne!(seal(b"aad", b"message"), seal(b"aad", b"another"));
        assert_ne!(seal(b"aad", b"message"), seal(b"other", b"message"));
    }

    #[test]
    fn a_judge_sees_what_was_sealed_and_that_rubbish_was() {
        let (bob, mut sealed) = boxed();
        let judge = |sealed: &[u8]| {
            let opening = prove(&bob, D, b"aad", sealed).unwrap();
            judge(&bob.public_key(), D, b"aad", sealed, &opening)
        };
        assert_eq!(judge(&sealed), Ok(Some(b"message".to_vec())));
        // A sender that spoils the box itself.
        let secret = Scalar::from(7u64);
        sealed[..32].copy_from_slice(&EdwardsPoint::mul_base(&secret).compress().0);
        sign(&bob.public_key().0, D, b"aad", &mut sealed, (&secret, &Scalar::from(9u64)));
        assert_eq!(open(&bob, D, b"aad", &sealed), Err(SealedBoxError::Sealed));
        assert_eq!(judge(&sealed), Ok(None));
    }

    #[test]
    fn an_opening_cannot_be_forged() {
        let (bob, sealed) = boxed();
        let opening = prove(&bob, D, b"aad", &sealed).unwrap();
        let other = seal(&bob.public_key(), D, b"aad", b"other", &mut SeededEntropy::new(&[2; 32])).unwrap();
        let foreign = prove(&bob, D, b"aad", &other).unwrap();
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
        let opening = prove(&bob, D, b"aad", &sealed).unwrap().to_bytes();
        let golden = include_str!("../testdata/sealed_box.hex");
        assert_eq!(format!("{}\n{}", Digest::content(&sealed), Digest::content(&opening)), golden.trim());
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (bob, _) = boxed();
            prop_assert!(open(&bob, D, b"", &bytes).is_err());
            prop_assert!(prove(&bob, D, b"", &bytes).is_err());
            let _ = Opening::from_bytes(&bytes);
        }
    }
}
