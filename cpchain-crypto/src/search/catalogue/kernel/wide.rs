//! Loops that the compiler turns into vector code: here for any processor, and compiled anew where wider registers are there.

use super::{
    super::{
        lattice::{FREQUENCIES, Frequencies, Polynomial},
        parameters::{EXPANSION_BITS, EXPANSION_LEVELS},
    },
    Split,
};

#[inline(always)]
#[allow(clippy::indexing_slicing)] // Every index is below the constant length that all four types carry.
pub(super) fn add_product([sum_re, sum_im]: &mut Split, of: &Frequencies, [by_re, by_im]: &Split) {
    for i in 0..FREQUENCIES {
        let (re, im) = (of[i].re, of[i].im);
        sum_re[i] += re * by_re[i] - im * by_im[i];
        sum_im[i] += re * by_im[i] + im * by_re[i];
    }
}

#[inline(always)]
pub(super) fn digit(polynomial: &mut Polynomial, bits: u32) {
    let half = 1 << (63 - bits);
    for value in polynomial {
        *value = (value.wrapping_add(half) as i64 >> (64 - bits)) as u64;
    }
}

/// Adding half a base to every digit makes them all positive, so that they can be cut out one by one. Digits are from −b/2 to b/2 − 1 at even places and
/// from 1 − b/2 to b/2 at odd ones: a mean other than 0 would be a peak at the lowest frequencies, where binary secrets have theirs, and
/// the errors of floats would be enlarged by both.
#[inline(always)]
pub(super) fn digits(polynomial: &Polynomial, out: &mut [Polynomial; EXPANSION_LEVELS]) {
    const BASE: u64 = 1 << EXPANSION_BITS;
    const LOWEST: u32 = 64 - EXPANSION_BITS * EXPANSION_LEVELS as u32;
    let halves =
        (0..EXPANSION_LEVELS as u32).fold(0, |sum, level| sum | ((BASE / 2) << (LOWEST + EXPANSION_BITS * level)));
    let offset = halves + (1 << (LOWEST - 1));
    for (level, digits) in out.iter_mut().enumerate() {
        let shift = 64 - EXPANSION_BITS * (level as u32 + 1);
        for (digits, values) in digits.as_chunks_mut::<2>().0.iter_mut().zip(polynomial.as_chunks::<2>().0) {
            let cut = |value: u64| (value.wrapping_add(offset) >> shift & (BASE - 1)).wrapping_sub(BASE / 2);
            let [even, odd] = *values;
            *digits = [cut(even), cut(odd.wrapping_neg()).wrapping_neg()];
        }
    }
}
