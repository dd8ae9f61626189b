//! The host's inner loop: rows times selectors, summed for each digit and code bit, in the Fourier domain.
//!
//! Layout: frequencies are cut into tiles of [`TILE`]; within a tile real parts come before imaginary ones. A block is
//! `[digit][tile][row][re, im]`, a query `[digit][tile][sum][row][re, im]` with a sum for each code bit and each of the two
//! polynomials of a ciphertext. So one tile of a digit (4 KiB of rows) stays in the first-level cache while all its
//! sums are made, and all inner loops have constant lengths, which the compiler turns into vector code.

use alloc::{vec, vec::Vec};

use tfhe_fft::c64;

use super::{
    lattice::FREQUENCIES,
    plan::{CODE_BITS, DIGIT},
};

/// Frequencies of a tile.
const TILE: usize = 16;
const TILES: usize = FREQUENCIES / TILE;
/// Sums for each digit: every code bit, mask and body.
const SUMS: usize = 2 * CODE_BITS;

type Tile = [f64; 2 * TILE];

/// The transformed rows of a block, or the transformed selectors of a query.
#[derive(Clone)]
pub(super) struct Tiled {
    values: Vec<Tile>,
    sums: usize,
}

impl Tiled {
    /// Room for the rows of a block.
    pub(super) fn block(digits: usize) -> Self {
        Self { values: vec![[0.0; 2 * TILE]; digits * TILES * DIGIT], sums: 1 }
    }

    /// Room for the selectors of a query.
    pub(super) fn query(digits: usize) -> Self {
        Self { values: vec![[0.0; 2 * TILE]; digits * TILES * SUMS * DIGIT], sums: SUMS }
    }

    /// Stores a transformed polynomial. `sum` is 0 for a block.
    pub(super) fn put(&mut self, digit: usize, sum: usize, value: usize, frequencies: &[c64; FREQUENCIES]) {
        let (chunks, _) = frequencies.as_chunks::<TILE>();
        for (tile, chunk) in chunks.iter().enumerate() {
            let at = ((digit * TILES + tile) * self.sums + sum) * DIGIT + value;
            let Some(slot) = self.values.get_mut(at) else { return };
            let (re, im) = slot.split_at_mut(TILE);
            for ((re, im), value) in re.iter_mut().zip(im).zip(chunk) {
                (*re, *im) = (value.re, value.im);
            }
        }
    }
}

/// For each digit and sum: Σ row · selector, as frequencies.
pub(super) fn scan(block: &Tiled, query: &Tiled) -> Vec<[c64; FREQUENCIES]> {
    let digits = block.values.len() / (TILES * DIGIT);
    let mut out = vec![[c64::default(); FREQUENCIES]; digits * SUMS];
    let (rows, _) = block.values.as_chunks::<DIGIT>();
    let (selectors, _) = query.values.as_chunks::<DIGIT>();
    for (at, (rows, selectors)) in rows.iter().zip(selectors.chunks_exact(SUMS)).enumerate() {
        let (digit, tile) = (at / TILES, at % TILES);
        for (sum, selectors) in selectors.iter().enumerate() {
            let total = multiply_add(rows, selectors);
            let chunk = out.get_mut(digit * SUMS + sum).and_then(|out| out.as_chunks_mut::<TILE>().0.get_mut(tile));
            let Some(chunk) = chunk else { continue };
            let (re, im) = total.split_at(TILE);
            for ((value, re), im) in chunk.iter_mut().zip(re).zip(im) {
                *value = c64 { re: *re, im: *im };
            }
        }
    }
    out
}

/// Σ x·y over the rows of a digit, for one tile of complex numbers.
#[inline]
#[allow(clippy::indexing_slicing)] // Every index is below a constant length that the types carry.
fn multiply_add(x: &[Tile; DIGIT], y: &[Tile; DIGIT]) -> Tile {
    let (mut re, mut im) = ([0.0; TILE], [0.0; TILE]);
    for (x, y) in x.iter().zip(y) {
        for i in 0..TILE {
            let (xr, xi, yr, yi) = (x[i], x[TILE + i], y[i], y[TILE + i]);
            re[i] += xr * yr - xi * yi;
            im[i] += xr * yi + xi * yr;
        }
    }
    let mut out = [0.0; 2 * TILE];
    out[..TILE].copy_from_slice(&re);
    out[TILE..].copy_from_slice(&im);
    out
}
