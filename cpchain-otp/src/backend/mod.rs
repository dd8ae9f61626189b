//! Where objects lie: any storage that can read a range.
//!
//! Nothing that a backend returns is trusted: [`Objects`](crate::Objects) proves every byte against its root.

#[cfg(feature = "opendal")]
mod dal;
mod memory;
#[cfg(any(feature = "s3", feature = "http"))]
mod remote;
mod retry;

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

#[cfg(feature = "opendal")]
pub use dal::OpendalBackend;
#[cfg(feature = "s3")]
pub use remote::S3Bucket;
pub use {memory::MemoryBackend, retry::Retry};

/// Why a backend did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BackendError {
    /// May work when tried again: a timeout, a busy service.
    #[error("the storage failed for the moment: {0}")]
    Transient(String),
    /// Will not work when tried again: permission, configuration, a full disk.
    #[error("the storage failed: {0}")]
    Permanent(String),
    /// The key is not there, or shorter than the range.
    #[error("`{0}` is not in the storage, or is shorter than asked for")]
    Missing(String),
}

/// A flat store of named byte strings. Keys are relative paths of `a-z A-Z 0-9 . - _ /`.
///
/// Implement it over whatever holds the data; [`OpendalBackend`] covers the services of OpenDAL.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Length of the value in bytes; `None` if there is none.
    async fn len(&self, key: &str) -> Result<Option<u64>, BackendError>;

    /// Exactly the bytes of `range`, at most a few hundred KiB at a time.
    ///
    /// # Errors
    /// [`BackendError::Missing`] if the value does not reach that far.
    async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, BackendError>;

    /// Starts a value. Until [`finish`](BackendWriter::finish) the key shows nothing, or its old value.
    async fn write(&self, key: &str) -> Result<Box<dyn BackendWriter>, BackendError>;

    /// Removes a value; removing nothing is fine.
    async fn delete(&self, key: &str) -> Result<(), BackendError>;
}

/// A value in the making. Dropped before [`finish`](Self::finish), it leaves nothing under its key.
#[async_trait]
pub trait BackendWriter: Send {
    /// Appends bytes.
    async fn append(&mut self, bytes: Bytes) -> Result<(), BackendError>;

    /// Makes the value visible under its key.
    async fn finish(self: Box<Self>) -> Result<(), BackendError>;
}

/// Writes a small value at once.
pub(crate) async fn put(backend: &dyn Backend, key: &str, value: Bytes) -> Result<(), BackendError> {
    let mut writer = backend.write(key).await?;
    writer.append(value).await?;
    writer.finish().await
}

/// Reads a small value whole; one that is longer than `most` is an error, for only this crate writes them.
pub(crate) async fn get(backend: &dyn Backend, key: &str, most: u64) -> Result<Option<Bytes>, BackendError> {
    match backend.len(key).await? {
        None => Ok(None),
        Some(len) if len > most => Err(BackendError::Permanent(format!("`{key}` is longer than {most} bytes"))),
        Some(len) => backend.read(key, 0..len).await.map(Some),
    }
}
