//! What is signed: one fixed layout for seals and votes.

use cpchain_crypto::{Digest, Domain, PublicKey, Signature, Signer, signing_digest};

use crate::ids::{ChainId, Height, Term};

/// The protocol tag of every signature.
pub const LBFT: Domain = Domain::new("cpchain/consensus/lbft/v2");

/// What a signature says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The proposer made this block.
    Seal = 1,
    /// A validator holds the block valid at its height.
    Prepare = 2,
    /// A validator holds a P-certificate, has checked the block, and never asks to impeach the height.
    Commit = 3,
    /// A validator asks to impeach the proposer of the height; the digest is zero.
    ImpeachPrepare = 4,
    /// A validator of an ended term says who serves the next one: the height is the last of its term, the digest that of the
    /// next [`Committee`](super::Committee).
    Handover = 5,
}

impl Kind {
    /// The kind of this number on the wire.
    pub const fn from_number(number: i32) -> Option<Self> {
        match number {
            1 => Some(Self::Seal),
            2 => Some(Self::Prepare),
            3 => Some(Self::Commit),
            4 => Some(Self::ImpeachPrepare),
            5 => Some(Self::Handover),
            _ => None,
        }
    }
}

/// What one signature binds: chain, term, kind, height and digest. A signature counts for exactly this and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Statement {
    /// The chain.
    pub chain: ChainId,
    /// The term whose committee the signer belongs to.
    pub term: Term,
    /// What is said.
    pub kind: Kind,
    /// About which height.
    pub height: Height,
    /// About which block, or for [`Kind::Handover`] which committee; [`Digest::ZERO`] for [`Kind::ImpeachPrepare`].
    pub digest: Digest,
}

impl Statement {
    /// Length of the signed bytes.
    pub const LEN: usize = 81;

    /// The signed bytes: chain id (32), term (8, big endian), kind (1), height (8, big endian), digest (32).
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let term = self.term.0.to_be_bytes();
        let height = self.height.0.to_be_bytes();
        let parts: [&[u8]; 5] = [&self.chain.0.0, &term, &[self.kind as u8], &height, &self.digest.0];
        let source = parts.iter().flat_map(|part| part.iter());
        for (slot, byte) in bytes.iter_mut().zip(source) {
            *slot = *byte;
        }
        bytes
    }

    /// The digest that a signature is over.
    pub fn signing_digest(&self) -> Digest {
        signing_digest(LBFT, &self.to_bytes())
    }

    /// Signs it.
    pub fn sign(&self, signer: &dyn Signer) -> Signature {
        signer.sign(LBFT, &self.to_bytes())
    }

    /// Whether `key` signed exactly this.
    pub fn verify(&self, key: &PublicKey, signature: &Signature) -> bool {
        key.verify(LBFT, &self.to_bytes(), signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::SigningKey;

    use super::*;

    fn statement() -> Statement {
        Statement {
            chain: ChainId(Digest([7; 32])),
            term: Term(2),
            kind: Kind::Prepare,
            height: Height(258),
            digest: Digest([9; 32]),
        }
    }

    #[test]
    fn golden_signed_bytes() {
        let bytes = statement().to_bytes();
        assert_eq!(bytes[..32], [7; 32]);
        assert_eq!(bytes[32..40], [0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(bytes[40], 2);
        assert_eq!(bytes[41..49], [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(bytes[49..], [9; 32]);
        assert_eq!(Statement { kind: Kind::Handover, ..statement() }.to_bytes()[40], 5);
    }

    #[test]
    fn every_field_is_bound() {
        let key = SigningKey::from_seed(&[1; 32]);
        let said = statement();
        let signature = said.sign(&key);
        assert!(said.verify(&key.public_key(), &signature));
        let others = [
            Statement { chain: ChainId(Digest([8; 32])), ..said },
            Statement { term: Term(3), ..said },
            Statement { kind: Kind::Commit, ..said },
            Statement { height: Height(259), ..said },
            Statement { digest: Digest([8; 32]), ..said },
        ];
        for other in others {
            assert!(!other.verify(&key.public_key(), &signature), "{other:?}");
        }
    }
}
