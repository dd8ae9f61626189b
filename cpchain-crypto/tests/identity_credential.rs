//! Credentials and presentations from the outside: what is shown, hidden, bound, and refused; golden bytes.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cpchain_crypto::{
    Did, Digest, Entropy, EntropyError, SeededEntropy, SignatureError, Signer, SigningKey,
    identity::{
        RecordError, Speaker,
        credential::{Credential, CredentialError, HeldCredential, MAX_ATTRIBUTES, MAX_NAME_LEN, MAX_VALUE_LEN, Terms},
        presentation::{Challenge, Presentation, PresentationError},
    },
};
use proptest::prelude::*;

const ISSUER: u8 = 1;
const HOLDER: u8 = 2;
const VERIFIER: u8 = 3;
const THIEF: u8 = 4;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn did(seed: u8) -> Did {
    Did::from(key(seed).public_key())
}

fn speaker(seed: u8) -> Speaker {
    did(seed).into()
}

fn terms() -> Terms {
    Terms { issuer: did(ISSUER), subject: did(HOLDER), from_ms: 1000, until_ms: 2000 }
}

const ATTRIBUTES: [(&str, &[u8]); 5] =
    [("name", b"Ada Lovelace"), ("born", b"1815-12-10"), ("plate", b"B-CP 42"), ("class", b"electric"), ("none", b"")];

fn held(seed: u8) -> HeldCredential {
    terms().issue(&key(ISSUER), &ATTRIBUTES, &mut SeededEntropy::new(&[seed; 32])).unwrap()
}

fn challenge(seed: u8) -> Challenge {
    Challenge::generate(did(VERIFIER), &mut SeededEntropy::new(&[seed; 32])).unwrap()
}

