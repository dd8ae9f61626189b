//! The chain as the market sees it: an ordered log of listing operations.

use core::fmt;

use crate::{
    listing::{RevisionId, SignedOperation},
    units::Height,
};

/// A place in the log: the next entry to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor {
    /// The block.
    pub height: Height,
    /// The operation in that block, from 0.
    pub index: u32,
}

impl Cursor {
    /// Before the first block.
    pub const START: Self = Self { height: Height(0), index: 0 };

    /// The place right after this one in the same block.
    pub const fn next(self) -> Self {
        Self { height: self.height, index: self.index.saturating_add(1) }
    }

    /// The start of the block after this one.
    pub const fn next_block(self) -> Self {
        Self { height: Height(self.height.0.saturating_add(1)), index: 0 }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.height, self.index)
    }
}

/// Who wrote an entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Somebody's operation; its signature says whose.
    Party,
    /// The chain itself: a [`ChainRecord`](crate::book::ChainRecord).
    Chain,
}

/// One entry of the log, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Where it stands.
    pub at: Cursor,
    /// Who wrote it. A log never takes a party's word for it.
    pub origin: Origin,
    /// Its bytes, as they were appended. A log may hold bytes that are no valid operation.
    pub bytes: Vec<u8>,
}

/// A stretch of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Operations in order, from the asked place on.
    pub entries: Vec<LogEntry>,
    /// Where to read on: behind the last entry, or behind the last final block.
    pub next: Cursor,
}

/// Why the log did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It will never take this operation.
    #[error("the chain refuses the operation: {0}")]
    Refused(String),
    /// It cannot answer now; ask again later.
    #[error("the chain cannot be reached: {0}")]
    Unavailable(String),
}

/// The chain as an ordered log of listing operations. Only final blocks are read, so that nothing is ever rolled back.
///
/// Calls may block; an async host runs them on a blocking thread.
pub trait ListingLog {
    /// Submits an operation. `Ok` means that it was handed over, not that it is in a block: that is what
    /// [`position`](Self::position) tells. May be called again with the same operation, before and after a restart:
    /// an id stands in the log once at most. Bytes with that id and a bad signature never count as the operation, or anybody
    /// could keep it out of the log.
    ///
    /// # Errors
    /// [`LogError::Refused`] if it can never get in, [`LogError::Unavailable`] if it is worth trying again.
    fn append(&self, operation: &SignedOperation) -> Result<(), LogError>;

    /// Where the operation stands in a final block; `None` if it does not (yet).
    ///
    /// # Errors
    /// [`LogError::Unavailable`].
    fn position(&self, id: RevisionId) -> Result<Option<Cursor>, LogError>;

    /// The height of the last final block.
    ///
    /// # Errors
    /// [`LogError::Unavailable`].
    fn tip(&self) -> Result<Height, LogError>;

    /// Up to `limit` (at least 1) entries from `from` on. The same stretch always reads the same, whoever asks. `next`
    /// equals `from` when there is nothing new.
    ///
    /// # Errors
    /// [`LogError::Unavailable`].
    fn read(&self, from: Cursor, limit: usize) -> Result<Page, LogError>;
}
