//! The host: keeps intervals transformed, and answers.

use alloc::{vec, vec::Vec};

use super::{
    DEGREE, INTERVALS, LIMBS, WIDTH,
    index::MASK,
    wire::{self, AggregateTable, Head, Kind, QUERY_BITS, Reader},
};
use crate::{
    hash::Digest,
    search::{
        SearchError, SearchServer,
        fourier::{Part, Rows, Selectors, Spectrum},
        lattice,
        packed::{pack_24, pack_32, packed_len, unpack_upper},
        simd::Kernel,
    },
};

/// A host of one table. Holds no key; what it stores and sees is uniform noise to it.
///
/// Memory: 16 KiB a bin for each 102 intervals, and the bytes of the intervals.
pub struct AggregateServer {
    table: AggregateTable,
    max_intervals: u32,
    intervals: Vec<Stored>,
    /// Of 102 intervals each: a row for each bin.
    blocks: Rows,
    view: Digest,
}

struct Stored {
    head: Head,
    /// For each bin, the limbs.
    body: Vec<u8>,
}

impl AggregateServer {
    /// An empty table of at most `max_intervals` intervals.
    pub fn new(table: AggregateTable, max_intervals: u32) -> Self {
        let view = wire::view(&table, core::iter::empty());
        Self { table, max_intervals, intervals: Vec::new(), blocks: Rows::new(table.bins()), view }
    }

    /// The table that is hosted.
    pub const fn table(&self) -> AggregateTable {
        self.table
    }

    /// Intervals that it may have.
    pub const fn max_intervals(&self) -> u32 {
        self.max_intervals
    }

    /// Intervals that are there.
    pub const fn intervals(&self) -> usize {
        self.intervals.len()
    }

    /// The table as bytes: its intervals as they were received.
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = self.intervals.len() * (Head::LEN + self.table.body_len());
        let mut out = wire::start(Kind::Server, &self.table, length);
        for stored in &self.intervals {
            out.extend(stored.head.to_bytes());
            out.extend_from_slice(&stored.body);
        }
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`SearchError::Format`]; [`SearchError::Full`] for more than `max_intervals`.
    pub fn from_bytes(bytes: &[u8], max_intervals: u32) -> Result<Self, SearchError> {
        let (mut reader, table) = Reader::open(Kind::Server, bytes)?;
        let mut server = Self::new(table, max_intervals);
        while !reader.rest().is_empty() {
            let head = Head::read(&mut reader)?;
            let body = reader.slice(table.body_len())?;
            if head.number as usize != server.intervals.len() || !well_formed(body) {
                return Err(Kind::Server.error());
            }
            if head.number >= max_intervals {
                return Err(SearchError::Full { most: max_intervals });
            }
            server.intervals.push(Stored { head, body: body.to_vec() });
        }
        (0..server.intervals.len().div_ceil(INTERVALS)).for_each(|block| server.transform(block));
        server.refresh_view();
        Ok(server)
    }

    /// Makes the rows of a block anew.
    fn transform(&mut self, block: usize) {
        let mut spectrum = Spectrum::zero();
        if block == self.blocks.tables() {
            self.blocks.push();
        }
        for bin in 0..self.table.bins() {
            let mut coefficients = [0.0; DEGREE];
            let of_block = self.intervals.iter().skip(block * INTERVALS).take(INTERVALS);
            for (to, stored) in coefficients.chunks_exact_mut(LIMBS).zip(of_block) {
                let limbs = stored.body.as_chunks::<2>().0.iter().skip(bin * LIMBS).take(LIMBS);
                for (to, pair) in to.iter_mut().zip(limbs) {
                    // Around zero, so that the noise that it multiplies grows least.
                    *to = f64::from((u16::from_le_bytes(*pair) << (16 - WIDTH)) as i16 >> (16 - WIDTH));
                }
            }
            Kernel::best().forward(&coefficients, &mut spectrum);
            self.blocks.put(block, bin, &spectrum);
        }
    }

    fn refresh_view(&mut self) {
        self.view = wire::view(&self.table, self.intervals.iter().map(|stored| stored.head));
    }

    /// The masks and the bodies of the selectors, transformed.
    fn read_query(&self, query: &[u8]) -> Result<Selectors, SearchError> {
        let mut reader = wire::open_exactly(Kind::Query, &self.table, self.table.query_len(), query)?;
        if reader.take()? != self.view.0 {
            return Err(SearchError::Stale);
        }
        let (kernel, bins) = (Kernel::best(), self.table.bins());
        let mut selectors = Selectors::new(vec![Part { rows: bins, columns: 2 }]);
        lattice::masks(kernel, reader.take()?, bins, |bin, mask| selectors.put(0, 0, bin, mask));
        let (mut body, mut spectrum) = ([0; DEGREE], Spectrum::zero());
        for bin in 0..bins {
            unpack_upper::<QUERY_BITS>(reader.slice(packed_len(QUERY_BITS))?, &mut body);
            kernel.forward_torus(&body, &mut spectrum);
            selectors.put(0, 1, bin, &spectrum);
        }
        Ok(selectors)
    }
}

/// Are all numbers below 2^15?
fn well_formed(body: &[u8]) -> bool {
    body.as_chunks::<2>().0.iter().all(|pair| u16::from_le_bytes(*pair) <= MASK)
}

impl SearchServer for AggregateServer {
    fn apply(&mut self, update: &[u8]) -> Result<(), SearchError> {
        let mut reader = wire::open_exactly(Kind::Interval, &self.table, self.table.interval_len(), update)?;
        let head = Head::read(&mut reader)?;
        if !well_formed(reader.rest()) {
            return Err(Kind::Interval.error());
        }
        let number = head.number as usize;
        match self.intervals.get(number) {
            // The newest sealing wins; an older one is a repetition.
            Some(stored) if stored.head.version > head.version || stored.head == head => return Ok(()),
            Some(_) => {}
            None if number > self.intervals.len() => {
                return Err(SearchError::NotNext { blocks: self.intervals.len() as u32 });
            }
            None if head.number >= self.max_intervals => return Err(SearchError::Full { most: self.max_intervals }),
            None => {}
        }
        let stored = Stored { head, body: reader.rest().to_vec() };
        match self.intervals.get_mut(number) {
            Some(there) => *there = stored,
            None => self.intervals.push(stored),
        }
        self.transform(number / INTERVALS);
        self.refresh_view();
        Ok(())
    }

    fn answer(&self, query: &[u8]) -> Result<Vec<u8>, SearchError> {
        let selectors = self.read_query(query)?;
        let mut out = wire::start(Kind::Answer, &self.table, self.table.answer_len(self.intervals.len()));
        out.extend_from_slice(&self.view.0);
        let mut polynomial = [0; DEGREE];
        self.blocks.multiply(Kernel::best(), &selectors, |sums| {
            for (place, sum) in sums.iter_mut().enumerate() {
                Kernel::best().backward(sum.cells_mut(), &mut polynomial);
                match place {
                    0 => pack_32(&mut out, &polynomial),
                    _ => pack_24(&mut out, &polynomial),
                }
            }
        });
        Ok(out)
    }
}

impl core::fmt::Debug for AggregateServer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "AggregateServer({:?}, {} intervals)", self.table, self.intervals.len())
    }
}