fn judge(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, PresentationError> {
    let disclosed = Presentation::parse(bytes)?.verify(&speaker(ISSUER), &speaker(HOLDER), &challenge(1), 1500)?;
    Ok(disclosed.attributes().map(|shown| (shown.name.to_owned(), shown.value.to_owned())).collect())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn what_is_not_shown_is_not_there() {
    let held = held(9);
    for chosen in 0u32..32 {
        let names: Vec<_> = (0..5).filter(|i| chosen >> i & 1 == 1).map(|i| ATTRIBUTES[i].0).collect();
        let bytes = held.present(&names, &challenge(1), &key(HOLDER)).unwrap();
        let shown = judge(&bytes).unwrap();
        let expected: Vec<_> = ATTRIBUTES.iter().filter(|(name, _)| names.contains(name)).collect();
        assert_eq!(shown.len(), expected.len());
        for ((name, value), (expected_name, expected_value)) in shown.iter().zip(expected) {
            assert_eq!((name.as_str(), value.as_slice()), (*expected_name, *expected_value));
        }
        for (name, value) in ATTRIBUTES {
            let hidden = !names.contains(&name);
            assert_eq!(hidden, !contains(&bytes, name.as_bytes()));
            assert!(!hidden || value.is_empty() || !contains(&bytes, value));
        }
    }
    let unknown = held.present(&["name", "address"], &challenge(1), &key(HOLDER));
    assert_eq!(unknown, Err(PresentationError::UnknownAttribute));
}

#[test]
fn equal_attributes_of_two_credentials_have_nothing_in_common() {
    // Showing "name" carries the hash of its neighbour "born". With the same attributes and other salts it is another hash,
    // so that nobody who guesses the value can confirm the guess.
    let path = |held: &HeldCredential| {
        let bytes = held.present(&["name"], &challenge(1), &key(HOLDER)).unwrap();
        let end = bytes.len() - 64;
        bytes[end - 96..end].chunks(32).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let (one, other) = (path(&held(9)), path(&held(10)));
    assert!(one.iter().all(|hash| !other.contains(hash)));
    assert_eq!(one, path(&held(9)), "what was compared is the path");
    assert_ne!(held(9).to_bytes()[200..], held(10).to_bytes()[200..]);
}

#[test]
fn a_presentation_is_not_replayed() {
    let bytes = held(9).present(&["class"], &challenge(1), &key(HOLDER)).unwrap();
    let presentation = Presentation::parse(&bytes).unwrap();
    let verify = |challenge| presentation.verify(&speaker(ISSUER), &speaker(HOLDER), &challenge, 1500);
    assert!(verify(challenge(1)).is_ok());
    assert_eq!(verify(challenge(2)), Err(PresentationError::WrongChallenge));
    let of_another = Challenge { verifier: did(THIEF), ..challenge(1) };
    assert_eq!(verify(of_another), Err(PresentationError::WrongChallenge));
    // Putting the new nonce into the old answer breaks the holder's signature.
    let at = bytes.windows(32).position(|window| window == challenge(1).nonce).unwrap();
    let mut patched = bytes.clone();
    patched[at..at + 32].copy_from_slice(&challenge(2).nonce);
    let refused =
        Presentation::parse(&patched).unwrap().verify(&speaker(ISSUER), &speaker(HOLDER), &challenge(2), 1500);
    assert_eq!(refused, Err(PresentationError::Signature(SignatureError::Mismatch)));
}

#[test]
fn a_thief_of_the_bytes_shows_nothing() {
    let bytes = held(9).present(&["class"], &challenge(1), &key(THIEF)).unwrap();
    assert_eq!(judge(&bytes), Err(PresentationError::Signature(SignatureError::Mismatch)));
    let as_thief = Presentation::parse(&bytes).unwrap().verify(&speaker(ISSUER), &speaker(THIEF), &challenge(1), 1500);
    assert_eq!(as_thief, Err(PresentationError::WrongHolder));
}

#[test]
fn a_changed_credential_is_refused() {
    let held = held(9);
    let credential = held.credential();
    assert_eq!(credential.verify(&speaker(ISSUER), 1000), Ok(()));
    assert_eq!(credential.verify(&speaker(ISSUER), 999), Err(CredentialError::NotInForce));
    assert_eq!(credential.verify(&speaker(ISSUER), 2000), Err(CredentialError::NotInForce));
    assert_eq!(credential.verify(&speaker(THIEF), 1500), Err(CredentialError::WrongIssuer));
    let forged = terms().issue(&key(THIEF), &ATTRIBUTES, &mut SeededEntropy::new(&[9; 32])).unwrap();
    let mismatch = Err(CredentialError::Signature(SignatureError::Mismatch));
    assert_eq!(forged.credential().verify(&speaker(ISSUER), 1500), mismatch);
    let bytes = credential.to_bytes();
    for at in 0..bytes.len() * 8 {
        let mut changed = bytes;
        changed[at / 8] ^= 1 << (at % 8);
        if let Ok(changed) = Credential::from_bytes(&changed) {
            assert!(changed.verify(&speaker(ISSUER), 1500).is_err(), "bit {at}");
        }
    }
}

#[test]
fn a_changed_presentation_is_refused() {
    let held = held(9);
    let bytes = held.present(&["name", "class"], &challenge(1), &key(HOLDER)).unwrap();
    for at in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[at / 8] ^= 1 << (at % 8);
        assert!(judge(&changed).is_err(), "bit {at}");
    }
    for length in 0..bytes.len() {
        assert!(judge(&bytes[..length]).is_err());
    }
}

/// A holder who signs what it likes, in the layout of a presentation.
fn show(held: &HeldCredential, items: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![b'C', b'P', b'I', b'1', 7, items.len() as u8, 0, 0];
    out.extend_from_slice(&held.credential().to_bytes());
    out.extend_from_slice(&did(VERIFIER).public_key().0);
    out.extend_from_slice(&challenge(1).nonce);
    items.iter().for_each(|item| out.extend_from_slice(item));
    let domain = cpchain_crypto::Domain::new("cpchain/crypto/identity/presentation/v1");
    let signature = key(HOLDER).sign(domain, &out);
    out.extend_from_slice(&signature.0);
    out
}

#[test]
fn a_holder_cannot_show_what_was_not_attested() {
    let held = held(9);
    let item = |name: &str| {
        let bytes = held.present(&[name], &challenge(1), &key(HOLDER)).unwrap();
        bytes[show(&held, &[]).len() - 64..bytes.len() - 64].to_vec()
    };
    let (first, class) = (item("name"), item("class"));
    assert_eq!(judge(&show(&held, &[&first, &class])).unwrap().len(), 2, "the layout of this test is the real one");

    let mut older = class.clone();
    let at = older.windows(8).position(|window| window == b"electric").unwrap();
    older[at..at + 8].copy_from_slice(b"hydrogen");
    assert_eq!(judge(&show(&held, &[&older])), Err(PresentationError::WrongAttribute { index: 3 }));
    let mut moved = class.clone();
    moved[0] = 2;
    assert_eq!(judge(&show(&held, &[&moved])), Err(PresentationError::WrongAttribute { index: 2 }));
    // The border between name and value is bound too.
    let mut shifted = class.clone();
    (shifted[1], shifted[2]) = (shifted[1] + 1, shifted[2] - 1);
    assert_eq!(judge(&show(&held, &[&shifted])), Err(PresentationError::WrongAttribute { index: 3 }));

    let field = |name| Err(PresentationError::Record(RecordError::Field(name)));
    assert_eq!(judge(&show(&held, &[&class, &class])), field("index"));
    assert_eq!(judge(&show(&held, &[&class, &first])), field("index"));
    let mut outside = class.clone();
    outside[0] = 5;
    assert_eq!(judge(&show(&held, &[&outside])), field("index"));
    let mut twice = class.clone();
    twice[0] = 4;
    assert_eq!(judge(&show(&held, &[&class, &twice])), field("name"));
    let mut long_path = class;
    long_path[4] = 7;
    assert_eq!(judge(&show(&held, &[&long_path, &[0; 256]])), field("path"));
}

#[test]
fn a_holder_finds_what_the_issuer_did_not_sign() {
    let good = held(9);
    assert_eq!(good.check(&speaker(ISSUER), 1500), Ok(()));
    let bytes = good.to_bytes();
    let at = bytes.windows(8).position(|window| window == b"electric").unwrap();
    let mut changed = bytes.clone();
    changed[at] ^= 1;
    let changed = HeldCredential::from_bytes(&changed).unwrap();
    assert_eq!(changed.check(&speaker(ISSUER), 1500), Err(CredentialError::WrongAttributes));
    assert_eq!(HeldCredential::from_bytes(&bytes), Ok(good));
}

#[test]
fn terms_out_of_bounds_are_not_signed() {
    let mut entropy = SeededEntropy::new(&[1; 32]);
    let mut issue = |terms: Terms, attributes: &[(&str, &[u8])]| {
        terms.issue(&key(ISSUER), attributes, &mut entropy).map(|held| held.attributes().len())
    };
    let names: Vec<_> = (0..=MAX_ATTRIBUTES).map(|i| i.to_string()).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), &b"v"[..])).collect();
    let (longest_name, longest_value) = ("n".repeat(MAX_NAME_LEN), vec![0; MAX_VALUE_LEN]);
    assert_eq!(issue(terms(), &many[..MAX_ATTRIBUTES]), Ok(MAX_ATTRIBUTES));
    assert_eq!(issue(terms(), &[(&longest_name, &longest_value)]), Ok(1));
    let refused = Err(CredentialError::Terms);
    assert_eq!(issue(terms(), &many), refused);
    assert_eq!(issue(terms(), &[]), refused);
    assert_eq!(issue(terms(), &[("", b"v")]), refused);
    assert_eq!(issue(terms(), &[(&(longest_name + "n"), b"v")]), refused);
    assert_eq!(issue(terms(), &[("n", &[0; MAX_VALUE_LEN + 1])]), refused);
    assert_eq!(issue(terms(), &[("n", b"v"), ("n", b"w")]), refused);
    assert_eq!(issue(Terms { until_ms: 1000, ..terms() }, &[("n", b"v")]), refused);
}

