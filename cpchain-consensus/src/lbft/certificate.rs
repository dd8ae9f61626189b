//! Votes, and certificates: a quorum of votes that proves itself.

use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use cpchain_crypto::{Digest, PublicKey, Signature, Signer};

use super::{
    cache::SignatureCache,
    committee::{Committee, MAX_VALIDATORS},
    statement::{Kind, Statement},
    wire,
};
use crate::ids::{Height, Term};

/// One validator's vote: PREPARE, COMMIT, IMPEACH PREPARE or HANDOVER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    /// The term that it counts in.
    pub term: Term,
    /// Never [`Kind::Seal`].
    pub kind: Kind,
    /// The height that it is about.
    pub height: Height,
    /// The block; zero for IMPEACH PREPARE.
    pub digest: Digest,
    /// Place of the signer in the validator list.
    pub signer: u16,
    /// The signature over the [`Statement`] of this vote.
    pub signature: Signature,
}

impl Vote {
    /// Signs a vote as the validator at place `signer`.
    pub fn cast(
        committee: &Committee,
        signer: u16,
        key: &dyn Signer,
        kind: Kind,
        height: Height,
        digest: Digest,
    ) -> Self {
        let term = committee.term();
        let statement = Statement { chain: committee.chain(), term, kind, height, digest };
        Self { term, kind, height, digest, signer, signature: statement.sign(key) }
    }

    /// What was signed, on the chain of `committee`.
    pub fn statement(&self, committee: &Committee) -> Statement {
        Statement {
            chain: committee.chain(),
            term: self.term,
            kind: self.kind,
            height: self.height,
            digest: self.digest,
        }
    }

    /// The signer's key, if the vote is of this committee's term and rightly signed.
    pub fn verify(&self, committee: &Committee, cache: &SignatureCache) -> Option<PublicKey> {
        let key = self.signed_by(committee)?;
        cache.verify(&key, &self.statement(committee), &self.signature).then_some(key)
    }

    /// The key that must have signed it, if it has the shape of a vote of this committee's term.
    pub(crate) fn signed_by(&self, committee: &Committee) -> Option<PublicKey> {
        let zero = self.digest == Digest::ZERO;
        if self.term != committee.term() || zero != (self.kind == Kind::ImpeachPrepare) || self.kind == Kind::Seal {
            return None;
        }
        committee.validator(self.signer)
    }
}

/// Why a certificate proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Made in another term.
    #[error("the certificate is of term {0}, not of the committee's")]
    Term(Term),
    /// Not a kind that certificates have, or a digest that does not go with it.
    #[error("the certificate's kind and digest do not go together")]
    Kind,
    /// The bitmap has another length than the validator list needs, or bits beyond it, or does not match the signatures.
    #[error("the certificate's bitmap does not fit the committee and the signatures")]
    Bitmap,
    /// Fewer than a quorum.
    #[error("the certificate has {0} signers, which is no quorum")]
    TooFew(usize),
    /// A signature that does not belong to its signer and this statement.
    #[error("the signature of validator {0} in the certificate is wrong")]
    Signature(u16),
}

/// A quorum of equal votes: of PREPAREs (P-certificate), of COMMITs (C-certificate), of IMPEACH PREPAREs, or of HANDOVERs.
///
/// It is judged alone, whoever sends it. A bitmap names the signers, so none can count twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The term of its votes.
    pub term: Term,
    /// The kind of its votes.
    pub kind: Kind,
    /// The height.
    pub height: Height,
    /// The block; zero for an impeachment.
    pub digest: Digest,
    /// One bit for each validator, lowest bit of the first byte first.
    pub(crate) signers: Bytes,
    /// 64 bytes for each set bit, in order.
    pub(crate) signatures: Bytes,
}

