//! The durable store: one redb file.

use std::path::Path;

use ::redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use cpchain_crypto::Digest;

use super::{Storage, StorageError, codec, codec::Place, restored};
use crate::{
    ids::{Height, Term},
    lbft::{Certificate, Committee, Evidence, FinalEntry, Record, Restored},
};

const LOG: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("log");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const KEPT: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("kept");
const FINALS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("finals");
const HEIGHTS: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("heights");

/// The number of the disk format, under this name in the table `meta`. 1 had no such table and no terms in its keys.
const FORMAT: (&str, u64) = ("format", 2);

/// A page cache for the hot end of a chain; history is read rarely.
const CACHE: usize = 8 << 20;

fn io(error: impl Into<::redb::Error>) -> StorageError {
    StorageError::Io(error.into().to_string())
}

/// The log in one redb file: a batch is a transaction, and one sync makes it and all before it durable.
///
/// The file is locked while the store lives; drop it (or stop the node) to open it again.
#[derive(Debug)]
pub struct RedbStorage {
    database: Database,
}

impl RedbStorage {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// [`StorageError::Io`] if another process has it open, or the disk fails; [`StorageError::Corrupt`] if another version of the
    /// disk format wrote it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        let database = Database::builder().set_cache_size(CACHE).create(path).map_err(io)?;
        let transaction = database.begin_write().map_err(io)?;
        let is_new = transaction.list_tables().map_err(io)?.next().is_none();
        {
            let mut meta = transaction.open_table(META).map_err(io)?;
            let (name, ours) = FORMAT;
            let found = meta.get(name).map_err(io)?.map(|found| found.value());
            if found.is_none() && is_new {
                meta.insert(name, ours).map_err(io)?;
            } else if found != Some(ours) {
                let found = found.unwrap_or(1);
                return Err(StorageError::Corrupt(format!("the start: format {found}, this version reads {ours}")));
            }
        }
        transaction.open_table(LOG).map_err(io)?;
        transaction.open_table(KEPT).map_err(io)?;
        transaction.open_table(FINALS).map_err(io)?;
        transaction.open_table(HEIGHTS).map_err(io)?;
        transaction.commit().map_err(io)?;
        Ok(Self { database })
    }
}

impl Storage for RedbStorage {
    fn append(&mut self, records: &[Record], sync: bool) -> Result<(), StorageError> {
        let mut transaction = self.database.begin_write().map_err(io)?;
        transaction.set_durability(if sync { Durability::Immediate } else { Durability::None }).map_err(io)?;
        {
            let mut log = transaction.open_table(LOG).map_err(io)?;
            let mut kept = transaction.open_table(KEPT).map_err(io)?;
            let mut finals = transaction.open_table(FINALS).map_err(io)?;
            let mut heights = transaction.open_table(HEIGHTS).map_err(io)?;
            for record in records {
                if let Record::Final(entry) = record {
                    let height = entry.block.height;
                    finals.insert(height.0, codec::encode_final(entry).as_slice()).map_err(io)?;
                    for digest in codec::digests(entry) {
                        heights.insert(&digest.0, height.0).map_err(io)?;
                    }
                    log.retain_in(..codec::covered_below(entry).as_slice(), |_, _| false).map_err(io)?;
                }
                let (table, key) = match codec::place(record) {
                    Place::Log(key) => (&mut log, key),
                    Place::Kept(key) => (&mut kept, key),
                    Place::Final => continue,
                };
                if let Some(value) = codec::encode(record)
                    && table.get(key.as_slice()).map_err(io)?.is_none()
                {
                    table.insert(key.as_slice(), &*value).map_err(io)?;
                }
            }
        }
        transaction.commit().map_err(io)
    }

    fn restore(&self) -> Result<Restored, StorageError> {
        let transaction = self.database.begin_read().map_err(io)?;
        let finals = transaction.open_table(FINALS).map_err(io)?;
        let tip = match finals.last().map_err(io)? {
            Some((height, bytes)) => Some(read_final(height.value(), bytes.value())?),
            None => None,
        };
        let mut records = Vec::new();
        for (name, table, decode) in [("log", LOG, codec::decode_log as Decode), ("kept", KEPT, codec::decode_kept)] {
            let rows = transaction.open_table(table).map_err(io)?;
            for row in rows.iter().map_err(io)? {
                let (key, value) = row.map_err(io)?;
                records.push(decode(key.value(), value.value()).ok_or_else(|| corrupt(name, key.value()))?);
            }
        }
        Ok(restored(tip, records))
    }

