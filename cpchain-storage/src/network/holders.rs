//! Who holds the shards of an object: one record for up to 64 chunks, instead of one provider record per shard.
//!
//! | rule | test |
//! | --- | --- |
//! | Every chunk of a page names one holder per shard | `holders_come_back_from_their_record` |
//! | A hint, not a proof: what a holder returns is checked by its root | `tests/network/faults.rs` |
//! | Indexes beyond the table of nodes, and more than 255 nodes or shards, are refused | `bounds_are_checked` |

use cpchain_crypto::{Digest, PublicKey, Signer};
use prost::Message;

use super::record::{RecordError, RecordKey, RecordKind, SignedRecord};

/// Chunks of 1 MiB that one record covers.
pub const CHUNKS_PER_PAGE: usize = 64;
/// At most so many nodes hold one page of an object.
const MAX_NODES: usize = 160;
/// At most so many shards has a chunk.
const MAX_SHARDS: usize = 255;
/// Marks a shard that nobody holds.
const NOBODY: u8 = u8::MAX;

/// The holders of the shards of up to [`CHUNKS_PER_PAGE`] chunks of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holders {
    /// Per chunk, per shard: who holds it, if anybody.
    pub chunks: Vec<Vec<Option<PublicKey>>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct HoldersBody {
    /// The keys of the nodes, 32 bytes each.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) nodes: Vec<u8>,
    /// Per chunk one byte per shard: the index of its holder, 255 for none.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(crate) chunks: Vec<Vec<u8>>,
}

impl Holders {
    /// Where page `page` of the holders of `object` lies.
    pub fn key(owner: PublicKey, object: &Digest, page: u32) -> RecordKey {
        let mut name = object.as_bytes().to_vec();
        name.extend_from_slice(&page.to_le_bytes());
        RecordKey::new(RecordKind::ShardHolders, owner, name)
    }

    /// The signed record of one page.
    ///
    /// # Errors
    /// [`RecordError::TooLarge`] with too many chunks, shards or nodes for a record.
    pub fn sign(
        &self,
        owner: &dyn Signer,
        object: &Digest,
        page: u32,
        sequence: u64,
        expires_ms: u64,
    ) -> Result<SignedRecord, RecordError> {
        let key = Self::key(owner.public_key(), object, page);
        SignedRecord::sign(owner, key.kind, &key.name, sequence, expires_ms, self.encode()?)
    }

    /// The body of the record of a page.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, RecordError> {
        if self.chunks.len() > CHUNKS_PER_PAGE {
            return Err(RecordError::TooLarge(self.chunks.len()));
        }
        let mut nodes: Vec<PublicKey> = self.chunks.iter().flatten().flatten().copied().collect();
        nodes.sort_unstable();
        nodes.dedup();
        if nodes.len() > MAX_NODES {
            return Err(RecordError::TooLarge(nodes.len() * 32));
        }
        let index = |holder: &Option<PublicKey>| {
            let found = holder.and_then(|holder| nodes.binary_search(&holder).ok());
            found.and_then(|index| u8::try_from(index).ok()).unwrap_or(NOBODY)
        };
        let mut chunks = Vec::with_capacity(self.chunks.len());
        for shards in &self.chunks {
            if shards.len() > MAX_SHARDS {
                return Err(RecordError::TooLarge(shards.len()));
            }
            chunks.push(shards.iter().map(index).collect());
        }
        let nodes = nodes.iter().flat_map(|node| node.0).collect();
        Ok(HoldersBody { nodes, chunks }.encode_to_vec())
    }

    /// Reads the body of a verified record.
    ///
    /// # Errors
    /// [`RecordError::Malformed`].
    pub fn from_record(record: &SignedRecord) -> Result<Self, RecordError> {
        Self::decode(record.body())
    }

    /// The inverse of [`encode`](Self::encode).
    pub(crate) fn decode(body: &[u8]) -> Result<Self, RecordError> {
        let body = HoldersBody::decode(body).map_err(|_| RecordError::Malformed)?;
        let (nodes, rest) = body.nodes.as_chunks::<32>();
        if !rest.is_empty() || nodes.len() > MAX_NODES || body.chunks.len() > CHUNKS_PER_PAGE {
            return Err(RecordError::Malformed);
        }
        let holder = |index: &u8| match *index {
            NOBODY => Ok(None),
            index => nodes.get(usize::from(index)).map(|node| Some(PublicKey(*node))).ok_or(RecordError::Malformed),
        };
        let mut chunks = Vec::with_capacity(body.chunks.len());
        for shards in &body.chunks {
            if shards.len() > MAX_SHARDS {
                return Err(RecordError::Malformed);
            }
            chunks.push(shards.iter().map(holder).collect::<Result<_, _>>()?);
        }
        Ok(Self { chunks })
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

    fn object() -> Digest {
        Digest([9; 32])
    }

    fn node(n: u8) -> Option<PublicKey> {
        Some(PublicKey([n; 32]))
    }

    #[test]
    fn holders_come_back_from_their_record() {
        let holders = Holders { chunks: vec![vec![node(3), node(1), None, node(3)], vec![node(2)], vec![]] };
        let record = holders.sign(&owner(), &object(), 2, 1, 10).unwrap();
        assert_eq!(*record.key(), Holders::key(owner().public_key(), &object(), 2));
        assert_eq!(Holders::from_record(&record).unwrap(), holders);
    }

    #[test]
    fn a_full_page_of_thirty_shards_fits_a_record() {
        let chunk: Vec<_> = (0..30).map(node).collect();
        let full = Holders { chunks: vec![chunk; CHUNKS_PER_PAGE] };
        assert!(full.sign(&owner(), &object(), 0, 1, 10).is_ok());
    }

    #[test]
    fn bounds_are_checked() {
        let sign = |chunks| Holders { chunks }.sign(&owner(), &object(), 0, 1, 10).map(|_| ());
        assert!(sign(vec![vec![]; CHUNKS_PER_PAGE + 1]).is_err());
        assert!(sign(vec![vec![None; MAX_SHARDS + 1]]).is_err());
        assert!(sign(vec![(0..200).map(node).collect()]).is_err());
        for body in [
            HoldersBody { nodes: vec![1; 33], chunks: vec![] },
            HoldersBody { nodes: vec![1; 32], chunks: vec![vec![1]] },
            HoldersBody { nodes: vec![], chunks: vec![vec![]; CHUNKS_PER_PAGE + 1] },
            HoldersBody { nodes: vec![], chunks: vec![vec![NOBODY; MAX_SHARDS + 1]] },
        ] {
            let record =
                SignedRecord::sign(&owner(), RecordKind::ShardHolders, b"o", 1, 10, body.encode_to_vec()).unwrap();
            assert_eq!(Holders::from_record(&record), Err(RecordError::Malformed));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bodies_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let record = SignedRecord::sign(&owner(), RecordKind::ShardHolders, b"o", 1, 10, body).unwrap();
            if let Ok(holders) = Holders::from_record(&record) {
                prop_assert!(holders.chunks.len() <= CHUNKS_PER_PAGE);
            }
        }
    }
}
