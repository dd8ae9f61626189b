//! The lattice part of the scan and the aggregates: encryption of selectors, and what decryption takes away.
//!
//! A selector is a GLWE ciphertext (a, b = a·s + e + m) over polynomials modulo X²⁰⁴⁸ + 1 and numbers modulo 2⁶⁴, with a secret s of TUniform(3) and an error e of
//! TUniform(20): whole numbers from −2³ to 2³ and from −2²⁰ to 2²⁰, the ends half as likely as the others. Masks are ChaCha20 keystreams of a seed.

use alloc::{vec, vec::Vec};

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit, StreamCipher},
};
use zeroize::Zeroizing;

use super::{
    fourier::{COEFFICIENTS as DEGREE, Spectrum},
    simd::Kernel,
};
use crate::entropy::{Entropy, EntropyError};

/// Bits of the largest error, and of the largest number of a secret.
const ERROR_BITS: u32 = 20;
const SECRET_BITS: u32 = 3;
/// Bits of a mask that are multiplied at a time.
const PIECE: u32 = 13;
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
pub(super) struct QueryKey(Zeroizing<[i8; DEGREE]>);

impl QueryKey {
    pub(super) fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = Zeroizing::new([0; DEGREE]);
        entropy.fill(bytes.as_mut_slice())?;
        let mut numbers = Zeroizing::new([0; DEGREE]);
        for (number, byte) in numbers.iter_mut().zip(bytes.iter()) {
            *number = tuniform(u32::from(*byte) >> (8 - (SECRET_BITS + 2)), SECRET_BITS) as i8;
        }
        Ok(Self(numbers))
    }

    /// The numbers, from −8 to 8.
    pub(super) fn numbers(&self) -> &[i8; DEGREE] {
        &self.0
    }

    /// Encrypts 0 or 1 for each selector, under the masks of a seed: the bodies one after another. Never twice under one secret. Rows of `width` bits times a
    /// 1 fill the upper bits.
    pub(super) fn encrypt(
        &self,
        kernel: Kernel,
        seed: [u8; 16],
        selectors: &[bool],
        width: u32,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<u64>, EntropyError> {
        let mut noise_key = Zeroizing::new([0; 32]);
        entropy.fill(noise_key.as_mut_slice())?;
        let mut noise = ChaCha20::new(&(*noise_key).into(), &[0; 12].into());
        let (secret, mut masks, mut mask) = (self.transform(kernel), MaskStream::new(seed), [0; DEGREE]);
        let mut bodies = Vec::with_capacity(selectors.len() * DEGREE);
        for selected in selectors {
            masks.next(&mut mask);
            let mut body = exact_product(kernel, &mask, &secret);
            add_errors(&mut noise, &mut body);
            if let Some(constant) = body.first_mut() {
                *constant = constant.wrapping_add(u64::from(*selected) << (64 - width));
            }
            bodies.extend_from_slice(body.as_slice());
        }
        Ok(bodies)
    }

    /// The secret, transformed.
    pub(super) fn transform(&self, kernel: Kernel) -> Zeroizing<Spectrum> {
        let mut coefficients = Zeroizing::new([0.0; DEGREE]);
        coefficients.iter_mut().zip(self.0.iter()).for_each(|(to, number)| *to = f64::from(*number));
        let mut spectrum = Zeroizing::new(Spectrum::zero());
        kernel.forward(&coefficients, &mut spectrum);
        spectrum
    }
}

/// The masks of a seed, one after another.
struct MaskStream {
    cipher: ChaCha20,
    bytes: Vec<u8>,
}

impl MaskStream {
    fn new(seed: [u8; 16]) -> Self {
        let cipher = ChaCha20::new(&blake3::derive_key(MASKS, &seed).into(), &[0; 12].into());
        Self { cipher, bytes: vec![0; 8 * DEGREE] }
    }

    fn next(&mut self, mask: &mut [u64; DEGREE]) {
        self.bytes.fill(0);
        self.cipher.apply_keystream(&mut self.bytes);
        let words = self.bytes.as_chunks::<8>().0;
        mask.iter_mut().zip(words).for_each(|(to, word)| *to = u64::from_le_bytes(*word));
    }
}

