//! NEON: two numbers at a time, unpacked by a table look-up of bytes.

use core::arch::aarch64::*;

use super::{
    CELLS, COLUMNS, Cell, DEGREE, EXPONENT, LANES, OFFSET, Packed, Polynomial, Selectors, Sums, Tile, WIDTH, wide,
};
use crate::search::simd::Neon;

/// Lanes of a register.
const TWO: usize = 2;

/// A quarter of the lanes and two columns at a time.
#[target_feature(enable = "neon")]
pub(super) fn multiply(_: Neon, pages: &Tile, selectors: &Selectors) -> Sums {
    let mut out = [[[0.0; LANES]; 4]; COLUMNS];
    for quarter in 0..LANES / TWO {
        for (pair, out) in out.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let mut sums = [[vdupq_n_f64(0.0); 4]; 2];
            for (pages, selector) in pages.iter().zip(selectors) {
                let [p_re, p_im, q_re, q_im] = selector.each_ref().map(|lanes| load(lanes, quarter));
                for (page, [a_re, a_im, b_re, b_im]) in pages.iter().skip(2 * pair).zip(&mut sums) {
                    let [x, y] = numbers(page, quarter);
                    *a_re = vfmsq_f64(vfmaq_f64(*a_re, x, p_re), y, p_im);
                    *a_im = vfmaq_f64(vfmaq_f64(*a_im, x, p_im), y, p_re);
                    *b_re = vfmsq_f64(vfmaq_f64(*b_re, x, q_re), y, q_im);
                    *b_im = vfmaq_f64(vfmaq_f64(*b_im, x, q_im), y, q_re);
                }
            }
            for (out, sums) in out.iter_mut().zip(sums) {
                for (out, sums) in out.iter_mut().zip(sums) {
                    let to = out.as_chunks_mut::<TWO>().0.iter_mut().skip(quarter);
                    to.take(1).for_each(|to| store(to, sums));
                }
            }
        }
    }
    out
}

/// A quarter of the two vectors of a page, as floats.
#[inline]
#[target_feature(enable = "neon")]
fn numbers(page: &Packed, quarter: usize) -> [float64x2_t; 2] {
    const NONE: u8 = 255;
    const PLACES: [u8; 16] = [0, 1, 2, 3, 4, 5, NONE, NONE, 6, 7, 8, 9, 10, 11, NONE, NONE];
    // SAFETY: sixteen bytes are what is read.
    let places = unsafe { vld1q_u8(PLACES.as_ptr()) };
    let (re, im) = page.split_at(LANES * WIDTH);
    [re, im].map(|bytes| {
        let mut twelve = [0; 16];
        twelve
            .iter_mut()
            .zip(bytes.iter().skip(TWO * WIDTH * quarter).take(TWO * WIDTH))
            .for_each(|(to, of)| *to = *of);
        // SAFETY: sixteen bytes are what is read.
        let numbers = unsafe { vqtbl1q_u8(vld1q_u8(twelve.as_ptr()), places) };
        let floats = vorrq_u64(vreinterpretq_u64_u8(numbers), vdupq_n_u64(EXPONENT));
        vsubq_f64(vreinterpretq_f64_u64(floats), vdupq_n_f64(OFFSET))
    })
}

#[inline]
#[target_feature(enable = "neon")]
fn load(lanes: &[f64; LANES], quarter: usize) -> float64x2_t {
    let (_, lanes) = lanes.split_at(quarter.min(3) * TWO);
    // SAFETY: at least two floats, the 16 bytes that are read, are left of the eight.
    unsafe { vld1q_f64(lanes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn store(to: &mut [f64; TWO], sums: float64x2_t) {
    // SAFETY: two floats are the 16 bytes that are written.
    unsafe { vst1q_f64(to.as_mut_ptr(), sums) };
}

#[target_feature(enable = "neon")]
pub(super) fn add_product(_: Neon, sum: &mut [Cell; CELLS], of: &[Cell; CELLS], by: &[Cell; CELLS]) {
    wide::add_product(sum, of, by);
}

#[target_feature(enable = "neon")]
pub(super) fn difference(_: Neon, to: &mut [Cell; CELLS], a: &[Cell; CELLS], b: &[Cell; CELLS]) {
    wide::difference(to, a, b);
}

#[target_feature(enable = "neon")]
pub(super) fn round(_: Neon, numbers: &[u32; DEGREE], bits: u32, out: &mut [f64; DEGREE]) {
    wide::round(numbers, bits, out);
}

#[target_feature(enable = "neon")]
pub(super) fn cut(_: Neon, polynomial: &Polynomial, level: u32, out: &mut [f64; DEGREE]) {
    wide::cut(polynomial, level, out);
}
