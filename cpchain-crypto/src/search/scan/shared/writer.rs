//! One of several who fill a table.

use zeroize::Zeroizing;

use super::{Entry, SECRET, SharedTable, WriterId};
use crate::{
    aead::Key,
    entropy::Entropy,
    sealed_box,
    search::{
        SearchError,
        scan::{
            ScanIndex,
            index::Block,
            wire::{self, Kind, Reader},
        },
    },
};

/// A writer: its key, and the state of its blocks. It cannot ask.
///
/// The state ([`to_bytes`](Self::to_bytes)) is stored before a block is sent, under protection of the writer's: it has the key. A writer that lost it
/// joins anew.
pub struct SharedWriter {
    id: WriterId,
    index: ScanIndex,
}

impl SharedWriter {
    /// Draws a key, and seals it to the reader: the writer, and the announcement for the host.
    ///
    /// # Errors
    /// [`SearchError::Entropy`]; [`SearchError::Shape`] if nothing can be sealed to the reader's key.
    pub fn join(table: SharedTable, entropy: &mut dyn Entropy) -> Result<(Self, Vec<u8>), SearchError> {
        let key = Key::generate(entropy)?;
        let associated = table.table.to_bytes();
        let sealed = sealed_box::seal(&table.reader, SECRET, &associated, key.expose(), entropy);
        let sealed = sealed.map_err(|error| match error {
            sealed_box::SealedBoxError::Entropy(error) => SearchError::Entropy(error),
            _ => SearchError::Shape,
        })?;
        let boxed = sealed.as_slice().try_into().map_err(|_| Kind::Join.error())?;
        let id = WriterId::of(&table.table, boxed);
        let mut announcement = wire::start(Kind::Join, &table.table, 64 + sealed.len());
        announcement.extend_from_slice(&sealed);
        Ok((Self { id, index: ScanIndex::of_table(key, table.table) }, announcement))
    }

    /// The writer's name.
    pub const fn id(&self) -> WriterId {
        self.id
    }

    /// Records in all blocks.
    pub fn records(&self) -> u64 {
        self.index.records()
    }

    /// Adds records as [`ScanIndex::append`] does: blocks for the host, in order.
    ///
    /// # Errors
    /// As [`ScanIndex::append`].
    pub fn append(&mut self, columns: &[&[u16]], entropy: &mut dyn Entropy) -> Result<Vec<Vec<u8>>, SearchError> {
        let before = self.index.blocks.len();
        let updates = self.index.append(columns, entropy)?;
        let blocks = self.index.blocks.get(before..).unwrap_or_default();
        Ok(updates.iter().zip(blocks).map(|(update, block)| self.frame(block, update)).collect())
    }

    /// Seals the last block again with all its records as [`ScanIndex::reseal_last`] does.
    ///
    /// # Errors
    /// As [`ScanIndex::reseal_last`].
    pub fn reseal_last(&mut self, columns: &[&[u16]], entropy: &mut dyn Entropy) -> Result<Vec<u8>, SearchError> {
        let update = self.index.reseal_last(columns, entropy)?;
        let last = self.index.blocks.last().ok_or(SearchError::Shape)?;
        Ok(self.frame(last, &update))
    }

    /// A block with its writer's name and tag.
    fn frame(&self, block: &Block, update: &[u8]) -> Vec<u8> {
        let entry = Entry::new(&self.index.key, self.id, block.head, block.records);
        let mut out = wire::start(Kind::SharedBlock, &self.index.table(), 128 + update.len());
        out.extend(self.id.0.0);
        entry.write(&mut out);
        out.extend_from_slice(update);
        out
    }

    /// The state **with the key**.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = wire::start(Kind::Writer, &self.index.table(), 128);
        out.extend(self.id.0.0);
        out.extend_from_slice(self.index.key.expose());
        out.extend(self.index.to_bytes());
        Zeroizing::new(out)
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`SearchError::Format`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SearchError> {
        let (mut reader, table) = Reader::open(Kind::Writer, bytes)?;
        let id = WriterId(crate::hash::Digest(reader.take()?));
        let key = Key::from_bytes(reader.take()?);
        let (mut state, of) = Reader::open(Kind::Index, reader.rest())?;
        if of != table || state.take::<2>()? != ScanIndex::PLAIN {
            return Err(Kind::Writer.error());
        }
        let index = ScanIndex::of_table(key, table).read_blocks(state)?;
        Ok(Self { id, index })
    }
}

impl core::fmt::Debug for SharedWriter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SharedWriter({:?})", self.id)
    }
}
