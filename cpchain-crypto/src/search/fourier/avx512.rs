//! AVX-512: eight numbers are one register.

use core::arch::x86_64::*;

use super::{
    CELLS, COEFFICIENTS,
    lanes::{Cell, LANES, Lanes},
    product,
    rows::{Group, Selectors, Sum},
    transform::{self, Roots, Torus},
};
use crate::search::simd::Avx512;

#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn forward(lanes: Avx512, roots: &Roots, from: &[f64; COEFFICIENTS], to: &mut [Cell; CELLS]) {
    transform::forward(lanes, roots, from, to);
}

#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn forward_torus(lanes: Avx512, roots: &Roots, from: &[u64; COEFFICIENTS], to: &mut [Cell; CELLS]) {
    transform::forward_torus(lanes, roots, from, to);
}

#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn backward<T: Torus>(lanes: Avx512, roots: &Roots, from: &mut [Cell; CELLS], to: &mut [T; COEFFICIENTS]) {
    transform::backward(lanes, roots, from, to);
}

#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn multiply(lanes: Avx512, group: &Group<'_>, selectors: &Selectors, sums: &mut [Sum]) {
    product::multiply(lanes, group, selectors, sums);
}

// SAFETY of every block: a value of this type exists only where the instructions of AVX-512 were detected. Loads and stores are of arrays of
// exactly one register, on any border.
impl Lanes for Avx512 {
    type V = __m512d;
    const TABLES: usize = 4;
    const COLUMNS: usize = 3;

    #[inline(always)]
    fn load(self, from: &[f64; LANES]) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_loadu_pd(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, from: __m512d, to: &mut [f64; LANES]) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_pd(to.as_mut_ptr(), from) }
    }

    #[inline(always)]
    fn splat(self, value: f64) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_set1_pd(value) }
    }

    #[inline(always)]
    fn add(self, a: __m512d, b: __m512d) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_add_pd(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512d, b: __m512d) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_sub_pd(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512d, b: __m512d) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_mul_pd(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m512d, b: __m512d, c: __m512d) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_fmadd_pd(a, b, c) }
    }

    #[inline(always)]
    fn mul_sub_from(self, a: __m512d, b: __m512d, c: __m512d) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_fnmadd_pd(a, b, c) }
    }

    #[inline(always)]
    fn transpose(self, [a, b, c, d, e, f, g, h]: [__m512d; LANES]) -> [__m512d; LANES] {
        // SAFETY: see above.
        unsafe {
            let even = quarters(
                _mm512_unpacklo_pd(a, b),
                _mm512_unpacklo_pd(c, d),
                _mm512_unpacklo_pd(e, f),
                _mm512_unpacklo_pd(g, h),
            );
            let odd = quarters(
                _mm512_unpackhi_pd(a, b),
                _mm512_unpackhi_pd(c, d),
                _mm512_unpackhi_pd(e, f),
                _mm512_unpackhi_pd(g, h),
            );
            let ([a, c, e, g], [b, d, f, h]) = (even, odd);
            [a, b, c, d, e, f, g, h]
        }
    }
}

/// Transposes four registers of four pairs.
#[inline]
#[target_feature(enable = "avx512f")]
fn quarters(a: __m512d, b: __m512d, c: __m512d, d: __m512d) -> [__m512d; 4] {
    let (ab, cd) = (_mm512_shuffle_f64x2::<0x44>(a, b), _mm512_shuffle_f64x2::<0x44>(c, d));
    let (first, second) = (_mm512_shuffle_f64x2::<0x88>(ab, cd), _mm512_shuffle_f64x2::<0xdd>(ab, cd));
    let (ab, cd) = (_mm512_shuffle_f64x2::<0xee>(a, b), _mm512_shuffle_f64x2::<0xee>(c, d));
    [first, second, _mm512_shuffle_f64x2::<0x88>(ab, cd), _mm512_shuffle_f64x2::<0xdd>(ab, cd)]
}
