//! What a client encrypts so that a host can select: roots of selectors, fold bits, evaluation keys. All are lists of plain ciphertexts.

use alloc::{vec, vec::Vec};

use zeroize::Zeroizing;

use super::{
    lattice::{Pair, Polynomial, Secret},
    parameters::{DEGREE, EXPANSION_BITS, EXPANSION_LEVELS, EXPANSION_STEPS, FOLD_BITS, ROOTS, ROWS, SLOT_BITS},
};
use crate::search::{Kernel, fourier::Spectrum, lattice};

/// Selectors that a root becomes.
pub(super) const LEAVES: usize = 1 << EXPANSION_STEPS;
const _: () = assert!(LEAVES * ROOTS == ROWS);

/// Where a 1 stands in a selector.
const ONE: u32 = 64 - SLOT_BITS;

/// The exponent t of the map X → Xᵗ that a step of the expansion applies.
pub(super) const fn exponent(step: usize) -> usize {
    DEGREE / (1 << step) + 1
}

/// The plain roots that become a 1 in `row` and 0 elsewhere: a monomial, which the steps double each.
pub(super) fn roots(row: usize) -> Zeroizing<Vec<u64>> {
    let mut plain = Zeroizing::new(vec![0; ROOTS * DEGREE]);
    for (root, plain) in plain.chunks_exact_mut(DEGREE).enumerate() {
        for (leaf, coefficient) in plain.iter_mut().take(LEAVES).enumerate() {
            *coefficient = u64::from(root * LEAVES + leaf == row) << (ONE - EXPANSION_STEPS as u32);
        }
    }
    plain
}

/// The two plain halves of a fold bit: what a digit of the mask meets, and what a digit of the body meets.
pub(super) fn fold_bit(bit: bool, secret: &Secret) -> [Zeroizing<Vec<u64>>; 2] {
    let [mask, body] = FOLD_BITS;
    let coefficients = secret.coefficients();
    let of_mask = coefficients.iter().map(|s| (s.wrapping_mul(u64::from(bit)) << (64 - mask)).wrapping_neg());
    let mut of_body = vec![0; DEGREE];
    if let Some(constant) = of_body.first_mut() {
        *constant = u64::from(bit) << (64 - body);
    }
    [Zeroizing::new(of_mask.collect()), Zeroizing::new(of_body)]
}

/// The plain evaluation keys: for each step the secret under its map, at the place of each digit.
pub(super) fn evaluation_keys(secret: &Secret) -> Zeroizing<Vec<u64>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(EXPANSION_STEPS * EXPANSION_LEVELS * DEGREE));
    let coefficients = secret.coefficients();
    for step in 0..EXPANSION_STEPS {
        let mut mapped = Zeroizing::new([0; DEGREE]);
        Places::new(exponent(step)).map(&coefficients, &mut mapped);
        for level in 1..=EXPANSION_LEVELS as u32 {
            plain.extend(mapped.iter().map(|value| value << (64 - EXPANSION_BITS * level)));
        }
    }
    plain
}

/// The map X → Xᵗ: for each coefficient of the result, where it comes from and whether its sign changes.
pub(super) struct Places(Vec<(u16, u64)>);

impl Places {
    /// `t` is odd.
    pub(super) fn new(t: usize) -> Self {
        let mut places = vec![(0, 0); DEGREE];
        for from in 0..DEGREE {
            let to = from * t % (2 * DEGREE);
            let minus = u64::from(to >= DEGREE).wrapping_neg();
            if let Some(place) = places.get_mut(to % DEGREE) {
                *place = (from as u16, minus);
            }
        }
        Self(places)
    }

    #[allow(clippy::indexing_slicing)] // The remainder is below the constant length.
    pub(super) fn map(&self, of: &Polynomial, to: &mut Polynomial) {
        for (to, (from, minus)) in to.iter_mut().zip(&self.0) {
            *to = (of[usize::from(*from) % DEGREE] ^ minus).wrapping_sub(*minus);
        }
    }
}

/// A ciphertext as a factor of the host's sums: its mask and body, transformed.
pub(super) type Factor = Pair<Spectrum>;

/// Transforms ciphertexts to factors.
pub(super) fn factors(kernel: Kernel, ciphertexts: &[Pair<Polynomial>]) -> Vec<Factor> {
    ciphertexts.iter().map(|pair| pair.each_ref().map(|numbers| lattice::torus(kernel, numbers, 64))).collect()
}
