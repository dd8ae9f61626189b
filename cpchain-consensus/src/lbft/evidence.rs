//! Proof of misbehaviour that a third party can check.

use cpchain_crypto::{PublicKey, Signature};

use super::statement::{Kind, Statement};

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
    /// Whether the two statements exclude each other: two digests under a seal, a PREPARE or a COMMIT at one height, or
    /// COMMIT with IMPEACH PREPARE. PREPARE with IMPEACH PREPARE is normal.
    pub fn conflict(first: &Statement, second: &Statement) -> bool {
        let same = (first.chain, first.term, first.height) == (second.chain, second.term, second.height);
        let kinds = (first.kind, second.kind);
        let exclusive = matches!(kinds, (Kind::Commit, Kind::ImpeachPrepare) | (Kind::ImpeachPrepare, Kind::Commit));
        same && (exclusive || first.kind == second.kind && first.digest != second.digest)
    }

    /// Checks the proof from its bytes alone.
    pub fn verify(&self) -> bool {
        Self::conflict(&self.first.0, &self.second.0)
            && [&self.first, &self.second].iter().all(|(said, signature)| said.verify(&self.key, signature))
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::{Digest, Signer, SigningKey};

    use super::*;
    use crate::ids::{ChainId, Height, Term};

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
        use Kind::{Commit, ImpeachPrepare, Prepare, Seal};
        for kind in [Seal, Prepare, Commit] {
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
}
