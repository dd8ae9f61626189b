//! The owner's side of a table: which blocks there are, and how records become rows.

use alloc::{sync::Arc, vec, vec::Vec};

use super::{
    BITS, BLOCK_RECORDS, DEGREE, SLOTS, Shape,
    checks::Weights,
    mask::Pads,
    plan::{DIGIT, ROWS},
    rows,
    wire::{self, BlockHead, Kind, Reader, Table},
};
use crate::{
    aead::Key,
    entropy::Entropy,
    hash::{Digest, Domain},
    search::{SearchError, fourier::Selectors, simd::Kernel},
};

const TABLE: Domain = Domain::new("cpchain/crypto/search/scan-table/v2");
/// Most blocks of a table: 2²⁰ of nearly 2¹⁵ records.
const MAX_BLOCKS: usize = 1 << 20;
/// Head and count.
const BLOCK_STATE: usize = wire::BLOCK_HEAD + 4;

/// The owner of a table: its key, its fields, and the state of its blocks. Asks through
/// [`SearchClient`](crate::search::SearchClient), or better through a [`ScanClient`](super::ScanClient).
///
/// The state ([`to_bytes`](Self::to_bytes)) is stored before an update is sent: a lost state means that hosts refuse
/// queries as stale until the blocks are sealed and sent again. Records themselves are not kept.
pub struct ScanIndex {
    pub(super) key: Key,
    pub(super) table: Table,
    pub(super) shape: Shape,
    pub(super) kernel: Kernel,
    pub(super) blocks: Vec<Block>,
    /// The fixed masks, if a hint is kept.
    masks: Option<Selectors>,
}

/// A block as its owner knows it.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) head: BlockHead,
    pub(super) records: u32,
    /// For each digit, the sum of its rows times the fixed masks; empty if none is kept.
    pub(super) hint: Arc<Vec<u32>>,
}

impl ScanIndex {
    /// A new table under a key of its own (for a stream: [`StreamSecret::derive`](crate::key_tree::StreamSecret::derive)) with
    /// 1 to 4 fields of 1 to 4 base-16 digits each: 4 digits for any `u16`, 2 for values below 256.
    ///
    /// # Errors
    /// [`SearchError::Shape`].
    pub fn new(key: Key, fields: &[u8]) -> Result<Self, SearchError> {
        let id = Digest::of(TABLE, &[key.expose(), fields]);
        Ok(Self::of_table(key, Table::new(id, fields)?))
    }

    /// What the state of an index says after the table, if nothing was chosen.
    pub(super) const PLAIN: [u8; 2] = [Shape::Classes as u8, 0];

    /// An empty index of a table that was named elsewhere.
    pub(super) fn of_table(key: Key, table: Table) -> Self {
        let (shape, kernel) = (Shape::default(), Kernel::best());
        Self { key, table, shape, kernel, blocks: Vec::new(), masks: None }
    }

    /// As [`new`](Self::new), with a hint: 8 KiB a block and digit that stay with the owner (a byte a record and 16-bit field), and are part of its state: the sums
    /// of the rows with the masks of a [`ScanClient`](super::ScanClient)'s queries. Its answers are shorter by as much.
    ///
    /// # Errors
    /// [`SearchError::Shape`].
    pub fn with_hint(key: Key, fields: &[u8]) -> Result<Self, SearchError> {
        let mut index = Self::new(key, fields)?;
        index.masks = Some(rows::fixed_masks(index.kernel, &index.table));
        Ok(index)
    }

