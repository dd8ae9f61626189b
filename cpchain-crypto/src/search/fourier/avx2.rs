//! AVX2 with FMA: eight numbers are two registers.

use core::arch::x86_64::*;

use super::{
    CELLS, COEFFICIENTS,
    lanes::{Cell, LANES, Lanes},
    product,
    rows::{Group, Selectors, Sum},
    transform::{self, Roots, Torus},
};
use crate::search::simd::Avx2;

type Pair = [__m256d; 2];

#[target_feature(enable = "avx2,fma")]
pub(super) fn forward(lanes: Avx2, roots: &Roots, from: &[f64; COEFFICIENTS], to: &mut [Cell; CELLS]) {
    transform::forward(lanes, roots, from, to);
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn forward_torus(lanes: Avx2, roots: &Roots, from: &[u64; COEFFICIENTS], to: &mut [Cell; CELLS]) {
    transform::forward_torus(lanes, roots, from, to);
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn backward<T: Torus>(lanes: Avx2, roots: &Roots, from: &mut [Cell; CELLS], to: &mut [T; COEFFICIENTS]) {
    transform::backward(lanes, roots, from, to);
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn multiply(lanes: Avx2, group: &Group<'_>, selectors: &Selectors, sums: &mut [Sum]) {
    product::multiply(lanes, group, selectors, sums);
}

// SAFETY of every block: a value of this type exists only where AVX2 and FMA were detected. Loads and stores are of the two halves
// of an array of two registers, on any border.
impl Lanes for Avx2 {
    type V = Pair;
    const TABLES: usize = 1;
    const COLUMNS: usize = 2;

    #[inline(always)]
    fn load(self, from: &[f64; LANES]) -> Pair {
        // SAFETY: see above.
        unsafe { [_mm256_loadu_pd(from.as_ptr()), _mm256_loadu_pd(from.as_ptr().add(4))] }
    }

    #[inline(always)]
    fn store(self, [low, high]: Pair, to: &mut [f64; LANES]) {
        // SAFETY: see above.
        unsafe {
            _mm256_storeu_pd(to.as_mut_ptr(), low);
            _mm256_storeu_pd(to.as_mut_ptr().add(4), high);
        }
    }

    #[inline(always)]
    fn splat(self, value: f64) -> Pair {
        // SAFETY: see above.
        unsafe { [_mm256_set1_pd(value); 2] }
    }

    #[inline(always)]
    fn add(self, [a, b]: Pair, [c, d]: Pair) -> Pair {
        // SAFETY: see above.
        unsafe { [_mm256_add_pd(a, c), _mm256_add_pd(b, d)] }
    }

    #[inline(always)]
    fn sub(self, [a, b]: Pair, [c, d]: Pair) -> Pair {
        // SAFETY: see above.
        unsafe { [_mm256_sub_pd(a, c), _mm256_sub_pd(b, d)] }
    }

    #[inline(always)]
    fn mul(self, [a, b]: Pair, [c, d]: Pair) -> Pair {
        // SAFETY: see above.
        unsafe { [_mm256_mul_pd(a, c), _mm256_mul_pd(b, d)] }
    }

    #[inline(always)]
    fn mul_add(self, [a, b]: Pair, [c, d]: Pair, [e, f]: Pair) -> Pair {
        // SAFETY: see above.
        unsafe { [_mm256_fmadd_pd(a, c, e), _mm256_fmadd_pd(b, d, f)] }
    }

    #[inline(always)]
    fn mul_sub_from(self, [a, b]: Pair, [c, d]: Pair, [e, f]: Pair) -> Pair {
        // SAFETY: see above.
        unsafe { [_mm256_fnmadd_pd(a, c, e), _mm256_fnmadd_pd(b, d, f)] }
    }

    #[inline(always)]
    fn transpose(self, rows: [Pair; LANES]) -> [Pair; LANES] {
        let [[a0, a1], [b0, b1], [c0, c1], [d0, d1], [e0, e1], [f0, f1], [g0, g1], [h0, h1]] = rows;
        // SAFETY: see above.
        unsafe {
            let ([a, b, c, d], [i, j, k, l]) = (quarter(a0, b0, c0, d0), quarter(e0, f0, g0, h0));
            let ([e, f, g, h], [m, n, o, p]) = (quarter(a1, b1, c1, d1), quarter(e1, f1, g1, h1));
            [[a, i], [b, j], [c, k], [d, l], [e, m], [f, n], [g, o], [h, p]]
        }
    }
}

/// Transposes four registers of four numbers.
#[inline]
#[target_feature(enable = "avx2")]
fn quarter(a: __m256d, b: __m256d, c: __m256d, d: __m256d) -> [__m256d; 4] {
    let (ab0, ab1) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
    let (cd0, cd1) = (_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
    [
        _mm256_permute2f128_pd::<0x20>(ab0, cd0),
        _mm256_permute2f128_pd::<0x20>(ab1, cd1),
        _mm256_permute2f128_pd::<0x31>(ab0, cd0),
        _mm256_permute2f128_pd::<0x31>(ab1, cd1),
    ]
}
