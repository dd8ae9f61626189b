//! What a light client needs: headers, C-certificates, the committees. No blocks, no state. Builds without `std`.
//!
//! - Only what a quorum of the committee in office committed is final (`a_light_client_follows_terms_and_takes_nothing_else`).
//! - Across the end of a term the records up to its last height are final, closing heights are none (same test).
//! - The next committee is the one that a quorum of the old one hands over to (same test).

use alloc::vec::Vec;
use bytes::Bytes;
use cpchain_crypto::Digest;

use super::{
    block::{Header, impeach_digest},
    cache::SignatureCache,
    certificate::{Certificate, CertificateError},
    committee::Committee,
    statement::Kind,
};
use crate::ids::Height;

/// Why headers are not proved final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LightError {
    /// No headers, or bytes that are no header of the committee's chain and term.
    #[error("not a header of this chain and term")]
    Header,
    /// A header does not name the one before it as its parent.
    #[error("the headers are not a chain")]
    Chain,
    /// The certificate is not a C-certificate of the last header.
    #[error("the certificate does not finalise the last header")]
    Unrelated,
    /// The term has ended and the client does not know the next committee yet, or it has not ended.
    #[error("this needs the committee in office: call next_term when the term has ended, and only then")]
    Term,
    /// The committee is not that of the next term, or the hand-over names another one.
    #[error("the committee is not the one that the ended term hands over to; ask another node")]
    Committee,
    /// The certificate proves nothing.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Checks that encoded headers, lowest first, are one chain whose last block is final, and gives them decoded: all of
/// them are final then. A payload belongs to a header if its [`Digest::content`] is [`Header::payload`].
///
/// # Errors
/// [`LightError`] says what is not proved.
pub fn verify_final_headers(
    headers: &[Bytes],
    certificate: &Certificate,
    committee: &Committee,
    cache: &SignatureCache,
) -> Result<Vec<(Digest, Header)>, LightError> {
    let mut chain: Vec<(Digest, Header)> = Vec::with_capacity(headers.len());
    for encoded in headers {
        let header = Header::decode(encoded).ok_or(LightError::Header)?;
        if (header.chain, header.term) != (committee.chain(), committee.term()) {
            return Err(LightError::Header);
        }
        if chain.last().is_some_and(|(digest, last)| (header.parent_height, header.parent) != (last.height, *digest)) {
            return Err(LightError::Chain);
        }
        chain.push((Header::digest_of(encoded), header));
    }
    let (digest, last) = chain.last().ok_or(LightError::Header)?;
    if certificate.kind != Kind::Commit || (certificate.height, certificate.digest) != (last.height, *digest) {
        return Err(LightError::Unrelated);
    }
    certificate.verify(committee, cache)?;
    Ok(chain)
}

/// Follows a chain by headers and certificates, from a checkpoint that its owner trusts.
///
/// Headers do not commit to the next committee: it is a function of the application's state at the last height of the term. Its
/// proof is a hand-over by a quorum of the committee in office: see [`next_term`](Self::next_term). Keys of old committees
/// must not fall into one hand, so start from a checkpoint whose committee is not older than its keys are guarded.
///
/// ```
/// use cpchain_consensus::{ChainId, Height, Term, lbft::*};
/// use cpchain_crypto::{Digest, Signer, SigningKey};
///
/// let key = SigningKey::from_seed(&[1; 32]);
/// let me = vec![key.public_key()];
/// let committee = Committee::new(ChainId::new("solo", b""), Term(0), me.clone(), me)?;
/// // A node sends the header of height 1 and the C-certificate of it.
/// let block = Block::seal(&committee, &key, Height(1), Height(0), Digest::ZERO, "hello".into());
/// let vote = Vote::cast(&committee, 0, &key, Kind::Commit, Height(1), block.digest());
/// let certificate = Certificate::from_votes(&committee, Kind::Commit, Height(1), block.digest(), &[vote]);
///
/// let mut client = LightClient::new(committee, (Height(0), Digest::ZERO));
/// let proved = client.advance(&[block.encoded_header().clone()], &certificate)?;
/// assert_eq!(proved[0].1.payload, Digest::content(b"hello"));
/// assert_eq!(client.tip().0, Height(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LightClient {
    committee: Committee,
    tip: (Height, Digest),
    cache: SignatureCache,
}

impl LightClient {
    /// Starts from a final record and the committee of the height above it. Genesis is height 0 with [`Digest::ZERO`].
    pub fn new(committee: Committee, checkpoint: (Height, Digest)) -> Self {
        Self { committee, tip: checkpoint, cache: SignatureCache::new(1) }
    }

    /// The last final height that it knows, and the digest of its block or impeach block.
    pub const fn tip(&self) -> (Height, Digest) {
        self.tip
    }

    /// The committee in office at the tip.
    pub const fn committee(&self) -> &Committee {
        &self.committee
    }

    /// Whether the term of [`committee`](Self::committee) has ended.
    pub fn is_over(&self) -> bool {
        self.committee.last() == Some(self.tip.0)
    }

    /// Takes in encoded headers, from the tip upwards without a gap, and a C-certificate of the last. Gives those that are final
    /// blocks; heights between them were impeached. At the end of a term the last headers may be of closing heights.
    ///
    /// # Errors
    /// [`LightError`]; the client is unchanged then.
    pub fn advance(
        &mut self,
        headers: &[Bytes],
        certificate: &Certificate,
    ) -> Result<Vec<(Digest, Header)>, LightError> {
        if self.is_over() {
            return Err(LightError::Term);
        }
        let mut chain = verify_final_headers(headers, certificate, &self.committee, &self.cache)?;
        let first = chain.first().map(|(_, header)| (header.parent_height, header.parent));
        if first != Some(self.tip) || chain.iter().any(|(_, header)| header.height <= header.parent_height) {
            return Err(LightError::Chain);
        }
        chain.retain(|(_, header)| !self.committee.is_closing(header.height));
        if let Some((digest, header)) = chain.last() {
            self.tip = (header.height, *digest);
        }
        if let Some(last) = self.committee.last().filter(|last| certificate.height > *last && self.tip.0 < *last) {
            let (chain, term) = (self.committee.chain(), self.committee.term());
            self.tip = (last, impeach_digest(chain, term, &self.tip.1, last, &self.committee.proposer(last)));
        }
        Ok(chain)
    }

    /// The term has ended: this committee is in office from the next height on, since a quorum of the one in office hands over
    /// to it. Nodes keep both: [`Storage::committee`](crate::storage::Storage::committee) of the next term and
    /// [`Storage::handover`](crate::storage::Storage::handover) of the ended one.
    ///
    /// # Errors
    /// [`LightError::Term`] if it has not ended; [`LightError::Committee`] if the committee is not the one of the next term, or
    /// the hand-over is not about it; [`LightError::Certificate`] if no quorum signed that. The client is unchanged then.
    pub fn next_term(&mut self, next: Committee, handover: &Certificate) -> Result<(), LightError> {
        if !self.is_over() {
            return Err(LightError::Term);
        }
        let said = (handover.kind, Some(handover.height), handover.digest);
        if !next.follows(&self.committee) || said != (Kind::Handover, self.committee.last(), next.digest()) {
            return Err(LightError::Committee);
        }
        handover.verify(&self.committee, &self.cache)?;
        self.committee = next;
        Ok(())
    }
}
