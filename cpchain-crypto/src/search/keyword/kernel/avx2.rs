//! AVX2: bytes are widened to 16 bits and multiplied by the two halves of a number; pairs of products add up in 32 bits.

use core::arch::x86_64::*;

use super::{
    ROWS,
    layout::{Chunk, Line},
};
use crate::search::simd::{Avx2, Scalar};

/// Needs a vector laid out by halves.
#[target_feature(enable = "avx2")]
pub(super) fn dot(_: Avx2, rows: &[Chunk], vector: &[Chunk]) -> [u32; ROWS] {
    let mut low = [_mm256_setzero_si256(); ROWS];
    let mut high = low;
    for (rows, [low0, low1, high0, high1]) in rows.iter().zip(vector) {
        let numbers = [(load(low0), load(high0)), (load(low1), load(high1))];
        for ((row, low), high) in rows.iter().zip(&mut low).zip(&mut high) {
            for (bytes, (lows, highs)) in load(row).into_iter().zip(&numbers) {
                let wide = [_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes)];
                for (bytes, (lows, highs)) in wide.into_iter().zip(lows.iter().zip(highs)) {
                    let bytes = _mm256_cvtepi8_epi16(bytes);
                    *low = _mm256_add_epi32(*low, _mm256_madd_epi16(bytes, *lows));
                    *high = _mm256_add_epi32(*high, _mm256_madd_epi16(bytes, *highs));
                }
            }
        }
    }
    let [low0, low1, low2, low3] = low;
    let [high0, high1, high2, high3] = high;
    [join(low0, high0), join(low1, high1), join(low2, high2), join(low3, high3)]
}

/// The reference's loop, compiled for wider registers.
#[target_feature(enable = "avx2")]
pub(super) fn add_scaled(_: Avx2, to: &mut [u32], of: &[u32], factor: u32) {
    super::scalar::add_scaled(Scalar, to, of, factor);
}

/// Both halves, the upper one shifted to its place, added up over all lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn join(low: __m256i, high: __m256i) -> u32 {
    let sums = _mm256_add_epi32(low, _mm256_slli_epi32::<16>(high));
    let sums = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
    let sums = _mm_add_epi32(sums, _mm_unpackhi_epi64(sums, sums));
    _mm_cvtsi128_si32(_mm_add_epi32(sums, _mm_shuffle_epi32::<1>(sums))) as u32
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(line: &Line) -> [__m256i; 2] {
    let at: *const __m256i = core::ptr::from_ref(line).cast();
    // SAFETY: a line is 64 readable bytes on a border of 64, so both halves are 32 readable bytes on a border of 32.
    unsafe { [_mm256_load_si256(at), _mm256_load_si256(at.add(1))] }
}
