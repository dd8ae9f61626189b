//! Sums of products of polynomials, in the Fourier domain: the expensive loops of the engines over real numbers.
//!
//! A polynomial has 2,048 coefficients and is multiplied modulo X²⁰⁴⁸ + 1. Rows are small whole numbers, selectors are numbers modulo 1; what comes back are
//! numbers modulo 1 in units of 2⁻³². Rows are transformed once, when they are stored; a question costs one pass over them
//! ([`Rows::multiply`]) and one transform back for each sum.
//!
//! The transform, and the sums, are written once over eight [`Lanes`](lanes::Lanes) and compiled for each kind of processor: AVX-512, AVX2 with FMA, NEON,
//! and plain numbers as the reference. Results of two kernels differ by rounding, by less than 2⁻²⁷ for sums as large as those of a
//! scan (`kernels_agree`, `extremes_agree`); the reference agrees with multiplication in whole numbers as closely (`products_are_those_of_polynomials`).
//!
//! Memory: a row is 16 KiB. A pass reads all rows once from front to back, for each of the 128 cells (8 frequencies) those of up to four tables side by side; with
//! AVX-512 four tables and three columns of selectors meet in registers, so that each number that is loaded serves for several products.
//!
//! This module and those below it contain `unsafe`: calls of functions that need a processor feature ([`call!`]), and the instructions
//! themselves.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod lanes;
#[cfg(target_arch = "aarch64")]
mod neon;
mod product;
mod rows;
mod transform;

use std::sync::LazyLock;

pub(super) use lanes::Cell;
use rows::Group;
pub(super) use rows::{Part, Rows, Selectors, Sum};
use transform::Roots;
use zeroize::Zeroize;

use super::simd::{Kernel, call};

/// Coefficients of a polynomial.
pub(super) const COEFFICIENTS: usize = 2048;
/// Cells of a transformed polynomial.
pub(super) const CELLS: usize = COEFFICIENTS / 2 / lanes::LANES;

static ROOTS: LazyLock<Roots> = LazyLock::new(Roots::new);

/// A transformed polynomial.
#[derive(Clone)]
pub(super) struct Spectrum(Box<[Cell; CELLS]>);

impl Spectrum {
    /// The transformed zero.
    pub(super) fn zero() -> Self {
        Self(Box::new([Cell::ZERO; CELLS]))
    }

    /// Makes it the transformed zero.
    pub(super) const fn clear(&mut self) {
        *self.0 = [Cell::ZERO; CELLS];
    }

    /// Eight frequencies at a time.
    pub(super) const fn cells(&self) -> &[Cell; CELLS] {
        &self.0
    }

    pub(super) const fn cells_mut(&mut self) -> &mut [Cell; CELLS] {
        &mut self.0
    }

    /// The product of two polynomials.
    pub(super) fn times(&self, other: &Self) -> Self {
        let mut product = Self::zero();
        for ((to, a), b) in product.0.iter_mut().zip(self.0.iter()).zip(other.0.iter()) {
            let numbers = a.re.iter().zip(&a.im).zip(b.re.iter().zip(&b.im));
            for ((re, im), ((a, b), (c, d))) in to.re.iter_mut().zip(&mut to.im).zip(numbers) {
                (*re, *im) = (a * c - b * d, a * d + b * c);
            }
        }
        product
    }
}

impl Zeroize for Spectrum {
    fn zeroize(&mut self) {
        for cell in self.0.iter_mut() {
            cell.re.zeroize();
            cell.im.zeroize();
        }
    }
}

/// The reference.
mod scalar {
    pub(super) use super::{
        product::multiply,
        transform::{backward, forward, forward_torus},
    };
}

impl Kernel {
    /// Transforms coefficients.
    pub(super) fn forward(self, from: &[f64; COEFFICIENTS], to: &mut Spectrum) {
        call!(self, forward(&ROOTS, from, &mut to.0));
    }

    /// Transforms numbers modulo 1 in units of 2⁻⁶⁴.
    pub(super) fn forward_torus(self, from: &[u64; COEFFICIENTS], to: &mut Spectrum) {
        call!(self, forward_torus(&ROOTS, from, &mut to.0));
    }

    /// Transforms back to numbers modulo 1 in units of 2⁻³². The frequencies are used up.
    pub(super) fn backward(self, from: &mut [Cell; CELLS], to: &mut [u32; COEFFICIENTS]) {
        call!(self, backward(&ROOTS, from, to));
    }

    /// The same in units of 2⁻⁶⁴, of which the lowest are as good as floats are.
    pub(super) fn backward_wide(self, from: &mut Spectrum, to: &mut [u64; COEFFICIENTS]) {
        call!(self, backward(&ROOTS, &mut from.0, to));
    }

    fn multiply(self, group: &Group<'_>, selectors: &Selectors, sums: &mut [Sum]) {
        call!(self, multiply(group, selectors, sums));
    }
}

#[cfg(test)]
mod tests;
