//! Randomness as the crate asks for it: bytes in, no `rand_core` type in sight.

/// The source of randomness failed; nothing secret was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the entropy source failed: seed the generator or check the device, then try again")]
pub struct EntropyError;

/// A source of cryptographically secure random bytes.
///
/// On a device this wraps the hardware generator; with `std`, [`SystemEntropy`] asks the operating system.
/// An implementation fills **all** of `out` or returns an error; a partly filled buffer is never used.
pub trait Entropy {
    /// Fills `out` with unpredictable bytes.
    ///
    /// # Errors
    /// [`EntropyError`] when the source has no (more) entropy to give.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError>;
}

impl<E: Entropy + ?Sized> Entropy for &mut E {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        (**self).fill(out)
    }
}

/// The operating system's generator.
#[cfg(feature = "std")]
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

#[cfg(feature = "std")]
impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(out).map_err(|_| EntropyError)
    }
}

/// A stream of bytes that depends on its seed alone (BLAKE3 in XOF mode): as unpredictable as the seed.
///
/// For reproducible runs and tests, and for devices that hold one good seed.
///
/// ```
/// use cpchain_crypto::{Entropy, SeededEntropy};
/// let (mut a, mut b) = ([0; 8], [0; 8]);
/// SeededEntropy::new(&[7; 32]).fill(&mut a)?;
/// SeededEntropy::new(&[7; 32]).fill(&mut b)?;
/// assert_eq!(a, b);
/// # Ok::<(), cpchain_crypto::EntropyError>(())
/// ```
pub struct SeededEntropy(blake3::OutputReader);

impl SeededEntropy {
    /// A generator for this seed.
    pub fn new(seed: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("cpchain/crypto/seeded-entropy/v1");
        hasher.update(seed);
        Self(hasher.finalize_xof())
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.0.fill(out);
        Ok(())
    }
}
