//! The index over the packs: which chunk lies where. Never the truth, always rebuilt when in doubt.
//!
//! An [`IndexStore`] keeps ids, [`Location`]s and one [`Checkpoint`], changed together. The checkpoint names the end of the
//! packs that the entries stand for, and carries a fingerprint of all entries: a store that opens with an index whose
//! entries do not give its fingerprint (lost, changed or added ones) throws it away and reads the packs.
//!
//! Implementations: [`MemoryIndex`], `SledIndex` (feature `sled`) and `RedbIndex` (feature `redb`). [`conformance::check`]
//! runs on all of them and on any other.

pub mod conformance;
#[cfg(any(feature = "sled", feature = "redb"))]
mod contain;
mod memory;
#[cfg(feature = "sled")]
mod pending;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "sled")]
mod run;
#[cfg(feature = "sled")]
mod sled;

use cpchain_crypto::Digest;

pub use self::memory::MemoryIndex;
#[cfg(all(test, feature = "redb"))]
pub(crate) use self::redb::Place;
#[cfg(feature = "redb")]
pub use self::redb::RedbIndex;
#[cfg(feature = "sled")]
pub use self::sled::SledIndex;
use crate::chunk::{ChunkId, Lease};

/// The index is broken or unreachable. The store answers by [`IndexStore::reset`] and a rebuild from the packs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the index failed: {0}")]
pub struct IndexError(pub String);

/// Where a chunk lies: 28 bytes in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Number of the pack.
    pub pack: u32,
    /// Bytes of the chunk.
    pub length: u32,
    /// Where its frame begins in the pack.
    pub offset: u64,
    /// Until when it is kept.
    pub lease: Lease,
    /// The pack with the frame that says so: the chunk's own, or that of its last renewal.
    pub lease_pack: u32,
}

impl Location {
    /// Bytes of an encoded location.
    pub const LEN: usize = 28;

    /// Little endian: pack, length, offset, lease, pack of the lease.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let fields = [
            &self.pack.to_le_bytes()[..],
            &self.length.to_le_bytes(),
            &self.offset.to_le_bytes(),
            &self.lease.0.to_le_bytes(),
            &self.lease_pack.to_le_bytes(),
        ];
        out.iter_mut().zip(fields.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let (pack, rest) = bytes.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (lease, lease_pack) = rest.split_first_chunk::<8>()?;
        Some(Self {
            pack: u32::from_le_bytes(*pack),
            length: u32::from_le_bytes(*length),
            offset: u64::from_le_bytes(*offset),
            lease: Lease(u64::from_le_bytes(*lease)),
            lease_pack: u32::from_le_bytes(lease_pack.try_into().ok()?),
        })
    }
}

/// A change of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The chunk is there from now on, whatever was known of it.
    Set(ChunkId, Location),
    /// The chunk is not there any more.
    Remove(ChunkId),
}

/// Up to where the packs are in the index, and what the index must then contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// The pack that is being written.
    pub pack: u32,
    /// Its bytes that the index knows.
    pub offset: u64,
    /// Number of entries.
    pub entries: u64,
    /// Exclusive or over the hashes of all entries.
    pub fingerprint: u128,
}

impl Checkpoint {
    /// Bytes of an encoded checkpoint.
    pub const LEN: usize = 36;

    /// Counts an entry in (or, the same, out).
    pub fn toggle(&mut self, id: &ChunkId, location: &Location) {
        // It is there against accidents, so one block of the hash will do.
        let mut entry = [0; 32 + Location::LEN];
        let fields = id.as_bytes().iter().copied().chain(location.to_bytes());
        entry.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        let digest = Digest::content(&entry);
        let head = digest.0.first_chunk::<16>().map_or(0, |head| u128::from_le_bytes(*head));
        self.fingerprint ^= head;
    }

    /// Little endian: pack, offset, entries, fingerprint.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let fields = [
            &self.pack.to_le_bytes()[..],
            &self.offset.to_le_bytes(),
            &self.entries.to_le_bytes(),
            &self.fingerprint.to_le_bytes(),
        ];
        out.iter_mut().zip(fields.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let (pack, rest) = bytes.split_first_chunk::<4>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (entries, rest) = rest.split_first_chunk::<8>()?;
        Some(Self {
            pack: u32::from_le_bytes(*pack),
            offset: u64::from_le_bytes(*offset),
            entries: u64::from_le_bytes(*entries),
            fingerprint: u128::from_le_bytes(rest.try_into().ok()?),
        })
    }
}

/// Keeps the index. Blocking; called from many threads, but never with two `apply` or `reset` at once.
pub trait IndexStore: Send + Sync {
    /// The entry of a chunk.
    ///
    /// # Errors
    /// [`IndexError`] when the index is broken; the store rebuilds it and asks again.
    fn get(&self, id: &ChunkId) -> Result<Option<Location>, IndexError>;

    /// Applies changes in order and replaces the checkpoint, all or nothing: after a crash either all of it is there or
    /// none. It need not be durable when this returns, but must not become durable in another order.
    ///
    /// # Errors
    /// As `get`.
    fn apply(&self, changes: &[Change], checkpoint: &Checkpoint) -> Result<(), IndexError>;

    /// The checkpoint of the last `apply`, `None` in a new index.
    ///
    /// # Errors
    /// As `get`.
    fn checkpoint(&self) -> Result<Option<Checkpoint>, IndexError>;

    /// At most `limit` entries with ids above `after`, ascending: a page of the whole.
    ///
    /// # Errors
    /// As `get`.
    fn page(&self, after: Option<&ChunkId>, limit: usize) -> Result<Vec<(ChunkId, Location)>, IndexError>;

    /// Throws everything away (an implementation on disk moves it aside) and starts empty, also when the index is broken.
    ///
    /// # Errors
    /// [`IndexError`] when not even an empty index can be had.
    fn reset(&self) -> Result<(), IndexError>;

    /// Writes what is in memory, as far as the implementation can.
    ///
    /// # Errors
    /// As `get`.
    fn flush(&self) -> Result<(), IndexError>;
}
