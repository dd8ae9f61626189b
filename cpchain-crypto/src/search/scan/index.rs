//! The owner's side of a table: which blocks there are, and how records become rows.

use alloc::{vec, vec::Vec};

use super::{
    BLOCK_RECORDS, DEGREE, MAX_FIELDS, SLOTS,
    mask::Pads,
    plan::DIGIT,
    wire::{self, BlockHead, Kind, Reader, Table},
};
use crate::{
    aead::Key,
    entropy::Entropy,
    hash::{Digest, Domain},
    search::SearchError,
};

const TABLE: Domain = Domain::new("cpchain/crypto/search/scan-table/v1");
/// Most blocks of a table: 2²⁰ of 2¹⁵ records.
const MAX_BLOCKS: usize = 1 << 20;

/// The owner of a table: its key, the shape of its fields, and the state of its blocks. Asks through
/// [`SearchClient`](crate::search::SearchClient).
///
/// The state ([`to_bytes`](Self::to_bytes)) is stored before an update is sent: a lost state means that hosts refuse
/// queries as stale until the blocks are sealed and sent again. Records themselves are not kept.
pub struct ScanIndex {
    pub(super) key: Key,
    pub(super) table: Table,
    /// Digits of each field.
    pub(super) fields: Vec<u8>,
    pub(super) blocks: Vec<Block>,
}

/// A block as its owner knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) head: BlockHead,
    pub(super) records: u32,
}

impl ScanIndex {
    /// A new table under a key of its own (for a stream: [`StreamSecret::derive`](crate::key_tree::StreamSecret::derive)) with
    /// 1 to 4 fields of 1 to 4 base-16 digits each: 4 digits for any `u16`, 2 for values below 256.
    ///
    /// # Errors
    /// [`SearchError::Shape`].
    pub fn new(key: Key, fields: &[u8]) -> Result<Self, SearchError> {
        let right = fields.iter().all(|digits| (1..=4).contains(digits));
        if fields.is_empty() || fields.len() > MAX_FIELDS || !right {
            return Err(SearchError::Shape);
        }
        let id = Digest::of(TABLE, &[key.expose(), fields]);
        let table = Table::new(id, fields.iter().sum());
        Ok(Self { key, table, fields: fields.to_vec(), blocks: Vec::new() })
    }

    /// What a host needs to know about the table.
    pub const fn table(&self) -> Table {
        self.table
    }

