//! Loops that the compiler turns into vector code: here for any processor, and compiled anew where wider registers are there.

use super::{
    super::{
        lattice::Polynomial,
        parameters::{DEGREE, EXPANSION_BITS, EXPANSION_LEVELS},
    },
    CELLS, Cell, LANES,
};

#[inline(always)]
#[allow(clippy::indexing_slicing)] // Every index is below the constant length of all parts.
pub(super) fn add_product(sum: &mut [Cell; CELLS], of: &[Cell; CELLS], by: &[Cell; CELLS]) {
    for ((sum, of), by) in sum.iter_mut().zip(of).zip(by) {
        for i in 0..LANES {
            sum.re[i] += of.re[i] * by.re[i] - of.im[i] * by.im[i];
            sum.im[i] += of.re[i] * by.im[i] + of.im[i] * by.re[i];
        }
    }
}

#[inline(always)]
#[allow(clippy::indexing_slicing)] // Every index is below the constant length of all parts.
pub(super) fn difference(to: &mut [Cell; CELLS], a: &[Cell; CELLS], b: &[Cell; CELLS]) {
    for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
        for i in 0..LANES {
            (to.re[i], to.im[i]) = (a.re[i] - b.re[i], a.im[i] - b.im[i]);
        }
    }
}

#[inline(always)]
pub(super) fn round(numbers: &[u32; DEGREE], bits: u32, out: &mut [f64; DEGREE]) {
    let half = 1 << (31 - bits);
    for (to, value) in out.iter_mut().zip(numbers) {
        *to = f64::from(value.wrapping_add(half) as i32 >> (32 - bits));
    }
}

/// Adding half a base to every digit makes them all positive, so that they can be cut out one by one. Digits are from −b/2 to b/2 − 1 at even places and
/// from 1 − b/2 to b/2 at odd ones: a mean other than 0 would be a peak at the lowest frequencies, and the errors of floats would be enlarged by it.
#[inline(always)]
pub(super) fn cut(polynomial: &Polynomial, level: u32, out: &mut [f64; DEGREE]) {
    const BASE: u64 = 1 << EXPANSION_BITS;
    const LEVELS: u32 = EXPANSION_LEVELS as u32;
    const LOWEST: u32 = 64 - EXPANSION_BITS * LEVELS;
    let halves = (0..LEVELS).fold(0, |sum, level| sum | ((BASE / 2) << (LOWEST + EXPANSION_BITS * level)));
    let offset = halves + (1 << (LOWEST - 1));
    let shift = 64 - EXPANSION_BITS * (level.min(LEVELS - 1) + 1);
    let digit = |value: u64| f64::from((value.wrapping_add(offset) >> shift & (BASE - 1)) as i32 - (BASE / 2) as i32);
    for (digits, [even, odd]) in out.as_chunks_mut::<2>().0.iter_mut().zip(polynomial.as_chunks::<2>().0) {
        *digits = [digit(*even), -digit(odd.wrapping_neg())];
    }
}
