//! Erasure coding: an object in chunks of at most 1 MiB, each in `total` shards of which any `data` give it back.
//!
//! Rules and the tests that hold them:
//! - the code is systematic: shards `0..data` are the chunk itself, padded with zeros (`data_shards_are_the_chunk`);
//! - any `data` shards are enough, whichever they are (`any_k_of_n_shards_give_the_chunk_back`);
//! - a shard is checked by its hash before it is used, a chunk by its hash after (`a_wrong_shard_is_never_used`);
//! - shards have an even length of at least [`MIN_SHARD_LEN`] (`shard_lengths`).

use std::io::Read;

use bytes::{Bytes, BytesMut};
use cpchain_crypto::Digest;
use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use crate::{
    chunk::ChunkId,
    object::{CHUNK_LEN, ChunkRef, MAX_OBJECT_LEN, MIN_SHARD_LEN, ObjectRef},
};

/// How many shards a chunk is cut into, and how many of them are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErasureParams {
    data: u8,
    total: u8,
}

impl Default for ErasureParams {
    /// 10 of 30: an object survives 30 % of its hosts leaving at once with a probability of more than 0.99999.
    fn default() -> Self {
        Self { data: 10, total: 30 }
    }
}

impl ErasureParams {
    /// `data` of `total` shards are enough; `1 ≤ data < total`.
    ///
    /// # Errors
    /// [`ErasureError::Params`].
    pub const fn new(data: u8, total: u8) -> Result<Self, ErasureError> {
        if data == 0 || data >= total {
            return Err(ErasureError::Params { data, total });
        }
        Ok(Self { data, total })
    }

    /// Shards that are enough.
    pub const fn data(&self) -> u8 {
        self.data
    }

    /// Shards that are made.
    pub const fn total(&self) -> u8 {
        self.total
    }

    /// Bytes of each shard of a chunk of `chunk_len` bytes.
    pub const fn shard_len(&self, chunk_len: usize) -> usize {
        let even = chunk_len.div_ceil(self.data as usize).next_multiple_of(2);
        if even < MIN_SHARD_LEN { MIN_SHARD_LEN } else { even }
    }

    const fn recovery(&self) -> usize {
        (self.total - self.data) as usize
    }
}

/// Why an object was not coded or not restored.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// Parameters that no code has.
    #[error("{data} of {total} is no code: take 1 ≤ data < total ≤ 255")]
    Params {
        /// Asked for as enough.
        data: u8,
        /// Asked for in all.
        total: u8,
    },
    /// A chunk is empty or longer than [`CHUNK_LEN`].
    #[error("a chunk has 1 to 1048576 bytes, this one {0}")]
    ChunkLength(usize),
    /// The object is longer than [`MAX_OBJECT_LEN`].
    #[error("an object has at most 1 GiB: make shorter uploads")]
    TooLong,
    /// Too few shards that are what they claim to be.
    #[error("{found} good shards, {needed} are needed: ask more hosts")]
    NotEnough {
        /// Good shards among those given.
        found: usize,
        /// Shards that are enough.
        needed: usize,
    },
    /// The shards are those that the owner signed, yet do not make the chunk: its owner coded it wrongly.
    #[error("the shards do not make the chunk that their owner signed: the object is worthless")]
    WrongChunk,
    /// Reference and request do not fit.
    #[error("the object reference has no such chunk, or contradicts itself")]
    Reference,
    /// The source of a streamed object failed.
    #[error("reading the object failed: {0}")]
    Read(#[from] std::io::Error),
    /// The coder refused what the checks above let through.
    #[error("the Reed-Solomon coder refused: {0}")]
    Coder(#[from] reed_solomon_simd::Error),
}

/// A chunk and its shards, in the order of [`ChunkRef::shards`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodedChunk {
    /// Hashes of chunk and shards.
    pub reference: ChunkRef,
    /// The shards, all of one length.
    pub shards: Vec<Bytes>,
}

