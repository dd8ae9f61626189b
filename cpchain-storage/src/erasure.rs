//! Erasure coding: an object in chunks of at most 1 MiB, each in `total` shards of which any `data` give it back.
//!
//! Rules and the tests that hold them:
//! - the code is systematic: shards `0..data` are the chunk itself, padded with zeros (`data_shards_are_the_chunk`);
//! - any `data` shards are enough, whichever they are (`any_k_of_n_shards_give_the_chunk_back`);
//! - a shard is checked by its hash before it is used, a chunk by its hash after (`a_wrong_shard_is_never_used`);
//! - shards have an even length of at least [`MIN_SHARD_LEN`] (`shard_lengths`);
//! - coding stripe by stripe, for speed, changes no byte (`stripes_make_the_shards_of_one_pass`).

use std::io::Read;

use bytes::{Bytes, BytesMut};
use cpchain_crypto::Digest;
use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use crate::{
    chunk::HashedChunk,
    object::{CHUNK_LEN, ChunkList, ChunkRef, MIN_SHARD_LEN, ObjectRef},
};

/// Bytes of each shard that are coded together. The code works on columns of 64 bytes that know nothing of each other, so
/// the shards are those of one pass over the whole length; but what a stripe works on stays in the cache.
const STRIPE: usize = 8 << 10;

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
    /// The object is longer than [`ObjectRef::longest`] or, where all of it is to be in memory, than fits there.
    #[error("an object has at most 1 TiB, less with more than 31 shards a chunk: make shorter uploads")]
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
    /// The shards, all of one length, each under its id: a store takes them as they are.
    pub shards: Vec<HashedChunk>,
}

/// Codes and restores chunks; keeps its working memory, so use one for many chunks.
///
/// ```
/// use cpchain_storage::{Coder, ErasureParams};
/// let mut coder = Coder::new(ErasureParams::default());
/// let coded = coder.encode_chunk(b"sealed readings")?;
/// // Twenty of thirty hosts are gone.
/// let left = (20..30).map(|i| (i, coded.shards[usize::from(i)].bytes().clone()));
/// assert_eq!(coder.decode_chunk(&coded.reference, 15, left)?, &b"sealed readings"[..]);
/// # Ok::<(), cpchain_storage::ErasureError>(())
/// ```
pub struct Coder {
    params: ErasureParams,
    /// With the bytes of each shard that it is set up for.
    encoder: Option<(usize, ReedSolomonEncoder)>,
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

    /// Codes one chunk of 1 to [`CHUNK_LEN`] bytes. Who has it as [`Bytes`] saves a copy with [`encode`](Self::encode).
    ///
    /// # Errors
    /// [`ErasureError::ChunkLength`].
    pub fn encode_chunk(&mut self, chunk: &[u8]) -> Result<CodedChunk, ErasureError> {
        self.encode(Bytes::copy_from_slice(chunk))
    }

    /// Codes one chunk of 1 to [`CHUNK_LEN`] bytes; the data shards share its memory.
    ///
    /// # Errors
    /// [`ErasureError::ChunkLength`].
    pub fn encode(&mut self, chunk: Bytes) -> Result<CodedChunk, ErasureError> {
        if chunk.is_empty() || chunk.len() > CHUNK_LEN {
            return Err(ErasureError::ChunkLength(chunk.len()));
        }
        let (data, total) = (usize::from(self.params.data), usize::from(self.params.total));
        let shard_len = self.params.shard_len(chunk.len());
        let whole = (chunk.len() / shard_len).min(data);
        let mut shards = Vec::with_capacity(total);
        shards.extend((0..whole).map(|i| chunk.slice(i * shard_len..(i + 1) * shard_len)));
        let mut tail = BytesMut::with_capacity((data - whole) * shard_len);
        tail.extend_from_slice(&chunk.slice(whole * shard_len..));
        tail.resize((data - whole) * shard_len, 0);
        cut(tail.freeze(), shard_len, &mut shards);

        shards.extend(self.recovery_shards(&shards, shard_len)?);
        let shards: Vec<_> = shards.into_iter().map(HashedChunk::new).collect();
        let ids = shards.iter().map(|shard| *shard.id()).collect();
        Ok(CodedChunk { reference: ChunkRef { root: Digest::content(&chunk), shards: ids }, shards })
    }

