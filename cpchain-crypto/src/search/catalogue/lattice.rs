//! The lattice part, as `tfhe`'s `core_crypto` computes it. No type of it leaves this folder.

use alloc::{vec, vec::Vec};

use tfhe::core_crypto::{
    commons::math::random::{CompressionSeed, Seed, Seeder},
    fft_impl::fft64::math::polynomial::{FourierPolynomialMutView, FourierPolynomialView},
    prelude::*,
};
use tfhe_fft::c64;
use zeroize::Zeroizing;

use super::parameters::{DEGREE, NOISE_BITS};
use crate::entropy::{Entropy, EntropyError};

const SIZE: PolynomialSize = PolynomialSize(DEGREE);
const GLWE: GlweSize = GlweSize(2);

/// Complex values of a transformed polynomial.
pub(super) const FREQUENCIES: usize = DEGREE / 2;

/// Coefficients modulo 2⁶⁴: torus values, or small integers in two's complement.
pub(super) type Polynomial = [u64; DEGREE];
/// The same, transformed.
pub(super) type Frequencies = [c64; FREQUENCIES];

/// Mask and body of a ciphertext.
pub(super) type Pair<T> = [T; 2];

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

/// A binary secret polynomial.
pub(super) struct Secret(Zeroizing<Vec<u64>>);

impl Secret {
    pub(super) fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let drawn = Zeroizing::new(draw(entropy)?);
        let mut generator = SecretRandomGenerator::<DefaultRandomGenerator>::new(seed(*drawn));
        let key = allocate_and_generate_new_binary_glwe_secret_key(GlweDimension(1), SIZE, &mut generator);
        Ok(Self(Zeroizing::new(key.into_container())))
    }

    /// Its coefficients, 0 or 1.
    pub(super) fn coefficients(&self) -> &[u64] {
        &self.0
    }

    /// Encrypts polynomials that stand one after another: the seed of all masks, and the bodies.
    pub(super) fn encrypt(
        &self,
        plain: &[u64],
        entropy: &mut dyn Entropy,
    ) -> Result<([u8; 16], Vec<u64>), EntropyError> {
        let (masks, mut drawn) = (draw(entropy)?, Drawn(seed(draw(entropy)?)));
        let compression = CompressionSeed::from(seed(masks));
        let mut list =
            SeededGlweCiphertextList::from_container(vec![0; plain.len()], GLWE, SIZE, compression, modulus());
        let noise = DynamicDistribution::new_t_uniform(NOISE_BITS);
        encrypt_seeded_glwe_ciphertext_list(
            &self.view(),
            &mut list,
            &PlaintextList::from_container(plain),
            noise,
            &mut drawn,
        );
        Ok((masks, list.into_container()))
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
pub(super) fn decompress(masks: [u8; 16], bodies: Vec<u64>) -> Vec<Pair<Polynomial>> {
    let compression = CompressionSeed::from(seed(masks));
    let list = SeededGlweCiphertextList::from_container(bodies, GLWE, SIZE, compression, modulus());
    let all = list.decompress_into_glwe_ciphertext_list().into_container();
    let (polynomials, _) = all.as_chunks::<DEGREE>();
    let (pairs, _) = polynomials.as_chunks::<2>();
    pairs.to_vec()
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
