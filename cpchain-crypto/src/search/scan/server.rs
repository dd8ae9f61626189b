//! The host: keeps blocks transformed, and answers.

use alloc::{sync::Arc, vec::Vec};
use std::sync::OnceLock;

use super::{
    BLOCK_RECORDS, DEGREE,
    plan::ROWS,
    rows,
    wire::{self, BlockHead, Kind, MASK_BITS, Masks, QUERY_BITS, QueryHead, Reader, Table},
};
use crate::{
    hash::Digest,
    search::{
        SearchError, SearchServer,
        fourier::{Rows, Selectors, Spectrum},
        packed::{pack_24, pack_32, packed_len, unpack_upper},
        simd::Kernel,
    },
};

/// A host of one table. Holds no key; what it stores and sees is uniform noise to it.
///
/// Memory: 308 KiB a block and digit (240 KiB transformed, 60 KiB as received, 8 KiB of sums with the fixed masks), and 240 KiB a digit of fixed masks.
pub struct ScanServer {
    table: Table,
    max_blocks: u32,
    kernel: Kernel,
    blocks: Vec<Stored>,
    /// A table for each block.
    rows: Rows,
    masks: FixedMasks,
    view: Digest,
}

/// The fixed masks of a table, made when the first block comes; clones share them.
#[derive(Clone, Default)]
pub(super) struct FixedMasks(Arc<OnceLock<Selectors>>);

struct Stored {
    head: BlockHead,
    /// The update as it was received.
    bytes: Vec<u8>,
    /// For each digit, the sum of its rows times the fixed masks, as an answer has it.
    mask_sums: Vec<u8>,
}

impl ScanServer {
    /// An empty table of at most `max_blocks` blocks.
    pub fn new(table: Table, max_blocks: u32) -> Self {
        Self {
            table,
            max_blocks,
            kernel: Kernel::best(),
            blocks: Vec::new(),
            rows: Rows::new(table.rows()),
            masks: FixedMasks::default(),
            view: wire::view(&table, core::iter::empty()),
        }
    }

    /// The same host, with masks that another host of the table may have made.
    pub(super) fn with_masks(mut self, masks: FixedMasks) -> Self {
        self.masks = masks;
        self
    }

    /// The same host, computing with this kernel instead of the fastest.
    #[must_use]
    pub fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// Bytes in memory: blocks as received, transformed, and times the masks.
    pub fn bytes(&self) -> u64 {
        let of_block = |block: &Stored| (block.bytes.len() + block.mask_sums.len()) as u64;
        self.blocks.iter().map(of_block).sum::<u64>() + self.rows.bytes() as u64
    }

    /// The table that is hosted.
    pub const fn table(&self) -> Table {
        self.table
    }

    /// Blocks that it may have.
    pub const fn max_blocks(&self) -> u32 {
        self.max_blocks
    }

    /// Blocks that are there.
    pub fn blocks(&self) -> u32 {
        self.blocks.len() as u32
    }

    /// The table as bytes: its blocks as they were received.
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = self.blocks.len() * self.table.block_len();
        let mut out = wire::start(Kind::Server, &self.table, 64 + length);
        self.blocks.iter().for_each(|block| out.extend_from_slice(&block.bytes));
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`SearchError::Format`], and what [`apply`](SearchServer::apply) refuses.
    pub fn from_bytes(bytes: &[u8], max_blocks: u32) -> Result<Self, SearchError> {
        Self::read(bytes, max_blocks, FixedMasks::default())
    }

    /// The same, with masks that another host of the table may have made.
    pub(super) fn read(bytes: &[u8], max_blocks: u32, masks: FixedMasks) -> Result<Self, SearchError> {
        let (mut reader, table) = Reader::open(Kind::Server, bytes)?;
        let mut server = Self::new(table, max_blocks).with_masks(masks);
        while !reader.rest().is_empty() {
            server.apply(reader.slice(table.block_len())?)?;
        }
        Ok(server)
    }

    /// Heads of all blocks.
    pub(super) fn heads(&self) -> impl Iterator<Item = BlockHead> + '_ {
        self.blocks.iter().map(|block| block.head)
    }

    /// The blocks' parts of an answer.
    pub(super) fn answer_into(&self, asked: &Received, out: &mut Vec<u8>) {
        let (mut polynomial, mut blocks) = ([0; DEGREE], self.blocks.iter());
        self.rows.multiply(self.kernel, &asked.selectors, |sums| {
            let mut kept = blocks.next().map_or(&[][..], |block| &block.mask_sums).chunks_exact(packed_len(MASK_BITS));
            let mut sums = sums.iter_mut();
            for part in &asked.parts {
                match part {
                    Sum::Kept => out.extend_from_slice(kept.next().unwrap_or_default()),
                    Sum::Mask | Sum::Body => {
                        let Some(sum) = sums.next() else { return };
                        self.kernel.backward(sum.cells_mut(), &mut polynomial);
                        if let Sum::Mask = part { pack_32(out, &polynomial) } else { pack_24(out, &polynomial) }
                    }
                }
            }
        });
    }
}

