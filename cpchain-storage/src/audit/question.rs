//! What is asked of a holder: a pure function of the chain's randomness and the receipt.

use cpchain_crypto::{Digest, Domain, PublicKey};

use crate::{
    chunk::ChunkId,
    network::{Challenge, Receipt},
    slice::{self, SliceError},
};

const LEAF: Domain = Domain::new("cpchain/storage/audit-leaf/v1");

/// Does this node hold this shard?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Question {
    /// The node.
    pub holder: PublicKey,
    /// The shard.
    pub shard: ChunkId,
    /// The shard's length in bytes, from a receipt or reference that is believed.
    pub length: u32,
}

impl From<&Receipt> for Question {
    fn from(receipt: &Receipt) -> Self {
        Self { holder: receipt.holder(), shard: receipt.shard(), length: receipt.length() }
    }
}

impl Question {
    /// The leaf that `randomness` names. Two holders of one shard are asked for different leaves.
    ///
    /// `randomness` must not be known before the receipt was signed, else a holder keeps nothing but the leaf.
    ///
    /// ```
    /// use cpchain_crypto::SigningKey;
    /// use cpchain_storage::{ChunkId, audit::Question, network::Receipt, slice};
    /// let shard = vec![7; 100_000];
    /// let receipt = Receipt::sign(&SigningKey::from_seed(&[1; 32]), ChunkId::of(&shard), 100_000, 5000);
    /// let (question, randomness) = (Question::from(&receipt), [9; 32]);
    ///
    /// // The holder:
    /// let start = u64::from(question.challenge(&randomness).leaf) * slice::LEAF_LEN;
    /// let proof = slice::prove(&shard, start..start + 1)?;
    /// // The auditor:
    /// question.check(&randomness, &proof)?;
    /// # Ok::<(), slice::SliceError>(())
    /// ```
    pub fn challenge(&self, randomness: &[u8; 32]) -> Challenge {
        let digest = Digest::of(LEAF, &[randomness, &self.holder.0, self.shard.as_bytes()]);
        let random = digest.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        // Multiply and shift: no leaf is favoured by more than 2^-44.
        let leaf = (u128::from(random) * u128::from(slice::leaf_count(u64::from(self.length)))) >> 64;
        Challenge { shard: self.shard, leaf: u32::try_from(leaf).unwrap_or(u32::MAX) }
    }

    /// Is `slice` the answer?
    ///
    /// # Errors
    /// [`SliceError`].
    pub fn check(&self, randomness: &[u8; 32], slice: &[u8]) -> Result<(), SliceError> {
        let leaf = u64::from(self.challenge(randomness).leaf);
        slice::verify_leaf(&self.shard, u64::from(self.length), leaf, slice).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_spread_evenly() {
        let question = Question { holder: PublicKey([1; 32]), shard: ChunkId(Digest([2; 32])), length: 10 * 1024 - 1 };
        let mut counts = [0u32; 10];
        for n in 0..10_000u32 {
            let mut randomness = [0; 32];
            randomness[..4].copy_from_slice(&n.to_le_bytes());
            counts[question.challenge(&randomness).leaf as usize] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        let other = Question { holder: PublicKey([3; 32]), ..question };
        let differs = |n: u8| question.challenge(&[n; 32]) != other.challenge(&[n; 32]);
        assert!((0..100).filter(|n| differs(*n)).count() > 70);
        for length in [0, 1, 1024] {
            assert_eq!(Question { length, ..question }.challenge(&[5; 32]).leaf, 0);
        }
        assert!(Question { length: 0, ..question }.check(&[5; 32], &[0; 8]).is_err());
    }
}