    /// Codes the data shards stripe by stripe.
    fn recovery_shards(&mut self, data: &[Bytes], shard_len: usize) -> Result<Vec<Bytes>, ErasureError> {
        let recovery = self.params.recovery();
        let mut rest = BytesMut::with_capacity(recovery * shard_len);
        let mut recovered: Vec<_> = (0..recovery).map(|_| split_front(&mut rest, shard_len)).collect();
        for start in (0..shard_len).step_by(STRIPE) {
            let stripe = start..shard_len.min(start + STRIPE);
            let encoder = match self.encoder.take() {
                Some((of, encoder)) if of == stripe.len() => encoder,
                Some((_, mut encoder)) => {
                    encoder.reset(data.len(), recovery, stripe.len())?;
                    encoder
                }
                None => ReedSolomonEncoder::new(data.len(), recovery, stripe.len())?,
            };
            // Put back only now: whatever fails below leaves no half-filled encoder behind.
            let (_, encoder) = self.encoder.insert((stripe.len(), encoder));
            for shard in data {
                encoder.add_original_shard(shard.get(stripe.clone()).unwrap_or_default())?;
            }
            let coded = encoder.encode()?;
            recovered.iter_mut().zip(coded.recovery_iter()).for_each(|(to, from)| to.extend_from_slice(from));
        }
        Ok(recovered.into_iter().map(BytesMut::freeze).collect())
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
        let mut chunk = BytesMut::with_capacity(shard_len * data);
        self.data_shards(reference, good)?.iter().for_each(|shard| chunk.extend_from_slice(shard));
        chunk.truncate(chunk_len);
        if Digest::content(&chunk) != reference.root {
            return Err(ErasureError::WrongChunk);
        }
        Ok(chunk.freeze())
    }

