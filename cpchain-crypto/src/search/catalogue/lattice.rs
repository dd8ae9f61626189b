//! Lists of polynomials, encrypted under one secret of [the scan's lattice](crate::search::lattice), with masks from a seed.

use alloc::{vec, vec::Vec};

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit, StreamCipher},
};
use zeroize::Zeroizing;

use super::parameters::DEGREE;
use crate::{
    entropy::{Entropy, EntropyError},
    search::{
        Kernel,
        fourier::Spectrum,
        lattice::{self, QueryKey},
    },
};

/// Coefficients modulo 2⁶⁴: numbers modulo 1 in units of 2⁻⁶⁴.
pub(super) type Polynomial = [u64; DEGREE];

/// Mask and body of a ciphertext.
pub(super) type Pair<T> = [T; 2];

/// A seed from which both sides make the masks of a list.
pub(super) type Masks = [u8; 32];

/// The masks of a list of ciphertexts, one after another: the keystream of ChaCha20 under the seed.
struct MaskStream(ChaCha20);

impl MaskStream {
    fn new(seed: &Masks) -> Self {
        Self(ChaCha20::new(&(*seed).into(), &[0; 12].into()))
    }

    fn next(&mut self) -> Polynomial {
        let (mut bytes, mut mask) = (vec![0; 8 * DEGREE], [0; DEGREE]);
        self.0.apply_keystream(&mut bytes);
        mask.iter_mut().zip(bytes.as_chunks::<8>().0).for_each(|(to, bytes)| *to = u64::from_le_bytes(*bytes));
        mask
    }
}

/// The secret of a reader.
pub(super) struct Secret {
    key: QueryKey,
    transformed: Zeroizing<Spectrum>,
}

impl Secret {
    pub(super) fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let key = QueryKey::generate(entropy)?;
        let transformed = key.transform(Kernel::best());
        Ok(Self { key, transformed })
    }

    /// Its coefficients, small numbers in two's complement.
    pub(super) fn coefficients(&self) -> Zeroizing<Polynomial> {
        let mut out = Zeroizing::new([0; DEGREE]);
        out.iter_mut().zip(self.key.numbers()).for_each(|(to, number)| *to = i64::from(*number) as u64);
        out
    }

    /// Encrypts polynomials that stand one after another: the seed of all masks, and the bodies.
    pub(super) fn encrypt(&self, plain: &[u64], entropy: &mut dyn Entropy) -> Result<(Masks, Vec<u64>), EntropyError> {
        let (mut seed, mut noise_key) = ([0; 32], Zeroizing::new([0; 32]));
        entropy.fill(&mut seed)?;
        entropy.fill(noise_key.as_mut_slice())?;
        let mut noise = ChaCha20::new(&(*noise_key).into(), &[0; 12].into());
        let (mut masks, mut bodies) = (MaskStream::new(&seed), Vec::with_capacity(plain.len()));
        for plain in plain.as_chunks::<DEGREE>().0 {
            let mut body = lattice::exact_product(Kernel::best(), &masks.next(), &self.transformed);
            lattice::add_errors(&mut noise, &mut body);
            bodies.extend(body.iter().zip(plain).map(|(body, plain)| body.wrapping_add(*plain)));
        }
        Ok((seed, bodies))
    }

    /// What a ciphertext decrypts to, noise and all.
    pub(super) fn phase(&self, [mask, body]: &Pair<Polynomial>) -> Zeroizing<Polynomial> {
        let mut phase = lattice::exact_product(Kernel::best(), mask, &self.transformed);
        phase.iter_mut().zip(body).for_each(|(product, body)| *product = body.wrapping_sub(*product));
        phase
    }
}

/// The ciphertexts whose masks come from a seed.
pub(super) fn decompress(seed: Masks, bodies: &[u64]) -> Vec<Pair<Polynomial>> {
    let mut masks = MaskStream::new(&seed);
    bodies.as_chunks::<DEGREE>().0.iter().map(|body| [masks.next(), *body]).collect()
}
