//! The pages of a block as the host multiplies them, and the work of one query.

use alloc::vec::Vec;

use super::{
    kernel::{self, Lanes, Packed, Tile},
    lattice::Pair,
    page::Page,
    parameters::{COLUMNS, ROWS},
};
use crate::search::{
    Kernel,
    fourier::{CELLS, Cell, Spectrum},
    pages as memory,
    shelves::{Group, Shelves},
};

/// Pages of a block.
pub(super) const BLOCK_PAGES: usize = ROWS * COLUMNS;

/// The pages of all blocks, transformed: three mebibytes a block. Tile by tile, up to four blocks stand side by side.
pub(super) struct Pages(Shelves<Tile>);

/// Which row and column of its block a page is at.
pub(super) const fn place(page: usize) -> (usize, usize) {
    (page % ROWS, page / ROWS % COLUMNS)
}

impl Pages {
    pub(super) const fn new() -> Self {
        Self(Shelves::new(CELLS))
    }

    pub(super) const fn blocks(&self) -> usize {
        self.0.tables()
    }

    /// What every query reads.
    pub(super) const fn bytes(&self) -> usize {
        self.blocks() * CELLS * size_of::<Tile>()
    }

    /// Adds blocks of zeros until there are as many.
    pub(super) fn grow(&mut self, blocks: usize) {
        let zero: Packed = kernel::pack(&Cell::ZERO);
        while self.blocks() < blocks {
            self.0.push([[zero; COLUMNS]; ROWS]);
        }
    }

    /// Puts a page of a block that there is.
    pub(super) fn put(&mut self, number: usize, page: &Page, kernel: Kernel) {
        let mut spectrum = Spectrum::zero();
        kernel.forward(&page.to_coefficients(), &mut spectrum);
        let (row, column) = place(number);
        for (tile, cell) in self.0.items_mut(number / BLOCK_PAGES).zip(spectrum.cells()) {
            let packed = tile.get_mut(row).and_then(|row| row.get_mut(column));
            packed.into_iter().for_each(|packed| *packed = kernel::pack(cell));
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
    let mut sums = memory::with_capacity(CELLS * count);
    let groups: Vec<Group<'_, Tile>> = pages.0.groups().collect();
    for (cell, selectors) in selectors.iter().enumerate() {
        for group in &groups {
            let tiles = group.items.chunks_exact(group.width).nth(cell).unwrap_or_default();
            for tile in tiles.iter().take(group.tables) {
                sums.extend(kernel.multiply_tile(tile, selectors));
            }
        }
    }
    Columns { count, sums }
}
