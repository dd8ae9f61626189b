//! The fold: of the ciphertexts that remain for the columns one is chosen, bit by bit, by encrypted bits.
//!
//! A bit of a ciphertext pair takes `c₀ + bit · (c₁ − c₀)`. The difference is transformed back and cut to one digit each for mask and body,
//! which are multiplied with the two halves of the encrypted bit (Gentry, Sahai, Waters 2013; Chillotti, Gama, Georgieva, Izabachène: *TFHE*, 2016). `c₀` stays transformed all the
//! way, so that a pair takes two inverse and two forward transforms, and the columns themselves none.
//!
//! Pairs are joined as soon as both are there, so that no more ciphertexts wait than there are bits.

use alloc::vec::Vec;

use super::{
    block::Columns,
    gadget::Factor,
    lattice::{Pair, Polynomial},
    parameters::{DEGREE, FOLD_BITS},
};
use crate::search::{Kernel, fourier::Spectrum};

/// The halves of an encrypted bit: what digits of masks and of bodies are multiplied with.
pub(super) type FoldBit = Pair<Factor>;

/// The chosen column. A pair whose second column does not exist is its first one: no query can want the other.
pub(super) fn fold(columns: &Columns, bits: &[FoldBit], kernel: Kernel) -> Pair<Polynomial> {
    let mut chooser = Chooser::new(kernel);
    // What is chosen of 2ⁿ columns with its n, the largest first.
    let mut waiting: Vec<(usize, Pair<Spectrum>)> = Vec::with_capacity(bits.len());
    for column in 0..columns.count() {
        let (mut level, mut chosen) = (0, columns.column(column));
        while let Some((_, first)) = waiting.pop_if(|(of, _)| *of == level) {
            chosen = chooser.choose(first, &chosen, bits.get(level));
            level += 1;
        }
        waiting.push((level, chosen));
    }
    let mut chosen = waiting.pop().map(|(_, last)| last);
    while let (Some((level, first)), Some(second)) = (waiting.pop(), &chosen) {
        chosen = Some(chooser.choose(first, second, bits.get(level)));
    }
    let mut out = [[0; DEGREE]; 2];
    for (out, spectrum) in out.iter_mut().zip(chosen.iter_mut().flatten()) {
        kernel.backward_wide(spectrum, out);
    }
    out
}

/// Room for the work.
struct Chooser {
    kernel: Kernel,
    numbers: [u32; DEGREE],
    digits: [f64; DEGREE],
    halves: Pair<Spectrum>,
}

impl Chooser {
    fn new(kernel: Kernel) -> Self {
        let halves = [Spectrum::zero(), Spectrum::zero()];
        Self { kernel, numbers: [0; DEGREE], digits: [0.0; DEGREE], halves }
    }

    /// The first or the second, as the bit says.
    fn choose(&mut self, mut first: Pair<Spectrum>, second: &Pair<Spectrum>, bit: Option<&FoldBit>) -> Pair<Spectrum> {
        let kernel = self.kernel;
        for (((half, first), second), digit) in self.halves.iter_mut().zip(&first).zip(second).zip(FOLD_BITS) {
            kernel.difference(half, second, first);
            kernel.backward(half.cells_mut(), &mut self.numbers);
            kernel.round(&self.numbers, digit, &mut self.digits);
            kernel.forward(&self.digits, half);
        }
        for (half, factor) in self.halves.iter().zip(bit.into_iter().flatten()) {
            for (chosen, by) in first.iter_mut().zip(factor) {
                kernel.add_product(chosen, half, by);
            }
        }
        first
    }
}

/// How many bits tell this many columns apart.
pub(super) const fn bits_for(columns: usize) -> usize {
    columns.next_power_of_two().trailing_zeros() as usize
}
