//! The pages of a block as the host multiplies them, and the work of one query.

use alloc::{boxed::Box, vec, vec::Vec};

use super::{
    fold::{self, FoldBit},
    kernel::{self, Kernel, LANES, Packed, Sums, TILES, Tile},
    lattice::{FREQUENCIES, Frequencies, Pair, Polynomial, Transform},
    page::Page,
    parameters::{COLUMNS, ROWS},
};

/// Pages of a block.
pub(super) const BLOCK_PAGES: usize = ROWS * COLUMNS;

/// A block, transformed: three mebibytes.
pub(super) struct Block(Box<[Tile]>);

/// Which row and column of its block a page is at.
pub(super) const fn place(page: usize) -> (usize, usize) {
    (page % ROWS, page / ROWS % COLUMNS)
}

impl Block {
    pub(super) const BYTES: usize = size_of::<Tile>() * TILES;

    /// Pages of zeros.
    pub(super) fn new() -> Self {
        let zero: Packed = kernel::pack(&[Default::default(); FREQUENCIES], 0);
        Self(vec![[[zero; COLUMNS]; ROWS]; TILES].into_boxed_slice())
    }

    /// Puts a page, given by its number in the catalogue or in the block.
    pub(super) fn put(&mut self, number: usize, page: &Page, transform: &mut Transform) {
        let mut frequencies: Frequencies = [Default::default(); FREQUENCIES];
        transform.integers(&page.to_coefficients(), &mut frequencies);
        let (row, column) = place(number);
        for (at, tile) in self.0.iter_mut().enumerate() {
            if let Some(packed) = tile.get_mut(row).and_then(|row| row.get_mut(column)) {
                *packed = kernel::pack(&frequencies, at);
            }
        }
    }
}

/// For each column of each block: the page of the selected row, encrypted. Tile by tile, so that the selectors of a tile are read from the first
/// cache while the blocks go by.
pub(super) fn select(blocks: &[Block], selectors: &[Pair<Frequencies>], kernel: Kernel) -> Vec<Pair<Frequencies>> {
    let selectors = kernel::lay_out(selectors);
    let mut columns = vec![[[Default::default(); FREQUENCIES]; 2]; blocks.len() * COLUMNS];
    for (at, selectors) in selectors.iter().enumerate() {
        for (block, columns) in blocks.iter().zip(columns.as_chunks_mut::<COLUMNS>().0) {
            let Some(tile) = block.0.get(at) else { continue };
            let sums: Sums = kernel.multiply(tile, selectors);
            sums.iter().zip(columns).for_each(|(sums, column)| kernel::unpack(sums, at, column));
        }
    }
    columns
}

/// The selected page, encrypted.
pub(super) fn answer(
    blocks: &[Block],
    selectors: &[Pair<Frequencies>],
    bits: &[FoldBit],
    kernel: Kernel,
    transform: &mut Transform,
) -> Pair<Polynomial> {
    fold::fold(select(blocks, selectors, kernel), bits, kernel, transform)
}

const _: () = assert!(LANES * TILES == FREQUENCIES);
