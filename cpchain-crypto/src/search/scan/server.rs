//! The host: keeps blocks transformed, and answers.

use alloc::vec::Vec;

use super::{
    BLOCK_RECORDS, DEGREE,
    plan::ROWS,
    rows,
    wire::{self, BlockHead, Kind, Masks, QUERY_BITS, QueryHead, Reader, Table},
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
/// Memory: 300 KiB a block and digit (240 KiB transformed, 60 KiB as received).
pub struct ScanServer {
    table: Table,
    max_blocks: u32,
    kernel: Kernel,
    blocks: Vec<Stored>,
    /// A table for each block.
    rows: Rows,
    view: Digest,
}

struct Stored {
    head: BlockHead,
    /// The update as it was received.
    bytes: Vec<u8>,
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
            view: wire::view(&table, core::iter::empty()),
        }
    }

    /// The same host, computing with this kernel instead of the fastest.
    #[must_use]
    pub fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// Bytes in memory: blocks as received, and transformed.
    pub fn bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.bytes.len() as u64).sum::<u64>() + self.rows.bytes() as u64
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
        let (mut reader, table) = Reader::open(Kind::Server, bytes)?;
        let mut server = Self::new(table, max_blocks);
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
        let mut polynomial = [0; DEGREE];
        self.rows.multiply(self.kernel, &asked.selectors, |sums| {
            for (sum, kind) in sums.iter_mut().zip(&asked.sums) {
                self.kernel.backward(sum, &mut polynomial);
                match kind {
                    Sum::Mask => pack_32(out, &polynomial),
                    Sum::Body => pack_24(out, &polynomial),
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
    sums: Vec<Sum>,
}

/// Whose selectors a sum is made with.
#[derive(Clone, Copy)]
enum Sum {
    Mask,
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
        let (mut sums, mut body, mut spectrum) = (Vec::new(), [0; DEGREE], Spectrum::zero());
        for (digit, bits) in bits.into_iter().enumerate() {
            sums.extend(fresh.then_some(Sum::Mask));
            sums.extend(core::iter::repeat_n(Sum::Body, bits));
            for bit in 0..bits {
                for row in 0..ROWS {
                    unpack_upper::<QUERY_BITS>(reader.slice(packed_len(QUERY_BITS))?, &mut body);
                    kernel.forward_torus(&body, &mut spectrum);
                    selectors.put(digit, usize::from(fresh) + bit, row, &spectrum);
                }
            }
        }
        Ok(Self { head, selectors, sums })
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
        let block = Stored { head, bytes: update.to_vec() };
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
