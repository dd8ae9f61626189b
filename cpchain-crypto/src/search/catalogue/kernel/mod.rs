//! The loops that read the table: pages times selectors, in the Fourier domain.
//!
//! A transformed page is kept in six bytes a number, fixed point: a quarter less to read than with eight, and the reading is what
//! takes the time. Its precision is far below the noise (see [the parameters](super::ParameterSet)). A number becomes a float by
//! setting an exponent above its bits and subtracting what that adds.
//!
//! Layout: frequencies are cut into [`TILES`] tiles of [`LANES`]. Of a tile, a block has for each row and column the eight real parts and then
//! the eight imaginary ones, 24 KiB in one run. The selectors of a tile take 16 KiB and stay in the first cache while the blocks go by.
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

use alloc::{vec, vec::Vec};

use super::{
    lattice::{FREQUENCIES, Frequencies, Pair, Polynomial},
    parameters::{COLUMNS, EXPANSION_LEVELS, ROWS},
};
use crate::search::simd::{Kernel, call};

/// Frequencies of a tile.
pub(super) const LANES: usize = 8;
/// Tiles of a transformed polynomial.
pub(super) const TILES: usize = FREQUENCIES / LANES;
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

/// Real and imaginary parts of a transformed polynomial, apart.
pub(super) type Split = [[f64; FREQUENCIES]; 2];

/// The float in whose lowest 48 bits a number is put: 2⁵² and the offset that makes numbers positive.
const EXPONENT: u64 = 0x4330 << 48;
const OFFSET: f64 = (1u64 << 52) as f64 + (1u64 << 47) as f64;
/// Steps of a whole number. A page has 2048 coefficients of at most 2¹¹, so no component passes 2²².
const STEPS: f64 = (1 << 25) as f64;

impl Kernel {
    /// For each column of a block: the sum over its rows of page times selector, for one tile.
    pub(super) fn multiply_tile(self, pages: &Tile, selectors: &Selectors) -> Sums {
        call!(self, multiply(pages, selectors))
    }

    /// `sum += of · by`, frequency by frequency.
    pub(super) fn add_product(self, sum: &mut Split, of: &Frequencies, by: &Split) {
        call!(self, add_product(sum, of, by));
    }

    /// The upper bits of each coefficient as one signed digit.
    pub(super) fn digit(self, polynomial: &mut Polynomial, bits: u32) {
        call!(self, digit(polynomial, bits));
    }

    /// The small signed digits of each coefficient, the uppermost first.
    pub(super) fn digits(self, polynomial: &Polynomial, out: &mut [Polynomial; EXPANSION_LEVELS]) {
        call!(self, digits(polynomial, out));
    }
}

/// Of a transformed page, the numbers of one tile as they are kept.
pub(super) fn pack(frequencies: &Frequencies, tile: usize) -> Packed {
    let mut packed = [0; 2 * LANES * WIDTH];
    let values = frequencies.iter().skip(tile * LANES).take(LANES);
    let parts = values.clone().map(|value| value.re).chain(values.map(|value| value.im));
    for (to, part) in packed.as_chunks_mut::<WIDTH>().0.iter_mut().zip(parts) {
        let steps = ((part * STEPS).round() as i64).saturating_add(1 << 47).clamp(0, (1 << 48) - 1) as u64;
        let [a, b, c, d, e, f, ..] = steps.to_le_bytes();
        *to = [a, b, c, d, e, f];
    }
    packed
}

/// The transformed selectors, tile by tile, scaled to undo what [`pack`] does.
pub(super) fn lay_out(selectors: &[Pair<Frequencies>]) -> Vec<Selectors> {
    let mut tiles = vec![[[[0.0; LANES]; 4]; ROWS]; TILES];
    for (row, pair) in selectors.iter().enumerate() {
        for (which, frequencies) in pair.iter().enumerate() {
            let (chunks, _) = frequencies.as_chunks::<LANES>();
            for (tile, chunk) in tiles.iter_mut().zip(chunks) {
                let Some([a_re, a_im, b_re, b_im]) = tile.get_mut(row) else { continue };
                let (re, im) = if which == 0 { (a_re, a_im) } else { (b_re, b_im) };
                for ((re, im), value) in re.iter_mut().zip(im).zip(chunk) {
                    (*re, *im) = (value.re / STEPS, value.im / STEPS);
                }
            }
        }
    }
    tiles
}

/// Puts the sums of one tile to the frequencies of one column.
pub(super) fn unpack(sums: &Lanes, tile: usize, [mask, body]: &mut Pair<Frequencies>) {
    let [a_re, a_im, b_re, b_im] = sums;
    for (to, re, im) in [(mask, a_re, a_im), (body, b_re, b_im)] {
        let to = to.as_chunks_mut::<LANES>().0.get_mut(tile);
        for ((value, re), im) in to.into_iter().flatten().zip(re).zip(im) {
            (value.re, value.im) = (*re, *im);
        }
    }
}

#[cfg(test)]
mod tests;
