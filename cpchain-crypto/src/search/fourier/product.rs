//! Sums of products of rows and selectors, frequency by frequency, written once for all processors.

use super::{
    lanes::{Cell, Lanes},
    rows::{Group, Selectors, Sum},
};

/// One pass over the tables of a group. `sums` has one for each column of each part, table after table, which is overwritten.
#[inline(always)]
pub(super) fn multiply<L: Lanes>(lanes: L, group: &Group<'_>, selectors: &Selectors, sums: &mut [Sum]) {
    for (cell, mut rows) in group.cells().enumerate() {
        let (mut column, mut selectors_left) = (0, selectors.cell(cell));
        for part in &selectors.parts {
            let Some((rows_of_part, rest)) = rows.split_at_checked(part.rows * group.width) else { return };
            rows = rest;
            let Some((selectors_of_part, rest)) = selectors_left.split_at_checked(part.rows * part.columns) else {
                return;
            };
            selectors_left = rest;
            let work = Work {
                rows: rows_of_part,
                width: group.width,
                selectors: selectors_of_part,
                columns: part.columns,
                cell,
                before: column,
                all_columns: selectors.columns,
            };
            work.multiply(lanes, sums);
            column += part.columns;
        }
    }
}

/// One cell of one part.
struct Work<'a> {
    /// For each row one a table.
    rows: &'a [Cell],
    width: usize,
    /// For each row one a column.
    selectors: &'a [Cell],
    columns: usize,
    /// Where the sums belong: which cell, behind so many columns of parts before, of so many a table.
    cell: usize,
    before: usize,
    all_columns: usize,
}

impl Work<'_> {
    #[inline(always)]
    fn multiply<L: Lanes>(&self, lanes: L, sums: &mut [Sum]) {
        // As few at a time as for as many turns: four columns are two and two.
        let columns = self.columns.div_ceil(self.columns.div_ceil(L::COLUMNS).max(1)).max(1);
        for table in (0..self.width).step_by(L::TABLES) {
            for column in (0..self.columns).step_by(columns) {
                let at = (table, column);
                match (L::TABLES.min(self.width - table), columns.min(self.columns - column)) {
                    (1, 1) => self.sum::<L, 1, 1>(lanes, at, sums),
                    (1, 2) => self.sum::<L, 1, 2>(lanes, at, sums),
                    (1, _) => self.sum::<L, 1, 3>(lanes, at, sums),
                    (2, 1) => self.sum::<L, 2, 1>(lanes, at, sums),
                    (2, 2) => self.sum::<L, 2, 2>(lanes, at, sums),
                    (2, _) => self.sum::<L, 2, 3>(lanes, at, sums),
                    (_, 1) => self.sum::<L, 4, 1>(lanes, at, sums),
                    (_, 2) => self.sum::<L, 4, 2>(lanes, at, sums),
                    (_, _) => self.sum::<L, 4, 3>(lanes, at, sums),
                }
            }
        }
    }

    /// Σ row · selector for `T` tables and `C` columns: each is loaded once for all sums, which stay in registers.
    #[inline(always)]
    fn sum<L: Lanes, const T: usize, const C: usize>(
        &self,
        lanes: L,
        (table, column): (usize, usize),
        out: &mut [Sum],
    ) {
        // What the match above names for other processors is not compiled for this one.
        if T > L::TABLES || C > L::COLUMNS {
            return;
        }
        let zero = lanes.splat(0.0);
        let mut sums = [[(zero, zero); C]; T];
        for (rows, selectors) in self.rows.chunks_exact(self.width).zip(self.selectors.chunks_exact(self.columns)) {
            let (Some(rows), Some(selectors)) = (rows.get(table..table + T), selectors.get(column..column + C)) else {
                return;
            };
            let mut numbers = [(zero, zero); C];
            for (number, selector) in numbers.iter_mut().zip(selectors) {
                *number = (lanes.load(&selector.re), lanes.load(&selector.im));
            }
            for (sums, row) in sums.iter_mut().zip(rows) {
                let (a, b) = (lanes.load(&row.re), lanes.load(&row.im));
                for (sum, (c, d)) in sums.iter_mut().zip(numbers) {
                    sum.0 = lanes.mul_sub_from(b, d, lanes.mul_add(a, c, sum.0));
                    sum.1 = lanes.mul_add(b, c, lanes.mul_add(a, d, sum.1));
                }
            }
        }
        for (place, sums) in sums.iter().enumerate() {
            let first = (table + place) * self.all_columns + self.before + column;
            for (sum, (re, im)) in out.iter_mut().skip(first).zip(sums) {
                if let Some(to) = sum.cells_mut().get_mut(self.cell) {
                    lanes.store(*re, &mut to.re);
                    lanes.store(*im, &mut to.im);
                }
            }
        }
    }
}
