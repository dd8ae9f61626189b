//! The catalogue: all listings of the chain, searched in natural language.
//!
//! A catalogue is derived from the listing log and nothing else; lost or broken, it is filled again from there by a
//! [`Follower`](crate::sync::Follower). It is never exchanged between markets: each builds its own and comes to the same.

#[cfg(feature = "catalog")]
mod embedded;
mod query;
#[cfg(feature = "catalog")]
mod rows;
#[cfg(feature = "catalog")]
mod text;
#[cfg(feature = "catalog")]
mod words;

use cpchain_crypto::Digest;

#[cfg(feature = "catalog")]
pub use embedded::TantivyCatalog;
pub use query::{MAX_HITS, MAX_QUERY, Query};

use crate::{
    listing::{ListingId, SignedOperation},
    log::Cursor,
};

/// The last operation that was applied to a listing, and where it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The operation, verified. One without content is a withdrawal: the listing is gone for good.
    pub operation: SignedOperation,
    /// Its place in the log.
    pub at: Cursor,
}

/// A listing that a search found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Which listing.
    pub id: ListingId,
    /// How well it fits; comparable within one search only.
    pub score: f32,
}

/// Why a catalogue did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Its files contradict themselves or the signatures in them. [`Catalog::reset`] and follow the log again.
    #[error("the catalogue is broken and must be rebuilt from the log: {0}")]
    Broken(String),
    /// The disk failed, or another process has the catalogue open.
    #[error("the catalogue's files: {0}")]
    Io(String),
    /// The query is over its bound.
    #[error("a query has {MAX_QUERY} bytes of text at most and asks for 1 to {MAX_HITS} hits")]
    Query,
}

/// All listings, by id and by search.
pub trait Catalog {
    /// Where in the log the next operation is to be read: all before it is applied, nothing after it.
    ///
    /// # Errors
    /// [`CatalogError::Broken`] or [`CatalogError::Io`].
    fn cursor(&self) -> Result<Cursor, CatalogError>;

    /// The last operation applied to a listing, withdrawals too; verified on every read.
    ///
    /// # Errors
    /// [`CatalogError::Broken`] or [`CatalogError::Io`].
    fn get(&self, id: ListingId) -> Result<Option<Entry>, CatalogError>;

    /// Replaces what is known of each listing in `entries` (each listing once), and moves the cursor. All of it or nothing, also
    /// when the process is killed half-way. Searches see it once this returns.
    ///
    /// # Errors
    /// [`CatalogError::Broken`] or [`CatalogError::Io`].
    fn apply(&mut self, entries: &[Entry], next: Cursor) -> Result<(), CatalogError>;

    /// The listings that fit best, best first. Withdrawn ones are never found, and every hit has been verified.
    ///
    /// # Errors
    /// [`CatalogError`].
    fn search(&self, query: &Query) -> Result<Vec<Hit>, CatalogError>;

    /// A hash over all rows in order of id: equal in two markets exactly when their rows are, bit for bit.
    ///
    /// # Errors
    /// [`CatalogError::Broken`] or [`CatalogError::Io`].
    fn digest(&self) -> Result<Digest, CatalogError>;

    /// Forgets everything; the cursor is at the start.
    ///
    /// # Errors
    /// [`CatalogError::Io`].
    fn reset(&mut self) -> Result<(), CatalogError>;
}
