//! The negacyclic Fourier transform of 2,048 coefficients, written once for all processors.
//!
//! Coefficients `n` and `n + 1024` become one complex number, turned by ζⁿ with ζ = exp(iπ / 2048); a transform of 1,024 complex numbers
//! follows. Number `n = 8a + l` is lane `l` of cell `a`, so that 128 = 4 · 4 · 8 of the way is the same work in every lane; only the last factor 8 runs across
//! lanes, after a transposition. The order of the result is whatever that leaves: products do not care, and the way back undoes it.
#![allow(clippy::indexing_slicing)] // Every index is below a constant length that the types carry.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::{
    CELLS, COEFFICIENTS,
    lanes::{Cell, LANES, Lanes},
};

/// Adding it leaves a number rounded to whole ones in the lowest bits.
const ROUND: f64 = 1.5 * (1u64 << 52) as f64;

type Complex<L> = (<L as Lanes>::V, <L as Lanes>::V);

/// Roots of one.
pub(super) struct Roots {
    /// ζⁿ for n = 8a + l.
    twist: Box<[Cell; CELLS]>,
    /// exp(2πi · ab / 128) for a below 32 and b of 1, 2, 3.
    first: [[(f64, f64); 3]; 32],
    /// exp(2πi · ab / 32) for a below 8.
    second: [[(f64, f64); 3]; LANES],
    /// exp(2πi · lk / 1024) for the k that the first three factors leave in each cell.
    third: Box<[Cell; CELLS]>,
}

impl Roots {
    pub(super) fn new() -> Self {
        let root = |part: usize, of: usize| {
            let (sin, cos) = (2.0 * PI * part as f64 / of as f64).sin_cos();
            (cos, sin)
        };
        let mut twist = Box::new([Cell::ZERO; CELLS]);
        let mut third = Box::new([Cell::ZERO; CELLS]);
        for at in 0..CELLS {
            let frequency = at / 32 + 4 * (at / LANES % 4) + 16 * (at % LANES);
            for lane in 0..LANES {
                (twist[at].re[lane], twist[at].im[lane]) = root(LANES * at + lane, 2 * COEFFICIENTS);
                (third[at].re[lane], third[at].im[lane]) = root(lane * frequency, COEFFICIENTS / 2);
            }
        }
        let first = core::array::from_fn(|a| [1, 2, 3].map(|b| root(a * b, 128)));
        let second = core::array::from_fn(|a| [1, 2, 3].map(|b| root(a * b, 32)));
        Self { twist, first, second, third }
    }
}

/// 2⁻⁶⁴
const UNIT: f64 = 1.0 / (1u128 << 64) as f64;

/// From coefficients to frequencies.
#[inline(always)]
pub(super) fn forward<L: Lanes>(lanes: L, roots: &Roots, from: &[f64; COEFFICIENTS], to: &mut [Cell; CELLS]) {
    let (upper, lower) = from.as_chunks::<LANES>().0.split_at(CELLS);
    transform(lanes, roots, |at| (lanes.load(&upper[at]), lanes.load(&lower[at])), to);
}

/// The same for numbers modulo 1 in units of 2⁻⁶⁴, around zero: from −1/2 to 1/2.
#[inline(always)]
pub(super) fn forward_torus<L: Lanes>(lanes: L, roots: &Roots, from: &[u64; COEFFICIENTS], to: &mut [Cell; CELLS]) {
    let (upper, lower) = from.as_chunks::<LANES>().0.split_at(CELLS);
    let unit = lanes.splat(UNIT);
    let load = |words: &[u64; LANES]| lanes.mul(lanes.load(&words.map(|word| word as i64 as f64)), unit);
    transform(lanes, roots, |at| (load(&upper[at]), load(&lower[at])), to);
}

/// From coefficients, of which `from` has eight at a time, `n` and `n + 1024`.
#[inline(always)]
fn transform<L: Lanes>(lanes: L, roots: &Roots, from: impl Fn(usize) -> Complex<L>, to: &mut [Cell; CELLS]) {
    for a in 0..32 {
        let mut numbers = [zero(lanes); 4];
        for (j, number) in numbers.iter_mut().enumerate() {
            let at = a + 32 * j;
            *number = multiply(lanes, from(at), load(lanes, &roots.twist[at]));
        }
        put(lanes, turn::<L, true>(lanes, four::<L, true>(lanes, numbers), &roots.first[a]), to, a, 32);
    }
    for block in to.as_chunks_mut::<32>().0 {
        for (a, roots) in roots.second.iter().enumerate() {
            let numbers = four::<L, true>(lanes, get(lanes, block, a, LANES));
            put(lanes, turn::<L, true>(lanes, numbers, roots), block, a, LANES);
        }
    }
    for (block, roots) in to.as_chunks_mut::<LANES>().0.iter_mut().zip(roots.third.as_chunks::<LANES>().0) {
        let mut numbers = eight::<L, true>(lanes, get(lanes, block, 0, 1));
        for (number, root) in numbers.iter_mut().zip(roots) {
            *number = multiply(lanes, *number, load(lanes, root));
        }
        put(lanes, eight::<L, true>(lanes, transpose(lanes, numbers)), block, 0, 1);
    }
}

