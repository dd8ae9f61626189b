//! Private search: a host answers questions about records that it cannot read, and does not learn the question.
//!
//! # For a reader who has never met a lattice
//! There is one tool here: a *linear* encryption. Whoever holds `E(t)` and a number `x` can compute `E(t · x)` and add such results up,
//! without a key. Each addition adds a little noise; as long as the noise stays below a threshold, the key holder decrypts
//! exactly. Nothing else is asked of the host. So it is cheap: no bootstrapping, a few multiplications a record.
//!
//! The engines differ in what is added up. Each touches all of its table for every question, so the host learns nothing from its work.
//! - **Keyword search** (`keyword`): the table is a row of sealed buckets, and a question is one encrypted 0 for each bucket but one, which is a 1. The sum
//!   of all buckets times these numbers is the wanted bucket.
//! - **Predicate scan** (`scan`): for every digit of a field and every value of that digit, one bitmap says which records have it. The question is
//!   one encrypted 0 or 1 for each bitmap (a *selector*). The sum is the bitmap of the records whose digit is among the wanted ones.
//! - **Catalogue lookup** (`catalogue`): the table is public. An encrypted 0 or 1 for each row of its pages selects one, and encrypted bits choose the
//!   column. Anyone may ask, without a key, and downloads nothing first.
//!
//! | which to take | `keyword` | `scan` |
//! | --- | --- | --- |
//! | what is asked | which records have this word or value | ranges, prefixes, sets, equality of numbers |
//! | who may ask | whoever has the table's key | the owner; of a table that several fill, its reader |
//! | a query hides | the term, the records, whether there were any | the predicate, the field, the records |
//! | the host sees | sizes, when they change, how often it is asked | sizes, when they change, how often it is asked |
//! | the host computes, a record and query | 28 to 32 multiplications by a byte | 60 to 180 products and 4 to 12 transforms for 32,704 records |
//! | an answer has | 4 KiB a fetch, however long the table | 1 to 3 bytes a record and field |
//! | a false answer | is refused, an absence also | is refused, an absence also |
//!
//! Which to take, what it costs and what it leaks, at length: `docs/search.md`.
//!
//! | part | what it is |
//! | --- | --- |
//! | [`SearchClient`], [`SearchServer`] | the two sides of any engine |
//! | [`Term`], `Language`, `Field` (feature `search`) | words of texts and typed values, as the engines know them |
//! | [`Predicate`] | what can be asked of a field by a scan |
//! | `language` (feature `search`) | what a person types, and the schema that it is about |
//! | `aggregate` | counts, sums and means over what matches, by interval |
//! | `store` | a host's table on disk |
//! | `plan` (feature `search`) | which engine answers which part, what that costs and shows, and carrying it out |
//! | [`FixedPoint`] | physical values as 16-bit numbers in the same order |
//!
//! # Rules of every engine
//! - **A query is used once.** The pending half of a query is consumed by decoding. Asking again means a new query with a fresh
//!   key, to the same or another host: then a host that watches whether an answer was accepted learns nothing about any other.
//! - **The host learns the size of the table, when it is changed, and how often it is asked.** Queries and answers of one
//!   table are all of one length.
//! - **A match is believed when its record opens**, for records are sealed with authentication elsewhere. **An absence is believed only
//!   as far as the host is**, or from two hosts that do not collude, unless the engine proves it as `keyword` and `scan` do: what an engine can see of tampering is
//!   written at the engine.

#[cfg(feature = "search")]
pub mod aggregate;
#[cfg(feature = "search")]
pub mod catalogue;
#[cfg(feature = "search")]
mod field;
mod fixed_point;
#[cfg(feature = "search")]
mod fourier;
#[cfg(feature = "search")]
pub mod keyword;
#[cfg(feature = "search")]
pub mod language;
#[cfg(feature = "search")]
mod lattice;
#[cfg(all(test, feature = "search"))]
mod noise;
#[cfg(feature = "search")]
mod packed;
#[cfg(feature = "search")]
mod pages;
#[cfg(feature = "search")]
pub mod plan;
mod predicate;
#[cfg(feature = "search")]
pub mod scan;
#[cfg(feature = "search")]
mod shelves;
#[cfg(feature = "search")]
mod simd;
#[cfg(feature = "search")]
pub mod store;
mod term;
#[cfg(feature = "search")]
mod text;
#[cfg(feature = "search")]
mod wire;

use alloc::vec::Vec;

#[cfg(feature = "search")]
pub use simd::Kernel;
#[cfg(feature = "search")]
pub use {
    field::{Field, FieldKind, Value},
    text::Language,
};
pub use {fixed_point::FixedPoint, predicate::Predicate, term::Term};

