//! AVX-512 with VNNI: one instruction multiplies 64 unsigned by 64 signed bytes and adds them up by fours.

use core::arch::x86_64::*;

use super::{
    ROWS,
    layout::{Chunk, Line},
};
use crate::search::simd::{Avx512, Scalar};

/// Needs a vector laid out by bytes. Sixteen sums in flight hide the latency of the instruction.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn dot(_: Avx512, rows: &[Chunk], vector: &[Chunk]) -> [u32; ROWS] {
    let mut sums = [[_mm512_setzero_si512(); 4]; ROWS];
    for ([row0, row1, row2, row3], [byte0, byte1, byte2, byte3]) in rows.iter().zip(vector) {
        let bytes = [load(byte0), load(byte1), load(byte2), load(byte3)];
        let [sums0, sums1, sums2, sums3] = &mut sums;
        add(sums0, bytes, load(row0));
        add(sums1, bytes, load(row1));
        add(sums2, bytes, load(row2));
        add(sums3, bytes, load(row3));
    }
    let [sums0, sums1, sums2, sums3] = sums;
    [join(sums0), join(sums1), join(sums2), join(sums3)]
}

/// The reference's loop, compiled for wider registers.
#[target_feature(enable = "avx512f")]
pub(super) fn add_scaled(_: Avx512, to: &mut [u32], of: &[u32], factor: u32) {
    super::scalar::add_scaled(Scalar, to, of, factor);
}

#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn add(sums: &mut [__m512i; 4], [byte0, byte1, byte2, byte3]: [__m512i; 4], row: __m512i) {
    let [sum0, sum1, sum2, sum3] = sums;
    *sum0 = _mm512_dpbusd_epi32(*sum0, byte0, row);
    *sum1 = _mm512_dpbusd_epi32(*sum1, byte1, row);
    *sum2 = _mm512_dpbusd_epi32(*sum2, byte2, row);
    *sum3 = _mm512_dpbusd_epi32(*sum3, byte3, row);
}

/// The sums of the four bytes, each shifted to its place, added up over all lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn join([sum0, sum1, sum2, sum3]: [__m512i; 4]) -> u32 {
    let low = _mm512_add_epi32(sum0, _mm512_slli_epi32::<8>(sum1));
    let high = _mm512_add_epi32(sum2, _mm512_slli_epi32::<8>(sum3));
    _mm512_reduce_add_epi32(_mm512_add_epi32(low, _mm512_slli_epi32::<16>(high))) as u32
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(line: &Line) -> __m512i {
    // SAFETY: a line is 64 readable bytes on a border of 64.
    unsafe { _mm512_load_si512(core::ptr::from_ref(line).cast()) }
}