    /// The same index, asking in another shape: [`Shape::Classes`] if nothing was said.
    #[must_use]
    pub fn in_shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// The same index, computing with this kernel instead of the fastest.
    #[must_use]
    pub fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// The shape of its queries.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Is a hint kept?
    pub const fn has_hint(&self) -> bool {
        self.masks.is_some()
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
    /// Returns the updates to send, in order. A block takes the same space for one record and for 32,704, so add many at once, or grow
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
        let weights = Weights::new(&self.key);
        for start in (0..length).step_by(BLOCK_RECORDS) {
            let end = length.min(start + BLOCK_RECORDS);
            let part: Vec<&[u16]> = columns.iter().map(|column| column.get(start..end).unwrap_or(&[])).collect();
            let head = BlockHead { number: blocks.len() as u32, version: 0, salt: salt(entropy)? };
            let update = self.seal(head, &part, &weights);
            blocks.push(Block { head, records: (end - start) as u32, hint: self.hint(&update) });
            updates.push(update);
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
        let last = self.blocks.last().ok_or(SearchError::Shape)?.head;
        let version = last.version.checked_add(1).ok_or(SearchError::Value)?;
        let head = BlockHead { number: last.number, version, salt };
        let update = self.seal(head, columns, &Weights::new(&self.key));
        let hint = self.hint(&update);
        if let Some(last) = self.blocks.last_mut() {
            *last = Block { head, records: length as u32, hint };
        }
        Ok(update)
    }

    /// The state, without the key: shape of the queries, and version, salt, count and hint of each block.
    pub fn to_bytes(&self) -> Vec<u8> {
        let of_block = BLOCK_STATE + self.hint_len();
        let mut out = wire::start(Kind::Index, &self.table, 64 + of_block * self.blocks.len());
        out.extend([self.shape as u8, u8::from(self.has_hint())]);
        for block in &self.blocks {
            out.extend_from_slice(&block.head.to_bytes());
            out.extend_from_slice(&block.records.to_le_bytes());
            block.hint.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        }
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`SearchError::Format`], and [`SearchError::OtherTable`] if `key` is not the key of this table.
    pub fn from_bytes(key: Key, bytes: &[u8]) -> Result<Self, SearchError> {
        let (mut reader, table) = Reader::open(Kind::Index, bytes)?;
        let [shape, hint] = reader.take()?;
        let fields: Vec<u8> = table.fields().collect();
        let index = match hint {
            0 => Self::new(key, &fields)?,
            1 => Self::with_hint(key, &fields)?,
            _ => return Err(Kind::Index.error()),
        };
        if index.table != table {
            return Err(SearchError::OtherTable);
        }
        index.in_shape(Shape::from_byte(shape)?).read_blocks(reader)
    }

    /// The blocks of a stored state.
    pub(super) fn read_blocks(mut self, mut reader: Reader<'_>) -> Result<Self, SearchError> {
        let index = &mut self;
        while !reader.rest().is_empty() {
            let head = BlockHead::read(&mut reader)?;
            let records = u32::from_le_bytes(reader.take()?);
            let right = head.number as usize == index.blocks.len() && records as usize <= BLOCK_RECORDS;
            if !right || index.blocks.len() >= MAX_BLOCKS {
                return Err(Kind::Index.error());
            }
            let hint = reader.slice(index.hint_len())?.as_chunks::<4>().0;
            let hint = Arc::new(hint.iter().map(|number| u32::from_le_bytes(*number)).collect());
            index.blocks.push(Block { head, records, hint });
        }
        Ok(self)
    }

    /// Bytes of the hint of a block.
    fn hint_len(&self) -> usize {
        if self.has_hint() { 4 * DEGREE * usize::from(self.table.digits()) } else { 0 }
    }

    /// The hint of a sealed block.
    fn hint(&self, update: &[u8]) -> Arc<Vec<u32>> {
        let hint = self.masks.as_ref().map(|masks| {
            let sealed = update.get(update.len() - 2 * DEGREE * self.table.rows()..).unwrap_or_default();
            rows::hint(self.kernel, sealed, masks)
        });
        Arc::new(hint.unwrap_or_default())
    }

    /// The common length of the columns.
    fn check(&self, columns: &[&[u16]]) -> Result<usize, SearchError> {
        let length = columns.first().map_or(0, |column| column.len());
        let fields: Vec<u8> = self.table.fields().collect();
        if columns.len() != fields.len() || columns.iter().any(|column| column.len() != length) {
            return Err(SearchError::Shape);
        }
        for (column, digits) in columns.iter().zip(&fields) {
            let most = u16::MAX >> (16 - 4 * u16::from(*digits).min(4));
            if column.iter().any(|value| *value > most) {
                return Err(SearchError::Value);
            }
        }
        Ok(length)
    }

    /// For every digit, most significant first, and each of its values but 0: which records have it, and the weights of those, under the row's pad.
    fn seal(&self, head: BlockHead, columns: &[&[u16]], weights: &Weights) -> Vec<u8> {
        let pads = Pads::new(&self.key, head);
        let mut out = wire::start(Kind::Block, &self.table, self.table.block_len());
        out.extend_from_slice(&head.to_bytes());
        let mut row = 0;
        for (column, digits) in columns.iter().zip(self.table.fields()) {
            for place in (0..digits).rev() {
                let mut bits = vec![[0u16; BITS]; DIGIT];
                for (coefficient, records) in column.chunks(SLOTS).enumerate() {
                    for (slot, value) in records.iter().enumerate() {
                        let digit = usize::from(value >> (4 * place) & 15);
                        if let Some(cell) = bits.get_mut(digit).and_then(|row| row.get_mut(coefficient)) {
                            *cell |= 1 << slot;
                        }
                    }
                }
                for bits in bits.iter().skip(DIGIT - ROWS) {
                    let checks = weights.of(bits);
                    for (bits, pad) in bits.iter().chain(&checks).zip(pads.row(row).iter()) {
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
