//! AVX2 with FMA: four numbers at a time, unpacked by a permutation of words and one of bytes.

use core::arch::x86_64::*;

use super::{
    CELLS, COLUMNS, Cell, DEGREE, EXPONENT, LANES, OFFSET, Packed, Polynomial, Selectors, Sums, Tile, WIDTH, wide,
};
use crate::search::simd::Avx2;

/// Lanes of a register.
const FOUR: usize = LANES / 2;

/// Half of the lanes and two columns at a time: eight sums are what sixteen registers hold beside the factors.
#[target_feature(enable = "avx2,fma")]
pub(super) fn multiply(_: Avx2, pages: &Tile, selectors: &Selectors) -> Sums {
    let mut out = [[[0.0; LANES]; 4]; COLUMNS];
    for half in 0..2 {
        for (pair, out) in out.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let mut sums = [[_mm256_setzero_pd(); 4]; 2];
            for (pages, selector) in pages.iter().zip(selectors) {
                let [p_re, p_im, q_re, q_im] = selector.each_ref().map(|lanes| load(lanes, half));
                for (page, [a_re, a_im, b_re, b_im]) in pages.iter().skip(2 * pair).zip(&mut sums) {
                    let [x, y] = numbers(page, half);
                    *a_re = _mm256_fnmadd_pd(y, p_im, _mm256_fmadd_pd(x, p_re, *a_re));
                    *a_im = _mm256_fmadd_pd(y, p_re, _mm256_fmadd_pd(x, p_im, *a_im));
                    *b_re = _mm256_fnmadd_pd(y, q_im, _mm256_fmadd_pd(x, q_re, *b_re));
                    *b_im = _mm256_fmadd_pd(y, q_re, _mm256_fmadd_pd(x, q_im, *b_im));
                }
            }
            for (out, sums) in out.iter_mut().zip(sums) {
                for (out, sums) in out.iter_mut().zip(sums) {
                    let to = out.as_chunks_mut::<FOUR>().0.iter_mut().skip(half);
                    to.take(1).for_each(|to| store(to, sums));
                }
            }
        }
    }
    out
}

/// Half of the two vectors of a page, as floats.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn numbers(page: &Packed, half: usize) -> [__m256d; 2] {
    let exponent = _mm256_set1_epi64x(EXPONENT as i64);
    let offset = _mm256_set1_pd(OFFSET);
    // Twelve bytes to each half of the register, then six to each number.
    let halves = _mm256_set_epi32(0, 5, 4, 3, 0, 2, 1, 0);
    let places = _mm256_set_epi8(
        -1, -1, 11, 10, 9, 8, 7, 6, -1, -1, 5, 4, 3, 2, 1, 0, -1, -1, 11, 10, 9, 8, 7, 6, -1, -1, 5, 4, 3, 2, 1, 0,
    );
    let present = _mm256_set_epi32(0, 0, -1, -1, -1, -1, -1, -1);
    let (re, im) = page.split_at(LANES * WIDTH);
    [re, im].map(|bytes| {
        let (_, bytes) = bytes.split_at(half.min(1) * FOUR * WIDTH);
        // SAFETY: the mask has six words of 32 bits, the 24 readable bytes of this half.
        let words = unsafe { _mm256_maskload_epi32(bytes.as_ptr().cast(), present) };
        let numbers = _mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(words, halves), places);
        _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(numbers, exponent)), offset)
    })
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(lanes: &[f64; LANES], half: usize) -> __m256d {
    let (_, lanes) = lanes.split_at(half.min(1) * FOUR);
    // SAFETY: at least four floats, the 32 bytes that are read, are left of the eight.
    unsafe { _mm256_loadu_pd(lanes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(to: &mut [f64; FOUR], sums: __m256d) {
    // SAFETY: four floats are the 32 bytes that are written.
    unsafe { _mm256_storeu_pd(to.as_mut_ptr(), sums) };
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn add_product(_: Avx2, sum: &mut [Cell; CELLS], of: &[Cell; CELLS], by: &[Cell; CELLS]) {
    wide::add_product(sum, of, by);
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn difference(_: Avx2, to: &mut [Cell; CELLS], a: &[Cell; CELLS], b: &[Cell; CELLS]) {
    wide::difference(to, a, b);
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn round(_: Avx2, numbers: &[u32; DEGREE], bits: u32, out: &mut [f64; DEGREE]) {
    wide::round(numbers, bits, out);
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn cut(_: Avx2, polynomial: &Polynomial, level: u32, out: &mut [f64; DEGREE]) {
    wide::cut(polynomial, level, out);
}
