//! The lattice part, as `tfhe`'s `core_crypto` computes it. No type of it leaves this folder.

use alloc::{vec, vec::Vec};

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit, StreamCipher},
};
use tfhe::core_crypto::{
    algorithms::polynomial_algorithms,
    commons::math::random::Seed,
    fft_impl::fft64::math::polynomial::{FourierPolynomialMutView, FourierPolynomialView},
    prelude::*,
};
use tfhe_fft::c64;
use zeroize::Zeroizing;

use super::parameters::{DEGREE, NOISE_BITS};
use crate::entropy::{Entropy, EntropyError, SeededEntropy};

const SIZE: PolynomialSize = PolynomialSize(DEGREE);

/// Complex values of a transformed polynomial.
pub(super) const FREQUENCIES: usize = DEGREE / 2;

/// Coefficients modulo 2⁶⁴: torus values, or small integers in two's complement.
pub(super) type Polynomial = [u64; DEGREE];
/// The same, transformed.
pub(super) type Frequencies = [c64; FREQUENCIES];

/// Mask and body of a ciphertext.
pub(super) type Pair<T> = [T; 2];

/// A seed from which both sides make the masks of a list.
pub(super) type Masks = [u8; 32];

fn modulus() -> CiphertextModulus<u64> {
    CiphertextModulus::new_native()
}

/// The masks of a list of ciphertexts: the keystream of ChaCha20 under the seed, as 64-bit numbers. An order of magnitude faster than the generator of the library.
fn masks(seed: &Masks, count: usize) -> Vec<u64> {
    let mut bytes = vec![0; 8 * count];
    ChaCha20::new(&(*seed).into(), &[0; 12].into()).apply_keystream(&mut bytes);
    bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect()
}

/// One number of TUniform: uniform, but for the ends, which are half as likely.
fn noise(entropy: &mut dyn Entropy) -> Result<u64, EntropyError> {
    const RANGE: u32 = (1 << (NOISE_BITS + 2)) - 1;
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes)?;
    let random = u32::from_le_bytes(bytes) & RANGE;
    Ok(u64::from((random >> 1) + (random & 1)).wrapping_sub(1 << NOISE_BITS))
}

/// A binary secret polynomial.
pub(super) struct Secret(Zeroizing<Vec<u64>>);

impl Secret {
    pub(super) fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let mut drawn = Zeroizing::new([0; 16]);
        entropy.fill(drawn.as_mut_slice())?;
        let seed = Seed(u128::from_le_bytes(*drawn));
        let mut generator = SecretRandomGenerator::<DefaultRandomGenerator>::new(seed);
        let key = allocate_and_generate_new_binary_glwe_secret_key(GlweDimension(1), SIZE, &mut generator);
        Ok(Self(Zeroizing::new(key.into_container())))
    }

    /// Its coefficients, 0 or 1.
    pub(super) fn coefficients(&self) -> &[u64] {
        &self.0
    }

    /// Encrypts polynomials that stand one after another: the seed of all masks, and the bodies.
    pub(super) fn encrypt(&self, plain: &[u64], entropy: &mut dyn Entropy) -> Result<(Masks, Vec<u64>), EntropyError> {
        let (mut seed, mut of_noise) = ([0; 32], Zeroizing::new([0; 32]));
        entropy.fill(&mut seed)?;
        entropy.fill(of_noise.as_mut_slice())?;
        let mut drawn = SeededEntropy::new(&of_noise);
        let mut bodies = plain.to_vec();
        let secret = tfhe::core_crypto::entities::Polynomial::from_container(self.0.as_slice());
        let all_masks = masks(&seed, plain.len());
        for (body, mask) in bodies.chunks_exact_mut(DEGREE).zip(all_masks.chunks_exact(DEGREE)) {
            for value in body.iter_mut() {
                *value = value.wrapping_add(noise(&mut drawn)?);
            }
            let mut body = tfhe::core_crypto::entities::Polynomial::from_container(body);
            let mask = tfhe::core_crypto::entities::Polynomial::from_container(mask);
            polynomial_algorithms::polynomial_wrapping_add_mul_assign(&mut body, &mask, &secret);
        }
        Ok((seed, bodies))
    }

    /// What a ciphertext decrypts to, noise and all.
    pub(super) fn phase(&self, ciphertext: &Pair<Polynomial>) -> Vec<u64> {
        let ciphertext = GlweCiphertext::from_container(ciphertext.as_flattened(), SIZE, modulus());
        let mut plain = PlaintextList::new(0, PlaintextCount(DEGREE));
        decrypt_glwe_ciphertext(&self.view(), &ciphertext, &mut plain);
        plain.into_container()
    }

    fn view(&self) -> GlweSecretKey<&[u64]> {
        GlweSecretKey::from_container(self.0.as_slice(), SIZE)
    }
}

/// The ciphertexts whose masks come from a seed.
pub(super) fn decompress(seed: Masks, bodies: &[u64]) -> Vec<Pair<Polynomial>> {
    let masks = masks(&seed, bodies.len());
    let (masks, bodies) = (masks.as_chunks::<DEGREE>().0, bodies.as_chunks::<DEGREE>().0);
    masks.iter().zip(bodies).map(|(mask, body)| [*mask, *body]).collect()
}

/// The negacyclic Fourier transform of polynomials.
pub(super) struct Transform {
    fft: Fft,
    buffers: ComputationBuffers,
}

impl Transform {
    pub(super) fn new() -> Self {
        let fft = Fft::new(SIZE);
        let mut buffers = ComputationBuffers::new();
        let view = fft.as_view();
        buffers.resize(view.forward_scratch().or(view.backward_scratch()).unaligned_bytes_required());
        Self { fft, buffers }
    }

    /// Transforms small integers, given as two's complement.
    pub(super) fn integers(&mut self, polynomial: &Polynomial, out: &mut Frequencies) {
        let out = FourierPolynomialMutView { data: out.as_mut_slice() };
        let polynomial = tfhe::core_crypto::entities::Polynomial::from_container(polynomial.as_slice());
        self.fft.as_view().forward_as_integer(out, polynomial, self.buffers.stack());
    }

    /// Transforms torus values, taken from −½ to ½.
    pub(super) fn torus(&mut self, polynomial: &Polynomial, out: &mut Frequencies) {
        let out = FourierPolynomialMutView { data: out.as_mut_slice() };
        let polynomial = tfhe::core_crypto::entities::Polynomial::from_container(polynomial.as_slice());
        self.fft.as_view().forward_as_torus(out, polynomial, self.buffers.stack());
    }

    /// Transforms back to torus values.
    pub(super) fn back(&mut self, frequencies: &Frequencies, out: &mut Polynomial) {
        let out = tfhe::core_crypto::entities::Polynomial::from_container(out.as_mut_slice());
        let frequencies = FourierPolynomialView { data: frequencies.as_slice() };
        self.fft.as_view().backward_as_torus(out, frequencies, self.buffers.stack());
    }
}
