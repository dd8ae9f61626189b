//! The reference: plain Rust, on every processor.

use super::{
    CELLS, COLUMNS, Cell, DEGREE, EXPONENT, LANES, Lanes, OFFSET, Packed, Polynomial, Selectors, Sums, Tile, WIDTH,
    wide,
};
use crate::search::simd::Scalar;

pub(super) fn multiply(_: Scalar, pages: &Tile, selectors: &Selectors) -> Sums {
    let mut sums = [[[0.0; LANES]; 4]; COLUMNS];
    for (pages, selector) in pages.iter().zip(selectors) {
        for (page, sums) in pages.iter().zip(&mut sums) {
            add(sums, page, selector);
        }
    }
    sums
}

/// `sums += page · selector`, the parts in the order that every kernel keeps.
fn add(sums: &mut Lanes, page: &Packed, selector: &Lanes) {
    let [a_re, a_im, b_re, b_im] = sums;
    let [p_re, p_im, q_re, q_im] = selector;
    let (numbers, _) = page.as_chunks::<WIDTH>();
    let (re, im) = numbers.split_at(LANES);
    let parts = re.iter().map(number).zip(im.iter().map(number));
    for (lane, (x, y)) in parts.enumerate() {
        for (re, im, p, q) in [(&mut *a_re, &mut *a_im, p_re, p_im), (&mut *b_re, &mut *b_im, q_re, q_im)] {
            let (Some(re), Some(im)) = (re.get_mut(lane), im.get_mut(lane)) else { continue };
            let (Some(p), Some(q)) = (p.get(lane), q.get(lane)) else { continue };
            *re = (-y).mul_add(*q, x.mul_add(*p, *re));
            *im = y.mul_add(*p, x.mul_add(*q, *im));
        }
    }
}

fn number(&[a, b, c, d, e, f]: &[u8; WIDTH]) -> f64 {
    f64::from_bits(EXPONENT | u64::from_le_bytes([a, b, c, d, e, f, 0, 0])) - OFFSET
}

pub(super) fn add_product(_: Scalar, sum: &mut [Cell; CELLS], of: &[Cell; CELLS], by: &[Cell; CELLS]) {
    wide::add_product(sum, of, by);
}

pub(super) fn difference(_: Scalar, to: &mut [Cell; CELLS], a: &[Cell; CELLS], b: &[Cell; CELLS]) {
    wide::difference(to, a, b);
}

pub(super) fn round(_: Scalar, numbers: &[u32; DEGREE], bits: u32, out: &mut [f64; DEGREE]) {
    wide::round(numbers, bits, out);
}

pub(super) fn cut(_: Scalar, polynomial: &Polynomial, level: u32, out: &mut [f64; DEGREE]) {
    wide::cut(polynomial, level, out);
}
