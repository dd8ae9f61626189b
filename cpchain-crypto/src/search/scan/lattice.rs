//! The lattice part: encryption as `tfhe`'s `core_crypto` computes it, decryption by our transform. No type of `tfhe` leaves this file.

use alloc::{vec, vec::Vec};

use tfhe::core_crypto::{
    commons::math::random::{CompressionSeed, Seed, Seeder},
    prelude::*,
};
use zeroize::Zeroizing;

use super::{DEGREE, SLOTS};
use crate::{
    entropy::{Entropy, EntropyError},
    search::fourier::{Kernel, Spectrum},
};

const SIZE: PolynomialSize = PolynomialSize(DEGREE);
const GLWE: GlweSize = GlweSize(2);
/// Where a selector's 1 stands: the products fill the upper bits, one for each slot.
const ONE: u64 = 1 << (64 - SLOTS);

/// 2⁻⁶⁴
const UNIT: f64 = 1.0 / (1u128 << 64) as f64;

fn noise() -> DynamicDistribution<u64> {
    DynamicDistribution::new_t_uniform(17)
}

fn modulus() -> CiphertextModulus<u64> {
    CiphertextModulus::new_native()
}

/// Hands out the seed that was drawn for the noise.
struct Drawn(Seed);

impl Seeder for Drawn {
    fn seed(&mut self) -> Seed {
        self.0
    }

    fn is_available() -> bool {
        true
    }
}

/// 16 bytes for a seed.
pub(super) fn draw(entropy: &mut dyn Entropy) -> Result<[u8; 16], EntropyError> {
    let mut seed = [0; 16];
    entropy.fill(&mut seed)?;
    Ok(seed)
}

fn seed(bytes: [u8; 16]) -> Seed {
    Seed(u128::from_le_bytes(bytes))
}

/// One secret of a query: that of one bit of all its codes.
pub(super) struct QueryKey(Zeroizing<Vec<u64>>);

impl QueryKey {
    pub(super) fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let drawn = Zeroizing::new(draw(entropy)?);
        let mut generator = SecretRandomGenerator::<DefaultRandomGenerator>::new(seed(*drawn));
        let key = allocate_and_generate_new_binary_glwe_secret_key(GlweDimension(1), SIZE, &mut generator);
        Ok(Self(Zeroizing::new(key.into_container())))
    }

    /// Encrypts 0 or 1 for each selector, under the masks of a seed: the bodies one after another. Never twice under one secret.
    pub(super) fn encrypt(
        &self,
        masks: [u8; 16],
        selectors: &[bool],
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<u64>, EntropyError> {
        let mut drawn = Drawn(seed(draw(entropy)?));
        let mut plain = Zeroizing::new(vec![0; selectors.len() * DEGREE]);
        for (selected, polynomial) in selectors.iter().zip(plain.chunks_exact_mut(DEGREE)) {
            if let Some(constant) = polynomial.first_mut() {
                *constant = u64::from(*selected) * ONE;
            }
        }
        let bodies = vec![0; plain.len()];
        let compression = CompressionSeed::from(seed(masks));
        let mut list = SeededGlweCiphertextList::from_container(bodies, GLWE, SIZE, compression, modulus());
        let plain = PlaintextList::from_container(plain.as_slice());
        let key = GlweSecretKey::from_container(self.0.as_slice(), SIZE);
        encrypt_seeded_glwe_ciphertext_list(&key, &mut list, &plain, noise(), &mut drawn);
        Ok(list.into_container())
    }

    /// The secret, transformed.
    pub(super) fn transform(&self, kernel: Kernel) -> Zeroizing<Spectrum> {
        let mut coefficients = Zeroizing::new([0.0; DEGREE]);
        coefficients.iter_mut().zip(self.0.iter()).for_each(|(to, bit)| *to = *bit as f64);
        let mut spectrum = Zeroizing::new(Spectrum::zero());
        kernel.forward(&coefficients, &mut spectrum);
        spectrum
    }
}

/// The masks that a seed stands for: `count` polynomials, transformed.
pub(super) fn masks(kernel: Kernel, of: [u8; 16], count: usize) -> impl Iterator<Item = Spectrum> {
    let bodies = vec![0; count * DEGREE];
    let compression = CompressionSeed::from(seed(of));
    let list = SeededGlweCiphertextList::from_container(bodies, GLWE, SIZE, compression, modulus());
    // Masks and bodies in turn.
    let list = list.decompress_into_glwe_ciphertext_list().into_container();
    (0..count).map(move |at| {
        let mask = list.as_chunks::<DEGREE>().0.get(2 * at).unwrap_or(&[0; DEGREE]);
        torus(kernel, mask.iter().copied(), 64)
    })
}

/// Transforms numbers modulo 1, in units of 2^−`bits`.
pub(super) fn torus(kernel: Kernel, numbers: impl Iterator<Item = u64>, bits: u32) -> Spectrum {
    let (mut coefficients, mut spectrum) = ([0.0; DEGREE], Spectrum::zero());
    for (to, number) in coefficients.iter_mut().zip(numbers) {
        // Around zero: from −1/2 to 1/2.
        *to = (number << (64 - bits)) as i64 as f64 * UNIT;
    }
    kernel.forward(&coefficients, &mut spectrum);
    spectrum
}

/// Mask times secret, in units of 2⁻³²: what a body has to lose to become a phase.
pub(super) fn masked(kernel: Kernel, mask: &Spectrum, secret: &Spectrum) -> Zeroizing<[u32; DEGREE]> {
    let mut product = Zeroizing::new(mask.times(secret));
    let mut out = Zeroizing::new([0; DEGREE]);
    kernel.backward(&mut product, &mut out);
    out
}
