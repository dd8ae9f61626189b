//! Receipts: a holder's signed commitment to keep a shard until its lease ends. What an audit later asks about.
//!
//! | rule | test |
//! | --- | --- |
//! | Signed by the holder after the shard is durable, over all of its fields; the signed bytes are kept as received | `a_receipt_binds_holder_shard_length_and_lease` |

use bytes::Bytes;
use cpchain_crypto::{Digest, Domain, PublicKey, Signature, Signer};
use prost::Message;

use super::record::SignedBytes;
use crate::chunk::ChunkId;

const SIGNED: Domain = Domain::new("cpchain/storage/receipt/v1");

/// The largest encoded receipt, in bytes.
pub const MAX_RECEIPT_BYTES: usize = 256;

/// Why a receipt was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The bytes are not a receipt.
    #[error("not a receipt: the bytes do not decode, or a field has the wrong length")]
    Malformed,
    /// The signature is not the holder's.
    #[error("the signature is not the holder's")]
    BadSignature,
    /// It speaks of another shard, length, lease or holder than what was handed over.
    #[error("the receipt is not for what was handed over: count the shard as not stored")]
    NotAsked,
}

/// A holder's signed word that it keeps a shard. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    holder: PublicKey,
    shard: ChunkId,
    length: u32,
    lease_until_ms: u64,
    encoded: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReceiptContent {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) holder: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) shard: Vec<u8>,
    #[prost(uint32, tag = "3")]
    pub(crate) length: u32,
    #[prost(uint64, tag = "4")]
    pub(crate) lease_until_ms: u64,
}

impl Receipt {
    /// Signs for a shard of `length` bytes until `lease_until_ms` (milliseconds since 1970 UTC).
    pub fn sign(holder: &dyn Signer, shard: ChunkId, length: u32, lease_until_ms: u64) -> Self {
        let key = holder.public_key();
        let content =
            ReceiptContent { holder: key.0.to_vec(), shard: shard.as_bytes().to_vec(), length, lease_until_ms }
                .encode_to_vec();
        let signature = holder.sign(SIGNED, &content).0.to_vec();
        let encoded = SignedBytes { content: content.into(), signature: signature.into() }.encode_to_vec().into();
        Self { holder: key, shard, length, lease_until_ms, encoded }
    }

    /// Reads a receipt and checks its signature.
    ///
    /// # Errors
    /// [`ReceiptError::Malformed`], [`ReceiptError::BadSignature`].
    pub fn decode(encoded: impl Into<Bytes>) -> Result<Self, ReceiptError> {
        let encoded = encoded.into();
        if encoded.len() > MAX_RECEIPT_BYTES {
            return Err(ReceiptError::Malformed);
        }
        let signed = SignedBytes::decode(encoded.clone()).map_err(|_| ReceiptError::Malformed)?;
        let content = ReceiptContent::decode(signed.content.clone()).map_err(|_| ReceiptError::Malformed)?;
        let holder = PublicKey::from_slice(&content.holder).ok_or(ReceiptError::Malformed)?;
        let shard = Digest::from_slice(&content.shard).map(ChunkId).ok_or(ReceiptError::Malformed)?;
        let signature = Signature::from_slice(&signed.signature).ok_or(ReceiptError::Malformed)?;
        holder.verify(SIGNED, &signed.content, &signature).map_err(|_| ReceiptError::BadSignature)?;
        Ok(Self { holder, shard, length: content.length, lease_until_ms: content.lease_until_ms, encoded })
    }

    /// Is this `holder`'s receipt for this very shard, until at least `lease_until_ms`?
    ///
    /// # Errors
    /// [`ReceiptError::NotAsked`].
    pub fn check(
        &self,
        holder: PublicKey,
        shard: ChunkId,
        length: usize,
        lease_until_ms: u64,
    ) -> Result<(), ReceiptError> {
        let same = self.holder == holder
            && self.shard == shard
            && usize::try_from(self.length) == Ok(length)
            && self.lease_until_ms >= lease_until_ms;
        if same { Ok(()) } else { Err(ReceiptError::NotAsked) }
    }

    /// Who holds the shard.
    pub fn holder(&self) -> PublicKey {
        self.holder
    }

    /// The shard, by its content hash.
    pub fn shard(&self) -> ChunkId {
        self.shard
    }

    /// The shard's length in bytes.
    pub fn length(&self) -> u32 {
        self.length
    }

    /// Until when it is kept, in milliseconds since 1970 UTC.
    pub fn lease_until_ms(&self) -> u64 {
        self.lease_until_ms
    }

    /// The signed bytes with their signature, as received.
    pub fn to_bytes(&self) -> Bytes {
        self.encoded.clone()
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::SigningKey;
    use proptest::prelude::*;

    use super::*;

    fn shard(n: u8) -> ChunkId {
        ChunkId(Digest([n; 32]))
    }

    #[test]
    fn a_receipt_binds_holder_shard_length_and_lease() {
        let key = SigningKey::from_seed(&[1; 32]);
        let holder = key.public_key();
        let receipt = Receipt::sign(&key, shard(1), 100, 5000);
        assert_eq!(Receipt::decode(receipt.to_bytes()).unwrap(), receipt);
        assert_eq!(receipt.check(holder, shard(1), 100, 5000), Ok(()));
        let stranger = SigningKey::from_seed(&[2; 32]).public_key();
        for wrong in [
            receipt.check(stranger, shard(1), 100, 5000),
            receipt.check(holder, shard(2), 100, 5000),
            receipt.check(holder, shard(1), 101, 5000),
            receipt.check(holder, shard(1), 100, 5001),
        ] {
            assert_eq!(wrong, Err(ReceiptError::NotAsked));
        }
        let bytes = receipt.to_bytes().to_vec();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Receipt::decode(bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn golden_bytes() {
        let receipt = Receipt::sign(&SigningKey::from_seed(&[1; 32]), shard(1), 100, 5000);
        assert_eq!(
            Digest::content(&receipt.to_bytes()).to_string(),
            "3b7b92d8b2cd1d0b93e6eaa2afed9e512c07710c95e2fd3e253bc0ca7e9ba0f8"
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            prop_assert!(Receipt::decode(bytes).is_err());
        }
    }
}
