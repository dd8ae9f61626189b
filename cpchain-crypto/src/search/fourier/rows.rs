//! What is stored, and what it is multiplied with.

use super::{CELLS, Cell, Kernel, Spectrum};
use crate::search::pages;

/// Most tables of a group.
const WIDEST: usize = 4;
/// Most tables of a shelf.
const LONGEST: usize = 32;

/// Transformed rows of several tables of one shape, all of which every question reads.
///
/// Tables that came one after another are a **group**: cell by cell, row by row, theirs lie side by side, so that a pass reads them from front to back, and a
/// selector that was loaded serves all of them. Groups stand on **shelves**, each twice as long as the one before up to 32 tables, so that many tables share large
/// pages, few take little room, and nothing moves when one is added: shelves of 1, 1, 2, 4, 8, 16 and then 32 tables.
pub(in crate::search) struct Rows {
    shelves: Vec<Vec<Cell>>,
    tables: usize,
    /// Rows of a table.
    count: usize,
}

/// Where a table is.
struct Place {
    shelf: usize,
    /// Tables of the shelf.
    length: usize,
    /// Tables of each of its groups.
    width: usize,
    /// Tables before it on the shelf.
    before: usize,
}

impl Place {
    fn of(table: usize) -> Self {
        let (mut shelf, mut length, mut before) = (0, 1, table);
        while before >= length {
            before -= length;
            shelf += 1;
            length = if shelf == 1 { 1 } else { LONGEST.min(2 * length) };
        }
        Self { shelf, length, width: length.min(WIDEST), before }
    }
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
        Self { shelves: Vec::new(), tables: 0, count }
    }

    /// How many there are.
    pub(in crate::search) const fn tables(&self) -> usize {
        self.tables
    }

    /// Bytes in memory.
    pub(in crate::search) fn bytes(&self) -> usize {
        self.shelves.iter().map(|shelf| size_of_val(shelf.as_slice())).sum()
    }

    /// Adds a table of zeros: its number.
    pub(in crate::search) fn push(&mut self) -> usize {
        let (place, length) = (Place::of(self.tables), CELLS * self.count);
        if self.shelves.len() <= place.shelf {
            self.shelves.push(pages::with_capacity(length * place.length));
        }
        if let Some(shelf) = self.shelves.get_mut(place.shelf) {
            // All of its group, if it is the first there.
            shelf.resize(length * (place.before / place.width + 1) * place.width, Cell::ZERO);
        }
        self.tables += 1;
        self.tables - 1
    }

    /// Stores a row of a table that is there.
    pub(in crate::search) fn put(&mut self, table: usize, row: usize, spectrum: &Spectrum) {
        let place = Place::of(table);
        let stride = self.count * place.width;
        let first = place.before / place.width * CELLS * stride + row * place.width + place.before % place.width;
        let Some(cells) = self.shelves.get_mut(place.shelf).and_then(|shelf| shelf.get_mut(first..)) else { return };
        for (to, from) in cells.iter_mut().step_by(stride.max(1)).zip(spectrum.0.iter()) {
            *to = *from;
        }
    }

    /// For each table in turn: Σ row · selector for each part of the selectors and each of its columns. `take` sees the sums of one table after another,
    /// and may use them up.
    pub(in crate::search) fn multiply(
        &self,
        kernel: Kernel,
        selectors: &Selectors,
        mut take: impl FnMut(&mut [Spectrum]),
    ) {
        let mut sums = vec![Spectrum::zero(); WIDEST.min(self.tables) * selectors.columns];
        let (mut table, columns) = (0, selectors.columns.max(1));
        while table < self.tables {
            let place = Place::of(table);
            let stride = self.count * place.width;
            let first = place.before / place.width * CELLS * stride;
            let cells = self.shelves.get(place.shelf).and_then(|shelf| shelf.get(first..first + CELLS * stride));
            let group = Group { cells: cells.unwrap_or_default(), stride: stride.max(1), width: place.width };
            kernel.multiply(&group, selectors, &mut sums);
            sums.chunks_exact_mut(columns).take(place.width.min(self.tables - table)).for_each(&mut take);
            table += place.width;
        }
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