#[test]
fn without_entropy_nothing_is_issued() {
    struct Empty;
    impl Entropy for Empty {
        fn fill(&mut self, _out: &mut [u8]) -> Result<(), EntropyError> {
            Err(EntropyError)
        }
    }
    assert_eq!(terms().issue(&key(ISSUER), &ATTRIBUTES, &mut Empty), Err(CredentialError::Entropy(EntropyError)));
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!("{:?}", held(9));
    assert!(printed.contains("plate") && !printed.contains("42") && !printed.contains("salt"));
}

proptest! {
    #[test]
    fn lists_of_every_length_are_shown(count in 1usize..=MAX_ATTRIBUTES, chosen: u64) {
        let names: Vec<_> = (0..count).map(|i| i.to_string()).collect();
        let all: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
        let held = terms().issue(&key(ISSUER), &all, &mut SeededEntropy::new(&[1; 32])).unwrap();
        let chosen: Vec<_> = (0..count).filter(|i| chosen >> i & 1 == 1).map(|i| names[i].as_str()).collect();
        let bytes = held.present(&chosen, &challenge(1), &key(HOLDER)).unwrap();
        let shown = judge(&bytes).unwrap();
        prop_assert_eq!(shown.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), chosen);
        prop_assert_eq!(HeldCredential::from_bytes(&held.to_bytes()), Ok(held));
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..700), own: [u8; 3], kind in 0u8..10) {
        let framed = [b"CPI1".as_slice(), &[kind], &own, &bytes].concat();
        // A good credential in front, so that the parts after it are reached.
        let start = [b"CPI1".as_slice(), &[6 + kind % 2, own[0] % 8, 0, 0], &held(9).credential().to_bytes()].concat();
        for bytes in [&bytes, &framed, &[start, bytes.clone()].concat()] {
            prop_assert!(judge(bytes).is_err());
            let _ = Credential::from_bytes(bytes);
            if let Ok(held) = HeldCredential::from_bytes(bytes) {
                prop_assert!(held.check(&speaker(ISSUER), 1500).is_err());
            }
        }
    }
}

#[test]
fn golden_credential() {
    let held = held(9);
    let shown = held.present(&["class", "plate"], &challenge(1), &key(HOLDER)).unwrap();
    let parts = [&held.credential().to_bytes()[..], &held.to_bytes()[..], &shown[..]];
    let lines = parts.map(|bytes| format!("{} {}\n", bytes.len(), Digest::content(bytes)));
    assert_eq!(lines.concat(), include_str!("../testdata/identity_credential.txt"));
}
