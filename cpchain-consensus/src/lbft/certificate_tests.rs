use cpchain_crypto::SigningKey;

use super::*;
use crate::ids::ChainId;

fn keys(n: u8) -> Vec<SigningKey> {
    (1..=n).map(|i| SigningKey::from_seed(&[i; 32])).collect()
}

fn committee(chain: &str, term: u64, n: u8) -> Committee {
    let validators: Vec<_> = keys(n).iter().map(Signer::public_key).collect();
    Committee::new(ChainId::new(chain, b""), Term(term), validators.clone(), validators).unwrap()
}

fn certificate(committee: &Committee, kind: Kind, count: usize) -> Certificate {
    let digest = if kind == Kind::ImpeachPrepare { Digest::ZERO } else { Digest([5; 32]) };
    let votes: Vec<_> = keys(committee.validators().len() as u8)
        .iter()
        .enumerate()
        .take(count)
        .map(|(i, key)| Vote::cast(committee, i as u16, key, kind, Height(3), digest))
        .collect();
    Certificate::from_votes(committee, kind, Height(3), digest, &votes)
}

#[test]
fn quorum_is_n_minus_f_for_every_size() {
    for n in 1..=10 {
        let committee = committee("a", 1, n);
        let cache = SignatureCache::new(100);
        let q = committee.quorum();
        assert_eq!(certificate(&committee, Kind::Prepare, q).verify(&committee, &cache), Ok(()), "n = {n}");
        let few = certificate(&committee, Kind::Prepare, q - 1);
        assert_eq!(few.verify(&committee, &cache), Err(CertificateError::TooFew(q - 1)), "n = {n}");
    }
}

#[test]
fn duplicate_signer_is_refused() {
    let committee = committee("a", 1, 4);
    let cache = SignatureCache::new(100);
    let vote = Vote::cast(&committee, 0, &keys(1)[0], Kind::Commit, Height(3), Digest([5; 32]));
    // The same vote three times is one signer.
    let once = Certificate::from_votes(&committee, Kind::Commit, Height(3), Digest([5; 32]), &[vote, vote, vote]);
    assert_eq!(once.verify(&committee, &cache), Err(CertificateError::TooFew(1)));
    // The same signature under three names is wrong at the second name.
    let mut renamed = once;
    renamed.signers = Bytes::from_static(&[0b0111]);
    renamed.signatures = vote.signature.0.repeat(3).into();
    assert_eq!(renamed.verify(&committee, &cache), Err(CertificateError::Signature(1)));
}

#[test]
fn other_chain_term_kind_height_and_digest_are_refused() {
    let home = committee("a", 1, 4);
    let cache = SignatureCache::new(100);
    let good = certificate(&home, Kind::Prepare, 3);
    assert_eq!(good.verify(&home, &cache), Ok(()));
    assert_eq!(good.verify(&committee("b", 1, 4), &cache), Err(CertificateError::Signature(0)));
    assert_eq!(good.verify(&committee("a", 2, 4), &cache), Err(CertificateError::Term(Term(1))));
    let relabelled = Certificate { term: Term(2), ..good.clone() };
    assert_eq!(relabelled.verify(&committee("a", 2, 4), &cache), Err(CertificateError::Signature(0)));
    let commit = Certificate { kind: Kind::Commit, ..good.clone() };
    assert_eq!(commit.verify(&home, &cache), Err(CertificateError::Signature(0)));
    let seal = Certificate { kind: Kind::Seal, ..good.clone() };
    assert_eq!(seal.verify(&home, &cache), Err(CertificateError::Kind));
    let impeach = Certificate { kind: Kind::ImpeachPrepare, digest: Digest::ZERO, ..good.clone() };
    assert_eq!(impeach.verify(&home, &cache), Err(CertificateError::Signature(0)));
    let higher = Certificate { height: Height(4), ..good.clone() };
    assert_eq!(higher.verify(&home, &cache), Err(CertificateError::Signature(0)));
    let other = Certificate { digest: Digest([6; 32]), ..good };
    assert_eq!(other.verify(&home, &cache), Err(CertificateError::Signature(0)));
}

#[test]
fn bitmaps_must_fit() {
    let home = committee("a", 1, 4);
    let cache = SignatureCache::new(100);
    let good = certificate(&home, Kind::Prepare, 3);
    for signers in [&[0b0111, 0][..], &[], &[0b1111], &[0b0001_0011]] {
        let bad = Certificate { signers: Bytes::copy_from_slice(signers), ..good.clone() };
        assert!(bad.verify(&home, &cache).is_err(), "{signers:?}");
    }
    assert_eq!(good.signers().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn a_vote_with_the_wrong_shape_is_refused() {
    let home = committee("a", 1, 4);
    let cache = SignatureCache::new(10);
    let key = &keys(1)[0];
    let cast = |kind, digest| Vote::cast(&home, 0, key, kind, Height(1), digest);
    assert!(cast(Kind::Prepare, Digest([1; 32])).verify(&home, &cache).is_some());
    assert!(cast(Kind::Prepare, Digest::ZERO).verify(&home, &cache).is_none());
    assert!(cast(Kind::ImpeachPrepare, Digest([1; 32])).verify(&home, &cache).is_none());
    assert!(cast(Kind::Seal, Digest([1; 32])).verify(&home, &cache).is_none());
    let stranger = Vote { signer: 4, ..cast(Kind::Prepare, Digest([1; 32])) };
    assert!(stranger.verify(&home, &cache).is_none());
}
