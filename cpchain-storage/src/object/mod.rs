//! What names an object in the network: its root, and the roots of its chunks and shards.
//!
//! An object of up to [`MAX_LISTED_CHUNKS`] chunks lists them in its reference. A longer one lists them in a second object,
//! its **index**, which is coded with the same parameters and itself short enough to be listed: one entry a chunk, the chunk's
//! root (32 bytes) and the ids of its shards (32 bytes each), in order. So a reference never exceeds 1 MiB or so, and one chunk
//! of a long object is found without the others.
//!
//! | rule | test |
//! | --- | --- |
//! | A list is in the reference if it is short, else and only else in an index | `a_short_list_stays_in_the_reference`, `a_long_list_is_an_object_of_its_own`, `an_index_is_there_when_it_is_needed` |
//! | Every count and length of a reference agrees with the others | `references_that_contradict_themselves_are_refused` |

mod list;

use cpchain_crypto::Digest;
use prost::Message as _;

pub(crate) use self::list::ChunkList;
use crate::{chunk::ChunkId, erasure::ErasureParams, wire};

/// Bytes of every chunk of an object but the last: 1 MiB.
pub const CHUNK_LEN: usize = 1 << 20;
/// Bytes of the longest object: 1 TiB. With more than 31 shards a chunk it is less, see [`ObjectRef::longest`].
pub const MAX_OBJECT_LEN: u64 = 1 << 40;
/// The most chunks that a reference lists itself; an object of more (over 1 GiB) has an index.
pub const MAX_LISTED_CHUNKS: usize = 1024;
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
    /// Its chunks in order, [`CHUNK_LEN`] bytes each but the last. Empty if they are in the index.
    pub chunks: Vec<ChunkRef>,
    /// The object that lists the chunks, if they are more than [`MAX_LISTED_CHUNKS`].
    pub index: Option<Box<ObjectRef>>,
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

    /// Bytes of the longest object that can be coded with these parameters: its index is listed itself.
    pub const fn longest(params: ErasureParams) -> u64 {
        let entries = (MAX_LISTED_CHUNKS * CHUNK_LEN / ChunkRef::entry_len(params)) as u64;
        let longest = entries * CHUNK_LEN as u64;
        if longest < MAX_OBJECT_LEN { longest } else { MAX_OBJECT_LEN }
    }

    /// Where in the index the chunks from `first` to before `end` are.
    #[cfg(feature = "network")]
    pub(crate) const fn entries(&self, first: u64, end: u64) -> std::ops::Range<u64> {
        let length = ChunkRef::entry_len(self.params) as u64;
        first.saturating_mul(length)..end.saturating_mul(length)
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
            index: object.index.as_deref().map(|index| Box::new(index.into())),
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
        if wire.length > Self::longest(params) {
            return Err(wrong("longer than the longest object"));
        }
        let count = Self::chunk_count(wire.length);
        let index = wire.index.map(|index| Self::index_of(count, params, *index)).transpose()?;
        let listed = if index.is_some() { 0 } else { count };
        if wire.chunks.len() as u64 != listed || wire.chunks.len() > MAX_LISTED_CHUNKS {
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
            index,
        })
    }
}

impl ObjectRef {
    /// The index of an object of `count` chunks.
    fn index_of(count: u64, params: ErasureParams, wire: wire::ObjectRef) -> Result<Box<Self>, ObjectRefError> {
        let wrong = ObjectRefError::Inconsistent;
        if count <= MAX_LISTED_CHUNKS as u64 || wire.index.is_some() {
            return Err(wrong("an index where none belongs"));
        }
        let index = Self::try_from(wire)?;
        if index.params != params || index.length != count * ChunkRef::entry_len(params) as u64 {
            return Err(wrong("index and length disagree"));
        }
        Ok(Box::new(index))
    }
}
