//! The fold: of the ciphertexts that remain for the columns one is chosen, bit by bit, by encrypted bits.
//!
//! A bit of a ciphertext pair takes `c₀ + bit · (c₁ − c₀)`. The difference is transformed back and cut to one digit each for mask and body,
//! which are multiplied with the two halves of the encrypted bit (Gentry, Sahai, Waters 2013; Chillotti, Gama, Georgieva, Izabachène: *TFHE*, 2016). `c₀` stays transformed all the
//! way, so that a pair takes two inverse and two forward transforms, and the columns themselves none.

use alloc::vec::Vec;

use super::{
    gadget::Factor,
    kernel::Split,
    lattice::{FREQUENCIES, Frequencies, Pair, Polynomial, Transform},
    parameters::{DEGREE, FOLD_BITS},
};
use crate::search::simd::Kernel;

/// The halves of an encrypted bit: what digits of masks and of bodies are multiplied with.
pub(super) type FoldBit = Pair<Factor>;

/// The chosen column. A pair whose second column does not exist is its first one: no query can want the other.
pub(super) fn fold(
    mut columns: Vec<Pair<Frequencies>>,
    bits: &[FoldBit],
    kernel: Kernel,
    transform: &mut Transform,
) -> Pair<Polynomial> {
    let mut frequencies: Frequencies = [Default::default(); FREQUENCIES];
    let mut polynomial = [0; DEGREE];
    for bit in bits {
        let (mut from, mut to) = (0, 0);
        while from < columns.len() {
            let mut pair = columns.iter().skip(from).take(2);
            let (Some(first), second) = (pair.next(), pair.next()) else { break };
            let mut chosen: Pair<Split> = first.each_ref().map(split);
            if let Some(second) = second {
                let halves = first.iter().zip(second).zip(bit).zip(FOLD_BITS);
                for (((first, second), factor), digit) in halves {
                    for ((to, first), second) in frequencies.iter_mut().zip(first).zip(second) {
                        *to = second - first;
                    }
                    transform.back(&frequencies, &mut polynomial);
                    kernel.digit(&mut polynomial, digit);
                    transform.integers(&polynomial, &mut frequencies);
                    for (chosen, by) in chosen.iter_mut().zip(factor) {
                        kernel.add_product(chosen, &frequencies, by);
                    }
                }
            }
            if let Some(column) = columns.get_mut(to) {
                column.iter_mut().zip(&chosen).for_each(|(to, of)| super::gadget::join(of, to));
            }
            (from, to) = (from + 2, to + 1);
        }
        columns.truncate(to);
    }
    let mut out = [[0; DEGREE]; 2];
    for (out, column) in out.iter_mut().zip(columns.first().into_iter().flatten()) {
        transform.back(column, out);
    }
    out
}

fn split(frequencies: &Frequencies) -> Split {
    [frequencies.map(|value| value.re), frequencies.map(|value| value.im)]
}

/// How many bits tell this many columns apart.
pub(super) const fn bits_for(columns: usize) -> usize {
    columns.next_power_of_two().trailing_zeros() as usize
}
