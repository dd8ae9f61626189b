//! The pages of a block as the host multiplies them, and the work of one query.

use alloc::{vec, vec::Vec};

use super::{
    kernel::{self, LANES, Packed, Sums, TILES, Tile},
    lattice::{FREQUENCIES, Frequencies, Pair, Transform},
    page::Page,
    parameters::{COLUMNS, ROWS},
};
use crate::search::simd::Kernel;

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
        Self(vec![Vec::new(); TILES])
    }

    pub(super) fn blocks(&self) -> usize {
        self.0.first().map_or(0, Vec::len)
    }

    /// What every query reads.
    pub(super) fn bytes(&self) -> usize {
        self.blocks() * TILES * size_of::<Tile>()
    }

    /// Adds blocks of zeros until there are as many.
    pub(super) fn grow(&mut self, blocks: usize) {
        let zero: Packed = kernel::pack(&[Default::default(); FREQUENCIES], 0);
        for tile in &mut self.0 {
            tile.reserve_exact(blocks.saturating_sub(tile.len()));
            tile.resize(blocks.max(tile.len()), [[zero; COLUMNS]; ROWS]);
        }
    }

    /// Puts a page of a block that there is.
    pub(super) fn put(&mut self, number: usize, page: &Page, transform: &mut Transform) {
        let mut frequencies: Frequencies = [Default::default(); FREQUENCIES];
        transform.integers(&page.to_coefficients(), &mut frequencies);
        let (row, column) = place(number);
        for (at, tile) in self.0.iter_mut().enumerate() {
            let tile = tile.get_mut(number / BLOCK_PAGES).and_then(|tile| tile.get_mut(row)?.get_mut(column));
            tile.into_iter().for_each(|packed| *packed = kernel::pack(&frequencies, at));
        }
    }
}

/// For each column of each block: the page of the selected row, encrypted. The selectors of a tile are read from the first cache while the
/// blocks go by.
pub(super) fn select(pages: &Pages, selectors: &[Pair<Frequencies>], kernel: Kernel) -> Vec<Pair<Frequencies>> {
    let selectors = kernel::lay_out(selectors);
    let mut columns = vec![[[Default::default(); FREQUENCIES]; 2]; pages.blocks() * COLUMNS];
    for (at, (blocks, selectors)) in pages.0.iter().zip(&selectors).enumerate() {
        for (tile, columns) in blocks.iter().zip(columns.as_chunks_mut::<COLUMNS>().0) {
            let sums: Sums = kernel.multiply_tile(tile, selectors);
            sums.iter().zip(columns).for_each(|(sums, column)| kernel::unpack(sums, at, column));
        }
    }
    columns
}

const _: () = assert!(LANES * TILES == FREQUENCIES);