/// From frequencies back to coefficients, modulo 1. The frequencies are lost.
#[inline(always)]
pub(super) fn backward<L: Lanes, T: Torus>(
    lanes: L,
    roots: &Roots,
    from: &mut [Cell; CELLS],
    to: &mut [T; COEFFICIENTS],
) {
    for (block, roots) in from.as_chunks_mut::<LANES>().0.iter_mut().zip(roots.third.as_chunks::<LANES>().0) {
        let mut numbers = transpose(lanes, eight::<L, false>(lanes, get(lanes, block, 0, 1)));
        for (number, root) in numbers.iter_mut().zip(roots) {
            *number = multiply_conjugate(lanes, *number, load(lanes, root));
        }
        put(lanes, eight::<L, false>(lanes, numbers), block, 0, 1);
    }
    for block in from.as_chunks_mut::<32>().0 {
        for (a, roots) in roots.second.iter().enumerate() {
            let numbers = turn::<L, false>(lanes, get(lanes, block, a, LANES), roots);
            put(lanes, four::<L, false>(lanes, numbers), block, a, LANES);
        }
    }
    let (upper, lower) = to.as_chunks_mut::<LANES>().0.split_at_mut(CELLS);
    for a in 0..32 {
        let numbers = turn::<L, false>(lanes, get(lanes, from, a, 32), &roots.first[a]);
        for (j, number) in four::<L, false>(lanes, numbers).into_iter().enumerate() {
            let at = a + 32 * j;
            let (re, im) = multiply_conjugate(lanes, number, load(lanes, &roots.twist[at]));
            T::put(lanes, re, &mut upper[at]);
            T::put(lanes, im, &mut lower[at]);
        }
    }
}

/// Numbers modulo 1, by their bits behind the point.
pub(super) trait Torus: Copy {
    /// The fraction of each `value / 1024`. Rounds exactly as long as the value is below 2⁶¹.
    fn put<L: Lanes>(lanes: L, value: L::V, to: &mut [Self; LANES]);
}

/// Units of 2⁻³².
impl Torus for u32 {
    #[inline(always)]
    fn put<L: Lanes>(lanes: L, value: L::V, to: &mut [u32; LANES]) {
        let [units, _] = units(lanes, value);
        to.iter_mut().zip(units).for_each(|(to, units)| *to = units.to_bits() as u32);
    }
}

/// Units of 2⁻⁶⁴, of which the lowest are as good as floats of 53 bits.
impl Torus for u64 {
    #[inline(always)]
    fn put<L: Lanes>(lanes: L, value: L::V, to: &mut [u64; LANES]) {
        let [upper, lower] = units(lanes, value);
        for ((to, upper), lower) in to.iter_mut().zip(upper).zip(lower) {
            let lower = lower.to_bits().wrapping_sub(ROUND.to_bits());
            *to = (upper.to_bits() << 32).wrapping_add(lower);
        }
    }
}

/// The fraction of `value / 1024` in units of 2⁻³², and the rest of it in units of 2⁻⁶⁴: in the lowest bits of floats.
#[inline(always)]
fn units<L: Lanes>(lanes: L, value: L::V) -> [[f64; LANES]; 2] {
    let scaled = lanes.mul(value, lanes.splat(2.0 / COEFFICIENTS as f64));
    let (round, unit) = (lanes.splat(ROUND), lanes.splat((1u64 << 32) as f64));
    let fraction = lanes.sub(scaled, lanes.sub(lanes.add(scaled, round), round));
    let upper = lanes.mul_add(fraction, unit, round);
    // Exact: a power of two times the fraction, less its upper bits.
    let rest = lanes.sub(lanes.mul(fraction, unit), lanes.sub(upper, round));
    let mut bits = [[0.0; LANES]; 2];
    let [first, second] = &mut bits;
    lanes.store(upper, first);
    lanes.store(lanes.mul_add(rest, unit, round), second);
    bits
}

#[inline(always)]
fn zero<L: Lanes>(lanes: L) -> Complex<L> {
    (lanes.splat(0.0), lanes.splat(0.0))
}

/// `N` numbers, every `step`-th cell from `start` on.
#[inline(always)]
fn get<L: Lanes, const N: usize>(lanes: L, cells: &[Cell], start: usize, step: usize) -> [Complex<L>; N] {
    let mut numbers = [zero(lanes); N];
    for (j, number) in numbers.iter_mut().enumerate() {
        *number = load(lanes, &cells[start + step * j]);
    }
    numbers
}

/// The inverse of [`get`].
#[inline(always)]
fn put<L: Lanes, const N: usize>(lanes: L, numbers: [Complex<L>; N], cells: &mut [Cell], start: usize, step: usize) {
    for (j, number) in numbers.into_iter().enumerate() {
        store(lanes, number, &mut cells[start + step * j]);
    }
}

