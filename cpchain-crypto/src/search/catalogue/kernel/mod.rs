//! The loops that read the table: pages times selectors, in the Fourier domain.
//!
//! A transformed page is kept in six bytes a number, fixed point: a quarter less to read than with eight, and the reading is what
//! takes the time. Its precision is far below the noise (see [the parameters](super::ParameterSet)). A number becomes a float by
//! setting an exponent above its bits and subtracting what that adds.
//!
//! Layout: of eight frequencies (a [`Cell`]), a block has for each row and column the real parts and then
//! the imaginary ones, 24 KiB in one run, a tile. The selectors of a tile take 16 KiB and stay in the first cache while the blocks go by, whose tiles stand
//! four in a run, in large pages.
//!
//! Every kernel computes the same numbers as `scalar`, bit for bit, for all multiply and add with one rounding, in one
//! order (`every_kernel_agrees_with_the_scalar_one`).
//!
//! This module and those below it are the only ones of the engine that contain `unsafe`: calls of functions that need a processor feature, and
//! loads.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
mod wide;

use alloc::vec::Vec;

use super::{
    lattice::{Pair, Polynomial},
    parameters::{COLUMNS, DEGREE, ROWS},
};
use crate::search::{
    fourier::{CELLS, Cell, Spectrum},
    pages,
    simd::{Kernel, call},
};

/// Frequencies of a tile.
const LANES: usize = 8;
/// Bytes of a number at rest.
const WIDTH: usize = 6;

/// Eight complex numbers of a page: real parts, then imaginary parts.
pub(super) type Packed = [u8; 2 * LANES * WIDTH];
/// Of every page of a block, one tile.
pub(super) type Tile = [[Packed; COLUMNS]; ROWS];
/// Real and imaginary parts of the masks, then of the bodies.
pub(super) type Lanes = [[f64; LANES]; 4];
/// Of every selector, one tile.
pub(super) type Selectors = [Lanes; ROWS];
/// Sums of one tile, for each column.
pub(super) type Sums = [Lanes; COLUMNS];

/// The float in whose lowest 48 bits a number is put: 2⁵² and the offset that makes numbers positive.
const EXPONENT: u64 = 0x4330 << 48;
const OFFSET: f64 = (1u64 << 52) as f64 + (1u64 << 47) as f64;
/// Steps of a whole number. A page has 2048 coefficients of at most 2⁹, so no component passes 2²⁰.
const STEPS: f64 = (1 << 27) as f64;

impl Kernel {
    /// For each column of a block: the sum over its rows of page times selector, for one tile.
    pub(super) fn multiply_tile(self, pages: &Tile, selectors: &Selectors) -> Sums {
        call!(self, multiply(pages, selectors))
    }

    /// `sum += of · by`, frequency by frequency.
    pub(super) fn add_product(self, sum: &mut Spectrum, of: &Spectrum, by: &Spectrum) {
        call!(self, add_product(sum.cells_mut(), of.cells(), by.cells()));
    }

    /// `a − b`
    pub(super) fn difference(self, to: &mut Spectrum, a: &Spectrum, b: &Spectrum) {
        call!(self, difference(to.cells_mut(), a.cells(), b.cells()));
    }

    /// The upper bits of each coefficient as one signed digit, rounded.
    pub(super) fn round(self, numbers: &[u32; DEGREE], bits: u32, out: &mut [f64; DEGREE]) {
        call!(self, round(numbers, bits, out));
    }

    /// One of the small signed digits of each coefficient. Level 0 is the uppermost.
    pub(super) fn cut(self, polynomial: &Polynomial, level: u32, out: &mut [f64; DEGREE]) {
        call!(self, cut(polynomial, level, out));
    }
}

/// Eight frequencies of a page, as they are kept.
pub(super) fn pack(cell: &Cell) -> Packed {
    let mut packed = [0; 2 * LANES * WIDTH];
    let parts = cell.re.iter().chain(&cell.im);
    for (to, part) in packed.as_chunks_mut::<WIDTH>().0.iter_mut().zip(parts) {
        let steps = ((part * STEPS).round() as i64).saturating_add(1 << 47).clamp(0, (1 << 48) - 1) as u64;
        let [a, b, c, d, e, f, ..] = steps.to_le_bytes();
        *to = [a, b, c, d, e, f];
    }
    packed
}

/// The transformed selectors, tile by tile, scaled to undo what [`pack`] does.
pub(super) fn lay_out(selectors: &[Pair<Spectrum>]) -> Vec<Selectors> {
    let mut tiles = pages::with_capacity(CELLS);
    tiles.resize(CELLS, [[[0.0; LANES]; 4]; ROWS]);
    for (row, [mask, body]) in selectors.iter().enumerate() {
        for ((tile, mask), body) in tiles.iter_mut().zip(mask.cells()).zip(body.cells()) {
            if let Some(lanes) = tile.get_mut(row) {
                *lanes = [mask.re, mask.im, body.re, body.im].map(|part| part.map(|value| value * (1.0 / STEPS)));
            }
        }
    }
    tiles
}

#[cfg(test)]
mod tests;
