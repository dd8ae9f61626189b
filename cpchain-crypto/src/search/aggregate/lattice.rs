//! The lattice part, as `tfhe`'s `core_crypto` computes it. No type of it leaves this folder.

use alloc::{vec, vec::Vec};

use tfhe::core_crypto::{
    commons::math::random::{CompressionSeed, Seed, Seeder},
    fft_impl::fft64::math::polynomial::{FourierPolynomialMutView, FourierPolynomialView},
    prelude::*,
};
use tfhe_fft::c64;
use zeroize::Zeroizing;

use super::WIDTH;
use crate::entropy::{Entropy, EntropyError};

/// N: coefficients of a polynomial.
pub(super) const DEGREE: usize = 2048;
const SIZE: PolynomialSize = PolynomialSize(DEGREE);
const GLWE: GlweSize = GlweSize(2);
/// Where a selector's 1 stands: the products fill the upper bits.
const ONE: u64 = 1 << (64 - WIDTH);

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

fn draw(entropy: &mut dyn Entropy) -> Result<[u8; 16], EntropyError> {
    let mut seed = [0; 16];
    entropy.fill(&mut seed)?;
    Ok(seed)
}

fn seed(bytes: [u8; 16]) -> Seed {
    Seed(u128::from_le_bytes(bytes))
}

/// The secret of one query.
pub(super) struct QueryKey(Zeroizing<Vec<u64>>);

impl QueryKey {
    pub(super) fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let drawn = Zeroizing::new(draw(entropy)?);
        let mut generator = SecretRandomGenerator::<DefaultRandomGenerator>::new(seed(*drawn));
        let key = allocate_and_generate_new_binary_glwe_secret_key(GlweDimension(1), SIZE, &mut generator);
        Ok(Self(Zeroizing::new(key.into_container())))
    }

    /// Encrypts 0 or 1 for each selector: the seed of all masks, and the bodies one after another.
    pub(super) fn encrypt(
        &self,
        selectors: &[bool],
        entropy: &mut dyn Entropy,
    ) -> Result<([u8; 16], Vec<u64>), EntropyError> {
        let (masks, mut drawn) = (draw(entropy)?, Drawn(seed(draw(entropy)?)));
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
        encrypt_seeded_glwe_ciphertext_list(&self.view(), &mut list, &plain, noise(), &mut drawn);
        Ok((masks, list.into_container()))
    }

    /// What a ciphertext decrypts to, noise and all. Both slices have [`DEGREE`] values.
    pub(super) fn phase(&self, mask: Vec<u64>, body: &[u64]) -> Vec<u64> {
        let mut both = mask;
        both.extend_from_slice(body);
        both.resize(2 * DEGREE, 0);
        let ciphertext = GlweCiphertext::from_container(both, SIZE, modulus());
        let mut plain = PlaintextList::new(0, PlaintextCount(DEGREE));
        decrypt_glwe_ciphertext(&self.view(), &ciphertext, &mut plain);
        plain.into_container()
    }

    fn view(&self) -> GlweSecretKey<&[u64]> {
        GlweSecretKey::from_container(self.0.as_slice(), SIZE)
    }
}

/// Masks and bodies of a seeded list, in turn, [`DEGREE`] values each.
pub(super) fn expand(masks: [u8; 16], bodies: Vec<u64>) -> Vec<u64> {
    let compression = CompressionSeed::from(seed(masks));
    let list = SeededGlweCiphertextList::from_container(bodies, GLWE, SIZE, compression, modulus());
    list.decompress_into_glwe_ciphertext_list().into_container()
}

/// The negacyclic Fourier transform of polynomials of [`DEGREE`] coefficients.
pub(super) struct Transform {
    fft: Fft,
    buffers: ComputationBuffers,
}

/// Complex values of a transformed polynomial.
pub(super) const FREQUENCIES: usize = DEGREE / 2;

impl Transform {
    pub(super) fn new() -> Self {
        let fft = Fft::new(SIZE);
        let mut buffers = ComputationBuffers::new();
        let view = fft.as_view();
        buffers.resize(view.forward_scratch().or(view.backward_scratch()).unaligned_bytes_required());
        Self { fft, buffers }
    }

    /// Transforms small integers, given as two's complement.
    pub(super) fn integers(&mut self, polynomial: &[u64; DEGREE], out: &mut [c64; FREQUENCIES]) {
        let out = FourierPolynomialMutView { data: out.as_mut_slice() };
        let polynomial = Polynomial::from_container(polynomial.as_slice());
        self.fft.as_view().forward_as_integer(out, polynomial, self.buffers.stack());
    }

    /// Transforms 64-bit torus values.
    pub(super) fn torus(&mut self, polynomial: &[u64; DEGREE], out: &mut [c64; FREQUENCIES]) {
        let out = FourierPolynomialMutView { data: out.as_mut_slice() };
        let polynomial = Polynomial::from_container(polynomial.as_slice());
        self.fft.as_view().forward_as_torus(out, polynomial, self.buffers.stack());
    }

    /// Transforms back to 64-bit torus values.
    pub(super) fn back(&mut self, frequencies: &[c64; FREQUENCIES], out: &mut [u64; DEGREE]) {
        let out = Polynomial::from_container(out.as_mut_slice());
        let frequencies = FourierPolynomialView { data: frequencies.as_slice() };
        self.fft.as_view().backward_as_torus(out, frequencies, self.buffers.stack());
    }
}

/// A transformed polynomial.
pub(super) type Spectrum = [c64; FREQUENCIES];

/// Σ row · selector.
pub(super) fn sum(rows: &[Spectrum], selectors: &[Spectrum]) -> Spectrum {
    let mut total = [c64::default(); FREQUENCIES];
    for (row, selector) in rows.iter().zip(selectors) {
        for ((total, row), selector) in total.iter_mut().zip(row).zip(selector) {
            *total += row * selector;
        }
    }
    total
}
