//! What is stored, and what it is multiplied with.

use super::{Cell, Kernel, Spectrum, TILE, TILES};

pub(super) type Tile = [Cell; TILE];

/// Transformed rows, all of which every question reads.
#[derive(Clone)]
pub(in crate::search) struct Rows {
    pub(super) tiles: Vec<Tile>,
    pub(super) count: usize,
}

impl Rows {
    /// Room for so many rows.
    pub(in crate::search) fn new(count: usize) -> Self {
        Self { tiles: vec![[Cell::ZERO; TILE]; TILES * count], count }
    }

    /// How many there are.
    pub(in crate::search) const fn count(&self) -> usize {
        self.count
    }

    /// Bytes in memory.
    pub(in crate::search) const fn bytes(&self) -> usize {
        self.tiles.len() * size_of::<Tile>()
    }

    /// Stores a row.
    pub(in crate::search) fn put(&mut self, row: usize, spectrum: &Spectrum) {
        let count = self.count;
        for (tile, cells) in spectrum.0.as_chunks::<TILE>().0.iter().enumerate() {
            if let Some(to) = self.tiles.get_mut(tile * count + row) {
                *to = *cells;
            }
        }
    }

    /// For each part of the selectors and each of its columns: Σ row · selector over the rows of the part, into [`Selectors::sums`].
    pub(in crate::search) fn multiply(&self, kernel: Kernel, selectors: &Selectors, sums: &mut [Spectrum]) {
        kernel.multiply(self, selectors, sums);
    }
}

/// Rows that are summed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::search) struct Part {
    /// How many, behind those of the parts before.
    pub(in crate::search) rows: usize,
    /// Sums that are made of them, each with selectors of its own.
    pub(in crate::search) columns: usize,
}

/// The transformed selectors of one question.
pub(in crate::search) struct Selectors {
    /// `[tile][part][pair of columns][row][column]`
    pub(super) tiles: Vec<Tile>,
    pub(super) parts: Vec<Part>,
    /// Tiles of a part, all columns and rows, summed up.
    pub(super) stride: usize,
}

impl Selectors {
    /// Room for the selectors of these parts.
    pub(in crate::search) fn new(parts: Vec<Part>) -> Self {
        let stride = parts.iter().map(|part| part.rows * part.columns).sum();
        Self { tiles: vec![[Cell::ZERO; TILE]; TILES * stride], parts, stride }
    }

    /// Room for the sums of a pass.
    pub(in crate::search) fn sums(&self) -> Vec<Spectrum> {
        vec![Spectrum::zero(); self.parts.iter().map(|part| part.columns).sum()]
    }

    /// Stores the selector of a row, counted within its part, for one column.
    pub(in crate::search) fn put(&mut self, part: usize, column: usize, row: usize, spectrum: &Spectrum) {
        let before: usize = self.parts.iter().take(part).map(|part| part.rows * part.columns).sum();
        let Some(Part { rows, columns }) = self.parts.get(part).copied() else { return };
        let first = column & !1;
        let width = 2.min(columns - first);
        let at = before + first * rows + row * width + (column - first);
        for (tile, cells) in spectrum.0.as_chunks::<TILE>().0.iter().enumerate() {
            if let Some(to) = self.tiles.get_mut(tile * self.stride + at) {
                *to = *cells;
            }
        }
    }
}
