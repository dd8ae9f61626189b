//! Proof of misbehaviour that a third party can check.

use alloc::vec::Vec;

use cpchain_crypto::{Digest, PublicKey, Signature};

use super::statement::{Kind, Statement};
use crate::ids::{ChainId, Height, Term};

/// Two statements that no honest key signs both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// Who signed both.
    pub key: PublicKey,
    /// One statement and its signature.
    pub first: (Statement, Signature),
    /// The other.
    pub second: (Statement, Signature),
}

impl Evidence {
    /// Whether the two statements exclude each other: two digests under a seal, a PREPARE, a COMMIT or a HANDOVER at one
    /// height, or COMMIT with IMPEACH PREPARE. PREPARE with IMPEACH PREPARE is normal.
    pub fn conflict(first: &Statement, second: &Statement) -> bool {
        let same = (first.chain, first.term, first.height) == (second.chain, second.term, second.height);
        let kinds = (first.kind, second.kind);
        let exclusive = matches!(kinds, (Kind::Commit, Kind::ImpeachPrepare) | (Kind::ImpeachPrepare, Kind::Commit));
        same && (exclusive || first.kind == second.kind && first.digest != second.digest)
    }

    /// Length of the proof in bytes.
    pub const LEN: usize = 275;

    /// Version 1 of the layout, all numbers big endian: version (1), key (32), chain (32), term (8), height (8), and for each
    /// of the two: kind (1), digest (32), signature (64).
    pub fn to_bytes(&self) -> Vec<u8> {
        let (said, _) = &self.first;
        let mut bytes = Vec::with_capacity(Self::LEN);
        bytes.push(1);
        bytes.extend_from_slice(&self.key.0);
        bytes.extend_from_slice(&said.chain.0.0);
        bytes.extend_from_slice(&said.term.0.to_be_bytes());
        bytes.extend_from_slice(&said.height.0.to_be_bytes());
        for (said, signature) in [&self.first, &self.second] {
            bytes.push(said.kind as u8);
            bytes.extend_from_slice(&said.digest.0);
            bytes.extend_from_slice(&signature.0);
        }
        bytes
    }

    /// Reads a proof; whether it proves anything is seen by [`verify`](Self::verify).
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[1], rest) = bytes.split_first_chunk()? else { return None };
        let (key, rest) = rest.split_first_chunk()?;
        let (chain, rest) = rest.split_first_chunk()?;
        let (term, rest) = rest.split_first_chunk()?;
        let (height, rest) = rest.split_first_chunk()?;
        let one = |bytes: &[u8; 97]| {
            let (&[kind], rest) = bytes.split_first_chunk()?;
            let (digest, signature) = rest.split_first_chunk()?;
            let statement = Statement {
                chain: ChainId(Digest(*chain)),
                term: Term(u64::from_be_bytes(*term)),
                kind: Kind::from_number(i32::from(kind))?,
                height: Height(u64::from_be_bytes(*height)),
                digest: Digest(*digest),
            };
            Some((statement, Signature::from_slice(signature)?))
        };
        let (first, second) = rest.split_first_chunk()?;
        Some(Self { key: PublicKey(*key), first: one(first)?, second: one(second.try_into().ok()?)? })
    }

    /// Checks the proof from its bytes alone.
    pub fn verify(&self) -> bool {
        Self::conflict(&self.first.0, &self.second.0)
            && [&self.first, &self.second].iter().all(|(said, signature)| said.verify(&self.key, signature))
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::{Signer, SigningKey};
    use proptest::prelude::*;

    use super::*;

    fn said(kind: Kind, height: u64, digest: u8) -> Statement {
        Statement {
            chain: ChainId(Digest::ZERO),
            term: Term(0),
            kind,
            height: Height(height),
            digest: Digest([digest; 32]),
        }
    }

    #[test]
    fn what_conflicts_and_what_does_not() {
        use Kind::{Commit, Handover, ImpeachPrepare, Prepare, Seal};
        for kind in [Seal, Prepare, Commit, Handover] {
            assert!(Evidence::conflict(&said(kind, 1, 1), &said(kind, 1, 2)));
            assert!(!Evidence::conflict(&said(kind, 1, 1), &said(kind, 1, 1)));
            assert!(!Evidence::conflict(&said(kind, 1, 1), &said(kind, 2, 2)));
        }
        assert!(Evidence::conflict(&said(Commit, 1, 1), &said(ImpeachPrepare, 1, 0)));
        assert!(Evidence::conflict(&said(ImpeachPrepare, 1, 0), &said(Commit, 1, 1)));
        assert!(!Evidence::conflict(&said(Prepare, 1, 1), &said(ImpeachPrepare, 1, 0)));
        assert!(!Evidence::conflict(&said(Prepare, 1, 1), &said(Commit, 1, 2)));
    }

    #[test]
    fn a_third_party_checks_the_signatures() {
        let key = SigningKey::from_seed(&[1; 32]);
        let (a, b) = (said(Kind::Prepare, 1, 1), said(Kind::Prepare, 1, 2));
        let proof = Evidence { key: key.public_key(), first: (a, a.sign(&key)), second: (b, b.sign(&key)) };
        assert!(proof.verify());
        let framed = Evidence { second: (b, a.sign(&key)), ..proof };
        assert!(!framed.verify());
    }

    #[test]
    fn golden_bytes() {
        let key = SigningKey::from_seed(&[1; 32]);
        let (a, b) = (said(Kind::Commit, 258, 1), said(Kind::ImpeachPrepare, 258, 0));
        let proof = Evidence { key: key.public_key(), first: (a, a.sign(&key)), second: (b, b.sign(&key)) };
        let bytes = proof.to_bytes();
        assert_eq!(bytes.len(), Evidence::LEN);
        assert_eq!(Digest::content(&bytes).to_string(), include_str!("../../testdata/evidence.hex").trim());
        let read = Evidence::from_bytes(&bytes).unwrap();
        assert!(read == proof && read.verify());
        for place in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[place] ^= 1;
            assert!(Evidence::from_bytes(&bent).is_none_or(|proof| !proof.verify()), "byte {place}");
            assert!(Evidence::from_bytes(&bytes[..place]).is_none());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let read = Evidence::from_bytes(&bytes);
            prop_assert!(read.is_none_or(|proof| proof.to_bytes() == bytes && !proof.verify()));
        }
    }
}
