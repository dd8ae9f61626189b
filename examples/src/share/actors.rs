//! Everybody in the share, each with a key of its own.

use cpchain_crypto::{Digest, Domain, Entropy, EntropyError, SeededEntropy, SigningKey, SystemEntropy};

const ROLE: Domain = Domain::new("cpchain/examples/role/v1");

/// Hands out keys and randomness by role: from one number, or from the operating system.
#[derive(Clone)]
pub(crate) struct Actors(Digest);

impl Actors {
    /// Actors of a seed; without one they are fresh.
    ///
    /// # Errors
    /// [`EntropyError`] when the operating system has no randomness to give.
    pub(crate) fn new(seed: Option<u64>) -> Result<Self, EntropyError> {
        let mut root = [0; 32];
        match seed {
            Some(seed) => SeededEntropy::new(Digest::of(ROLE, &[&seed.to_le_bytes()]).as_bytes()).fill(&mut root)?,
            None => SystemEntropy.fill(&mut root)?,
        }
        Ok(Self(Digest(root)))
    }

    /// All that one key has to keep secret besides itself.
    pub(crate) fn of(seed: &[u8; 32]) -> Self {
        Self(Digest::of(ROLE, &[b"of a key", seed]))
    }

    /// 32 secret bytes for a purpose of one actor.
    pub(crate) fn secret(&self, role: &str, index: usize) -> [u8; 32] {
        Digest::of(ROLE, &[self.0.as_bytes(), role.as_bytes(), &(index as u64).to_le_bytes()]).0
    }

    /// Other actors, of the same roles.
    pub(crate) fn branch(&self, name: &str) -> Self {
        Self(Digest(self.secret(name, 0)))
    }

    /// The signing key of an actor.
    pub(crate) fn key(&self, role: &str, index: usize) -> SigningKey {
        SigningKey::from_seed(&self.secret(role, index))
    }

    /// Randomness for a purpose of one actor.
    pub(crate) fn entropy(&self, role: &str) -> SeededEntropy {
        SeededEntropy::new(&self.secret(role, usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::Signer;

    use super::*;

    #[test]
    fn a_seed_repeats_its_actors_and_no_seed_does_not() {
        let key = |seed, role, index| Actors::new(seed).unwrap().key(role, index).public_key();
        assert_eq!(key(Some(1), "buyer", 0), key(Some(1), "buyer", 0));
        assert_ne!(key(Some(1), "buyer", 0), key(Some(2), "buyer", 0));
        assert_ne!(key(Some(1), "buyer", 0), key(Some(1), "buyer", 1));
        assert_ne!(key(Some(1), "buyer", 0), key(Some(1), "seller", 0));
        assert_ne!(key(None, "buyer", 0), key(None, "buyer", 0));
    }
}
