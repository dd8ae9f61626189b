//! NEON: bytes are widened to 16 bits and multiplied by the two halves of a number into 32-bit sums.

use core::arch::aarch64::*;

use super::{
    ROWS,
    layout::{Chunk, Line},
};
use crate::search::simd::{Neon, Scalar};

/// Needs a vector laid out by halves.
#[target_feature(enable = "neon")]
pub(super) fn dot(_: Neon, rows: &[Chunk], vector: &[Chunk]) -> [u32; ROWS] {
    let mut low = [vdupq_n_s32(0); ROWS];
    let mut high = low;
    for (rows, [low0, low1, high0, high1]) in rows.iter().zip(vector) {
        let [lows0, lows1] = [halves(low0), halves(low1)];
        let [highs0, highs1] = [halves(high0), halves(high1)];
        for ((row, low), high) in rows.iter().zip(&mut low).zip(&mut high) {
            let lows = lows0.iter().chain(&lows1);
            let highs = highs0.iter().chain(&highs1);
            for (bytes, (lows, highs)) in bytes(row).into_iter().zip(lows.zip(highs)) {
                let bytes = vmovl_s8(bytes);
                *low = multiply_add(*low, bytes, *lows);
                *high = multiply_add(*high, bytes, *highs);
            }
        }
    }
    let mut sums = [0; ROWS];
    for ((sum, low), high) in sums.iter_mut().zip(low).zip(high) {
        *sum = vaddvq_s32(vaddq_s32(low, vshlq_n_s32::<16>(high))) as u32;
    }
    sums
}

/// The reference's loop: NEON is part of the target, so the compiler uses it unasked.
#[target_feature(enable = "neon")]
pub(super) fn add_scaled(_: Neon, to: &mut [u32], of: &[u32], factor: u32) {
    super::scalar::add_scaled(Scalar, to, of, factor);
}

#[inline]
#[target_feature(enable = "neon")]
fn multiply_add(sums: int32x4_t, a: int16x8_t, b: int16x8_t) -> int32x4_t {
    vmlal_high_s16(vmlal_s16(sums, vget_low_s16(a), vget_low_s16(b)), a, b)
}

#[inline]
#[target_feature(enable = "neon")]
fn bytes(line: &Line) -> [int8x8_t; 8] {
    let at: *const i8 = line.0.as_ptr().cast();
    // SAFETY: eight loads of 8 bytes are the 64 readable bytes of the line.
    unsafe {
        let (a, b) = (vld1_s8_x4(at), vld1_s8_x4(at.add(32)));
        [a.0, a.1, a.2, a.3, b.0, b.1, b.2, b.3]
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn halves(line: &Line) -> [int16x8_t; 4] {
    let at: *const i16 = line.0.as_ptr().cast();
    // SAFETY: four loads of 16 bytes are the 64 readable bytes of the line, which lies on a border of 64.
    let lines = unsafe { vld1q_s16_x4(at) };
    [lines.0, lines.1, lines.2, lines.3]
}
