//! What names an object in the network: its root, and the roots of its chunks and shards.

use cpchain_crypto::Digest;
use prost::Message as _;

use crate::{chunk::ChunkId, erasure::ErasureParams, wire};

/// Bytes of every chunk of an object but the last: 1 MiB.
pub const CHUNK_LEN: usize = 1 << 20;
/// Largest object: 1 GiB.
pub const MAX_OBJECT_LEN: u64 = 1 << 30;
/// Shards are never shorter than this, so that a tiny object is not told from a small one.
pub const MIN_SHARD_LEN: usize = 64;

/// A coded object as its reader must know it: enough to fetch any `data` of the `total` shards of each chunk, and to
/// verify every byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// BLAKE3 hash (and bao root) of the whole object: its id.
    pub root: Digest,
    /// Bytes of the object.
    pub length: u64,
    /// How its chunks were coded.
    pub params: ErasureParams,
    /// Its chunks in order, [`CHUNK_LEN`] bytes each but the last.
    pub chunks: Vec<ChunkRef>,
}

/// One chunk of an object and the shards that carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRef {
    /// BLAKE3 hash of the chunk's bytes.
    pub root: Digest,
    /// The shards' ids: `data` pieces of the chunk itself, then the recovery shards.
    pub shards: Vec<ChunkId>,
}

/// Bytes that are not the description of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ObjectRefError {
    /// Not a message of this kind.
    #[error("not an object reference: the bytes do not decode")]
    Encoding,
    /// Lengths, counts and parameters contradict each other or exceed the limits.
    #[error("the object reference contradicts itself: {0}")]
    Inconsistent(&'static str),
}

impl ObjectRef {
    /// Bytes of chunk `index`; `None` if there is no such chunk.
    pub fn chunk_len(&self, index: usize) -> Option<usize> {
        let start = (index as u64).checked_mul(CHUNK_LEN as u64)?;
        let left = self.length.checked_sub(start).filter(|left| *left > 0)?;
        Some(left.min(CHUNK_LEN as u64) as usize)
    }

    /// Number of chunks that an object of `length` bytes has: none for an empty one.
    pub const fn chunk_count(length: u64) -> u64 {
        length.div_ceil(CHUNK_LEN as u64)
    }

    /// Encodes the reference, for records and receipts.
    pub fn encode(&self) -> Vec<u8> {
        wire::ObjectRef::from(self).encode_to_vec()
    }

    /// The inverse of [`encode`](Self::encode), with every count checked against the length.
    ///
    /// # Errors
    /// [`ObjectRefError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ObjectRefError> {
        wire::ObjectRef::decode(bytes).map_err(|_| ObjectRefError::Encoding)?.try_into()
    }
}

impl From<&ObjectRef> for wire::ObjectRef {
    fn from(object: &ObjectRef) -> Self {
        let chunks = object.chunks.iter().map(|chunk| wire::ChunkRef {
            root: chunk.root.0.to_vec(),
            shards: chunk.shards.iter().flat_map(|shard| *shard.as_bytes()).collect(),
        });
        Self {
            root: object.root.0.to_vec(),
            length: object.length,
            data_shards: u32::from(object.params.data()),
            total_shards: u32::from(object.params.total()),
            chunks: chunks.collect(),
        }
    }
}

impl TryFrom<wire::ObjectRef> for ObjectRef {
    type Error = ObjectRefError;

    fn try_from(wire: wire::ObjectRef) -> Result<Self, ObjectRefError> {
        let wrong = ObjectRefError::Inconsistent;
        let small = |n: u32| u8::try_from(n).map_err(|_| wrong("more than 255 shards"));
        let params = ErasureParams::new(small(wire.data_shards)?, small(wire.total_shards)?)
            .map_err(|_| wrong("no such erasure parameters"))?;
        if wire.length > MAX_OBJECT_LEN {
            return Err(wrong("longer than the largest object"));
        }
        if wire.chunks.len() as u64 != Self::chunk_count(wire.length) {
            return Err(wrong("number of chunks and length disagree"));
        }
        let chunks = wire.chunks.iter().map(|chunk| {
            if chunk.shards.len() != usize::from(params.total()) * 32 {
                return Err(wrong("number of shards and parameters disagree"));
            }
            let shards = chunk.shards.chunks_exact(32).filter_map(ChunkId::from_slice).collect();
            let root = Digest::from_slice(&chunk.root).ok_or(wrong("a chunk root has 32 bytes"))?;
            Ok(ChunkRef { root, shards })
        });
        Ok(Self {
            root: Digest::from_slice(&wire.root).ok_or(wrong("a root has 32 bytes"))?,
            length: wire.length,
            params,
            chunks: chunks.collect::<Result<_, _>>()?,
        })
    }
}
