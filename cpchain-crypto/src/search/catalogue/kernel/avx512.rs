//! AVX-512: eight numbers at a time, unpacked by one permutation of 16-bit words.

use core::arch::x86_64::*;

use super::{
    CELLS, COLUMNS, Cell, DEGREE, EXPONENT, LANES, OFFSET, Packed, Polynomial, Selectors, Sums, Tile, WIDTH, wide,
};
use crate::search::simd::Avx512;

/// Bytes ahead of the page at work that are asked for: far enough for the memory, and still in the first cache when they are needed.
const AHEAD: usize = 4096;

/// Sixteen sums in flight hide the latency of the multiplier.
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn multiply(_: Avx512, pages: &Tile, selectors: &Selectors) -> Sums {
    let mut sums = [[_mm512_setzero_pd(); 4]; COLUMNS];
    for (pages, selector) in pages.iter().zip(selectors) {
        let [p_re, p_im, q_re, q_im] = selector;
        let [p_re, p_im, q_re, q_im] = [load(p_re), load(p_im), load(q_re), load(q_im)];
        fetch(pages);
        for (page, [a_re, a_im, b_re, b_im]) in pages.iter().zip(&mut sums) {
            let [x, y] = numbers(page);
            *a_re = _mm512_fnmadd_pd(y, p_im, _mm512_fmadd_pd(x, p_re, *a_re));
            *a_im = _mm512_fmadd_pd(y, p_re, _mm512_fmadd_pd(x, p_im, *a_im));
            *b_re = _mm512_fnmadd_pd(y, q_im, _mm512_fmadd_pd(x, q_re, *b_re));
            *b_im = _mm512_fmadd_pd(y, q_re, _mm512_fmadd_pd(x, q_im, *b_im));
        }
    }
    sums.map(|sums| sums.map(|sum| store(sum)))
}

/// The two vectors of a page, as floats.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
fn numbers(page: &Packed) -> [__m512d; 2] {
    // The words of eight numbers, three each; the fourth keeps the exponent.
    let places = _mm512_set_epi16(
        0, 23, 22, 21, 0, 20, 19, 18, 0, 17, 16, 15, 0, 14, 13, 12, 0, 11, 10, 9, 0, 8, 7, 6, 0, 5, 4, 3, 0, 2, 1, 0,
    );
    let exponent = _mm512_set1_epi64(EXPONENT as i64);
    let offset = _mm512_set1_pd(OFFSET);
    let (re, im) = page.split_at(LANES * WIDTH);
    [re, im].map(|bytes| {
        let at: *const i16 = bytes.as_ptr().cast();
        // SAFETY: the mask has 24 words, the 48 readable bytes of this half of the page.
        let words = unsafe { _mm512_maskz_loadu_epi16(0x00ff_ffff, at) };
        let floats = _mm512_mask_permutexvar_epi16(exponent, 0x7777_7777, places, words);
        _mm512_sub_pd(_mm512_castsi512_pd(floats), offset)
    })
}

#[inline]
#[target_feature(enable = "avx512f")]
#[allow(unused_unsafe)] // Safe from some compiler on.
fn fetch(pages: &[Packed; COLUMNS]) {
    let at: *const i8 = pages.as_ptr().cast();
    for line in 0..size_of::<[Packed; COLUMNS]>() / 64 {
        // SAFETY: a hint about an address, which need not be readable: nothing is read through it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(AHEAD + 64 * line)) };
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(lanes: &[f64; LANES]) -> __m512d {
    // SAFETY: eight floats are the 64 bytes that are read.
    unsafe { _mm512_loadu_pd(lanes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(sums: __m512d) -> [f64; LANES] {
    let mut lanes = [0.0; LANES];
    // SAFETY: eight floats are the 64 bytes that are written.
    unsafe { _mm512_storeu_pd(lanes.as_mut_ptr(), sums) };
    lanes
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn add_product(_: Avx512, sum: &mut [Cell; CELLS], of: &[Cell; CELLS], by: &[Cell; CELLS]) {
    wide::add_product(sum, of, by);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn difference(_: Avx512, to: &mut [Cell; CELLS], a: &[Cell; CELLS], b: &[Cell; CELLS]) {
    wide::difference(to, a, b);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn round(_: Avx512, numbers: &[u32; DEGREE], bits: u32, out: &mut [f64; DEGREE]) {
    wide::round(numbers, bits, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
pub(super) fn cut(_: Avx512, polynomial: &Polynomial, level: u32, out: &mut [f64; DEGREE]) {
    wide::cut(polynomial, level, out);
}
