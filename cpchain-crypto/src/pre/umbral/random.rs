//! Our entropy as the older `rand_core` that `umbral-pre` asks for.

use rand_core06::{CryptoRng, Error, RngCore};
use zeroize::Zeroizing;

use crate::entropy::{Entropy, EntropyError, SeededEntropy};

/// A generator that cannot fail, seeded once from a source that can.
pub(super) struct Random(SeededEntropy);

impl Random {
    pub(super) fn from_entropy(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let mut seed = Zeroizing::new([0; 32]);
        entropy.fill(&mut *seed)?;
        Ok(Self::from_seed(&seed))
    }

    pub(super) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SeededEntropy::new(seed))
    }
}

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        // A seeded generator always fills.
        let filled = self.0.fill(out);
        debug_assert!(filled.is_ok());
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for Random {}
