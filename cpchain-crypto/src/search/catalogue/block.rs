//! The pages of a block as the host multiplies them, and the work of one query.

use alloc::{vec, vec::Vec};

use super::{
    kernel::{self, Lanes, Packed, Tile},
    lattice::Pair,
    page::Page,
    parameters::{COLUMNS, ROWS},
};
use crate::search::{
    Kernel,
    fourier::{CELLS, Cell, Spectrum},
};

/// Pages of a block.
pub(super) const BLOCK_PAGES: usize = ROWS * COLUMNS;

/// The pages of all blocks, transformed: three mebibytes a block. For each tile the blocks stand one after another, so that a query reads
/// them in one run.
pub(super) struct Pages(Vec<Vec<Tile>>);

/// Which row and column of its block a page is at.
pub(super) const fn place(page: usize) -> (usize, usize) {
    (page % ROWS, page / ROWS % COLUMNS)
}

impl Pages {
    pub(super) fn new() -> Self {
        Self(vec![Vec::new(); CELLS])
    }

    pub(super) fn blocks(&self) -> usize {
        self.0.first().map_or(0, Vec::len)
    }

    /// What every query reads.
    pub(super) fn bytes(&self) -> usize {
        self.blocks() * CELLS * size_of::<Tile>()
    }

    /// Adds blocks of zeros until there are as many.
    pub(super) fn grow(&mut self, blocks: usize) {
        let zero: Packed = kernel::pack(&Cell::ZERO);
        for tile in &mut self.0 {
            tile.reserve_exact(blocks.saturating_sub(tile.len()));
            tile.resize(blocks.max(tile.len()), [[zero; COLUMNS]; ROWS]);
        }
    }

    /// Puts a page of a block that there is.
    pub(super) fn put(&mut self, number: usize, page: &Page, kernel: Kernel) {
        let mut spectrum = Spectrum::zero();
        kernel.forward(&page.to_coefficients(), &mut spectrum);
        let (row, column) = place(number);
        for (tile, cell) in self.0.iter_mut().zip(spectrum.cells()) {
            let tile = tile.get_mut(number / BLOCK_PAGES).and_then(|tile| tile.get_mut(row)?.get_mut(column));
            tile.into_iter().for_each(|packed| *packed = kernel::pack(cell));
        }
    }
}

/// For each column of each block: the page of the selected row, encrypted.
pub(super) struct Columns {
    count: usize,
    /// Cell by cell, and column by column within a cell: that is how they come, and scattering them would miss the caches each time.
    sums: Vec<Lanes>,
}

impl Columns {
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// One of them, which there is.
    pub(super) fn column(&self, column: usize) -> Pair<Spectrum> {
        let mut pair = [Spectrum::zero(), Spectrum::zero()];
        let [mask, body] = &mut pair;
        let cells = mask.cells_mut().iter_mut().zip(body.cells_mut());
        for ((mask, body), [a_re, a_im, b_re, b_im]) in
            cells.zip(self.sums.iter().skip(column).step_by(self.count.max(1)))
        {
            (mask.re, mask.im, body.re, body.im) = (*a_re, *a_im, *b_re, *b_im);
        }
        pair
    }
}

/// The selectors of a tile are read from the first cache while the blocks go by.
pub(super) fn select(pages: &Pages, selectors: &[Pair<Spectrum>], kernel: Kernel) -> Columns {
    let selectors = kernel::lay_out(selectors);
    let count = pages.blocks() * COLUMNS;
    let mut sums = Vec::with_capacity(CELLS * count);
    for (blocks, selectors) in pages.0.iter().zip(&selectors) {
        for tile in blocks {
            sums.extend(kernel.multiply_tile(tile, selectors));
        }
    }
    Columns { count, sums }
}
