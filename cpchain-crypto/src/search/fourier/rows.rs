//! What is stored, and what it is multiplied with.

use super::{CELLS, Cell, Kernel, Spectrum};
use crate::search::{
    pages,
    shelves::{self, Shelves},
};

/// Transformed rows of several tables of one shape: cell by cell, row by row, those of up to four tables side by side, so that a selector that was loaded serves
/// all of them.
pub(in crate::search) struct Rows {
    cells: Shelves<Cell>,
    /// Rows of a table.
    count: usize,
}

/// The tables of a group.
pub(super) struct Group<'a> {
    cells: &'a [Cell],
    /// Cells of all rows and tables.
    stride: usize,
    /// How many there are, also if the last ones are not there yet.
    pub(super) width: usize,
}

impl<'a> Group<'a> {
    /// One cell of all rows after the other: for each row that of each table.
    #[inline(always)]
    pub(super) fn cells(&self) -> impl Iterator<Item = &'a [Cell]> + use<'a> {
        self.cells.chunks_exact(self.stride)
    }
}

impl Rows {
    /// No tables yet, each of so many rows.
    pub(in crate::search) const fn new(count: usize) -> Self {
        Self { cells: Shelves::new(CELLS * count), count }
    }

    /// How many there are.
    pub(in crate::search) const fn tables(&self) -> usize {
        self.cells.tables()
    }

    /// Bytes in memory.
    pub(in crate::search) fn bytes(&self) -> usize {
        self.cells.bytes()
    }

    /// Adds a table of zeros: its number.
    pub(in crate::search) fn push(&mut self) -> usize {
        self.cells.push(Cell::ZERO)
    }

    /// Stores a row of a table that is there.
    pub(in crate::search) fn put(&mut self, table: usize, row: usize, spectrum: &Spectrum) {
        let cells = self.cells.items_mut(table).skip(row).step_by(self.count.max(1));
        cells.zip(spectrum.cells()).for_each(|(to, from)| *to = *from);
    }

    /// For each table in turn: Σ row · selector for each part of the selectors and each of its columns. `take` sees the sums of one table after another,
    /// and may use them up.
    pub(in crate::search) fn multiply(&self, kernel: Kernel, selectors: &Selectors, mut take: impl FnMut(&mut [Sum])) {
        let columns = selectors.columns.max(1);
        let most = self.cells.groups().map(|group| group.width).max().unwrap_or(0) * columns;
        let mut sums = pages::with_capacity(most);
        sums.resize(most, Sum::ZERO);
        for shelves::Group { items, width, tables } in self.cells.groups() {
            let group = Group { cells: items, stride: (self.count * width).max(1), width };
            kernel.multiply(&group, selectors, &mut sums);
            sums.chunks_exact_mut(columns).take(tables).for_each(&mut take);
        }
    }
}

/// A transformed sum, as a pass leaves it.
///
/// A pass writes one cell of all sums, then the next one. They are that much longer than a power of two that those do not fall into the same few lines of the
/// caches.
#[derive(Clone, Copy)]
#[repr(C)]
pub(in crate::search) struct Sum {
    cells: [Cell; CELLS],
    apart: Cell,
}

impl Sum {
    const ZERO: Self = Self { cells: [Cell::ZERO; CELLS], apart: Cell::ZERO };

    /// Eight frequencies at a time.
    pub(in crate::search) const fn cells_mut(&mut self) -> &mut [Cell; CELLS] {
        &mut self.cells
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
    /// `[cell][part][row][column]`
    cells: Vec<Cell>,
    pub(super) parts: Vec<Part>,
    /// Columns of all parts.
    pub(super) columns: usize,
    /// Selectors of all parts.
    stride: usize,
}

impl Selectors {
    /// Room for the selectors of these parts.
    pub(in crate::search) fn new(parts: Vec<Part>) -> Self {
        let stride = parts.iter().map(|part| part.rows * part.columns).sum();
        let mut cells = pages::with_capacity(CELLS * stride);
        cells.resize(CELLS * stride, Cell::ZERO);
        Self { cells, columns: parts.iter().map(|part| part.columns).sum(), parts, stride }
    }

    /// One cell of all.
    #[inline(always)]
    pub(super) fn cell(&self, cell: usize) -> &[Cell] {
        self.cells.get(cell * self.stride..(cell + 1) * self.stride).unwrap_or_default()
    }

    /// Stores the selector of a row, counted within its part, for one column.
    pub(in crate::search) fn put(&mut self, part: usize, column: usize, row: usize, spectrum: &Spectrum) {
        let before: usize = self.parts.iter().take(part).map(|part| part.rows * part.columns).sum();
        let Some(Part { columns, .. }) = self.parts.get(part).copied() else { return };
        let Some(cells) = self.cells.get_mut(before + row * columns + column..) else { return };
        for (to, from) in cells.iter_mut().step_by(self.stride.max(1)).zip(spectrum.0.iter()) {
            *to = *from;
        }
    }
}
