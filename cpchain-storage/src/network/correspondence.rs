//! The correspondence record: which blocks an interval holds, and what opens it. Never the key itself.
//!
//! | rule | test |
//! | --- | --- |
//! | One record per interval, under the stream's owner | `a_correspondence_comes_back_from_its_record` |
//! | Sizes are bounded before anything is kept, and empty block ranges are refused | `bounds_are_checked` |

use bytes::Bytes;
use cpchain_crypto::{Digest, Domain, PublicKey, Signer, key_tree::IntervalId};
use prost::Message;

use super::record::{RecordError, RecordKey, RecordKind, SignedRecord};

const NAME: Domain = Domain::new("cpchain/storage/correspondence-name/v1");

/// The longest capsule, in bytes.
pub const MAX_CAPSULE_BYTES: usize = 4096;

/// Blocks ↔ interval ↔ capsule and key commitment, of one interval of one stream.
///
/// A reader that has bought the interval finds here the capsule to have re-encrypted, and the commitment which the key
/// that it recovers must meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correspondence {
    /// The stream, as in blocks and vouchers: [`StreamId::digest`](crate::StreamId::digest).
    pub stream: Digest,
    /// The encryption interval.
    pub interval: IntervalId,
    /// The first block of the interval.
    pub first_block: u64,
    /// How many blocks it has, at least 1.
    pub block_count: u32,
    /// The capsule: the interval key under the owner's delegating key. At most [`MAX_CAPSULE_BYTES`].
    pub capsule: Bytes,
    /// The commitment to the interval key.
    pub key_commitment: Digest,
    /// The manifest of the upload that carries the blocks.
    pub manifest: Digest,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CorrespondenceBody {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) stream: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub(crate) interval: u32,
    #[prost(uint64, tag = "3")]
    pub(crate) first_block: u64,
    #[prost(uint32, tag = "4")]
    pub(crate) block_count: u32,
    #[prost(bytes = "bytes", tag = "5")]
    pub(crate) capsule: Bytes,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) key_commitment: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    pub(crate) manifest: Vec<u8>,
}

impl Correspondence {
    /// Where the record of an interval lies.
    pub fn key(owner: PublicKey, stream: &Digest, interval: IntervalId) -> RecordKey {
        let name = Digest::of(NAME, &[stream.as_bytes(), &interval.0.to_le_bytes()]);
        RecordKey::new(RecordKind::Correspondence, owner, name.as_bytes())
    }

    /// The signed record. `expires_ms` is milliseconds since 1970 UTC.
    ///
    /// # Errors
    /// [`RecordError::TooLarge`] for a capsule over [`MAX_CAPSULE_BYTES`], [`RecordError::Malformed`] for no blocks.
    pub fn sign(&self, owner: &dyn Signer, sequence: u64, expires_ms: u64) -> Result<SignedRecord, RecordError> {
        self.check()?;
        let body = CorrespondenceBody {
            stream: self.stream.0.to_vec(),
            interval: self.interval.0,
            first_block: self.first_block,
            block_count: self.block_count,
            capsule: self.capsule.clone(),
            key_commitment: self.key_commitment.0.to_vec(),
            manifest: self.manifest.0.to_vec(),
        };
        let key = Self::key(owner.public_key(), &self.stream, self.interval);
        SignedRecord::sign(owner, key.kind, &key.name, sequence, expires_ms, body.encode_to_vec())
    }

    /// Reads the body of a verified record, and checks that it speaks of the interval under whose key it lies.
    ///
    /// # Errors
    /// [`RecordError::Malformed`], [`RecordError::TooLarge`], [`RecordError::WrongKey`].
    pub fn from_record(record: &SignedRecord) -> Result<Self, RecordError> {
        let body = CorrespondenceBody::decode(record.body()).map_err(|_| RecordError::Malformed)?;
        let digest = |bytes: &[u8]| Digest::from_slice(bytes).ok_or(RecordError::Malformed);
        let read = Self {
            stream: digest(&body.stream)?,
            interval: IntervalId(body.interval),
            first_block: body.first_block,
            block_count: body.block_count,
            capsule: body.capsule,
            key_commitment: digest(&body.key_commitment)?,
            manifest: digest(&body.manifest)?,
        };
        read.check()?;
        if Self::key(record.owner(), &read.stream, read.interval) == *record.key() {
            Ok(read)
        } else {
            Err(RecordError::WrongKey)
        }
    }

    fn check(&self) -> Result<(), RecordError> {
        if self.capsule.len() > MAX_CAPSULE_BYTES {
            return Err(RecordError::TooLarge(self.capsule.len()));
        }
        let end = self.first_block.checked_add(u64::from(self.block_count));
        if self.block_count == 0 || end.is_none() { Err(RecordError::Malformed) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::SigningKey;
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Correspondence {
        Correspondence {
            stream: Digest([1; 32]),
            interval: IntervalId(5),
            first_block: 35,
            block_count: 7,
            capsule: Bytes::from_static(b"capsule"),
            key_commitment: Digest([2; 32]),
            manifest: Digest([3; 32]),
        }
    }

    #[test]
    fn a_correspondence_comes_back_from_its_record() {
        let owner = SigningKey::from_seed(&[1; 32]);
        let record = sample().sign(&owner, 1, 10).unwrap();
        assert_eq!(*record.key(), Correspondence::key(owner.public_key(), &Digest([1; 32]), IntervalId(5)));
        assert_eq!(Correspondence::from_record(&record).unwrap(), sample());
        // The same body under the key of another interval is not believed.
        let other = Correspondence::key(owner.public_key(), &Digest([1; 32]), IntervalId(6));
        let moved = SignedRecord::sign(&owner, other.kind, &other.name, 1, 10, record.body().to_vec()).unwrap();
        assert_eq!(Correspondence::from_record(&moved), Err(RecordError::WrongKey));
    }

    #[test]
    fn bounds_are_checked() {
        let owner = SigningKey::from_seed(&[1; 32]);
        let empty = Correspondence { block_count: 0, ..sample() };
        assert_eq!(empty.sign(&owner, 1, 10), Err(RecordError::Malformed));
        let overflow = Correspondence { first_block: u64::MAX, ..sample() };
        assert_eq!(overflow.sign(&owner, 1, 10), Err(RecordError::Malformed));
        let large = Correspondence { capsule: vec![0; MAX_CAPSULE_BYTES + 1].into(), ..sample() };
        assert_eq!(large.sign(&owner, 1, 10), Err(RecordError::TooLarge(MAX_CAPSULE_BYTES + 1)));
    }

    proptest! {
        #[test]
        fn arbitrary_bodies_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let owner = SigningKey::from_seed(&[1; 32]);
            let record = SignedRecord::sign(&owner, RecordKind::Correspondence, b"n", 1, 10, body).unwrap();
            prop_assert!(Correspondence::from_record(&record).is_err());
        }
    }
}
