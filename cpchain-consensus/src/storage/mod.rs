//! The durable log: own votes and seals, certificates, and final blocks by height.

mod answer;
mod codec;
mod memory;
#[cfg(feature = "redb")]
mod redb;

use alloc::string::String;
use alloc::vec::Vec;

use cpchain_crypto::Digest;

use crate::{
    ids::{Height, Term},
    lbft::{Certificate, Committee, Evidence, FinalEntry, Record, Restored},
};

#[cfg(feature = "redb")]
pub use self::redb::RedbStorage;
pub use answer::answer;
pub use memory::MemoryStorage;

/// The log can no longer be trusted. The node that gets it stops: a validator that cannot log must not vote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The store failed to read or write.
    #[error("the log failed: {0}; check the disk and restart the node from the same file")]
    Io(String),
    /// Stored bytes that this version did not write.
    #[error("the log holds bytes at {0} that are no record; restore the file, or start with a new key")]
    Corrupt(String),
}

/// Where a node keeps what it must find again. One writer, the driver's task.
///
/// Two nodes never share one store, and a store belongs to one key for ever: a key whose log was lost or put back from a
/// copy may contradict itself.
pub trait Storage: Send + 'static {
    /// Appends records in one batch: after a crash all of it is there or none.
    ///
    /// With `sync`, returns only when this batch **and every earlier one** are durable. Without, a crash may lose it. A
    /// [`Record::Final`] lets votes, seals, blocks and certificates of its term at or below its height be forgotten, and all of
    /// its term if it closes the term. Appending a record again is allowed and changes nothing.
    ///
    /// # Errors
    /// [`StorageError`]; the state on disk is then that of an earlier batch, and nothing more is appended.
    fn append(&mut self, records: &[Record], sync: bool) -> Result<(), StorageError>;

    /// What was appended, without what may be forgotten.
    ///
    /// # Errors
    /// [`StorageError`] if the store cannot be read; the node does not start.
    fn restore(&self) -> Result<Restored, StorageError>;

    /// The final block at a height; `None` if it is not final here.
    ///
    /// # Errors
    /// [`StorageError`] if the store cannot be read.
    fn final_entry(&self, height: Height) -> Result<Option<FinalEntry>, StorageError>;

    /// Who serves a term that began here after the first one; `None` for other terms.
    ///
    /// # Errors
    /// [`StorageError`] if the store cannot be read.
    fn committee(&self, term: Term) -> Result<Option<Committee>, StorageError>;

    /// The quorum of HANDOVERs by which a term's validators named the next committee; `None` if this node never had it. It is
    /// what a light client asks for at the end of a term.
    ///
    /// # Errors
    /// [`StorageError`] if the store cannot be read.
    fn handover(&self, term: Term) -> Result<Option<Certificate>, StorageError>;

    /// Every proof of misbehaviour that was logged, by term and height.
    ///
    /// # Errors
    /// [`StorageError`] if the store cannot be read.
    fn evidence(&self) -> Result<Vec<Evidence>, StorageError>;

    /// At which height the block with this digest is final; impeached heights have a digest too. A closing block
    /// is found at the last height of its term.
    ///
    /// # Errors
    /// [`StorageError`] if the store cannot be read.
    fn height_of(&self, digest: &Digest) -> Result<Option<Height>, StorageError>;
}

/// Sorts log records into what a core starts from.
fn restored(tip: Option<FinalEntry>, records: impl IntoIterator<Item = Record>) -> Restored {
    let mut state = Restored { tip, ..Restored::default() };
    for record in records {
        match record {
            Record::Vote(vote) => state.votes.push(vote),
            Record::Sealed(block) => state.sealed.push(block),
            Record::Block(block) => state.blocks.push(block),
            Record::Certificate(certificate) => state.certificates.push(certificate),
            Record::Fault(fault) => state.fault = state.fault.or(Some(fault)),
            Record::Committee(committee) => {
                let later = state.committee.as_ref().is_none_or(|known| known.term() < committee.term());
                let (last, before) =
                    if later { (Some(committee), state.committee) } else { (state.committee, Some(committee)) };
                let newer = |kept: &Option<Committee>| {
                    before.as_ref().map(Committee::term) > kept.as_ref().map(Committee::term)
                };
                state.ended = if newer(&state.ended) { before } else { state.ended };
                state.committee = last;
            }
            Record::Handover(proof) => {
                let later = state.handover.as_ref().is_none_or(|known| known.term < proof.term);
                state.handover = if later { Some(proof) } else { state.handover };
            }
            Record::Final(_) | Record::Evidence(_) => {}
        }
    }
    state
}

#[cfg(test)]
pub(crate) fn final_bytes(entry: &FinalEntry) -> Vec<u8> {
    codec::encode_final(entry)
}

#[cfg(feature = "suite")]
pub mod suite;