/// Mask times secret modulo 2⁶⁴, without an error: in five pieces of 13 bits, whose products with a secret are whole numbers below 2²⁸ and come out of the transform
/// exactly (`products_with_a_secret_are_exact`).
pub(super) fn exact_product(kernel: Kernel, mask: &[u64; DEGREE], secret: &Spectrum) -> Zeroizing<[u64; DEGREE]> {
    let mut sum = Zeroizing::new([0u64; DEGREE]);
    let (mut coefficients, mut spectrum) = ([0.0; DEGREE], Spectrum::zero());
    for shift in (0..64).step_by(PIECE as usize) {
        for (to, number) in coefficients.iter_mut().zip(mask) {
            *to = (number >> shift & ((1 << PIECE) - 1)) as f64 * HALF_UNIT;
        }
        kernel.forward(&coefficients, &mut spectrum);
        for (sum, piece) in sum.iter_mut().zip(masked(kernel, &spectrum, secret).iter()) {
            // Signed: the product is negative where the polynomial wraps around.
            *sum = sum.wrapping_add((i64::from(*piece as i32) as u64) << shift);
        }
    }
    sum
}

/// A number of TUniform from two random bits more than it has itself: rounding half of them up hits both ends half as often.
const fn tuniform(random: u32, bits: u32) -> i64 {
    random.div_ceil(2) as i64 - (1 << bits)
}

/// Adds an error to each number.
pub(super) fn add_errors(noise: &mut ChaCha20, to: &mut [u64; DEGREE]) {
    let mut bytes = Zeroizing::new([0u8; 4 * DEGREE]);
    noise.apply_keystream(bytes.as_mut_slice());
    for (to, word) in to.iter_mut().zip(bytes.as_chunks::<4>().0) {
        let error = tuniform(u32::from_le_bytes(*word) >> (32 - (ERROR_BITS + 2)), ERROR_BITS);
        *to = to.wrapping_add(error as u64);
    }
}

/// The masks that a seed stands for: `count` polynomials, transformed, for each its number.
pub(super) fn masks(kernel: Kernel, seed: [u8; 16], count: usize, mut take: impl FnMut(usize, &Spectrum)) {
    let (mut masks, mut mask, mut spectrum) = (MaskStream::new(seed), [0; DEGREE], Spectrum::zero());
    for number in 0..count {
        masks.next(&mut mask);
        kernel.forward_torus(&mask, &mut spectrum);
        take(number, &spectrum);
    }
}

/// Transforms numbers modulo 1, in units of 2^−`bits`.
pub(super) fn torus(kernel: Kernel, numbers: &[u64; DEGREE], bits: u32) -> Spectrum {
    let mut spectrum = Spectrum::zero();
    kernel.forward_torus(&numbers.map(|number| number << (64 - bits)), &mut spectrum);
    spectrum
}

/// Mask times secret, in units of 2⁻³²: what a body has to lose to become a phase.
pub(super) fn masked(kernel: Kernel, mask: &Spectrum, secret: &Spectrum) -> Zeroizing<[u32; DEGREE]> {
    let mut product = Zeroizing::new(mask.times(secret));
    let mut out = Zeroizing::new([0; DEGREE]);
    kernel.backward(product.cells_mut(), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededEntropy;

    #[test]
    fn products_with_a_secret_are_exact() {
        let key = QueryKey::generate(&mut SeededEntropy::new(&[1; 32])).unwrap();
        let ones = QueryKey(Zeroizing::new([-8; DEGREE]));
        assert!(key.0.contains(&8) && key.0.contains(&-8) && key.0.iter().all(|number| number.abs() <= 8));
        let (mut first, mut second) = ([0; DEGREE], [0; DEGREE]);
        MaskStream::new([7; 16]).next(&mut first);
        MaskStream::new([8; 16]).next(&mut second);
        let most = [u64::MAX; DEGREE];
        for (key, mask) in [(&key, first), (&key, most), (&ones, most), (&ones, second)] {
            let mut wanted = [0u64; DEGREE];
            for (at, factor) in key.0.iter().enumerate() {
                for (i, number) in mask.iter().enumerate() {
                    let to = &mut wanted[(at + i) % DEGREE];
                    let product = number.wrapping_mul(i64::from(*factor) as u64);
                    *to = if at + i < DEGREE { to.wrapping_add(product) } else { to.wrapping_sub(product) };
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
        let variance = ((1u64 << 41) + 1) as f64 / 6.0;
        assert!((squares / count / variance - 1.0).abs() < 0.01 && worst <= 1 << 20 && worst > (1 << 20) - 1000);
        assert!((sum / count).abs() < 5.0 * (variance / count).sqrt());
    }
}