#[inline(always)]
fn load<L: Lanes>(lanes: L, cell: &Cell) -> Complex<L> {
    (lanes.load(&cell.re), lanes.load(&cell.im))
}

#[inline(always)]
fn store<L: Lanes>(lanes: L, (re, im): Complex<L>, cell: &mut Cell) {
    lanes.store(re, &mut cell.re);
    lanes.store(im, &mut cell.im);
}

#[inline(always)]
fn multiply<L: Lanes>(lanes: L, (a, b): Complex<L>, (c, d): Complex<L>) -> Complex<L> {
    (lanes.mul_sub_from(b, d, lanes.mul(a, c)), lanes.mul_add(a, d, lanes.mul(b, c)))
}

#[inline(always)]
fn multiply_conjugate<L: Lanes>(lanes: L, (a, b): Complex<L>, (c, d): Complex<L>) -> Complex<L> {
    (lanes.mul_add(b, d, lanes.mul(a, c)), lanes.mul_sub_from(a, d, lanes.mul(b, c)))
}

#[inline(always)]
fn add<L: Lanes>(lanes: L, (a, b): Complex<L>, (c, d): Complex<L>) -> Complex<L> {
    (lanes.add(a, c), lanes.add(b, d))
}

#[inline(always)]
fn sub<L: Lanes>(lanes: L, (a, b): Complex<L>, (c, d): Complex<L>) -> Complex<L> {
    (lanes.sub(a, c), lanes.sub(b, d))
}

/// `a + ib` and `a − ib`, in this order on the way there and the other on the way back.
#[inline(always)]
fn add_turned<L: Lanes, const THERE: bool>(lanes: L, a: Complex<L>, b: Complex<L>) -> [Complex<L>; 2] {
    let plus = (lanes.sub(a.0, b.1), lanes.add(a.1, b.0));
    let minus = (lanes.add(a.0, b.1), lanes.sub(a.1, b.0));
    if THERE { [plus, minus] } else { [minus, plus] }
}

/// The last three of four, each times its root, or its root's conjugate on the way back.
#[inline(always)]
fn turn<L: Lanes, const THERE: bool>(
    lanes: L,
    mut numbers: [Complex<L>; 4],
    roots: &[(f64, f64); 3],
) -> [Complex<L>; 4] {
    for (number, (re, im)) in numbers.iter_mut().skip(1).zip(roots) {
        let root = (lanes.splat(*re), lanes.splat(*im));
        *number = if THERE { multiply(lanes, *number, root) } else { multiply_conjugate(lanes, *number, root) };
    }
    numbers
}

/// A transform of four numbers.
#[inline(always)]
fn four<L: Lanes, const THERE: bool>(lanes: L, [a, b, c, d]: [Complex<L>; 4]) -> [Complex<L>; 4] {
    let (even, odd) = (add(lanes, a, c), add(lanes, b, d));
    let [one, three] = add_turned::<L, THERE>(lanes, sub(lanes, a, c), sub(lanes, b, d));
    [add(lanes, even, odd), one, sub(lanes, even, odd), three]
}

/// A transform of eight numbers.
#[inline(always)]
fn eight<L: Lanes, const THERE: bool>(lanes: L, [a, b, c, d, e, f, g, h]: [Complex<L>; LANES]) -> [Complex<L>; LANES] {
    let even = four::<L, THERE>(lanes, [a, c, e, g]);
    let odd = four::<L, THERE>(lanes, [b, d, f, h]);
    let [zero, four] = [add(lanes, even[0], odd[0]), sub(lanes, even[0], odd[0])];
    let one = eighth::<L, THERE>(lanes, odd[1]);
    let [two, six] = add_turned::<L, THERE>(lanes, even[2], odd[2]);
    let [three, seven] = add_turned::<L, THERE>(lanes, even[3], eighth::<L, THERE>(lanes, odd[3]));
    [zero, add(lanes, even[1], one), two, three, four, sub(lanes, even[1], one), six, seven]
}

/// An eighth of a turn: times (1 ± i) / √2.
#[inline(always)]
fn eighth<L: Lanes, const THERE: bool>(lanes: L, number: Complex<L>) -> Complex<L> {
    let [(re, im), _] = add_turned::<L, THERE>(lanes, number, number);
    let half = lanes.splat(FRAC_1_SQRT_2);
    (lanes.mul(re, half), lanes.mul(im, half))
}

#[inline(always)]
fn transpose<L: Lanes>(lanes: L, mut numbers: [Complex<L>; LANES]) -> [Complex<L>; LANES] {
    let (mut re, mut im) = ([lanes.splat(0.0); LANES], [lanes.splat(0.0); LANES]);
    for (at, number) in numbers.iter().enumerate() {
        (re[at], im[at]) = *number;
    }
    let (re, im) = (lanes.transpose(re), lanes.transpose(im));
    for (at, number) in numbers.iter_mut().enumerate() {
        *number = (re[at], im[at]);
    }
    numbers
}
