//! The host of a shared table.

use super::{BOX_LEN, Entry, MAX_WRITERS, SharedTable, WriterId, view};
use crate::{
    hash::Digest,
    search::{
        Kernel, SearchError, SearchServer,
        scan::{
            ScanServer,
            server::{FixedMasks, Received},
            wire::{self, BlockHead, Kind, Reader, Table},
        },
    },
};

/// A host of one shared table. Holds no key.
///
/// Memory: as a [`ScanServer`]'s.
pub struct SharedServer {
    table: Table,
    max_blocks: u32,
    kernel: Kernel,
    writers: Vec<Writer>,
    /// Those of all writers.
    masks: FixedMasks,
    view: Digest,
}

struct Writer {
    id: WriterId,
    sealed: [u8; BOX_LEN],
    entries: Vec<Entry>,
    /// Its blocks.
    server: ScanServer,
}

impl SharedServer {
    /// An empty table of at most `max_blocks` blocks of all writers together, and 4,096 writers.
    pub fn new(table: SharedTable, max_blocks: u32) -> Self {
        Self::of_table(table.table, max_blocks)
    }

    fn of_table(table: Table, max_blocks: u32) -> Self {
        let view = view(&table, core::iter::empty());
        Self { table, max_blocks, kernel: Kernel::best(), writers: Vec::new(), masks: FixedMasks::default(), view }
    }

    /// Blocks of all writers.
    pub fn blocks(&self) -> u32 {
        self.writers.iter().map(|writer| writer.server.blocks()).sum()
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> u64 {
        self.writers.iter().map(|writer| writer.server.bytes()).sum()
    }

    /// What a reader has to know before it asks: who writes, and which blocks there are.
    pub fn directory(&self) -> Vec<u8> {
        let mut out = wire::start(Kind::Directory, &self.table, 64 + 256 * self.writers.len());
        for writer in &self.writers {
            out.extend(writer.sealed);
            out.extend((writer.entries.len() as u32).to_le_bytes());
            writer.entries.iter().for_each(|entry| entry.write(&mut out));
        }
        out
    }

    /// The table as bytes: all announcements, entries and blocks as they were received.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = wire::start(Kind::SharedServer, &self.table, 64);
        let count = |count: usize| (count as u32).to_le_bytes();
        for writer in &self.writers {
            out.extend(writer.sealed);
            out.extend(count(writer.entries.len()));
            writer.entries.iter().for_each(|entry| entry.write(&mut out));
            let blocks = writer.server.to_bytes();
            out.extend(count(blocks.len()));
            out.extend(blocks);
        }
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`SearchError::Format`], and what [`apply`](SearchServer::apply) refuses.
    pub fn from_bytes(bytes: &[u8], max_blocks: u32) -> Result<Self, SearchError> {
        let (mut reader, table) = Reader::open(Kind::SharedServer, bytes)?;
        let mut server = Self::of_table(table, max_blocks);
        while !reader.rest().is_empty() {
            let sealed = reader.take::<BOX_LEN>()?;
            let count = u32::from_le_bytes(reader.take()?);
            let room = max_blocks.saturating_sub(server.blocks());
            if count > room {
                return Err(SearchError::Full { most: max_blocks });
            }
            let entries = (0..count).map(|_| Entry::read(&mut reader)).collect::<Result<Vec<_>, _>>()?;
            let length = u32::from_le_bytes(reader.take()?);
            let blocks = ScanServer::read(reader.slice(length as usize)?, room, server.masks.clone())?;
            let same = blocks.heads().eq(entries.iter().map(|entry| entry.head));
            if blocks.table() != table || !same || server.join(sealed)? != server.writers.len() - 1 {
                return Err(Kind::SharedServer.error());
            }
            if let Some(writer) = server.writers.last_mut() {
                (writer.entries, writer.server) = (entries, blocks);
            }
        }
        server.look();
        Ok(server)
    }

    /// The place of the writer with this announcement, new or known.
    fn join(&mut self, sealed: [u8; BOX_LEN]) -> Result<usize, SearchError> {
        let id = WriterId::of(&self.table, &sealed);
        if let Some(place) = self.writers.iter().position(|writer| writer.id == id) {
            return Ok(place);
        }
        if self.writers.len() >= MAX_WRITERS {
            return Err(SearchError::TooMany);
        }
        let server =
            ScanServer::new(self.table, self.max_blocks).with_kernel(self.kernel).with_masks(self.masks.clone());
        self.writers.push(Writer { id, sealed, entries: Vec::new(), server });
        Ok(self.writers.len() - 1)
    }

    fn look(&mut self) {
        let writers = self.writers.iter().map(|writer| (writer.id, writer.entries.as_slice()));
        self.view = view(&self.table, writers);
    }

    fn put(&mut self, mut reader: Reader<'_>) -> Result<(), SearchError> {
        let id = WriterId(Digest(reader.take()?));
        let entry = Entry::read(&mut reader)?;
        let (mut inner, _) = Reader::open(Kind::Block, reader.rest())?;
        if BlockHead::read(&mut inner)? != entry.head {
            return Err(Kind::SharedBlock.error());
        }
        let full = self.blocks() >= self.max_blocks;
        let writer = self.writers.iter_mut().find(|writer| writer.id == id).ok_or(SearchError::OtherTable)?;
        let number = entry.head.number as usize;
        if full && number >= writer.entries.len() {
            return Err(SearchError::Full { most: self.max_blocks });
        }
        writer.server.apply(reader.rest())?;
        if writer.server.heads().nth(number) == Some(entry.head) {
            match writer.entries.get_mut(number) {
                Some(known) if known.head != entry.head => *known = entry,
                Some(_) => {}
                None => writer.entries.push(entry),
            }
        }
        Ok(())
    }
}

impl SearchServer for SharedServer {
    /// Takes an announcement, or a block of a writer that is announced.
    fn apply(&mut self, update: &[u8]) -> Result<(), SearchError> {
        let (mut reader, table, is_join) = match Reader::open(Kind::Join, update) {
            Ok((reader, table)) => (reader, table, true),
            Err(_) => {
                let (reader, table) = Reader::open(Kind::SharedBlock, update)?;
                (reader, table, false)
            }
        };
        if table != self.table {
            return Err(SearchError::OtherTable);
        }
        if is_join {
            let sealed = reader.take()?;
            reader.end()?;
            self.join(sealed)?;
        } else {
            self.put(reader)?;
        }
        self.look();
        Ok(())
    }

    fn answer(&self, query: &[u8]) -> Result<Vec<u8>, SearchError> {
        let asked = Received::read(self.kernel, &self.table, &self.view, query)?;
        let mut out = asked.start(&self.table, &self.view, self.blocks() as usize);
        self.writers.iter().for_each(|writer| writer.server.answer_into(&asked, &mut out));
        Ok(out)
    }
}

impl core::fmt::Debug for SharedServer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SharedServer({:?}, {} writers, {} blocks)", self.table, self.writers.len(), self.blocks())
    }
}
