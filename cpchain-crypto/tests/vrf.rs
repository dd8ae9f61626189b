//! The verifiable random function against RFC 9381 and against those who would cheat with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::vrf::{VrfError, VrfProof, VrfPublicKey, VrfSecretKey};
use curve25519_dalek::constants::EIGHT_TORSION;
use proptest::prelude::*;

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    assert_eq!(hex.len(), 2 * N);
    std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
}

/// RFC 9381, appendix B.3, examples 16 to 18.
#[test]
fn the_vectors_of_rfc_9381() {
    let vectors: [(&str, &str, &[u8], &str, &str); 3] = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            &[],
            concat!(
                "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d97",
                "27d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805",
            ),
            concat!(
                "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff",
                "66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae",
            ),
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            &[0x72],
            concat!(
                "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2fea45c92a465",
                "301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02",
            ),
            concat!(
                "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb",
                "5e33821bc613efb94db5e5b54c70a848a0bef4553a41befc57663b56373a5031",
            ),
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            &[0xaf, 0x82],
            concat!(
                "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c362d8628ee9f9ea3c0",
                "e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e",
            ),
            concat!(
                "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c45",
                "2118fec1219202a0edcf038bb6373241578be7217ba85a2687f7a0310b2df19f",
            ),
        ),
    ];
    for (seed, key, input, proof, output) in vectors {
        let secret = VrfSecretKey::from_seed(&bytes(seed));
        assert_eq!(secret.public_key(), VrfPublicKey(bytes(key)));
        let (found, shown) = secret.prove(input);
        assert_eq!(shown, VrfProof(bytes(proof)));
        assert_eq!(found.0, bytes(output));
        assert_eq!(secret.public_key().verify(input, &shown), Ok(found));
    }
}

#[test]
fn a_changed_proof_is_refused() {
    let key = VrfSecretKey::from_seed(&[1; 32]);
    let (_, proof) = key.prove(b"input");
    for bit in 0..8 * proof.0.len() {
        let mut changed = proof;
        changed.0[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(key.public_key().verify(b"input", &changed), Err(VrfError), "bit {bit}");
    }
    assert_eq!(key.public_key().verify(b"inpux", &proof), Err(VrfError));
    assert_eq!(VrfSecretKey::from_seed(&[2; 32]).public_key().verify(b"input", &proof), Err(VrfError));
}

#[test]
fn bad_encodings_are_refused() {
    let key = VrfSecretKey::from_seed(&[1; 32]);
    let (_, proof) = key.prove(b"input");
    for point in EIGHT_TORSION {
        let small = point.compress().to_bytes();
        assert!(!VrfPublicKey(small).is_valid());
        assert_eq!(VrfPublicKey(small).verify(b"input", &proof), Err(VrfError));
        let mut with_small = proof;
        with_small.0[..32].copy_from_slice(&small);
        assert_eq!(key.public_key().verify(b"input", &with_small), Err(VrfError));
    }
    // s + the group order is the same scalar in another encoding.
    let order: [u8; 32] = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let (mut twin, mut carry) = (proof, 0);
    for (byte, order) in twin.0[48..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0);
    assert_eq!(key.public_key().verify(b"input", &twin), Err(VrfError));
    assert!(key.public_key().is_valid() && !VrfPublicKey([0xff; 32]).is_valid());
    assert_eq!((VrfProof::from_slice(&[0; 79]), VrfPublicKey::from_slice(&[0; 33])), (None, None));
}

#[test]
fn a_secret_key_keeps_its_seed_and_is_not_printed() {
    let key = VrfSecretKey::from_seed(&[9; 32]);
    assert_eq!(*key.to_seed(), [9; 32]);
    assert!(format!("{key:?}").len() < 30);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_proved_is_accepted(seed: [u8; 32], input in prop::collection::vec(any::<u8>(), 0..100)) {
        let key = VrfSecretKey::from_seed(&seed);
        let (output, proof) = key.prove(&input);
        prop_assert_eq!(key.public_key().verify(&input, &proof), Ok(output));
    }

    #[test]
    fn arbitrary_bytes_prove_nothing(key: [u8; 32], proof in prop::collection::vec(any::<u8>(), 80)) {
        let proof = VrfProof::from_slice(&proof).unwrap();
        prop_assert_eq!(VrfPublicKey(key).verify(b"input", &proof), Err(VrfError));
        prop_assert_eq!(VrfSecretKey::from_seed(&key).public_key().verify(b"input", &proof), Err(VrfError));
    }
}
