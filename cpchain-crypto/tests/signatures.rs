//! The rule of single signatures beside the strict rule of `ed25519-dalek`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::{Digest, PublicKey, Signature, SignatureError, Signer, SigningKey, VerifyingKey};
use ed25519_dalek::Signer as _;
use proptest::prelude::*;

fn strict(key: &PublicKey, digest: &Digest, signature: &Signature) -> bool {
    ed25519_dalek::VerifyingKey::from_bytes(&key.0)
        .is_ok_and(|key| key.verify_strict(&digest.0, &ed25519_dalek::Signature::from_bytes(&signature.0)).is_ok())
}

fn ours(key: &PublicKey, digest: &Digest, signature: &Signature) -> bool {
    let answer = key.verify_digest(digest, signature);
    // A key that was decoded before decides the same.
    match VerifyingKey::new(*key) {
        Ok(prepared) => assert_eq!(prepared.verify_digest(digest, signature), answer),
        Err(error) => assert_eq!(Err(error), answer),
    }
    answer.is_ok()
}

proptest! {
    /// Honest signatures and such with a changed bit: for them the two rules are one.
    #[test]
    fn what_the_strict_rule_accepts_is_accepted(seed: [u8; 32], digest: [u8; 32], change in prop::option::of((0usize..128, 0u8..8))) {
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        let mut bytes = [key.verifying_key().to_bytes(), digest, [0; 32], [0; 32]].concat();
        bytes[64..].copy_from_slice(&key.sign(&digest).to_bytes());
        if let Some((byte, bit)) = change {
            bytes[byte] ^= 1 << bit;
        }
        let key = PublicKey::from_slice(&bytes[..32]).unwrap();
        let digest = Digest::from_slice(&bytes[32..64]).unwrap();
        let signature = Signature::from_slice(&bytes[64..]).unwrap();
        prop_assert_eq!(ours(&key, &digest, &signature), strict(&key, &digest, &signature));
        prop_assert_eq!(ours(&key, &digest, &signature), change.is_none());
    }

    #[test]
    fn any_bytes_are_judged_without_panic(key: [u8; 32], digest: [u8; 32], signature: [u8; 64]) {
        let (key, digest, signature) = (PublicKey(key), Digest(digest), Signature(signature));
        prop_assert!(!ours(&key, &digest, &signature));
    }
}

#[test]
fn a_decoded_key_is_the_key_that_was_given() {
    let key = SigningKey::from_seed(&[1; 32]).public_key();
    assert_eq!(VerifyingKey::new(key).unwrap().public_key(), key);
    assert_eq!(VerifyingKey::new(PublicKey([0xff; 32])).unwrap_err(), SignatureError::BadKey);
}