    fn final_entry(&self, height: Height) -> Result<Option<FinalEntry>, StorageError> {
        let transaction = self.database.begin_read().map_err(io)?;
        let finals = transaction.open_table(FINALS).map_err(io)?;
        let bytes = finals.get(height.0).map_err(io)?;
        bytes.map(|bytes| read_final(height.0, bytes.value())).transpose()
    }

    fn committee(&self, term: Term) -> Result<Option<Committee>, StorageError> {
        let transaction = self.database.begin_read().map_err(io)?;
        let kept = transaction.open_table(KEPT).map_err(io)?;
        let key = codec::committee_key(term);
        let Some(bytes) = kept.get(key.as_slice()).map_err(io)? else { return Ok(None) };
        Committee::from_bytes(bytes.value()).map(Some).ok_or_else(|| corrupt("kept", &key))
    }

    fn handover(&self, term: Term) -> Result<Option<Certificate>, StorageError> {
        let transaction = self.database.begin_read().map_err(io)?;
        let kept = transaction.open_table(KEPT).map_err(io)?;
        let key = codec::handover_key(term);
        let Some(bytes) = kept.get(key.as_slice()).map_err(io)? else { return Ok(None) };
        match codec::decode_kept(&key, bytes.value()) {
            Some(Record::Handover(proof)) => Ok(Some(proof)),
            _ => Err(corrupt("kept", &key)),
        }
    }

    fn evidence(&self) -> Result<Vec<Evidence>, StorageError> {
        let transaction = self.database.begin_read().map_err(io)?;
        let kept = transaction.open_table(KEPT).map_err(io)?;
        let (from, to) = codec::EVIDENCE_KEYS;
        let mut proofs = Vec::new();
        for row in kept.range(from.as_slice()..to.as_slice()).map_err(io)? {
            let (key, value) = row.map_err(io)?;
            proofs.push(Evidence::from_bytes(value.value()).ok_or_else(|| corrupt("kept", key.value()))?);
        }
        Ok(proofs)
    }

    fn height_of(&self, digest: &Digest) -> Result<Option<Height>, StorageError> {
        let transaction = self.database.begin_read().map_err(io)?;
        let heights = transaction.open_table(HEIGHTS).map_err(io)?;
        Ok(heights.get(&digest.0).map_err(io)?.map(|height| Height(height.value())))
    }
}

type Decode = fn(&[u8], &[u8]) -> Option<Record>;

fn corrupt(table: &str, key: &[u8]) -> StorageError {
    StorageError::Corrupt(format!("{table} key {key:02x?}"))
}

fn read_final(height: u64, bytes: &[u8]) -> Result<FinalEntry, StorageError> {
    codec::decode_final(bytes)
        .filter(|entry| entry.block.height.0 == height)
        .ok_or_else(|| StorageError::Corrupt(format!("final height {height}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_another_format_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.redb");
        let old = Database::create(&path).unwrap();
        let transaction = old.begin_write().unwrap();
        transaction.open_table(LOG).unwrap();
        transaction.commit().unwrap();
        drop(old);
        assert!(matches!(RedbStorage::open(&path), Err(StorageError::Corrupt(text)) if text.contains("format 1")));
        let path = folder.path().join("new.redb");
        drop(RedbStorage::open(&path).unwrap());
        drop(RedbStorage::open(&path).unwrap());
        let new = Database::open(&path).unwrap();
        let transaction = new.begin_write().unwrap();
        transaction.open_table(META).unwrap().insert(FORMAT.0, FORMAT.1 + 1).unwrap();
        transaction.commit().unwrap();
        drop(new);
        assert!(matches!(RedbStorage::open(&path), Err(StorageError::Corrupt(text)) if text.contains("format 3")));
    }
}
