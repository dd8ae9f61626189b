//! Rows and masks in the Fourier domain, as the host multiplies them and the owner does for its hint.

use alloc::vec::Vec;

use super::{
    DEGREE,
    plan::ROWS,
    wire::{Masks, Table},
};
use crate::{
    hash::{Digest, Domain},
    search::{
        fourier::{Part, Rows, Selectors, Spectrum},
        lattice,
        simd::Kernel,
    },
};

const MASKS: Domain = Domain::new("cpchain/crypto/search/scan-masks/v1");

/// Stores the rows of a block, as they are sealed, as a table of `rows`.
pub(super) fn transform(kernel: Kernel, sealed: &[u8], rows: &mut Rows, table: usize) {
    let mut spectrum = Spectrum::zero();
    for (row, bytes) in sealed.as_chunks::<{ 2 * DEGREE }>().0.iter().enumerate() {
        let mut coefficients = [0.0; DEGREE];
        for (coefficient, pair) in coefficients.iter_mut().zip(bytes.as_chunks::<2>().0) {
            // Around zero, so that the noise that it multiplies grows least.
            *coefficient = f64::from(i16::from_le_bytes(*pair));
        }
        kernel.forward(&coefficients, &mut spectrum);
        rows.put(table, row, &spectrum);
    }
}

/// The seed of the masks that queries of a table share whose sums somebody has already.
pub(super) fn fixed_seed(table: &Table) -> [u8; 16] {
    Digest::of(MASKS, &[&table.to_bytes()]).0.first_chunk().copied().unwrap_or_default()
}

/// Room for a query that asks so many bits of each digit, behind the masks if there are any.
pub(super) fn selectors(bits: &[usize], masks: Masks) -> Selectors {
    let masks = usize::from(masks == Masks::Fresh);
    Selectors::new(bits.iter().map(|bits| Part { rows: ROWS, columns: masks + bits }).collect())
}

/// Puts the masks of a seed in the first column of every digit.
pub(super) fn put_masks(kernel: Kernel, seed: [u8; 16], table: &Table, to: &mut Selectors) {
    lattice::masks(kernel, seed, table.rows(), |row, mask| to.put(row / ROWS, 0, row % ROWS, mask));
}

/// The fixed masks of a table.
pub(super) fn fixed_masks(kernel: Kernel, table: &Table) -> Selectors {
    let mut masks = Selectors::new(vec![Part { rows: ROWS, columns: 1 }; usize::from(table.digits())]);
    put_masks(kernel, fixed_seed(table), table, &mut masks);
    masks
}

/// What the owner, or the host, keeps of a block: for each digit, the sum of its rows times the fixed masks, in units of 2⁻³².
pub(super) fn hint(kernel: Kernel, sealed: &[u8], masks: &Selectors) -> Vec<u32> {
    let mut rows = Rows::new(sealed.len() / (2 * DEGREE));
    let block = rows.push();
    transform(kernel, sealed, &mut rows, block);
    let mut out = Vec::new();
    rows.multiply(kernel, masks, |sums| {
        let mut polynomial = [0; DEGREE];
        for sum in sums {
            kernel.backward(sum.cells_mut(), &mut polynomial);
            out.extend_from_slice(&polynomial);
        }
    });
    out
}
