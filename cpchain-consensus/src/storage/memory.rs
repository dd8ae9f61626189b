//! A store that ends with the process.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use cpchain_crypto::Digest;

use super::{Storage, StorageError, codec, restored};
use crate::{
    ids::Height,
    lbft::{FinalEntry, Record, Restored},
};

#[derive(Debug, Clone, Default)]
struct Tables {
    log: BTreeMap<Vec<u8>, Record>,
    finals: BTreeMap<Height, FinalEntry>,
    heights: BTreeMap<Digest, Height>,
}

impl Tables {
    fn apply(&mut self, record: &Record) {
        if let Record::Final(entry) = record {
            let height = entry.block.height;
            self.finals.insert(height, entry.clone());
            self.heights.insert(entry.block.digest, height);
            self.log = self.log.split_off(height.next().0.to_be_bytes().as_slice());
        } else if let Some(key) = codec::log_key(record) {
            self.log.entry(key).or_insert_with(|| record.clone());
        }
    }
}

/// Keeps everything in memory: for followers that may fetch all again, and for simulations.
///
/// A node with votes or seals to remember needs a durable store; this one forgets them with the process.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    durable: Tables,
    live: Tables,
    unsynced: Vec<Record>,
}

impl MemoryStorage {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses every batch after the last synced one, as a power cut may.
    pub fn crash(&mut self) {
        self.unsynced.clear();
        self.live = self.durable.clone();
    }
}

impl Storage for MemoryStorage {
    fn append(&mut self, records: &[Record], sync: bool) -> Result<(), StorageError> {
        for record in records {
            self.live.apply(record);
        }
        self.unsynced.extend_from_slice(records);
        if sync {
            for record in self.unsynced.drain(..) {
                self.durable.apply(&record);
            }
        }
        Ok(())
    }

    fn restore(&self) -> Result<Restored, StorageError> {
        let tip = self.live.finals.last_key_value().map(|(_, entry)| entry.clone());
        Ok(restored(tip, self.live.log.values().cloned()))
    }

    fn final_entry(&self, height: Height) -> Result<Option<FinalEntry>, StorageError> {
        Ok(self.live.finals.get(&height).cloned())
    }

    fn height_of(&self, digest: &Digest) -> Result<Option<Height>, StorageError> {
        Ok(self.live.heights.get(digest).copied())
    }
}
