//! The bytes of proxy re-encryption: one form, bounded, stable.
#![cfg(feature = "umbral")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::LazyLock;

use cpchain_crypto::{
    Digest, SeededEntropy,
    key_tree::{StreamSecret, TreeNode},
    pre::{
        Capsule, CapsuleFragment, KeyFragment, Parties, PreError, PrePublicKey, PreSecretKey, ProxyReEncryption,
        Scheme, Threshold, Umbral,
    },
};
use proptest::prelude::*;

struct Sample {
    delegating: PreSecretKey,
    receiving: PreSecretKey,
    parties: Parties,
    capsule: Capsule,
    key: KeyFragment,
    fragment: CapsuleFragment,
}

/// One sale, the same in every run.
static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let mut entropy = SeededEntropy::new(&[4; 32]);
    let secret = StreamSecret::from_bytes([7; 32]);
    let node = TreeNode::new(20, 5).unwrap();
    let (delegating, granting) = (Umbral.delegating_key(&secret, node).unwrap(), Umbral.granting_key(&secret).unwrap());
    let receiving = Umbral.generate_key(&mut entropy).unwrap();
    let [d, r, v] = [&delegating, &receiving, &granting].map(|key| Umbral.public_key(key).unwrap());
    let parties = Parties { delegating: d, receiving: r, verifying: v };
    let seed = secret.seed(node).unwrap();
    let capsule = Umbral.encapsulate(&parties.delegating, &Digest([9; 32]), &seed, &mut entropy).unwrap();
    let threshold = Threshold::new(1, 1).unwrap();
    let key = Umbral.grant(&delegating, &granting, &parties.receiving, threshold, &mut entropy).unwrap().remove(0);
    let verified = Umbral.verify_key_fragment(key.clone(), &parties).unwrap();
    let fragment = Umbral.reencrypt(&capsule, &verified).unwrap();
    Sample { delegating, receiving, parties, capsule, key, fragment }
});

#[test]
fn golden_bytes() {
    // A change here breaks capsules, grants and escrows that exist: it needs a new version or a new scheme.
    let sample = &*SAMPLE;
    let mut lines = String::new();
    for (name, bytes) in [
        ("delegating", sample.parties.delegating.as_bytes()),
        ("receiving", sample.parties.receiving.as_bytes()),
        ("verifying", sample.parties.verifying.as_bytes()),
        ("receiving-secret", sample.receiving.expose()),
        ("capsule", sample.capsule.as_bytes()),
        ("key-fragment", sample.key.expose()),
        ("capsule-fragment", sample.fragment.as_bytes()),
    ] {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        lines += &format!("{name} {} {hex}\n", bytes.len());
    }
    assert_eq!(lines, include_str!("../testdata/pre.txt"));
}

/// Bytes of any length, or a right envelope around any payload.
fn bytes(length: usize) -> impl Strategy<Value = Vec<u8>> {
    let framed = prop::collection::vec(any::<u8>(), length).prop_map(|mut payload| {
        payload.splice(0..0, [1, Scheme::Umbral as u8]);
        payload
    });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..400), framed]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoders_take_any_bytes(
        public in bytes(33), secret in bytes(32), capsule in bytes(239), key in bytes(194), fragment in bytes(359),
    ) {
        let sample = &*SAMPLE;
        if let Ok(public) = PrePublicKey::from_bytes(&public) {
            let parties = Parties { delegating: public, ..sample.parties.clone() };
            prop_assert!(Umbral.verify_key_fragment(sample.key.clone(), &parties).is_err());
        }
        if let Ok(secret) = PreSecretKey::from_bytes(&secret) {
            prop_assert!(Umbral.public_key(&secret).is_ok());
        }
        if let Ok(capsule) = Capsule::from_bytes(&capsule) {
            prop_assert!(Umbral.open_original(&sample.delegating, &capsule).is_err());
        }
        if let Ok(key) = KeyFragment::from_bytes(&key) {
            prop_assert!(Umbral.verify_key_fragment(key, &sample.parties).is_err());
        }
        if let Ok(fragment) = CapsuleFragment::from_bytes(&fragment) {
            prop_assert!(Umbral.verify_capsule_fragment(fragment, &sample.capsule, &sample.parties).is_err());
        }
    }

    #[test]
    fn any_flipped_bit_is_refused(at in 2usize..361, bit in 0u8..8) {
        let sample = &*SAMPLE;
        let mut bytes = sample.fragment.as_bytes().to_vec();
        bytes[at] ^= 1 << bit;
        let changed = CapsuleFragment::from_bytes(&bytes).unwrap();
        prop_assert!(Umbral.verify_capsule_fragment(changed, &sample.capsule, &sample.parties).is_err());
        let mut bytes = sample.capsule.as_bytes().to_vec();
        let at = at.min(bytes.len() - 1);
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = Capsule::from_bytes(&bytes) {
            prop_assert!(Umbral.open_original(&sample.delegating, &changed).is_err());
        }
    }
}

#[test]
fn other_versions_schemes_and_lengths_are_refused() {
    let good = SAMPLE.capsule.as_bytes().to_vec();
    assert_eq!(Capsule::from_bytes(&good).as_ref(), Ok(&SAMPLE.capsule));
    let mut wrong = vec![Vec::new(), good[..good.len() - 1].to_vec(), [good.as_slice(), &[0]].concat()];
    // Another version, another scheme, a depth that no tree has, and the root.
    for (at, value) in [(0, 2), (1, 2), (34, 40), (34, 0)] {
        let mut bytes = good.clone();
        bytes[at] = value;
        wrong.push(bytes);
    }
    for bytes in wrong {
        assert_eq!(Capsule::from_bytes(&bytes), Err(PreError::Format { what: "capsule" }));
    }
}