/// A query, ready to be multiplied with.
pub(super) struct Received {
    pub(super) head: QueryHead,
    selectors: Selectors,
    /// For each digit that with the masks, if it is wanted, then one for each bit.
    parts: Vec<Sum>,
}

/// Whose selectors a sum is made with.
#[derive(Clone, Copy)]
enum Sum {
    Mask,
    /// The fixed masks: made already.
    Kept,
    Body,
}

impl Received {
    pub(super) fn read(kernel: Kernel, table: &Table, view: &Digest, query: &[u8]) -> Result<Self, SearchError> {
        let (mut reader, of) = Reader::open(Kind::Query, query)?;
        if of != *table {
            return Err(SearchError::OtherTable);
        }
        let asked_of = reader.take()?;
        let head = QueryHead::read(&mut reader)?;
        if query.len() != table.query_len(head.shape) {
            return Err(Kind::Query.error());
        }
        if asked_of != view.0 {
            return Err(SearchError::Stale);
        }
        let bits = table.bits(head.shape);
        let mut selectors = rows::selectors(&bits, head.masks);
        let (seed, fresh) = (reader.take()?, head.masks == Masks::Fresh);
        if fresh {
            rows::put_masks(kernel, seed, table, &mut selectors);
        } else if seed != [0; 16] {
            return Err(Kind::Query.error());
        }
        let (mut parts, mut body, mut spectrum) = (Vec::new(), [0; DEGREE], Spectrum::zero());
        for (digit, bits) in bits.into_iter().enumerate() {
            parts.extend(match head.masks {
                Masks::Fresh => Some(Sum::Mask),
                Masks::Kept => Some(Sum::Kept),
                Masks::Held => None,
            });
            parts.extend(core::iter::repeat_n(Sum::Body, bits));
            for bit in 0..bits {
                for row in 0..ROWS {
                    unpack_upper::<QUERY_BITS>(reader.slice(packed_len(QUERY_BITS))?, &mut body);
                    kernel.forward_torus(&body, &mut spectrum);
                    selectors.put(digit, usize::from(fresh) + bit, row, &spectrum);
                }
            }
        }
        Ok(Self { head, selectors, parts })
    }

    /// The start of an answer with so many blocks.
    pub(super) fn start(&self, table: &Table, view: &Digest, blocks: usize) -> Vec<u8> {
        let mut out = wire::start(Kind::Answer, table, table.answer_len(self.head, blocks));
        out.extend_from_slice(&view.0);
        out.extend(self.head.to_bytes());
        out
    }
}

impl SearchServer for ScanServer {
    fn apply(&mut self, update: &[u8]) -> Result<(), SearchError> {
        let (mut reader, table) = Reader::open(Kind::Block, update)?;
        if table != self.table {
            return Err(SearchError::OtherTable);
        }
        if update.len() != table.block_len() {
            return Err(Kind::Block.error());
        }
        let head = BlockHead::read(&mut reader)?;
        let number = head.number as usize;
        match self.blocks.get(number) {
            // The newest sealing wins; an older one is a repetition.
            Some(stored) if stored.head.version > head.version || stored.head == head => return Ok(()),
            Some(_) => {}
            None if number > self.blocks.len() => return Err(SearchError::NotNext { blocks: self.blocks() }),
            None if head.number >= self.max_blocks => return Err(SearchError::Full { most: self.max_blocks }),
            None => {}
        }
        let masks = self.masks.0.get_or_init(|| rows::fixed_masks(self.kernel, &self.table));
        let sums = rows::hint(self.kernel, reader.rest(), masks);
        let mask_sums = sums.into_iter().flat_map(u32::to_le_bytes).collect();
        let block = Stored { head, bytes: update.to_vec(), mask_sums };
        match self.blocks.get_mut(number) {
            Some(stored) => *stored = block,
            None => {
                self.blocks.push(block);
                self.rows.push();
            }
        }
        rows::transform(self.kernel, reader.rest(), &mut self.rows, number);
        self.view = wire::view(&self.table, self.blocks.iter().map(|block| block.head));
        Ok(())
    }

    fn answer(&self, query: &[u8]) -> Result<Vec<u8>, SearchError> {
        let asked = Received::read(self.kernel, &self.table, &self.view, query)?;
        let mut out = asked.start(&self.table, &self.view, self.blocks.len());
        self.answer_into(&asked, &mut out);
        Ok(out)
    }
}

impl core::fmt::Debug for ScanServer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ScanServer({:?}, {} blocks of {} records)", self.table, self.blocks.len(), BLOCK_RECORDS)
    }
}