use crate::entropy::{Entropy, EntropyError};

/// Why an index, a query or an answer was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// Bytes of another version, kind or length.
    #[error("not a {what} that this build reads")]
    Format {
        /// What was expected.
        what: &'static str,
    },
    /// Bytes that belong to another table.
    #[error("the bytes belong to another table")]
    OtherTable,
    /// The host's table is not the one that the query was made for.
    #[error(
        "the query was made for another state of the table: bring host and client to the same blocks, then ask again"
    )]
    Stale,
    /// An update that does not follow what the host has.
    #[error("the update does not follow: the host has {blocks} of them, send the missing ones in order")]
    NotNext {
        /// Blocks, or updates, that the host has.
        blocks: u32,
    },
    /// The table would grow above its bound.
    #[error("the table may have at most {most} blocks")]
    Full {
        /// The bound.
        most: u32,
    },
    /// Columns of different lengths, none, too many, or not as many as the table has fields.
    #[error(
        "a table has 1 to 4 fields of 1 to 4 digits; columns and predicates are given for each, columns of one length"
    )]
    Shape,
    /// A value that does not fit its field.
    #[error("a value does not fit its field")]
    Value,
    /// The predicate splits a digit into more classes than one query can tell apart.
    #[error("the predicate is too scattered for one query: ask for fewer values, or a range")]
    Predicate,
    /// The answer contradicts itself or the key: the host computed something else.
    #[error("the answer is false: ask another host, with a new query")]
    Tampered,
    /// A predicate whose ends lie within bins.
    #[error("the predicate parts a bin: ask for whole bins, or cut the field where you want to ask")]
    PartsBin,
    /// Fewer than one fetch, or more than a query has.
    #[error("a query has 1 to 8 fetches, as many for every query of a table: ask for no more at a time")]
    Fetches,
    /// More than fits: postings into a segment, segments into a table, or bytes into a host.
    #[error("too much for one segment, one table or this host: add less at a time, compact, or allow more bytes")]
    TooMany,
    /// The query could not be consumed durably, so it was not made.
    #[error("the query's number could not be made durable: see to the counter's store, then ask again")]
    Counter,
    /// The host could not make an update durable.
    #[error("the update could not be made durable: see to the host's disk, then send it again")]
    Disk,
    /// The answer lacks the part of a shard.
    #[error("the answer is not that of all shards: add up the answers of all hosts")]
    Incomplete,
    /// A host that does not have the client's evaluation keys, or not any more.
    #[error("the host does not have the evaluation keys: send them, then the same query again")]
    UnknownKeys,
    /// More new evaluation keys in a minute than the host takes.
    #[error("too many new evaluation keys in this minute: wait, or ask another host")]
    TooOften,
    /// An answer was refused, so the secret of this client asks nothing more.
    #[error("an answer was refused: renew the client's secret, then ask another host")]
    Spent,
    /// The source of randomness failed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// The one who asks, and holds the keys.
pub trait SearchClient {
    /// What is asked.
    type Question: ?Sized;
    /// What remains with the client while the query is out: the key of this query. Consumed by decoding.
    type Pending;
    /// What was found.
    type Found;

    /// Makes a query: the bytes for the host, and the half that stays. Whatever the client keeps so that no query is used twice is durable
    /// when it returns.
    ///
    /// # Errors
    /// [`SearchError::Shape`], [`SearchError::Predicate`], [`SearchError::Fetches`], [`SearchError::Counter`] or [`SearchError::Entropy`].
    fn query(
        &mut self,
        question: &Self::Question,
        entropy: &mut dyn Entropy,
    ) -> Result<(Vec<u8>, Self::Pending), SearchError>;

    /// Reads the host's answer.
    ///
    /// # Errors
    /// [`SearchError::Format`], [`SearchError::Stale`], or [`SearchError::Tampered`] as far as tampering can be seen.
    fn decode(&self, pending: Self::Pending, answer: &[u8]) -> Result<Self::Found, SearchError>;
}

/// The host: holds the table, and no key.
pub trait SearchServer {
    /// Takes one update of the table, as the client made it. Updates are applied in order; one that was applied before is
    /// accepted again without effect. Whoever can call this can ruin the table: check first that the owner sent it.
    ///
    /// # Errors
    /// [`SearchError::Format`], [`SearchError::OtherTable`], [`SearchError::NotNext`] or [`SearchError::Full`].
    fn apply(&mut self, update: &[u8]) -> Result<(), SearchError>;

    /// Answers a query with work that depends on the size of the table alone.
    ///
    /// # Errors
    /// [`SearchError::Format`], [`SearchError::Stale`].
    fn answer(&self, query: &[u8]) -> Result<Vec<u8>, SearchError>;
}
