//! The durable store: one redb file.

use std::path::Path;

use ::redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use cpchain_crypto::Digest;

use super::{Storage, StorageError, codec, restored};
use crate::{
    ids::Height,
    lbft::{FinalEntry, Record, Restored},
};

const LOG: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("log");
const FINALS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("finals");
const HEIGHTS: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("heights");

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
    /// [`StorageError::Io`] if another process has it open, or the disk fails.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        let database = Database::builder().set_cache_size(CACHE).create(path).map_err(io)?;
        let transaction = database.begin_write().map_err(io)?;
        transaction.open_table(LOG).map_err(io)?;
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
            let mut finals = transaction.open_table(FINALS).map_err(io)?;
            let mut heights = transaction.open_table(HEIGHTS).map_err(io)?;
            for record in records {
                if let Record::Final(entry) = record {
                    let height = entry.block.height;
                    finals.insert(height.0, codec::encode_final(entry).as_slice()).map_err(io)?;
                    heights.insert(&entry.block.digest.0, height.0).map_err(io)?;
                    log.retain_in(..height.next().0.to_be_bytes().as_slice(), |_, _| false).map_err(io)?;
                } else if let (Some(key), Some(value)) = (codec::log_key(record), codec::encode(record))
                    && log.get(key.as_slice()).map_err(io)?.is_none()
                {
                    log.insert(key.as_slice(), &*value).map_err(io)?;
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
        let log = transaction.open_table(LOG).map_err(io)?;
        let mut records = Vec::new();
        for row in log.iter().map_err(io)? {
            let (key, value) = row.map_err(io)?;
            let record = codec::decode(key.value(), value.value());
            records.push(record.ok_or_else(|| StorageError::Corrupt(format!("log key {:02x?}", key.value())))?);
        }
        Ok(restored(tip, records))
    }

    fn final_entry(&self, height: Height) -> Result<Option<FinalEntry>, StorageError> {
        let transaction = self.database.begin_read().map_err(io)?;
        let finals = transaction.open_table(FINALS).map_err(io)?;
        let bytes = finals.get(height.0).map_err(io)?;
        bytes.map(|bytes| read_final(height.0, bytes.value())).transpose()
    }

    fn height_of(&self, digest: &Digest) -> Result<Option<Height>, StorageError> {
        let transaction = self.database.begin_read().map_err(io)?;
        let heights = transaction.open_table(HEIGHTS).map_err(io)?;
        Ok(heights.get(&digest.0).map_err(io)?.map(|height| Height(height.value())))
    }
}

fn read_final(height: u64, bytes: &[u8]) -> Result<FinalEntry, StorageError> {
    codec::decode_final(bytes)
        .filter(|entry| entry.block.height.0 == height)
        .ok_or_else(|| StorageError::Corrupt(format!("final height {height}")))
}
