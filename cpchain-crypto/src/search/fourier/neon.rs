//! NEON: eight numbers are four registers.

use core::arch::aarch64::*;

use super::{
    CELLS, COEFFICIENTS,
    lanes::{Cell, LANES, Lanes},
    product,
    rows::{Group, Selectors, Sum},
    transform::{self, Roots, Torus},
};
use crate::search::simd::Neon;

type Four = [float64x2_t; 4];

#[inline(always)]
fn each(a: Four, b: Four, of: impl Fn(float64x2_t, float64x2_t) -> float64x2_t) -> Four {
    let ([a, b, c, d], [e, f, g, h]) = (a, b);
    [of(a, e), of(b, f), of(c, g), of(d, h)]
}

#[target_feature(enable = "neon")]
pub(super) fn forward(lanes: Neon, roots: &Roots, from: &[f64; COEFFICIENTS], to: &mut [Cell; CELLS]) {
    transform::forward(lanes, roots, from, to);
}

#[target_feature(enable = "neon")]
pub(super) fn forward_torus(lanes: Neon, roots: &Roots, from: &[u64; COEFFICIENTS], to: &mut [Cell; CELLS]) {
    transform::forward_torus(lanes, roots, from, to);
}

#[target_feature(enable = "neon")]
pub(super) fn backward<T: Torus>(lanes: Neon, roots: &Roots, from: &mut [Cell; CELLS], to: &mut [T; COEFFICIENTS]) {
    transform::backward(lanes, roots, from, to);
}

#[target_feature(enable = "neon")]
pub(super) fn multiply(lanes: Neon, group: &Group<'_>, selectors: &Selectors, sums: &mut [Sum]) {
    product::multiply(lanes, group, selectors, sums);
}

// SAFETY of every block: a value of this type exists only where NEON was detected. Loads and stores are of the four quarters of an
// array of four registers.
impl Lanes for Neon {
    type V = Four;
    const TABLES: usize = 1;
    const COLUMNS: usize = 2;

    #[inline(always)]
    fn load(self, from: &[f64; LANES]) -> Four {
        let at = from.as_ptr();
        // SAFETY: see above.
        unsafe { [vld1q_f64(at), vld1q_f64(at.add(2)), vld1q_f64(at.add(4)), vld1q_f64(at.add(6))] }
    }

    #[inline(always)]
    fn store(self, [a, b, c, d]: Four, to: &mut [f64; LANES]) {
        let at = to.as_mut_ptr();
        // SAFETY: see above.
        unsafe {
            vst1q_f64(at, a);
            vst1q_f64(at.add(2), b);
            vst1q_f64(at.add(4), c);
            vst1q_f64(at.add(6), d);
        }
    }

    #[inline(always)]
    fn splat(self, value: f64) -> Four {
        // SAFETY: see above.
        unsafe { [vdupq_n_f64(value); 4] }
    }

    #[inline(always)]
    fn add(self, a: Four, b: Four) -> Four {
        // SAFETY: see above.
        each(a, b, |a, b| unsafe { vaddq_f64(a, b) })
    }

    #[inline(always)]
    fn sub(self, a: Four, b: Four) -> Four {
        // SAFETY: see above.
        each(a, b, |a, b| unsafe { vsubq_f64(a, b) })
    }

    #[inline(always)]
    fn mul(self, a: Four, b: Four) -> Four {
        // SAFETY: see above.
        each(a, b, |a, b| unsafe { vmulq_f64(a, b) })
    }

    #[inline(always)]
    fn mul_add(self, a: Four, b: Four, c: Four) -> Four {
        let ([a, b, c, d], [e, f, g, h], [i, j, k, l]) = (a, b, c);
        // SAFETY: see above.
        unsafe { [vfmaq_f64(i, a, e), vfmaq_f64(j, b, f), vfmaq_f64(k, c, g), vfmaq_f64(l, d, h)] }
    }

    #[inline(always)]
    fn mul_sub_from(self, a: Four, b: Four, c: Four) -> Four {
        let ([a, b, c, d], [e, f, g, h], [i, j, k, l]) = (a, b, c);
        // SAFETY: see above.
        unsafe { [vfmsq_f64(i, a, e), vfmsq_f64(j, b, f), vfmsq_f64(k, c, g), vfmsq_f64(l, d, h)] }
    }

    #[inline(always)]
    fn transpose(self, [a, b, c, d, e, f, g, h]: [Four; LANES]) -> [Four; LANES] {
        // SAFETY: see above.
        let even = |a: Four, b: Four| each(a, b, |a, b| unsafe { vtrn1q_f64(a, b) });
        // SAFETY: see above.
        let odd = |a: Four, b: Four| each(a, b, |a, b| unsafe { vtrn2q_f64(a, b) });
        let [a0, a2, a4, a6] = even(a, b);
        let [a1, a3, a5, a7] = odd(a, b);
        let [c0, c2, c4, c6] = even(c, d);
        let [c1, c3, c5, c7] = odd(c, d);
        let [e0, e2, e4, e6] = even(e, f);
        let [e1, e3, e5, e7] = odd(e, f);
        let [g0, g2, g4, g6] = even(g, h);
        let [g1, g3, g5, g7] = odd(g, h);
        [
            [a0, c0, e0, g0],
            [a1, c1, e1, g1],
            [a2, c2, e2, g2],
            [a3, c3, e3, g3],
            [a4, c4, e4, g4],
            [a5, c5, e5, g5],
            [a6, c6, e6, g6],
            [a7, c7, e7, g7],
        ]
    }
}
