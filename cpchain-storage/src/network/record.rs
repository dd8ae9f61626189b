//! Signed records: the only thing that the DHT keeps.
//!
//! | rule | test |
//! | --- | --- |
//! | A record lies under the hash of its kind, its owner's key and its name, so nobody can write under another owner's key | `a_record_is_found_only_under_its_own_key` |
//! | The owner's signature covers every field; the signed bytes are kept and passed on as received | `any_flipped_bit_is_refused` |
//! | At most [`MAX_RECORD_BYTES`] in all | `an_oversized_record_is_refused` |
//! | Never accepted after its expiry, nor with an expiry further away than [`MAX_RECORD_LIFE_MS`] | `expiry_is_bounded_on_both_sides` |
//! | Replaced only by a higher sequence number; of two records with one number all nodes keep the same one | `the_order_of_records_is_total` |

use bytes::Bytes;
use cpchain_crypto::{Digest, Domain, PublicKey, Signature, Signer};
use libp2p::kad;
use prost::Message;

use super::records::Share;

const SIGNED: Domain = Domain::new("cpchain/storage/record/v1");
const KEY: Domain = Domain::new("cpchain/storage/record-key/v1");

/// The largest record, signature included: 8 KiB. Beyond it a DHT reply no longer fits a packet.
pub const MAX_RECORD_BYTES: usize = 8 * 1024;
/// The largest body: what is left for the caller of [`MAX_RECORD_BYTES`].
pub const MAX_BODY_BYTES: usize = MAX_RECORD_BYTES - 512;
/// The longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 128;
/// The furthest expiry that is accepted: 400 days from now.
pub const MAX_RECORD_LIFE_MS: u64 = 400 * 24 * 60 * 60 * 1000;

/// Why a record was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes are not a record.
    #[error("not a record: the bytes do not decode, or a field has the wrong length")]
    Malformed,
    /// More than [`MAX_RECORD_BYTES`], or a body or name over its own limit.
    #[error("{0} bytes are too many for a record: keep the data as an object and publish its root")]
    TooLarge(usize),
    /// A kind that this version does not know.
    #[error("unknown record kind {0}")]
    UnknownKind(u32),
    /// Past its expiry.
    #[error("expired at {0} ms: publish it again with a later expiry")]
    Expired(u64),
    /// Expires later than [`MAX_RECORD_LIFE_MS`] from now.
    #[error("expires at {0} ms, more than 400 days ahead: choose an earlier expiry and renew it")]
    LivesTooLong(u64),
    /// The signature is not the owner's.
    #[error("the signature is not the owner's")]
    BadSignature,
    /// It does not belong under the key that it came with.
    #[error("the record does not belong under this key")]
    WrongKey,
    /// A record with this or a higher sequence number is known.
    #[error("stale: sequence number {known} is known already, publish with a higher one")]
    Stale {
        /// The sequence number that is known.
        known: u64,
    },
    /// The node keeps no more records of this owner, from this network, or at all.
    #[error("no room: {0}; publish through other nodes, or let older records expire")]
    NoRoom(Share),
}

/// What a record is about. The number is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum RecordKind {
    /// The head of an upload's manifest, or a pointer to it.
    ManifestHead = 1,
    /// Who holds the shards of an object: [`Holders`](super::Holders).
    ShardHolders = 2,
    /// Block range, interval, capsule and key commitment: [`Correspondence`](super::Correspondence).
    Correspondence = 3,
    /// How to reach a proxy and what it offers. Its body belongs to those who run proxies.
    ProxyDescriptor = 4,
}

impl RecordKind {
    /// The kind of a wire number.
    ///
    /// # Errors
    /// [`RecordError::UnknownKind`].
    pub fn from_wire(number: u32) -> Result<Self, RecordError> {
        [Self::ManifestHead, Self::ShardHolders, Self::Correspondence, Self::ProxyDescriptor]
            .into_iter()
            .find(|kind| *kind as u32 == number)
            .ok_or(RecordError::UnknownKind(number))
    }
}

