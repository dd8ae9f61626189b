//! Objects by root, over backends: found, fetched, proven, served.
//!
//! Keys in a backend: `objects/<root>` (the bytes), `objects/<root>.bao` (the outboard, for more than one group) and
//! `objects/<root>.at` (the key of a value that was adopted where it lies). An object is there when bytes and outboard
//! are; the outboard is written last.
//!
//! Memory: a reader holds two pages of data and eight of outboard (about 1 MiB) for any size of object, a writer one
//! group and the pieces it is given (test `reading_is_chunked_for_any_size`).

mod pages;
mod reader;
mod store;

use cpchain_crypto::Digest;

pub use reader::ObjectReader;
pub use store::{Object, Objects, ObjectsConfig};

use crate::backend::BackendError;

/// Why an object is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The storage or source failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The bytes are not those of the root: the storage is rotten, or the source lies.
    #[error("the bytes are not those of object {root}")]
    Corrupt {
        /// The object that was asked for.
        root: Digest,
    },
    /// Above the limit.
    #[error("the object is larger than the limit of {limit} bytes")]
    TooLarge {
        /// [`ObjectsConfig::max_object`].
        limit: u64,
    },
    /// No backend was given, or none under this number.
    #[error("there is no backend {0}: give at least one")]
    NoBackend(usize),
}
