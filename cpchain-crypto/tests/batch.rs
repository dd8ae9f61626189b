//! Batches decide as single checks do, also against signers who mix points of small order into keys and signatures.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::{
    Digest, Domain, PublicKey, Signature, SignatureError, Signer, SigningKey, VerifyingKey,
    batch::{Batch, BatchError},
    signing_digest,
};
use curve25519_dalek::{EdwardsPoint, Scalar, constants::EIGHT_TORSION};
use proptest::prelude::*;
use sha2::{Digest as _, Sha512};

const D: Domain = Domain::new("cpchain/test/batch/v1");

type Signed = (PublicKey, Digest, Signature);

/// What a signer who keeps to no rule may do: add points of small order to key and commitment.
fn crafted(secret: u64, nonce: u64, digest: Digest, key_torsion: usize, commitment_torsion: usize) -> Signed {
    let (a, r) = (Scalar::from(secret), Scalar::from(nonce));
    let key = EdwardsPoint::mul_base(&a) + EIGHT_TORSION[key_torsion % 8];
    let commitment = (EdwardsPoint::mul_base(&r) + EIGHT_TORSION[commitment_torsion % 8]).compress();
    let key = key.compress();
    sign_with(commitment.0, key.0, digest, |k| r + k * a)
}

fn sign_with(commitment: [u8; 32], key: [u8; 32], digest: Digest, s: impl FnOnce(Scalar) -> Scalar) -> Signed {
    let hash = Sha512::new().chain_update(commitment).chain_update(key).chain_update(digest.0).finalize();
    let s = s(Scalar::from_bytes_mod_order_wide(&hash.into()));
    (PublicKey(key), digest, Signature([commitment, s.to_bytes()].concat().try_into().unwrap()))
}

fn honest(seed: u8, digest: Digest) -> Signed {
    let key = SigningKey::from_seed(&[seed; 32]);
    // A digest signed as it is: the crate signs digests alone, so dalek serves here.
    let signature = ed25519_dalek::Signer::sign(&ed25519_dalek::SigningKey::from_bytes(&[seed; 32]), &digest.0);
    (key.public_key(), digest, Signature(signature.to_bytes()))
}

/// Adds the group order to s: the same number modulo the order, in another encoding.
fn with_unreduced_s((key, digest, mut signature): Signed) -> Signed {
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, add) in signature.0[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    (key, digest, signature)
}

/// Encodings of y = 1 and y = p + 1 (the identity), and of other points not below the prime.
fn odd_encoding(which: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    match which % 5 {
        0 => {
            bytes = [0; 32];
            bytes[0] = 1;
        }
        // p + 1, then p + 3 (a point of large order), both not canonical.
        1 => (bytes[0], bytes[31]) = (0xee, 0x7f),
        2 => (bytes[0], bytes[31]) = (0xf0, 0x7f),
        3 => {
            bytes = [0; 32];
            (bytes[0], bytes[31]) = (1, 0x80);
        }
        _ => (bytes[0], bytes[31]) = (0xf0, 0xff),
    }
    bytes
}

fn any_signed() -> impl Strategy<Value = Signed> {
    let digest = prop_oneof![Just(Digest([8; 32])), any::<[u8; 32]>().prop_map(Digest)];
    (0..10u8, 0..4u8, digest, 1u64.., 1u64.., 0usize..8, 0usize..8, any::<[u8; 64]>()).prop_map(
        |(kind, seed, digest, secret, nonce, a, r, random)| match kind {
            0..4 => honest(seed, digest),
            4..6 => crafted(secret, nonce, digest, a, r),
            6 => with_unreduced_s(honest(seed, digest)),
            7 => sign_with(odd_encoding(random[0]), honest(seed, digest).0.0, digest, |k| k * Scalar::from(secret)),
            8 => sign_with(
                EdwardsPoint::mul_base(&Scalar::from(nonce)).compress().0,
                odd_encoding(random[0]),
                digest,
                |_| Scalar::from(nonce),
            ),
            _ => {
                let mut signed = honest(seed, digest);
                signed.2.0[usize::from(random[0] % 64)] ^= 1 << (random[1] % 8);
                signed
            }
        },
    )
}

fn batch(signed: &[Signed]) -> Batch {
    let mut batch = Batch::with_capacity(signed.len());
    for (place, (key, digest, signature)) in signed.iter().enumerate() {
        match VerifyingKey::new(*key) {
            // Prepared keys and others in one batch.
            Ok(prepared) if place % 2 == 0 => batch.push_prepared(&prepared, *digest, *signature),
            _ => batch.push_digest(*key, *digest, *signature),
        }
    }
    batch
}

fn is_valid((key, digest, signature): &Signed) -> bool {
    key.verify_digest(digest, signature).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn a_batch_decides_as_single_checks_do(signed in prop::collection::vec(any_signed(), 0..12)) {
        let batch = batch(&signed);
        prop_assert_eq!(batch.verify().is_ok(), signed.iter().all(is_valid));
        let invalid: Vec<_> = (0..signed.len()).filter(|place| !is_valid(&signed[*place])).collect();
        prop_assert_eq!(batch.invalid(), invalid);
    }

    /// The good ones alone, so that torsion is judged in whole batches and not hidden by a broken neighbour.
    #[test]
    fn crafted_signatures_that_are_valid_alone_are_valid_together(parts in prop::collection::vec((1u64.., 1u64.., 0usize..8, 0usize..8), 1..12)) {
        let signed: Vec<_> = parts.into_iter().map(|(a, r, at, rt)| crafted(a, r, Digest([1; 32]), at, rt)).collect();
        prop_assert!(signed.iter().all(is_valid));
        prop_assert_eq!(batch(&signed).verify(), Ok(()));
    }
}