    /// Records in all blocks.
    pub fn records(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.records)).sum()
    }

    /// Adds records: `columns` has the values of each field, all of one length. They start a new block, and a new one
    /// every [`BLOCK_RECORDS`]; blocks that exist stay as they are. Records are numbered in the order in which they were added.
    ///
    /// Returns the updates to send, in order. A block takes the same space for one record and for 32,768, so add many at once, or grow
    /// the last block with [`reseal_last`](Self::reseal_last).
    ///
    /// # Errors
    /// [`SearchError::Shape`], [`SearchError::Value`], [`SearchError::Full`] or [`SearchError::Entropy`]; nothing is added then.
    pub fn append(&mut self, columns: &[&[u16]], entropy: &mut dyn Entropy) -> Result<Vec<Vec<u8>>, SearchError> {
        let length = self.check(columns)?;
        if self.blocks.len() + length.div_ceil(BLOCK_RECORDS) > MAX_BLOCKS {
            return Err(SearchError::Full { most: MAX_BLOCKS as u32 });
        }
        let (mut updates, mut blocks) = (Vec::new(), self.blocks.clone());
        for start in (0..length).step_by(BLOCK_RECORDS) {
            let end = length.min(start + BLOCK_RECORDS);
            let part: Vec<&[u16]> = columns.iter().map(|column| column.get(start..end).unwrap_or(&[])).collect();
            let head = BlockHead { number: blocks.len() as u32, version: 0, salt: salt(entropy)? };
            updates.push(self.seal(head, &part));
            blocks.push(Block { head, records: (end - start) as u32 });
        }
        self.blocks = blocks;
        Ok(updates)
    }

    /// Seals the last block again with all its records, old and new, under a new version and a new pad. The host replaces it.
    ///
    /// # Errors
    /// As [`append`](Self::append), and [`SearchError::Shape`] for more records than a block holds or a table without blocks.
    pub fn reseal_last(&mut self, columns: &[&[u16]], entropy: &mut dyn Entropy) -> Result<Vec<u8>, SearchError> {
        let length = self.check(columns)?;
        if length > BLOCK_RECORDS {
            return Err(SearchError::Shape);
        }
        let salt = salt(entropy)?;
        let last = self.blocks.last_mut().ok_or(SearchError::Shape)?;
        let version = last.head.version.checked_add(1).ok_or(SearchError::Value)?;
        *last = Block { head: BlockHead { number: last.head.number, version, salt }, records: length as u32 };
        let head = last.head;
        Ok(self.seal(head, columns))
    }

    /// The state, without the key: shape of the fields, and version, salt and count of each block.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = wire::start(Kind::Index, &self.table, 64 + 28 * self.blocks.len());
        out.push(self.fields.len() as u8);
        out.extend_from_slice(&self.fields);
        for block in &self.blocks {
            out.extend_from_slice(&block.head.to_bytes());
            out.extend_from_slice(&block.records.to_le_bytes());
        }
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`SearchError::Format`], and [`SearchError::OtherTable`] if `key` is not the key of this table.
    pub fn from_bytes(key: Key, bytes: &[u8]) -> Result<Self, SearchError> {
        let (mut reader, table) = Reader::open(Kind::Index, bytes)?;
        let [count] = reader.take::<1>()?;
        let mut index = Self::new(key, reader.slice(usize::from(count))?)?;
        if index.table != table {
            return Err(SearchError::OtherTable);
        }
        while !reader.rest().is_empty() {
            let head = BlockHead::read(&mut reader)?;
            let records = u32::from_le_bytes(reader.take()?);
            let right = head.number as usize == index.blocks.len() && records as usize <= BLOCK_RECORDS;
            if !right || index.blocks.len() >= MAX_BLOCKS {
                return Err(Kind::Index.error());
            }
            index.blocks.push(Block { head, records });
        }
        Ok(index)
    }

    /// The common length of the columns.
    fn check(&self, columns: &[&[u16]]) -> Result<usize, SearchError> {
        let length = columns.first().map_or(0, |column| column.len());
        if columns.len() != self.fields.len() || columns.iter().any(|column| column.len() != length) {
            return Err(SearchError::Shape);
        }
        for (column, digits) in columns.iter().zip(&self.fields) {
            let most = u16::MAX >> (16 - 4 * u16::from(*digits).min(4));
            if column.iter().any(|value| *value > most) {
                return Err(SearchError::Value);
            }
        }
        Ok(length)
    }

    /// One-hot rows of every digit, most significant first, each under its pad.
    fn seal(&self, head: BlockHead, columns: &[&[u16]]) -> Vec<u8> {
        let pads = Pads::new(&self.key, head);
        let mut out = wire::start(Kind::Block, &self.table, self.table.block_len());
        out.extend_from_slice(&head.to_bytes());
        let mut row = 0;
        for (column, digits) in columns.iter().zip(&self.fields) {
            for place in (0..*digits).rev() {
                let mut bits = vec![[0u16; DEGREE]; DIGIT];
                let (coefficients, tail) = column.as_chunks::<SLOTS>();
                let all = coefficients.iter().map(|chunk| chunk.as_slice()).chain(core::iter::once(tail));
                for (coefficient, records) in all.enumerate() {
                    for (slot, value) in records.iter().enumerate() {
                        let digit = usize::from(value >> (4 * place) & 15);
                        if let Some(cell) = bits.get_mut(digit).and_then(|row| row.get_mut(coefficient)) {
                            *cell |= 1 << slot;
                        }
                    }
                }
                for bits in &bits {
                    for (bits, pad) in bits.iter().zip(pads.row(row).iter()) {
                        out.extend_from_slice(&bits.wrapping_add(*pad).to_le_bytes());
                    }
                    row += 1;
                }
            }
        }
        out
    }
}

fn salt(entropy: &mut dyn Entropy) -> Result<[u8; 16], SearchError> {
    let mut salt = [0; 16];
    entropy.fill(&mut salt)?;
    Ok(salt)
}

impl core::fmt::Debug for ScanIndex {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ScanIndex({:?}, {} blocks)", self.table, self.blocks.len())
    }
}