    /// The data shards of a chunk from `data` or more of its shards by place, all of one length, **each compared with its id
    /// by the caller**. Those that had to be decoded are compared here, so that every byte is one that the owner signed for.
    pub(crate) fn data_shards(
        &mut self,
        reference: &ChunkRef,
        mut shards: Vec<Option<Bytes>>,
    ) -> Result<Vec<Bytes>, ErasureError> {
        let data = usize::from(self.params.data);
        let missing: Vec<usize> =
            shards.iter().take(data).enumerate().filter(|(_, shard)| shard.is_none()).map(|(place, _)| place).collect();
        if !missing.is_empty() {
            let shard_len = shards.iter().flatten().next().map_or(0, Bytes::len);
            self.restore(&mut shards, shard_len)?;
            let is_right = |place: &usize| {
                let (Some(id), Some(Some(shard))) = (reference.shards.get(*place), shards.get(*place)) else {
                    return false;
                };
                id.matches(shard)
            };
            if !missing.iter().all(is_right) {
                return Err(ErasureError::WrongChunk);
            }
        }
        Ok(shards.into_iter().take(data).flatten().collect())
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
        let coded = self.encode(chunk)?;
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

/// Cuts shards of one length out of a buffer.
fn cut(buffer: Bytes, shard_len: usize, shards: &mut Vec<Bytes>) {
    shards.extend((0..buffer.len() / shard_len).map(|i| buffer.slice(i * shard_len..(i + 1) * shard_len)));
}

/// An empty buffer of this capacity from the front of a larger one.
fn split_front(rest: &mut BytesMut, capacity: usize) -> BytesMut {
    let after = rest.split_off(capacity);
    std::mem::replace(rest, after)
}

/// Codes an object that is in memory.
///
/// The chunks are in order; after those of the object come those of its [index](crate::object), if it needs one.
///
/// # Errors
/// [`ErasureError::TooLong`].
pub fn encode_object(object: &[u8], params: ErasureParams) -> Result<(ObjectRef, Vec<CodedChunk>), ErasureError> {
    let (mut chunks, mut index) = (Vec::new(), Vec::new());
    let reference = encode_stream(object, params, |chunk| -> Result<(), ErasureError> {
        match chunk {
            StreamedChunk::Object(chunk) => chunks.push(chunk),
            StreamedChunk::Index(chunk) => index.push(chunk),
        }
        Ok(())
    })?;
    chunks.append(&mut index);
    Ok((reference, chunks))
}

/// A chunk that [`encode_stream`] has coded: all are to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamedChunk {
    /// The next chunk of the object.
    Object(CodedChunk),
    /// The next chunk of the index of a long object.
    Index(CodedChunk),
}

impl StreamedChunk {
    /// The chunk, whichever it is.
    pub fn into_coded(self) -> CodedChunk {
        match self {
            Self::Object(coded) | Self::Index(coded) => coded,
        }
    }
}

/// Codes an object from a reader, one chunk in memory at a time; each coded chunk goes to `sink` in order.
///
/// # Errors
/// What reader and sink say, and [`ErasureError::TooLong`].
pub fn encode_stream<E: From<ErasureError>>(
    mut object: impl Read,
    params: ErasureParams,
    mut sink: impl FnMut(StreamedChunk) -> Result<(), E>,
) -> Result<ObjectRef, E> {
    let mut coder = Coder::new(params);
    let mut hasher = blake3::Hasher::new();
    let mut list = ChunkList::new(params);
    let mut length = 0u64;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_LEN);
        object.by_ref().take(CHUNK_LEN as u64).read_to_end(&mut chunk).map_err(ErasureError::Read)?;
        if chunk.is_empty() {
            break;
        }
        length = length.saturating_add(chunk.len() as u64);
        if length > ObjectRef::longest(params) {
            return Err(ErasureError::TooLong.into());
        }
        hasher.update(&chunk);
        let coded = coder.encode(chunk.into())?;
        let full = list.push(coded.reference.clone());
        sink(StreamedChunk::Object(coded))?;
        for chunk in full {
            list_index(&mut list, coder.encode(chunk)?, &mut sink)?;
        }
    }
    if let Some(last) = list.end() {
        list_index(&mut list, coder.encode(last)?, &mut sink)?;
    }
    Ok(list.finish(Digest(*hasher.finalize().as_bytes()), length))
}

fn list_index<E>(
    list: &mut ChunkList,
    coded: CodedChunk,
    sink: &mut impl FnMut(StreamedChunk) -> Result<(), E>,
) -> Result<(), E> {
    list.push_index(coded.reference.clone());
    sink(StreamedChunk::Index(coded))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stripes are a matter of speed: the shards are those of the code over their whole length.
    #[test]
    fn stripes_make_the_shards_of_one_pass() {
        for params in [ErasureParams::new(2, 3).unwrap(), ErasureParams::new(3, 20).unwrap(), ErasureParams::default()]
        {
            let mut coder = Coder::new(params);
            for shard_len in [64, 66, STRIPE - 2, STRIPE, STRIPE + 2, STRIPE + 64, 3 * STRIPE + 1000] {
                let (data, recovery) = (usize::from(params.data), params.recovery());
                let chunk: Vec<u8> = (0..data * shard_len).map(|i| (i * 31 % 251) as u8).collect();
                let one_pass = reed_solomon_simd::encode(data, recovery, chunk.chunks(shard_len)).unwrap();
                let coded = coder.encode_chunk(&chunk).unwrap();
                let made: Vec<_> = coded.shards.iter().skip(data).map(|shard| shard.bytes().to_vec()).collect();
                assert_eq!(made, one_pass, "{params:?} {shard_len}");
                assert!(coded.reference.shards.iter().eq(coded.shards.iter().map(HashedChunk::id)));
            }
        }
    }
}