/// Codes and restores chunks; keeps its working memory, so use one for many chunks.
///
/// ```
/// use cpchain_storage::{Coder, ErasureParams};
/// let mut coder = Coder::new(ErasureParams::default());
/// let coded = coder.encode_chunk(b"sealed readings")?;
/// // Twenty of thirty hosts are gone.
/// let left = (20..30).map(|i| (i, coded.shards[usize::from(i)].clone()));
/// assert_eq!(coder.decode_chunk(&coded.reference, 15, left)?, &b"sealed readings"[..]);
/// # Ok::<(), cpchain_storage::ErasureError>(())
/// ```
pub struct Coder {
    params: ErasureParams,
    encoder: Option<ReedSolomonEncoder>,
    decoder: Option<ReedSolomonDecoder>,
}

impl std::fmt::Debug for Coder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coder").field("params", &self.params).finish_non_exhaustive()
    }
}

impl Coder {
    /// A coder for these parameters.
    pub const fn new(params: ErasureParams) -> Self {
        Self { params, encoder: None, decoder: None }
    }

    /// The parameters.
    pub const fn params(&self) -> ErasureParams {
        self.params
    }

    /// Codes one chunk of 1 to [`CHUNK_LEN`] bytes.
    ///
    /// # Errors
    /// [`ErasureError::ChunkLength`].
    pub fn encode_chunk(&mut self, chunk: &[u8]) -> Result<CodedChunk, ErasureError> {
        if chunk.is_empty() || chunk.len() > CHUNK_LEN {
            return Err(ErasureError::ChunkLength(chunk.len()));
        }
        let (data, recovery) = (usize::from(self.params.data), self.params.recovery());
        let shard_len = self.params.shard_len(chunk.len());
        let mut padded = BytesMut::with_capacity(shard_len * data);
        padded.extend_from_slice(chunk);
        padded.resize(shard_len * data, 0);
        let padded = padded.freeze();
        let mut shards: Vec<Bytes> = (0..data).map(|i| padded.slice(i * shard_len..(i + 1) * shard_len)).collect();
        let encoder = match &mut self.encoder {
            Some(encoder) => {
                encoder.reset(data, recovery, shard_len)?;
                encoder
            }
            empty => empty.insert(ReedSolomonEncoder::new(data, recovery, shard_len)?),
        };
        for shard in &shards {
            encoder.add_original_shard(shard)?;
        }
        shards.extend(encoder.encode()?.recovery_iter().map(Bytes::copy_from_slice));
        let reference =
            ChunkRef { root: Digest::content(chunk), shards: shards.iter().map(|shard| ChunkId::of(shard)).collect() };
        Ok(CodedChunk { reference, shards })
    }

    /// Restores a chunk of `chunk_len` bytes from any `data` of its shards, given with their places in any order.
    /// Shards that are not what `reference` says are passed over; decoding is only done if a data shard is missing.
    ///
    /// # Errors
    /// [`ErasureError::NotEnough`], [`ErasureError::WrongChunk`], [`ErasureError::Reference`].
    pub fn decode_chunk(
        &mut self,
        reference: &ChunkRef,
        chunk_len: usize,
        shards: impl IntoIterator<Item = (u8, Bytes)>,
    ) -> Result<Bytes, ErasureError> {
        let (data, total) = (usize::from(self.params.data), usize::from(self.params.total));
        if reference.shards.len() != total || chunk_len == 0 || chunk_len > CHUNK_LEN {
            return Err(ErasureError::Reference);
        }
        let shard_len = self.params.shard_len(chunk_len);
        let mut good: Vec<Option<Bytes>> = vec![None; total];
        let mut found = 0;
        for (place, shard) in shards {
            let (Some(id), Some(slot)) = (reference.shards.get(usize::from(place)), good.get_mut(usize::from(place)))
            else {
                continue;
            };
            if slot.is_none() && shard.len() == shard_len && id.matches(&shard) {
                *slot = Some(shard);
                found += 1;
            }
        }
        if found < data {
            return Err(ErasureError::NotEnough { found, needed: data });
        }
        if good.iter().take(data).any(Option::is_none) {
            self.restore(&mut good, shard_len)?;
        }
        let mut chunk = BytesMut::with_capacity(shard_len * data);
        good.iter().take(data).flatten().for_each(|shard| chunk.extend_from_slice(shard));
        chunk.truncate(chunk_len);
        if Digest::content(&chunk) != reference.root {
            return Err(ErasureError::WrongChunk);
        }
        Ok(chunk.freeze())
    }

