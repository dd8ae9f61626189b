//! The host: keeps blocks transformed, and answers.

use alloc::vec::Vec;

use tfhe_fft::c64;

use super::{
    BLOCK_RECORDS, DEGREE,
    kernel::{Tiled, scan},
    lattice::{FREQUENCIES, Transform, expand},
    plan::{CODE_BITS, DIGIT},
    wire::{self, ANSWER_BODY_BITS, ANSWER_MASK_BITS, BlockHead, Kind, QUERY_BITS, Reader, Table},
};
use crate::{
    hash::Digest,
    search::{SearchError, SearchServer},
};

/// A host of one table. Holds no key; what it stores and sees is uniform noise to it.
///
/// Memory: 320 KiB a block and digit (transformed, and as received).
pub struct ScanServer {
    table: Table,
    max_blocks: u32,
    blocks: Vec<Stored>,
    view: Digest,
}

struct Stored {
    head: BlockHead,
    /// The update as it was received.
    bytes: Vec<u8>,
    rows: Tiled,
}

impl ScanServer {
    /// An empty table of at most `max_blocks` blocks.
    pub fn new(table: Table, max_blocks: u32) -> Self {
        Self { table, max_blocks, blocks: Vec::new(), view: wire::view(&table, core::iter::empty()) }
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

    fn transform(&self, rows: &[u8]) -> Tiled {
        let mut tiled = Tiled::block(usize::from(self.table.digits()));
        let (mut transform, mut frequencies) = (Transform::new(), [c64::default(); FREQUENCIES]);
        let (rows, _) = rows.as_chunks::<{ 2 * DEGREE }>();
        for (row, bytes) in rows.iter().enumerate() {
            let mut polynomial = [0u64; DEGREE];
            let (pairs, _) = bytes.as_chunks::<2>();
            for (coefficient, pair) in polynomial.iter_mut().zip(pairs) {
                // Around zero, so that the noise that it multiplies grows least.
                *coefficient = i64::from(i16::from_le_bytes(*pair)) as u64;
            }
            transform.integers(&polynomial, &mut frequencies);
            tiled.put(row / DIGIT, 0, row % DIGIT, &frequencies);
        }
        tiled
    }

    fn read_query(&self, query: &[u8]) -> Result<Tiled, SearchError> {
        let (mut reader, table) = Reader::open(Kind::Query, query)?;
        if table != self.table {
            return Err(SearchError::OtherTable);
        }
        if query.len() != table.query_len() {
            return Err(Kind::Query.error());
        }
        if reader.take()? != self.view.0 {
            return Err(SearchError::Stale);
        }
        let masks = reader.take()?;
        let bodies = wire::unpack(reader.rest(), QUERY_BITS).collect();
        let mut tiled = Tiled::query(usize::from(table.digits()));
        let (mut transform, mut frequencies) = (Transform::new(), [c64::default(); FREQUENCIES]);
        let expanded = expand(masks, bodies);
        let (polynomials, _) = expanded.as_chunks::<DEGREE>();
        // Selectors come as [digit][code bit][value], each as mask and body.
        for (at, polynomial) in polynomials.iter().enumerate() {
            let (selector, part) = (at / 2, at % 2);
            let (digit, rest) = (selector / (CODE_BITS * DIGIT), selector % (CODE_BITS * DIGIT));
            let (bit, value) = (rest / DIGIT, rest % DIGIT);
            transform.torus(polynomial, &mut frequencies);
            tiled.put(digit, 2 * bit + part, value, &frequencies);
        }
        Ok(tiled)
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
        let block = Stored { head, bytes: update.to_vec(), rows: self.transform(reader.rest()) };
        match self.blocks.get_mut(number) {
            Some(stored) => *stored = block,
            None => self.blocks.push(block),
        }
        self.view = wire::view(&self.table, self.blocks.iter().map(|block| block.head));
        Ok(())
    }

    fn answer(&self, query: &[u8]) -> Result<Vec<u8>, SearchError> {
        let query = self.read_query(query)?;
        let mut out = wire::start(Kind::Answer, &self.table, self.table.answer_len(self.blocks.len()));
        out.extend_from_slice(&self.view.0);
        let (mut transform, mut polynomial) = (Transform::new(), [0; DEGREE]);
        for block in &self.blocks {
            for (at, sum) in scan(&block.rows, &query).iter().enumerate() {
                transform.back(sum, &mut polynomial);
                let bits = if at.is_multiple_of(2) { ANSWER_MASK_BITS } else { ANSWER_BODY_BITS };
                wire::pack_rounded(&mut out, &polynomial, bits);
            }
        }
        Ok(out)
    }
}

impl core::fmt::Debug for ScanServer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ScanServer({:?}, {} blocks of {} records)", self.table, self.blocks.len(), BLOCK_RECORDS)
    }
}