/// Where a record lies: kind, owner and name. Readers ask by it and check the answer against it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey {
    /// What the record is about.
    pub kind: RecordKind,
    /// Whose signature it must carry.
    pub owner: PublicKey,
    /// The owner's name for it, at most [`MAX_NAME_BYTES`].
    pub name: Vec<u8>,
}

impl RecordKey {
    /// A key from its parts.
    pub fn new(kind: RecordKind, owner: PublicKey, name: impl Into<Vec<u8>>) -> Self {
        Self { kind, owner, name: name.into() }
    }

    /// The hash by which it is known. It does not tell the name to one who cannot guess it.
    pub fn digest(&self) -> Digest {
        Digest::of(KEY, &[&(self.kind as u32).to_le_bytes(), &self.owner.0, &self.name])
    }

    /// The bytes under which the DHT keeps it: `/cpchain/` and the [`digest`](Self::digest).
    pub fn dht_key(&self) -> Vec<u8> {
        dht_key(&self.digest()).to_vec()
    }
}

/// What the keys of the DHT begin with. Other libraries choose the check of a record by the name between the slashes.
const NAMESPACE: &[u8] = b"/cpchain/";

/// The DHT's key of a record: the namespace and the digest of its [`RecordKey`].
pub(crate) fn dht_key(digest: &Digest) -> kad::RecordKey {
    kad::RecordKey::from([NAMESPACE, digest.as_bytes()].concat())
}

/// The inverse of [`dht_key`].
pub(crate) fn from_dht_key(key: &[u8]) -> Option<Digest> {
    Digest::from_slice(key.strip_prefix(NAMESPACE)?)
}

/// A record whose signature and bounds were checked. Cheap to clone.
///
/// ```
/// use cpchain_crypto::{Signer, SigningKey};
/// use cpchain_storage::network::{RecordKind, SignedRecord};
///
/// let owner = SigningKey::from_seed(&[1; 32]);
/// let record = SignedRecord::sign(&owner, RecordKind::ManifestHead, b"roof/weather", 1, 60_000, b"head".to_vec())?;
/// let read = SignedRecord::decode(record.to_bytes(), 59_999)?;
/// assert_eq!((read.owner(), read.body()), (owner.public_key(), b"head".as_slice()));
/// assert!(SignedRecord::decode(record.to_bytes(), 60_000).is_err());
/// # Ok::<(), cpchain_storage::network::RecordError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRecord {
    key: RecordKey,
    sequence: u64,
    expires_ms: u64,
    body: Bytes,
    encoded: Bytes,
}

/// The signed fields, as on the wire.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RecordContent {
    #[prost(uint32, tag = "1")]
    pub(crate) kind: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) owner: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) name: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub(crate) sequence: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) expires_ms: u64,
    #[prost(bytes = "bytes", tag = "6")]
    pub(crate) body: Bytes,
}

/// Signed bytes and their signature, as on the wire: records and receipts.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SignedBytes {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) content: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) signature: Bytes,
}

impl SignedRecord {
    /// Signs a record in the name of `owner`.
    ///
    /// `sequence` must be higher than that of the record which it replaces; `expires_ms` is milliseconds since 1970 UTC.
    ///
    /// # Errors
    /// [`RecordError::TooLarge`] when the body exceeds [`MAX_BODY_BYTES`] or the name [`MAX_NAME_BYTES`].
    pub fn sign(
        owner: &dyn Signer,
        kind: RecordKind,
        name: &[u8],
        sequence: u64,
        expires_ms: u64,
        body: impl Into<Bytes>,
    ) -> Result<Self, RecordError> {
        let body = body.into();
        check_sizes(name, &body)?;
        let key = RecordKey::new(kind, owner.public_key(), name);
        let content = RecordContent {
            kind: kind as u32,
            owner: key.owner.0.to_vec(),
            name: key.name.clone(),
            sequence,
            expires_ms,
            body: body.clone(),
        };
        let content = content.encode_to_vec();
        let signature = owner.sign(SIGNED, &content).0.to_vec();
        let encoded = SignedBytes { content: content.into(), signature: signature.into() }.encode_to_vec().into();
        Ok(Self { key, sequence, expires_ms, body, encoded })
    }

