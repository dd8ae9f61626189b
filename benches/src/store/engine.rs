//! The stores that are compared, behind one interface. Each is set up to be durable when a batch returns.

use std::{
    error::Error,
    fs::File,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use cpchain_storage::{
    ChunkId, ChunkStore, HashedChunk, Lease, PackOptions, PackStore,
    index::{IndexStore, RedbIndex, SledIndex},
};
use fjall::{Database as Fjall, Keyspace, KeyspaceCreateOptions, PersistMode};
use redb::{Database as Redb, ReadableDatabase as _, TableDefinition};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Engine {
    /// Our packs with the index over sled.
    PackSled,
    /// Our packs with the index over redb.
    PackRedb,
    /// sled 0.34 with the chunks in it, and its file synced, which its `flush` does not do.
    Sled,
    /// redb with the chunks in it.
    Redb,
    /// fjall with the chunks in its value log.
    Fjall,
}

impl Engine {
    pub(super) const fn is_ours(self) -> bool {
        matches!(self, Self::PackSled | Self::PackRedb)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::PackSled => "pack+sled",
            Self::PackRedb => "pack+redb",
            Self::Sled => "sled",
            Self::Redb => "redb",
            Self::Fjall => "fjall",
        }
    }

    pub(super) fn open(self, dir: &Path) -> Result<Box<dyn Chunks>> {
        Ok(match self {
            Self::PackSled => Box::new(open_pack(dir, SledIndex::open(dir.join("index"))?)?),
            Self::PackRedb => Box::new(open_pack(dir, RedbIndex::open(dir.join("index"))?)?),
            Self::Sled => {
                let db = sled::Config::new().path(dir.join("db")).flush_every_ms(None).mode(sled::Mode::LowSpace);
                Box::new(SledAlone { db: db.use_compression(false).open()?, file: dir.join("db/db") })
            }
            Self::Redb => Box::new(Redb::create(dir.join("db"))?),
            Self::Fjall => {
                let db = Fjall::builder(dir.join("db")).open()?;
                let options = || KeyspaceCreateOptions::default().with_kv_separation(Some(Default::default()));
                let chunks = db.keyspace("chunks", options)?;
                Box::new(FjallAlone { db, chunks })
            }
        })
    }
}

fn open_pack<I: IndexStore>(dir: &Path, index: I) -> Result<PackStore<I>> {
    let options = PackOptions { pack_len: 64 << 20, ..PackOptions::default() };
    Ok(PackStore::open(dir.join("packs"), options, index)?)
}

/// Chunks under their ids, which the caller has computed for all alike, with the time until which each is kept.
pub(super) trait Chunks {
    /// Durable when it returns.
    fn put(&self, chunks: &[HashedChunk], until: u64) -> Result<()>;
    /// Removes what was put with a time below this one: `ids`.
    fn remove(&self, until: u64, ids: &[ChunkId]) -> Result<()>;
    fn get(&self, id: &ChunkId) -> Result<Option<Vec<u8>>>;
    /// What the engine offers to give space back.
    fn compact(&mut self) -> Result<()>;
}

impl<I: IndexStore> Chunks for PackStore<I> {
    fn put(&self, chunks: &[HashedChunk], until: u64) -> Result<()> {
        Ok(self.put_hashed(chunks, Lease(until))?)
    }

    fn remove(&self, until: u64, _: &[ChunkId]) -> Result<()> {
        self.expire(until.saturating_add(Lease::GRACE_MS))?;
        Ok(())
    }

    fn get(&self, id: &ChunkId) -> Result<Option<Vec<u8>>> {
        Ok(ChunkStore::get(self, id)?.map(|chunk| chunk.to_vec()))
    }

    fn compact(&mut self) -> Result<()> {
        Self::compact(self)?;
        Ok(())
    }
}

struct SledAlone {
    db: sled::Db,
    /// What `flush` does not make durable.
    file: PathBuf,
}

impl Chunks for SledAlone {
    fn put(&self, chunks: &[HashedChunk], _: u64) -> Result<()> {
        let mut batch = sled::Batch::default();
        chunks.iter().for_each(|chunk| batch.insert(chunk.id().as_bytes(), chunk.as_ref()));
        self.db.apply_batch(batch)?;
        self.db.flush()?;
        Ok(File::open(&self.file)?.sync_all()?)
    }

    fn remove(&self, _: u64, ids: &[ChunkId]) -> Result<()> {
        ids.iter().try_for_each(|id| self.db.remove(id.as_bytes()).map(drop))?;
        self.db.flush()?;
        Ok(())
    }

    fn get(&self, id: &ChunkId) -> Result<Option<Vec<u8>>> {
        Ok(self.db.get(id.as_bytes())?.map(|chunk| chunk.to_vec()))
    }

    fn compact(&mut self) -> Result<()> {
        Ok(())
    }
}

const CHUNKS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("chunks");

impl Chunks for Redb {
    fn put(&self, chunks: &[HashedChunk], _: u64) -> Result<()> {
        let transaction = self.begin_write()?;
        {
            let mut table = transaction.open_table(CHUNKS)?;
            for chunk in chunks {
                table.insert(chunk.id().as_bytes(), chunk.as_ref())?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn remove(&self, _: u64, ids: &[ChunkId]) -> Result<()> {
        let transaction = self.begin_write()?;
        {
            let mut table = transaction.open_table(CHUNKS)?;
            for id in ids {
                table.remove(id.as_bytes())?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn get(&self, id: &ChunkId) -> Result<Option<Vec<u8>>> {
        let table = self.begin_read()?.open_table(CHUNKS)?;
        Ok(table.get(id.as_bytes())?.map(|chunk| chunk.value().to_vec()))
    }

    fn compact(&mut self) -> Result<()> {
        while Self::compact(self)? {}
        Ok(())
    }
}

struct FjallAlone {
    db: Fjall,
    chunks: Keyspace,
}

impl Chunks for FjallAlone {
    fn put(&self, chunks: &[HashedChunk], _: u64) -> Result<()> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        for chunk in chunks {
            batch.insert(&self.chunks, chunk.id().as_bytes(), chunk.as_ref());
        }
        Ok(batch.commit()?)
    }

    fn remove(&self, _: u64, ids: &[ChunkId]) -> Result<()> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        ids.iter().for_each(|id| batch.remove(&self.chunks, id.as_bytes()));
        Ok(batch.commit()?)
    }

    fn get(&self, id: &ChunkId) -> Result<Option<Vec<u8>>> {
        Ok(self.chunks.get(id.as_bytes())?.map(|chunk| chunk.to_vec()))
    }

    fn compact(&mut self) -> Result<()> {
        Ok(self.chunks.major_compact()?)
    }
}
