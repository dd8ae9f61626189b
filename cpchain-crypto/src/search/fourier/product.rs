//! Sums of products of rows and selectors, frequency by frequency, written once for all processors.

use super::{
    Spectrum, TILE,
    lanes::{Cell, Lanes},
    rows::{Rows, Selectors, Tile},
};

/// One pass over the rows. `sums` has a spectrum for each column of each part, which is overwritten.
#[inline(always)]
pub(super) fn multiply<L: Lanes>(lanes: L, rows: &Rows, selectors: &Selectors, sums: &mut [Spectrum]) {
    let tiles = rows.tiles.chunks_exact(rows.count.max(1)).zip(selectors.tiles.chunks_exact(selectors.stride.max(1)));
    for (tile, (mut rows, mut selectors_left)) in tiles.enumerate() {
        let mut sums = sums.iter_mut();
        for part in &selectors.parts {
            let Some((of_part, rest)) = rows.split_at_checked(part.rows) else { return };
            rows = rest;
            for first in (0..part.columns).step_by(2) {
                let width = 2.min(part.columns - first);
                let Some((of_pair, rest)) = selectors_left.split_at_checked(width * part.rows) else { return };
                selectors_left = rest;
                if width == 2 {
                    for sum in columns::<L, 2>(lanes, of_part, of_pair) {
                        put(sums.next(), tile, sum);
                    }
                } else {
                    for sum in columns::<L, 1>(lanes, of_part, of_pair) {
                        put(sums.next(), tile, sum);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn put(spectrum: Option<&mut Spectrum>, tile: usize, sum: Tile) {
    if let Some(to) = spectrum.and_then(|spectrum| spectrum.0.as_chunks_mut::<TILE>().0.get_mut(tile)) {
        *to = sum;
    }
}

/// For each of `P` columns: Σ row · selector, in one tile. There is a tile for each row, and for each row one selector a column.
#[inline(always)]
fn columns<L: Lanes, const P: usize>(lanes: L, rows: &[Tile], selectors: &[Tile]) -> [Tile; P] {
    let zero = lanes.splat(0.0);
    let mut sums = [[(zero, zero); TILE]; P];
    for (row, selectors) in rows.iter().zip(selectors.as_chunks::<P>().0) {
        for (t, row) in row.iter().enumerate() {
            let (a, b) = (lanes.load(&row.re), lanes.load(&row.im));
            for (sums, selector) in sums.iter_mut().zip(selectors) {
                let (Some(sum), Some(selector)) = (sums.get_mut(t), selector.get(t)) else { continue };
                let (c, d) = (lanes.load(&selector.re), lanes.load(&selector.im));
                sum.0 = lanes.mul_sub_from(b, d, lanes.mul_add(a, c, sum.0));
                sum.1 = lanes.mul_add(b, c, lanes.mul_add(a, d, sum.1));
            }
        }
    }
    let mut out = [[Cell::ZERO; TILE]; P];
    for (out, sums) in out.iter_mut().zip(&sums) {
        for (out, (re, im)) in out.iter_mut().zip(sums) {
            lanes.store(*re, &mut out.re);
            lanes.store(*im, &mut out.im);
        }
    }
    out
}
