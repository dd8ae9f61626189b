//! The lattice part: encryption of selectors, and what decryption takes away.
//!
//! A selector is a GLWE ciphertext (a, b = a·s + e + m) over polynomials modulo X²⁰⁴⁸ + 1 and numbers modulo 2⁶⁴, with a secret s of bits and an error e of
//! TUniform(17): whole numbers from −2¹⁷ to 2¹⁷, the ends half as likely as the others. Masks are ChaCha20 keystreams of a seed.

use alloc::{vec, vec::Vec};

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit, StreamCipher},
};
use zeroize::Zeroizing;

use super::{DEGREE, SLOTS};
use crate::{
    entropy::{Entropy, EntropyError},
    search::fourier::{Kernel, Spectrum},
};

/// Where a selector's 1 stands: the products fill the upper bits, one for each slot.
const ONE: u64 = 1 << (64 - SLOTS);
/// Bits of the largest error.
const ERROR_BITS: u32 = 17;
/// 2⁻⁶⁴
const UNIT: f64 = 1.0 / (1u128 << 64) as f64;
/// 2⁻³²
const HALF_UNIT: f64 = 1.0 / (1u64 << 32) as f64;
const MASKS: &str = "cpchain/crypto/search/scan-mask-stream/v1";

/// 16 bytes for a seed.
pub(super) fn draw(entropy: &mut dyn Entropy) -> Result<[u8; 16], EntropyError> {
    let mut seed = [0; 16];
    entropy.fill(&mut seed)?;
    Ok(seed)
}

/// One secret of a query: that of one bit of all its codes.
pub(super) struct QueryKey(Zeroizing<[u8; DEGREE / 8]>);

impl QueryKey {
    pub(super) fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let mut bits = Zeroizing::new([0; DEGREE / 8]);
        entropy.fill(bits.as_mut_slice())?;
        Ok(Self(bits))
    }

    /// Encrypts 0 or 1 for each selector, under the masks of a seed: the bodies one after another. Never twice under one secret.
    pub(super) fn encrypt(
        &self,
        kernel: Kernel,
        seed: [u8; 16],
        selectors: &[bool],
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<u64>, EntropyError> {
        let mut noise_key = Zeroizing::new([0; 32]);
        entropy.fill(noise_key.as_mut_slice())?;
        let mut noise = ChaCha20::new(&(*noise_key).into(), &[0; 12].into());
        let (secret, mut masks) = (self.transform(kernel), MaskStream::new(seed));
        let mut bodies = Vec::with_capacity(selectors.len() * DEGREE);
        for selected in selectors {
            let mut body = exact_product(kernel, &masks.next(), &secret);
            add_errors(&mut noise, &mut body);
            if let Some(constant) = body.first_mut() {
                *constant = constant.wrapping_add(u64::from(*selected) * ONE);
            }
            bodies.extend_from_slice(body.as_slice());
        }
        Ok(bodies)
    }

    /// The secret, transformed.
    pub(super) fn transform(&self, kernel: Kernel) -> Zeroizing<Spectrum> {
        let mut coefficients = Zeroizing::new([0.0; DEGREE]);
        let bits = self.0.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1));
        coefficients.iter_mut().zip(bits).for_each(|(to, bit)| *to = f64::from(bit));
        let mut spectrum = Zeroizing::new(Spectrum::zero());
        kernel.forward(&coefficients, &mut spectrum);
        spectrum
    }
}

/// The masks of a seed, one after another.
struct MaskStream(ChaCha20);

impl MaskStream {
    fn new(seed: [u8; 16]) -> Self {
        Self(ChaCha20::new(&blake3::derive_key(MASKS, &seed).into(), &[0; 12].into()))
    }

    fn next(&mut self) -> [u64; DEGREE] {
        let (mut bytes, mut mask) = (vec![0; 8 * DEGREE], [0; DEGREE]);
        self.0.apply_keystream(&mut bytes);
        let words = bytes.as_chunks::<8>().0;
        mask.iter_mut().zip(words).for_each(|(to, word)| *to = u64::from_le_bytes(*word));
        mask
    }
}

