//! The expansion: eight ciphertexts and a client's evaluation keys become 64 selectors.
//!
//! A step takes a ciphertext `c` of a polynomial and its image `c'` under X → Xᵗ with t = N/2ˢ + 1. Coefficients at multiples of 2ˢ⁺¹ are doubled
//! in `c + c'`, those half way between in `c − c'`, and the others cancel. After three steps the first eight coefficients stand in ciphertexts of their
//! own. The image is under another key, the image of the secret; the evaluation key of the step leads back, digit by digit of the mask.
//! (Angel, Chen, Laine, Setty: *PIR with compressed queries and amortized query processing*, 2018; Chen, Dai, Kim, Song: *Efficient homomorphic
//! conversion between (ring) LWE ciphertexts*, 2020.)

use alloc::vec::Vec;

use super::{
    gadget::{self, Factor, Places},
    lattice::{Pair, Polynomial},
    parameters::{DEGREE, EXPANSION_LEVELS, EXPANSION_STEPS},
};
use crate::search::{Kernel, fourier::Spectrum};

/// The evaluation keys of a client, transformed: for each step and digit a factor. 864 KiB.
pub(super) struct EvaluationKeys(Vec<Factor>);

impl EvaluationKeys {
    /// From the ciphertexts that the client sent, as many as there are steps times digits.
    pub(super) fn new(ciphertexts: &[Pair<Polynomial>]) -> Self {
        Self(gadget::factors(Kernel::best(), ciphertexts))
    }
}

/// What the work needs beside its inputs, and keeps between the ciphertexts.
struct Workshop {
    kernel: Kernel,
    digits: [f64; DEGREE],
    spectrum: Spectrum,
    sums: Pair<Spectrum>,
}

/// The selectors, transformed, in the order of their rows.
pub(super) fn expand(roots: &[Pair<Polynomial>], keys: &EvaluationKeys, kernel: Kernel) -> Vec<Pair<Spectrum>> {
    let zero = Spectrum::zero;
    let mut shop = Workshop { kernel, digits: [0.0; DEGREE], spectrum: zero(), sums: [zero(), zero()] };
    let places: Vec<_> = (0..EXPANSION_STEPS).map(|step| Places::new(gadget::exponent(step))).collect();
    let mut selectors = Vec::with_capacity(roots.len() * gadget::LEAVES);
    for root in roots {
        let mut leaves = Vec::with_capacity(gadget::LEAVES);
        leaves.push(*root);
        for (step, (places, key)) in places.iter().zip(keys.0.chunks_exact(EXPANSION_LEVELS)).enumerate() {
            for at in 0..leaves.len() {
                let odd = leaves.get_mut(at).map(|leaf| shop.step(leaf, places, key, 1 << step));
                leaves.extend(odd);
            }
        }
        selectors.extend(gadget::factors(kernel, &leaves));
    }
    selectors
}

impl Workshop {
    /// Makes `c + c'` of `c`, and returns `(c − c') · X^−shift`.
    fn step(&mut self, c: &mut Pair<Polynomial>, places: &Places, key: &[Factor], shift: usize) -> Pair<Polynomial> {
        let [mut mask, mut body] = [[0; DEGREE]; 2];
        let [c_mask, c_body] = &*c;
        places.map(c_mask, &mut mask);
        places.map(c_body, &mut body);
        for sum in &mut self.sums {
            sum.clear();
        }
        for (level, factor) in key.iter().enumerate() {
            self.kernel.cut(&mask, level as u32, &mut self.digits);
            self.kernel.forward(&self.digits, &mut self.spectrum);
            for (sum, by) in self.sums.iter_mut().zip(factor) {
                self.kernel.add_product(sum, &self.spectrum, by);
            }
        }
        let mut difference = [[0; DEGREE]; 2];
        let images = [[0; DEGREE], body];
        for (((sum, image), c), difference) in self.sums.iter_mut().zip(images).zip(c).zip(&mut difference) {
            self.kernel.backward_wide(sum, &mut mask);
            let mut minus = [0; DEGREE];
            for (((c, minus), image), switched) in c.iter_mut().zip(&mut minus).zip(&image).zip(&mask) {
                let image = image.wrapping_sub(*switched);
                *minus = c.wrapping_sub(image);
                *c = c.wrapping_add(image);
            }
            let (wrapped, rest) = minus.split_at(shift);
            let signed = rest.iter().copied().chain(wrapped.iter().map(|value| value.wrapping_neg()));
            difference.iter_mut().zip(signed).for_each(|(to, value)| *to = value);
        }
        difference
    }
}