/// Enough for the algorithm of large sums, which begins at 190 terms.
#[test]
fn the_invalid_ones_are_named() {
    for count in [1u8, 2, 3, 64, 150] {
        let mut signed: Vec<_> = (0..count).map(|seed| honest(seed, Digest([seed; 32]))).collect();
        assert_eq!(batch(&signed).verify(), Ok(()));
        assert!(batch(&signed).invalid().is_empty());
        let bad: Vec<usize> =
            [0, 1, usize::from(count / 2), usize::from(count - 1)].into_iter().filter(|i| *i < count.into()).collect();
        for place in &bad {
            signed[*place].1 = Digest([0xaa; 32]);
        }
        assert_eq!(batch(&signed).verify(), Err(BatchError));
        let mut expected = bad;
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(batch(&signed).invalid(), expected);
    }
}

/// Errors that cancel in a sum without weights.
#[test]
fn errors_that_cancel_are_found() {
    let (mut one, mut other) = (honest(1, Digest([1; 32])), honest(2, Digest([2; 32])));
    let shift = |signed: &mut Signed, by: Scalar| {
        let s = Scalar::from_canonical_bytes(signed.2.0[32..].try_into().unwrap()).unwrap();
        signed.2.0[32..].copy_from_slice(&(s + by).to_bytes());
    };
    shift(&mut one, Scalar::ONE);
    shift(&mut other, -Scalar::ONE);
    assert_eq!(batch(&[one, other]).verify(), Err(BatchError));
    assert_eq!(batch(&[one, other]).invalid(), [0, 1]);
}

/// Why this crate left the strict rule: whoever checks this signature alone without the cofactor refuses it; a batch
/// without the cofactor accepts it together with others for one weight in eight, so two honest nodes disagree.
#[test]
fn cofactorless_verifiers_disagree() {
    let (key, digest, signature) = crafted(7, 11, Digest([1; 32]), 0, 1);
    let strict = ed25519_dalek::VerifyingKey::from_bytes(&key.0).unwrap();
    assert!(strict.verify_strict(&digest.0, &ed25519_dalek::Signature::from_bytes(&signature.0)).is_err());

    // The batch equation without the cofactor, z(sB − kA − R) = 0, for 800 random weights.
    let commitment: [u8; 32] = signature.0[..32].try_into().unwrap();
    let s = Scalar::from_canonical_bytes(signature.0[32..].try_into().unwrap()).unwrap();
    let hash = Sha512::new().chain_update(commitment).chain_update(key.0).chain_update(digest.0).finalize();
    let k = Scalar::from_bytes_mod_order_wide(&hash.into());
    let commitment = curve25519_dalek::edwards::CompressedEdwardsY(commitment).decompress().unwrap();
    let error = EdwardsPoint::mul_base(&s) - strict.to_edwards() * k - commitment;
    let weights = (0..800u32).map(|number| Digest::of(D, &[&number.to_le_bytes()]).0);
    let weights = weights.map(|hash| Scalar::from(u128::from_le_bytes(hash[..16].try_into().unwrap())));
    let accepted = weights.filter(|weight| error * weight == EdwardsPoint::default()).count();
    assert!((50..150).contains(&accepted), "{accepted} of 800");

    // One rule: accepted alone and in a batch.
    assert!(is_valid(&(key, digest, signature)));
    assert_eq!(batch(&[(key, digest, signature), honest(1, digest)]).verify(), Ok(()));
}

#[test]
fn a_batch_decides_the_same_twice() {
    let signed: Vec<_> = (0..9).map(|seed| honest(seed, Digest([3; 32]))).collect();
    for _ in 0..3 {
        assert_eq!(batch(&signed).verify(), Ok(()));
    }
    assert_eq!(Batch::new().verify(), Ok(()));
    assert!(Batch::new().is_empty());
}

#[test]
fn a_batch_of_messages_is_one_of_their_digests() {
    let key = SigningKey::from_seed(&[5; 32]);
    let signature = key.sign(D, b"m");
    let mut batch = Batch::new();
    batch.push(key.public_key(), D, b"m", signature);
    batch.push_digest(key.public_key(), signing_digest(D, b"m"), signature);
    batch.push_prepared(&VerifyingKey::new(key.public_key()).unwrap(), signing_digest(D, b"m"), signature);
    assert_eq!(batch.verify(), Ok(()));
    batch.push(key.public_key(), Domain::new("cpchain/test/other/v1"), b"m", signature);
    assert_eq!(batch.invalid(), [3]);
    assert_eq!(batch.len(), 4);
}

#[test]
fn keys_that_no_signature_satisfies_are_named_so() {
    for which in 0..5 {
        let key = PublicKey(odd_encoding(which));
        assert_eq!(key.verify(D, b"m", &Signature([0; 64])), Err(SignatureError::BadKey), "{which}");
    }
}
