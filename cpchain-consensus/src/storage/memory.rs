//! A store that ends with the process.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use cpchain_crypto::Digest;

use super::{Storage, StorageError, codec, codec::Place, restored};
use crate::{
    ids::{Height, Term},
    lbft::{Certificate, Committee, Evidence, FinalEntry, Record, Restored},
};

#[derive(Debug, Clone, Default)]
struct Tables {
    log: BTreeMap<Vec<u8>, Record>,
    kept: BTreeMap<Vec<u8>, Record>,
    finals: BTreeMap<Height, FinalEntry>,
    heights: BTreeMap<Digest, Height>,
}

impl Tables {
    fn apply(&mut self, record: &Record) {
        if let Record::Final(entry) = record {
            let height = entry.block.height;
            self.finals.insert(height, entry.clone());
            self.heights.extend(codec::digests(entry).map(|digest| (digest, height)));
            self.log = self.log.split_off(&codec::covered_below(entry));
        }
        match codec::place(record) {
            Place::Log(key) => self.log.entry(key).or_insert_with(|| record.clone()),
            Place::Kept(key) => self.kept.entry(key).or_insert_with(|| record.clone()),
            Place::Final => return,
        };
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
        Ok(restored(tip, self.live.log.values().chain(self.live.kept.values()).cloned()))
    }

    fn final_entry(&self, height: Height) -> Result<Option<FinalEntry>, StorageError> {
        Ok(self.live.finals.get(&height).cloned())
    }

    fn committee(&self, term: Term) -> Result<Option<Committee>, StorageError> {
        Ok(self.live.kept.get(&codec::committee_key(term)).and_then(|record| match record {
            Record::Committee(committee) => Some(committee.clone()),
            _ => None,
        }))
    }

    fn handover(&self, term: Term) -> Result<Option<Certificate>, StorageError> {
        Ok(self.live.kept.get(&codec::handover_key(term)).and_then(|record| match record {
            Record::Handover(proof) => Some(proof.clone()),
            _ => None,
        }))
    }

    fn evidence(&self) -> Result<Vec<Evidence>, StorageError> {
        let proofs = self.live.kept.values().filter_map(|record| match record {
            Record::Evidence(evidence) => Some(*evidence),
            _ => None,
        });
        Ok(proofs.collect())
    }

    fn height_of(&self, digest: &Digest) -> Result<Option<Height>, StorageError> {
        Ok(self.live.heights.get(digest).copied())
    }
}
