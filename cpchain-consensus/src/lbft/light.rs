//! What a light client needs: headers, one C-certificate, the committee. No blocks, no history.

use alloc::vec::Vec;
use bytes::Bytes;
use cpchain_crypto::Digest;

use super::{
    block::Header,
    cache::SignatureCache,
    certificate::{Certificate, CertificateError},
    committee::Committee,
    statement::Kind,
};

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