    /// Reads and checks a record: bounds, kind, expiry against `now_ms`, signature.
    ///
    /// # Errors
    /// Every [`RecordError`] but [`WrongKey`](RecordError::WrongKey) and [`Stale`](RecordError::Stale).
    pub fn decode(encoded: impl Into<Bytes>, now_ms: u64) -> Result<Self, RecordError> {
        let (record, signed) = Self::parse(encoded.into())?;
        check_expiry(record.expires_ms, now_ms)?;
        let signature = Signature::from_slice(&signed.signature).ok_or(RecordError::Malformed)?;
        record.key.owner.verify(SIGNED, &signed.content, &signature).map_err(|_| RecordError::BadSignature)?;
        Ok(record)
    }

    /// Reads a record that was checked when it came in.
    pub(crate) fn decode_known(encoded: Bytes) -> Result<Self, RecordError> {
        Self::parse(encoded).map(|(record, _)| record)
    }

    fn parse(encoded: Bytes) -> Result<(Self, SignedBytes), RecordError> {
        if encoded.len() > MAX_RECORD_BYTES {
            return Err(RecordError::TooLarge(encoded.len()));
        }
        let signed = SignedBytes::decode(encoded.clone()).map_err(|_| RecordError::Malformed)?;
        let content = RecordContent::decode(signed.content.clone()).map_err(|_| RecordError::Malformed)?;
        let owner = PublicKey::from_slice(&content.owner).ok_or(RecordError::Malformed)?;
        let kind = RecordKind::from_wire(content.kind)?;
        check_sizes(&content.name, &content.body)?;
        let key = RecordKey { kind, owner, name: content.name };
        let (sequence, expires_ms) = (content.sequence, content.expires_ms);
        Ok((Self { key, sequence, expires_ms, body: content.body, encoded }, signed))
    }

    /// [`decode`](Self::decode), for bytes that came as the answer to `key`.
    ///
    /// # Errors
    /// As `decode`, and [`RecordError::WrongKey`].
    pub fn decode_for(key: &RecordKey, encoded: impl Into<Bytes>, now_ms: u64) -> Result<Self, RecordError> {
        let record = Self::decode(encoded, now_ms)?;
        if record.key == *key { Ok(record) } else { Err(RecordError::WrongKey) }
    }

    /// Where it lies.
    pub fn key(&self) -> &RecordKey {
        &self.key
    }

    /// Who signed it.
    pub fn owner(&self) -> PublicKey {
        self.key.owner
    }

    /// Its number among the records under its key; the highest counts.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When it ends, in milliseconds since 1970 UTC.
    pub fn expires_ms(&self) -> u64 {
        self.expires_ms
    }

    /// What it says.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The signed bytes with their signature, as received.
    pub fn to_bytes(&self) -> Bytes {
        self.encoded.clone()
    }

    /// Does this record take the place of `other` under the same key?
    ///
    /// By sequence number; of two with one number, which an honest owner never signs, the one with the larger hash counts,
    /// so that all nodes keep the same.
    pub fn supersedes(&self, other: &Self) -> bool {
        self.rank() > other.rank()
    }

    fn rank(&self) -> (u64, Digest) {
        (self.sequence, Digest::content(&self.encoded))
    }
}

fn check_sizes(name: &[u8], body: &[u8]) -> Result<(), RecordError> {
    if name.len() > MAX_NAME_BYTES {
        return Err(RecordError::TooLarge(name.len()));
    }
    if body.len() > MAX_BODY_BYTES {
        return Err(RecordError::TooLarge(body.len()));
    }
    Ok(())
}

