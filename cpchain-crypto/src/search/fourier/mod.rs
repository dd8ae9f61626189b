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
//! Memory: a row is 16 KiB. Rows lie tile by tile (32 frequencies) and row by row within a tile, so that a pass reads them once from front to back, and the sums of
//! a tile stay in registers. Two columns of selectors are summed at a time: four would not fit into the registers.
//!
//! This module and those below it contain `unsafe`: calls of functions that need a processor feature, and the instructions
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

use lanes::{Cell, Scalar};
pub(super) use rows::{Part, Rows, Selectors};
use transform::Roots;
use zeroize::Zeroize;

/// Coefficients of a polynomial.
pub(super) const COEFFICIENTS: usize = 2048;
/// Cells of a transformed polynomial.
const CELLS: usize = COEFFICIENTS / 2 / lanes::LANES;
/// Cells of a tile.
const TILE: usize = 4;
const TILES: usize = CELLS / TILE;

static ROOTS: LazyLock<Roots> = LazyLock::new(Roots::new);

/// A transformed polynomial.
#[derive(Clone)]
pub(super) struct Spectrum(Box<[Cell; CELLS]>);

impl Spectrum {
    /// The transformed zero.
    pub(super) fn zero() -> Self {
        Self(Box::new([Cell::ZERO; CELLS]))
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

/// Code for one kind of processor. Which ones there are is asked of the processor; decoded results are the same by all.
///
/// ```
/// use cpchain_crypto::search::scan::Kernel;
/// println!("answers are computed by {}", Kernel::best().name());
/// assert!(Kernel::available().contains(&Kernel::best()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
}

impl Kernel {
    /// What this processor can run, the slowest first.
    pub fn available() -> Vec<Self> {
        let mut kernels = vec![Self(Kind::Scalar)];
        #[cfg(target_arch = "x86_64")]
        {
            kernels.extend(avx2::Avx2::detect().map(|lanes| Self(Kind::Avx2(lanes))));
            kernels.extend(avx512::Avx512::detect().map(|lanes| Self(Kind::Avx512(lanes))));
        }
        #[cfg(target_arch = "aarch64")]
        kernels.extend(neon::Neon::detect().map(|lanes| Self(Kind::Neon(lanes))));
        kernels
    }

    /// The fastest of them.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self(Kind::Scalar))
    }

    /// Its name: `scalar`, `avx2`, `avx512` or `neon`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => "neon",
        }
    }

    /// Transforms coefficients.
    pub(super) fn forward(self, from: &[f64; COEFFICIENTS], to: &mut Spectrum) {
        match self.0 {
            Kind::Scalar => transform::forward(Scalar, &ROOTS, from, &mut to.0),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of this type exists only where AVX2 and FMA were detected.
            Kind::Avx2(lanes) => unsafe { avx2::forward(lanes, &ROOTS, from, &mut to.0) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of this type exists only where AVX-512F was detected.
            Kind::Avx512(lanes) => unsafe { avx512::forward(lanes, &ROOTS, from, &mut to.0) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: a value of this type exists only where NEON was detected.
            Kind::Neon(lanes) => unsafe { neon::forward(lanes, &ROOTS, from, &mut to.0) },
        }
    }

    /// Transforms back to numbers modulo 1 in units of 2⁻³². The spectrum is used up.
    pub(super) fn backward(self, from: &mut Spectrum, to: &mut [u32; COEFFICIENTS]) {
        match self.0 {
            Kind::Scalar => transform::backward(Scalar, &ROOTS, &mut from.0, to),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of this type exists only where AVX2 and FMA were detected.
            Kind::Avx2(lanes) => unsafe { avx2::backward(lanes, &ROOTS, &mut from.0, to) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of this type exists only where AVX-512F was detected.
            Kind::Avx512(lanes) => unsafe { avx512::backward(lanes, &ROOTS, &mut from.0, to) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: a value of this type exists only where NEON was detected.
            Kind::Neon(lanes) => unsafe { neon::backward(lanes, &ROOTS, &mut from.0, to) },
        }
    }

    fn multiply(self, rows: &Rows, selectors: &Selectors, sums: &mut [Spectrum]) {
        match self.0 {
            Kind::Scalar => product::multiply(Scalar, rows, selectors, sums),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of this type exists only where AVX2 and FMA were detected.
            Kind::Avx2(lanes) => unsafe { avx2::multiply(lanes, rows, selectors, sums) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of this type exists only where AVX-512F was detected.
            Kind::Avx512(lanes) => unsafe { avx512::multiply(lanes, rows, selectors, sums) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: a value of this type exists only where NEON was detected.
            Kind::Neon(lanes) => unsafe { neon::multiply(lanes, rows, selectors, sums) },
        }
    }
}

#[cfg(test)]
mod tests;
