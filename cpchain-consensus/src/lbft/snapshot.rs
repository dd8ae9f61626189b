//! Starting at a certified height in place of genesis.

use alloc::{vec, vec::Vec};

use super::{
    cache::SignatureCache,
    certificate::CertificateError,
    committee::Committee,
    io::{FinalEntry, Record},
    statement::Kind,
};

/// Why a snapshot proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The entry is not a block of the committee's chain and term, or ends the term.
    #[error("the entry is not a proposed block inside the committee's term")]
    Entry,
    /// The entry has no C-certificate of its own.
    #[error("the entry has no C-certificate of its block; take a snapshot at another height")]
    Unproved,
    /// Its certificate proves nothing.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// A final block with its C-certificate, and the committee that made it: all that the core needs of the past.
///
/// The committee is trusted: take it from a [`LightClient`](super::LightClient) or from whoever runs the chain. The state of
/// the application comes from elsewhere, checked against the digest that
/// [`Application::finalised`](crate::Application::finalised) gave at that height on a trusted node; the application then says
/// that height in `last_height`, and the node starts (`a_node_starts_from_a_snapshot`). [`Config`](super::Config) holds the
/// first committee of the chain as ever, or any later one up to this (`a_snapshot_of_a_later_term_knows_no_ended_term`).
/// A key that voted before must not start like this without its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Who serves the term of the entry.
    pub committee: Committee,
    /// The entry, as [`Storage::final_entry`](crate::storage::Storage::final_entry) gives it.
    pub entry: FinalEntry,
}

impl Snapshot {
    /// Checks it; gives the records for an empty store.
    ///
    /// # Errors
    /// [`SnapshotError`] says what is not proved.
    pub fn records(self, cache: &SignatureCache) -> Result<Vec<Record>, SnapshotError> {
        let Self { committee, entry } = self;
        let sealed = entry.sealed.as_ref().filter(|block| block.verify_seal(&committee, cache));
        let block = sealed.ok_or(SnapshotError::Entry)?;
        let said = (entry.term, entry.block.height, entry.block.digest, entry.block.parent, entry.block.impeached);
        let sealed = (committee.term(), block.height(), block.digest(), block.header().parent, false);
        let inside = entry.closing.is_none() && committee.last().is_none_or(|last| block.height() < last);
        if said != sealed || !inside || entry.block.payload != *block.payload() {
            return Err(SnapshotError::Entry);
        }
        let certificate = entry.certificate.as_ref().filter(|certificate| {
            certificate.kind == Kind::Commit
                && (certificate.height, certificate.digest) == (block.height(), block.digest())
        });
        certificate.ok_or(SnapshotError::Unproved)?.verify(&committee, cache)?;
        Ok(vec![Record::Committee(committee), Record::Final(entry)])
    }
}
