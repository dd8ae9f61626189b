//! Stores that lie, stall, forget or fail.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use cpchain_storage::{
    ChunkId, ChunkStore, HashedChunk, Lease, PackOptions, PackStore, StoreError, index::MemoryIndex,
};

/// The store that honest nodes use.
pub fn store(folder: &Path) -> Arc<dyn ChunkStore> {
    Arc::new(PackStore::open(folder, PackOptions::default(), MemoryIndex::default()).unwrap())
}

/// What a bad node does with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Vice {
    /// Returns other bytes of the same length.
    Lies,
    /// Answers long after anybody waits.
    Stalls,
    /// Takes shards, then has lost them.
    Forgets,
    /// Its disk is full.
    Full,
}

/// A store with a vice.
pub struct Bad(pub Vice, pub Arc<dyn ChunkStore>);

impl ChunkStore for Bad {
    fn get(&self, id: &ChunkId) -> Result<Option<Bytes>, StoreError> {
        match self.0 {
            Vice::Lies => Ok(self.1.get(id)?.map(|bytes| {
                let mut bytes = bytes.to_vec();
                bytes[0] ^= 1;
                bytes.into()
            })),
            Vice::Stalls => {
                std::thread::sleep(Duration::from_secs(4));
                self.1.get(id)
            }
            Vice::Forgets => Ok(None),
            Vice::Full => self.1.get(id),
        }
    }

    fn contains(&self, id: &ChunkId) -> Result<bool, StoreError> {
        self.1.contains(id)
    }

    fn put_hashed(&self, chunks: &[HashedChunk], lease: Lease) -> Result<(), StoreError> {
        match self.0 {
            Vice::Full => Err(StoreError::Poisoned),
            _ => self.1.put_hashed(chunks, lease),
        }
    }

    fn renew(&self, ids: &[ChunkId], lease: Lease) -> Result<usize, StoreError> {
        self.1.renew(ids, lease)
    }

    fn expire(&self, now_ms: u64) -> Result<usize, StoreError> {
        self.1.expire(now_ms)
    }
}
