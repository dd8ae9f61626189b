//! Chunks: content-addressed pieces of bytes, and what a store of them promises.

use std::fmt;

use bytes::Bytes;
use cpchain_crypto::Digest;

/// Bytes of the largest chunk that a store takes: 1 MiB.
pub const MAX_CHUNK_LEN: usize = 1 << 20;

/// The name of a chunk: the BLAKE3 hash of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId(pub Digest);

impl ChunkId {
    /// The id of these bytes.
    ///
    /// ```
    /// use cpchain_storage::ChunkId;
    /// assert!(ChunkId::of(b"sealed").matches(b"sealed"));
    /// assert!(!ChunkId::of(b"sealed").matches(b"changed"));
    /// ```
    pub fn of(bytes: &[u8]) -> Self {
        Self(Digest::content(bytes))
    }

    /// Are these the bytes that the id names?
    pub fn matches(&self, bytes: &[u8]) -> bool {
        Self::of(bytes) == *self
    }

    /// The 32 bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// An id from exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Digest::from_slice(bytes).map(Self)
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A chunk under its id, hashed once: from the coder to the disk nobody has to hash it again.
///
/// Hashing is the only way to make one, so no caller can put bytes under a name that is not theirs.
///
/// ```
/// use cpchain_storage::{ChunkId, HashedChunk};
/// let chunk = HashedChunk::new("sealed".into());
/// assert_eq!(*chunk.id(), ChunkId::of(b"sealed"));
/// assert_eq!(chunk.bytes(), "sealed");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedChunk {
    id: ChunkId,
    bytes: Bytes,
}

impl HashedChunk {
    /// Hashes the bytes.
    pub fn new(bytes: Bytes) -> Self {
        Self { id: ChunkId::of(&bytes), bytes }
    }

    /// The id of the bytes.
    pub const fn id(&self) -> &ChunkId {
        &self.id
    }

    /// The bytes.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The bytes alone.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

impl From<HashedChunk> for Bytes {
    fn from(chunk: HashedChunk) -> Self {
        chunk.bytes
    }
}

impl AsRef<[u8]> for HashedChunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Until when a chunk is kept, milliseconds since 1970-01-01 UTC. A day of grace passes before it is collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease(pub u64);

impl Lease {
    /// Kept until somebody compacts the store away.
    pub const FOREVER: Self = Self(u64::MAX);
    /// Milliseconds between the end of a lease and the collection of its chunk: one day.
    pub const GRACE_MS: u64 = 24 * 60 * 60 * 1000;

    /// A lease until `ms` milliseconds since 1970-01-01 UTC.
    pub const fn until(ms: u64) -> Self {
        Self(ms)
    }

    /// Is the lease, with its day of grace, over at `now_ms`?
    pub const fn is_over(&self, now_ms: u64) -> bool {
        self.0.saturating_add(Self::GRACE_MS) < now_ms
    }
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk refused.
    #[error("{doing} failed: {source}; check space and rights of the store's folder")]
    Io {
        /// What the store was about to do.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The disk is full, or a quota is used up. What was acknowledged is kept and can be read; nothing else was written.
    #[error("{doing} failed: the disk is full; free space or let the store expire and compact, then try again")]
    Full {
        /// What the store was about to do.
        doing: &'static str,
    },
    /// A pack that this version does not read.
    #[error("pack {pack} was written by version {version} of the format: use a newer program")]
    Version {
        /// The pack.
        pack: u32,
        /// Its version.
        version: u16,
    },
    /// A chunk longer than [`MAX_CHUNK_LEN`], or empty.
    #[error("a chunk has 1 to 1048576 bytes, this one {0}: cut the object first")]
    ChunkLength(usize),
    /// Another process, or another store of this one, has the folder open.
    #[error("the store's folder is in use by another process: one store per folder")]
    InUse,
    /// An earlier write could not be made durable, so nothing can be promised any more.
    #[error("an earlier write failed to reach the disk: close the store, check the disk and open it again")]
    Poisoned,
    /// The index failed, and failed again after it was rebuilt.
    #[error("the index failed after a rebuild: {0}")]
    Index(String),
}

/// A durable, content-addressed store of chunks. Blocking; safe to call from many threads.
///
/// [`PackStore`](crate::PackStore) is the one on disk.
pub trait ChunkStore: Send + Sync {
    /// The bytes of a chunk, **verified** against their id. `None`: not here, or no longer what they were (the
    /// caller repairs both in the same way).
    ///
    /// # Errors
    /// [`StoreError`] when the store itself fails; a damaged chunk is not an error.
    fn get(&self, id: &ChunkId) -> Result<Option<Bytes>, StoreError>;

    /// Is there a chunk of this name? Not verified: [`get`](Self::get) is.
    ///
    /// # Errors
    /// As `get`.
    fn contains(&self, id: &ChunkId) -> Result<bool, StoreError>;

    /// Stores chunks (each at most [`MAX_CHUNK_LEN`] bytes).
    ///
    /// Once it returns, they survive kill -9 and power cut. A chunk that is already here is not written again; its
    /// lease becomes the later of both. On an error, none, some or all may have been kept: put them again.
    ///
    /// # Errors
    /// [`StoreError::ChunkLength`] before anything is written; otherwise what the disk said.
    fn put_hashed(&self, chunks: &[HashedChunk], lease: Lease) -> Result<(), StoreError>;

    /// Extends leases (never shortens them) and returns how many of the chunks are here. Durable when it returns.
    ///
    /// # Errors
    /// As `put_hashed`.
    fn renew(&self, ids: &[ChunkId], lease: Lease) -> Result<usize, StoreError>;

    /// Forgets the chunks whose lease and grace are over at `now_ms`, and returns how many.
    ///
    /// # Errors
    /// As `get`.
    fn expire(&self, now_ms: u64) -> Result<usize, StoreError>;

    /// [`put_hashed`](Self::put_hashed) of chunks that are not hashed yet; returns their ids in the same order.
    ///
    /// # Errors
    /// As `put_hashed`.
    fn put_batch(&self, chunks: &[Bytes], lease: Lease) -> Result<Vec<ChunkId>, StoreError> {
        let chunks: Vec<_> = chunks.iter().cloned().map(HashedChunk::new).collect();
        self.put_hashed(&chunks, lease)?;
        Ok(chunks.iter().map(|chunk| chunk.id).collect())
    }

    /// [`put_hashed`](Self::put_hashed) of one chunk that is not hashed yet.
    ///
    /// # Errors
    /// As `put_hashed`.
    fn put(&self, chunk: Bytes, lease: Lease) -> Result<ChunkId, StoreError> {
        let chunk = HashedChunk::new(chunk);
        self.put_hashed(std::slice::from_ref(&chunk), lease)?;
        Ok(chunk.id)
    }
}
