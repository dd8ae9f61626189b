//! Evidence that a shard was held in an epoch; anybody checks it with the epoch's randomness and nothing else.

use bytes::Bytes;
use prost::Message;

use super::Question;
use crate::{
    network::{Challenge, MAX_RECEIPT_BYTES, Receipt, ReceiptError},
    slice::{self, LEAF_LEN, SliceError},
};

/// The largest encoded proof, in bytes: that of a shard of 1 MiB.
pub const MAX_PROOF_BYTES: usize = MAX_RECEIPT_BYTES + 2048;

/// Why a proof was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The bytes are not a proof.
    #[error("not a proof: the bytes do not decode")]
    Malformed,
    /// The receipt in it is none.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The slice is not of the leaf that the randomness names.
    #[error(transparent)]
    Slice(#[from] SliceError),
}

/// A holder's receipt and the slice that answers its challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The receipt, its signature checked.
    pub receipt: Receipt,
    /// The slice of the challenged leaf.
    pub slice: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AuditProof {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) receipt: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) slice: Bytes,
}

impl Proof {
    /// What a holder shows for `receipt` when `randomness` is drawn; `None` if `shard` is not what the receipt is for.
    pub fn make(receipt: &Receipt, randomness: &[u8; 32], shard: &[u8]) -> Option<Self> {
        let question = Question::from(receipt);
        let Challenge { leaf, .. } = question.challenge(randomness);
        let start = u64::from(leaf).checked_mul(LEAF_LEN)?;
        let slice = slice::prove(shard, start..start.checked_add(1)?).ok()?;
        question.check(randomness, &slice).ok()?;
        Some(Self { receipt: receipt.clone(), slice: slice.into() })
    }

    /// Did the holder have the leaf that `randomness` names?
    ///
    /// # Errors
    /// [`ProofError::Slice`].
    pub fn verify(&self, randomness: &[u8; 32]) -> Result<(), ProofError> {
        Ok(Question::from(&self.receipt).check(randomness, &self.slice)?)
    }

    /// The bytes of the proof, as `AuditProof` in `proto/network.proto`.
    pub fn to_bytes(&self) -> Bytes {
        AuditProof { receipt: self.receipt.to_bytes(), slice: self.slice.clone() }.encode_to_vec().into()
    }

    /// Reads a proof and checks the receipt's signature. [`verify`](Self::verify) checks the rest.
    ///
    /// # Errors
    /// [`ProofError::Malformed`], [`ProofError::Receipt`].
    pub fn decode(encoded: impl Into<Bytes>) -> Result<Self, ProofError> {
        let encoded = encoded.into();
        if encoded.len() > MAX_PROOF_BYTES {
            return Err(ProofError::Malformed);
        }
        let proof = AuditProof::decode(encoded).map_err(|_| ProofError::Malformed)?;
        Ok(Self { receipt: Receipt::decode(proof.receipt)?, slice: proof.slice })
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::{Digest, SigningKey};
    use proptest::prelude::*;

    use super::*;
    use crate::chunk::ChunkId;

    fn receipt(seed: u8, shard: &[u8]) -> Receipt {
        Receipt::sign(&SigningKey::from_seed(&[seed; 32]), ChunkId::of(shard), shard.len() as u32, 5000)
    }

    #[test]
    fn a_proof_is_for_its_receipt_and_epoch() {
        let shard: Vec<u8> = (0..1 << 20).map(|n: u32| (n / 1000) as u8).collect();
        let receipt = receipt(1, &shard);
        let proof = Proof::make(&receipt, &[1; 32], &shard).unwrap();
        assert_eq!(proof.verify(&[1; 32]), Ok(()));
        assert!(matches!(proof.verify(&[2; 32]), Err(ProofError::Slice(_))));
        let read = Proof::decode(proof.to_bytes()).unwrap();
        assert_eq!((&read, read.verify(&[1; 32])), (&proof, Ok(())));
        assert!(proof.to_bytes().len() <= MAX_PROOF_BYTES);
        // Another shard's proof, and another holder's.
        assert_eq!(Proof::make(&receipt, &[1; 32], &shard[1..]), None);
        assert_eq!(Proof::make(&receipt, &[1; 32], &[]), None);
        let other = Proof { receipt: self::receipt(2, &shard), ..proof.clone() };
        assert!(other.verify(&[1; 32]).is_err());
        let mut bytes = proof.to_bytes().to_vec();
        for at in (0..bytes.len()).step_by(7) {
            bytes[at] ^= 1;
            assert!(Proof::decode(bytes.clone()).and_then(|proof| proof.verify(&[1; 32])).is_err(), "byte {at}");
            bytes[at] ^= 1;
        }
        bytes.resize(MAX_PROOF_BYTES + 1, 0);
        assert_eq!(Proof::decode(bytes), Err(ProofError::Malformed));
    }

    #[test]
    fn golden_bytes() {
        let shard = [7; 5000];
        let proof = Proof::make(&receipt(1, &shard), &[3; 32], &shard).unwrap();
        let hash = Digest::content(&proof.to_bytes()).to_string();
        assert_eq!(hash, "a62eff64d68d12d45d38eb456e68d7abc3514d2658b7c9057921ae8fd7e3539e");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            prop_assert!(Proof::decode(bytes).is_err());
        }
    }
}