/// Mask times secret modulo 2⁶⁴, without an error: in four pieces of 16 bits, whose products with a secret of bits are whole numbers below 2²⁸ and come out of the transform
/// exactly (`products_with_a_secret_are_exact`).
fn exact_product(kernel: Kernel, mask: &[u64; DEGREE], secret: &Spectrum) -> Zeroizing<[u64; DEGREE]> {
    let mut sum = Zeroizing::new([0u64; DEGREE]);
    let (mut coefficients, mut spectrum) = ([0.0; DEGREE], Spectrum::zero());
    for shift in [0, 16, 32, 48] {
        for (to, number) in coefficients.iter_mut().zip(mask) {
            *to = f64::from((number >> shift) as u16) * HALF_UNIT;
        }
        kernel.forward(&coefficients, &mut spectrum);
        for (sum, piece) in sum.iter_mut().zip(masked(kernel, &spectrum, secret).iter()) {
            // Signed: the product is negative where the polynomial wraps around.
            *sum = sum.wrapping_add((i64::from(*piece as i32) as u64) << shift);
        }
    }
    sum
}

/// Adds an error to each number: of 19 random bits, the upper 18 rounded up by the lowest, which hits both ends half as often.
fn add_errors(noise: &mut ChaCha20, to: &mut [u64; DEGREE]) {
    let mut bytes = Zeroizing::new([0u8; 4 * DEGREE]);
    noise.apply_keystream(bytes.as_mut_slice());
    for (to, word) in to.iter_mut().zip(bytes.as_chunks::<4>().0) {
        let bits = u32::from_le_bytes(*word) >> (32 - (ERROR_BITS + 2));
        let error = i64::from(bits.div_ceil(2)) - (1 << ERROR_BITS);
        *to = to.wrapping_add(error as u64);
    }
}

/// The masks that a seed stands for: `count` polynomials, transformed.
pub(super) fn masks(kernel: Kernel, seed: [u8; 16], count: usize) -> impl Iterator<Item = Spectrum> {
    let mut masks = MaskStream::new(seed);
    (0..count).map(move |_| torus(kernel, masks.next().into_iter(), 64))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededEntropy;

    #[test]
    fn products_with_a_secret_are_exact() {
        let key = QueryKey::generate(&mut SeededEntropy::new(&[1; 32])).unwrap();
        let ones = QueryKey(Zeroizing::new([0xff; DEGREE / 8]));
        for (key, mask) in [
            (&key, MaskStream::new([7; 16]).next()),
            (&key, [u64::MAX; DEGREE]),
            (&ones, [u64::MAX; DEGREE]),
            (&ones, MaskStream::new([8; 16]).next()),
        ] {
            let bit = |at: usize| key.0[at / 8] >> (at % 8) & 1 == 1;
            let mut wanted = [0u64; DEGREE];
            for at in (0..DEGREE).filter(|at| bit(*at)) {
                for (i, number) in mask.iter().enumerate() {
                    let to = &mut wanted[(at + i) % DEGREE];
                    *to = if at + i < DEGREE { to.wrapping_add(*number) } else { to.wrapping_sub(*number) };
                }
            }
            for kernel in Kernel::available() {
                let product = exact_product(kernel, &mask, &key.transform(kernel));
                assert!(*product == wanted, "{}", kernel.name());
            }
        }
    }

    #[test]
    fn errors_are_tuniform() {
        let mut noise = ChaCha20::new(&[3; 32].into(), &[0; 12].into());
        let (mut sum, mut squares, mut worst) = (0.0, 0.0, 0);
        for _ in 0..200 {
            let mut errors = [0; DEGREE];
            add_errors(&mut noise, &mut errors);
            for error in errors.map(|error| error as i64) {
                sum += error as f64;
                squares += (error * error) as f64;
                worst = worst.max(error.abs());
            }
        }
        let count = (200 * DEGREE) as f64;
        let variance = ((1u64 << 35) + 1) as f64 / 6.0;
        assert!((squares / count / variance - 1.0).abs() < 0.01 && worst <= 1 << 17 && worst > (1 << 17) - 100);
        assert!((sum / count).abs() < 5.0 * (variance / count).sqrt());
    }
}