    /// All shards of a chunk again, from any `data` of them: what a repairer spreads. Needs no key.
    ///
    /// # Errors
    /// As [`decode_chunk`](Self::decode_chunk), and `WrongChunk` if the signed shards are not a code word.
    pub fn repair_chunk(
        &mut self,
        reference: &ChunkRef,
        chunk_len: usize,
        shards: impl IntoIterator<Item = (u8, Bytes)>,
    ) -> Result<CodedChunk, ErasureError> {
        let chunk = self.decode_chunk(reference, chunk_len, shards)?;
        let coded = self.encode_chunk(&chunk)?;
        if coded.reference == *reference { Ok(coded) } else { Err(ErasureError::WrongChunk) }
    }

    fn restore(&mut self, shards: &mut [Option<Bytes>], shard_len: usize) -> Result<(), ErasureError> {
        let (data, recovery) = (usize::from(self.params.data), self.params.recovery());
        let decoder = match &mut self.decoder {
            Some(decoder) => {
                decoder.reset(data, recovery, shard_len)?;
                decoder
            }
            empty => empty.insert(ReedSolomonDecoder::new(data, recovery, shard_len)?),
        };
        for (place, shard) in shards.iter().enumerate() {
            match (shard, place.checked_sub(data)) {
                (Some(shard), None) => decoder.add_original_shard(place, shard)?,
                (Some(shard), Some(place)) => decoder.add_recovery_shard(place, shard)?,
                (None, _) => {}
            }
        }
        let decoded = decoder.decode()?;
        for (place, bytes) in decoded.restored_original_iter() {
            if let Some(slot) = shards.get_mut(place) {
                *slot = Some(Bytes::copy_from_slice(bytes));
            }
        }
        Ok(())
    }
}

/// Codes an object that is in memory.
///
/// # Errors
/// [`ErasureError::TooLong`].
pub fn encode_object(object: &[u8], params: ErasureParams) -> Result<(ObjectRef, Vec<CodedChunk>), ErasureError> {
    let mut chunks = Vec::new();
    let reference = encode_stream(object, params, |chunk| -> Result<(), ErasureError> {
        chunks.push(chunk);
        Ok(())
    })?;
    Ok((reference, chunks))
}

/// Codes an object from a reader, one chunk in memory at a time; each coded chunk goes to `sink` in order.
///
/// # Errors
/// What reader and sink say, and [`ErasureError::TooLong`].
pub fn encode_stream<E: From<ErasureError>>(
    mut object: impl Read,
    params: ErasureParams,
    mut sink: impl FnMut(CodedChunk) -> Result<(), E>,
) -> Result<ObjectRef, E> {
    let mut coder = Coder::new(params);
    let mut hasher = blake3::Hasher::new();
    let (mut length, mut chunks) = (0u64, Vec::new());
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        object.by_ref().take(CHUNK_LEN as u64).read_to_end(&mut buffer).map_err(ErasureError::Read)?;
        if buffer.is_empty() {
            break;
        }
        length = length.saturating_add(buffer.len() as u64);
        if length > MAX_OBJECT_LEN {
            return Err(ErasureError::TooLong.into());
        }
        hasher.update(&buffer);
        let coded = coder.encode_chunk(&buffer)?;
        chunks.push(coded.reference.clone());
        sink(coded)?;
    }
    Ok(ObjectRef { root: Digest(*hasher.finalize().as_bytes()), length, params, chunks })
}