fn check_expiry(expires_ms: u64, now_ms: u64) -> Result<(), RecordError> {
    if expires_ms <= now_ms {
        Err(RecordError::Expired(expires_ms))
    } else if expires_ms - now_ms > MAX_RECORD_LIFE_MS {
        Err(RecordError::LivesTooLong(expires_ms))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::SigningKey;
    use proptest::prelude::*;

    use super::*;

    fn owner() -> SigningKey {
        SigningKey::from_seed(&[1; 32])
    }

    fn record(sequence: u64, body: &[u8]) -> SignedRecord {
        SignedRecord::sign(&owner(), RecordKind::ManifestHead, b"roof", sequence, 1000, body.to_vec()).unwrap()
    }

    #[test]
    fn a_record_is_found_only_under_its_own_key() {
        let record = record(1, b"body");
        let key = record.key().clone();
        assert_eq!(SignedRecord::decode_for(&key, record.to_bytes(), 0).unwrap(), record);
        let others = [
            RecordKey::new(RecordKind::ShardHolders, key.owner, key.name.clone()),
            RecordKey::new(key.kind, SigningKey::from_seed(&[2; 32]).public_key(), key.name.clone()),
            RecordKey::new(key.kind, key.owner, b"cellar"),
        ];
        for other in others {
            assert_ne!(other.digest(), key.digest());
            assert_eq!(SignedRecord::decode_for(&other, record.to_bytes(), 0), Err(RecordError::WrongKey));
        }
    }

    #[test]
    fn any_flipped_bit_is_refused() {
        let bytes = record(7, b"body").to_bytes().to_vec();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(SignedRecord::decode(bytes, 0).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn an_oversized_record_is_refused() {
        let largest = SignedRecord::sign(
            &owner(),
            RecordKind::ManifestHead,
            &[0xff; MAX_NAME_BYTES],
            u64::MAX,
            u64::MAX,
            vec![0; MAX_BODY_BYTES],
        )
        .unwrap();
        assert!(largest.to_bytes().len() <= MAX_RECORD_BYTES);
        let sign = |name: &[u8], body: usize| {
            SignedRecord::sign(&owner(), RecordKind::ManifestHead, name, 1, 1000, vec![0; body]).map(|_| ())
        };
        assert_eq!(sign(b"n", MAX_BODY_BYTES + 1), Err(RecordError::TooLarge(MAX_BODY_BYTES + 1)));
        assert_eq!(sign(&[0; MAX_NAME_BYTES + 1], 0), Err(RecordError::TooLarge(MAX_NAME_BYTES + 1)));
        assert_eq!(SignedRecord::decode(vec![0; 9000], 0), Err(RecordError::TooLarge(9000)));
    }

    #[test]
    fn expiry_is_bounded_on_both_sides() {
        let sign = |expires| SignedRecord::sign(&owner(), RecordKind::ManifestHead, b"", 1, expires, vec![]).unwrap();
        assert_eq!(SignedRecord::decode(sign(10).to_bytes(), 10), Err(RecordError::Expired(10)));
        let end = 10 + MAX_RECORD_LIFE_MS;
        assert!(SignedRecord::decode(sign(end).to_bytes(), 10).is_ok());
        assert_eq!(SignedRecord::decode(sign(end).to_bytes(), 9), Err(RecordError::LivesTooLong(end)));
    }

    #[test]
    fn the_order_of_records_is_total() {
        let (one, two) = (record(1, b"z"), record(2, b"a"));
        assert!(two.supersedes(&one) && !one.supersedes(&two) && !one.supersedes(&one));
        let twin = record(2, b"b");
        assert_ne!(two.supersedes(&twin), twin.supersedes(&two));
    }

    #[test]
    fn golden_bytes() {
        let record = record(3, b"body");
        assert_eq!(
            Digest::content(&record.to_bytes()).to_string(),
            "e0f7fbbe2cb7624a8cf800952652e25de477dbd847c8e2a28593d7adf8982bc9",
            "a change of these bytes is a change of the wire format"
        );
        assert_eq!(
            record.key().digest().to_string(),
            "b5a38a99cf39a8f1d378d98c09e3eecdbc61dab71fff8264249328c891c093d5"
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, now: u64) {
            prop_assert!(SignedRecord::decode(bytes, now).is_err());
        }

        #[test]
        fn arbitrary_content_never_panics(kind in 0u32..6, owner: Vec<u8>, name: Vec<u8>, body: Vec<u8>, signature: [u8; 32]) {
            let content = RecordContent { kind, owner, name, sequence: 1, expires_ms: 10, body: body.into() }.encode_to_vec();
            let signature = Bytes::from([signature, signature].concat());
            let bytes = SignedBytes { content: content.into(), signature }.encode_to_vec();
            prop_assert!(SignedRecord::decode(bytes, 0).is_err());
        }
    }
}