impl Certificate {
    /// Puts votes together; they must be verified votes of this kind, height and digest, from distinct signers.
    pub fn from_votes<'a>(
        committee: &Committee,
        kind: Kind,
        height: Height,
        digest: Digest,
        votes: impl IntoIterator<Item = &'a Vote>,
    ) -> Self {
        let mut votes: Vec<&Vote> = votes.into_iter().collect();
        votes.sort_unstable_by_key(|vote| vote.signer);
        votes.dedup_by_key(|vote| vote.signer);
        let mut bitmap = vec![0_u8; committee.validators().len().div_ceil(8)];
        let mut signatures = Vec::with_capacity(votes.len() * 64);
        for vote in votes {
            if let Some(byte) = bitmap.get_mut(usize::from(vote.signer / 8)) {
                *byte |= 1 << (vote.signer % 8);
                signatures.extend_from_slice(&vote.signature.0);
            }
        }
        let (signers, signatures) = (bitmap.into(), signatures.into());
        Self { term: committee.term(), kind, height, digest, signers, signatures }
    }

    /// The places of the signers, in order.
    pub fn signers(&self) -> impl Iterator<Item = u16> + '_ {
        self.signers.iter().enumerate().flat_map(|(byte, bits)| {
            (0..8_usize)
                .filter(move |bit| bits >> bit & 1 == 1)
                .filter_map(move |bit| u16::try_from(byte * 8 + bit).ok())
        })
    }

    /// Whether it is a P- or a C-certificate: either lets the next block stand on this one.
    pub fn certifies_block(&self) -> bool {
        matches!(self.kind, Kind::Prepare | Kind::Commit)
    }

    /// Checks that a quorum of this committee signed exactly this, on its chain and in its term.
    ///
    /// # Errors
    /// [`CertificateError`] says what is wrong; the sender is to blame.
    pub fn verify(&self, committee: &Committee, cache: &SignatureCache) -> Result<(), CertificateError> {
        if self.term != committee.term() {
            return Err(CertificateError::Term(self.term));
        }
        let zero = self.digest == Digest::ZERO;
        if self.kind == Kind::Seal || zero != (self.kind == Kind::ImpeachPrepare) || self.height == Height::GENESIS {
            return Err(CertificateError::Kind);
        }
        let count = self.signers().count();
        let whole = self.signers.len() == committee.validators().len().div_ceil(8);
        if !whole || self.signatures.len() != count * 64 {
            return Err(CertificateError::Bitmap);
        }
        if count < committee.votes_needed(self.kind) {
            return Err(CertificateError::TooFew(count));
        }
        let statement = Statement {
            chain: committee.chain(),
            term: self.term,
            kind: self.kind,
            height: self.height,
            digest: self.digest,
        };
        let mut signed = Vec::with_capacity(count);
        for (place, signature) in self.signers().zip(self.signatures.chunks_exact(64)) {
            let key = committee.validator(place).ok_or(CertificateError::Bitmap)?;
            signed.push((key, statement, Signature::from_slice(signature).ok_or(CertificateError::Bitmap)?));
        }
        match cache.invalid(&signed).first().and_then(|bad| self.signers().nth(*bad)) {
            Some(place) => Err(CertificateError::Signature(place)),
            None => Ok(()),
        }
    }

    /// The votes that it is made of.
    pub(crate) fn votes(&self) -> impl Iterator<Item = Vote> + '_ {
        let Self { term, kind, height, digest, .. } = *self;
        self.signers().zip(self.signatures.chunks_exact(64)).filter_map(move |(signer, signature)| {
            Some(Vote { term, kind, height, digest, signer, signature: Signature::from_slice(signature)? })
        })
    }

    pub(crate) fn to_wire(&self) -> wire::Certificate {
        wire::Certificate {
            term: self.term.0,
            kind: self.kind as i32,
            height: self.height.0,
            digest: Bytes::copy_from_slice(&self.digest.0),
            signers: self.signers.clone(),
            signatures: self.signatures.clone(),
        }
    }

    pub(crate) fn from_wire(wire: wire::Certificate) -> Option<Self> {
        if wire.signers.len() > MAX_VALIDATORS / 8 || wire.signatures.len() > MAX_VALIDATORS * 64 {
            return None;
        }
        Some(Self {
            term: Term(wire.term),
            kind: Kind::from_number(wire.kind)?,
            height: Height(wire.height),
            digest: Digest::from_slice(&wire.digest)?,
            // Copied out, so that a kept certificate does not keep the message that brought it.
            signers: Bytes::copy_from_slice(&wire.signers),
            signatures: Bytes::copy_from_slice(&wire.signatures),
        })
    }
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
