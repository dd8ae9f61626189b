//! The whole block: sealing a body, reading the bytes, opening them.

use zeroize::Zeroize;

use super::{BlockError, BlockHeader, HEADER_LEN, LEAF_LEN, LeafCommitment, LeafSecrets, MAX_BODY_LEN};
use crate::{
    aead::{TAG_LEN, Tag},
    hash::{Digest, Domain},
    key_tree::IntervalKey,
};

const BLOCK_HASH: Domain = Domain::new("cpchain/crypto/sealed-block/v1");

/// A sealed block over borrowed bytes: parsed, its length checked, not yet opened.
#[derive(Debug, Clone, Copy)]
pub struct SealedBlock<'a> {
    header: BlockHeader,
    bytes: &'a [u8],
}

impl<'a> SealedBlock<'a> {
    /// Reads the header and checks the length.
    ///
    /// # Errors
    /// [`BlockError`] as for [`BlockHeader::from_bytes`], and [`BlockError::Length`] for the whole.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BlockError> {
        let too_short = BlockError::Length { expected: HEADER_LEN, found: bytes.len() };
        let header = BlockHeader::from_bytes(bytes.get(..HEADER_LEN).ok_or(too_short)?)?;
        if bytes.len() != header.sealed_len() {
            return Err(BlockError::Length { expected: header.sealed_len(), found: bytes.len() });
        }
        Ok(Self { header, bytes })
    }

    /// What the block says about itself; proven only once a leaf opens.
    pub const fn header(&self) -> &BlockHeader {
        &self.header
    }

    /// The hash that the next block's header carries.
    pub fn hash(&self) -> Digest {
        Digest::of(BLOCK_HASH, &[self.bytes])
    }

    /// The sealed bytes (ciphertext and tag) of one leaf.
    pub fn leaf(&self, leaf: u32) -> Option<&'a [u8]> {
        self.bytes.get(self.header.leaf_range(leaf)?)
    }

    /// All leaves in order.
    pub fn leaves(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        (0..self.header.leaf_count()).filter_map(|leaf| self.leaf(leaf))
    }

    /// Decrypts the body into `body`, whose length must be the header's `body_len`.
    ///
    /// # Errors
    /// [`BlockError::Sealed`] names the first leaf that does not open; `body` is wiped then.
    pub fn open_into(&self, key: &IntervalKey, body: &mut [u8]) -> Result<(), BlockError> {
        if body.len() != self.header.body_len as usize {
            return Err(BlockError::Length { expected: self.header.body_len as usize, found: body.len() });
        }
        let mut rest = &mut *body;
        let mut failed = None;
        for leaf in 0..self.header.leaf_count() {
            let sealed = self.leaf(leaf).ok_or(BlockError::NoSuchLeaf { leaf })?;
            let Some((cipher, tag)) = sealed.split_last_chunk::<TAG_LEN>() else { return Err(BlockError::Format) };
            let Some((plain, after)) = rest.split_at_mut_checked(cipher.len()) else { return Err(BlockError::Format) };
            plain.copy_from_slice(cipher);
            let secrets = LeafSecrets::derive(key, self.header.index, leaf);
            if secrets.open_detached(&self.header, leaf, plain, &Tag(*tag)).is_err() {
                failed = Some(leaf);
                break;
            }
            rest = after;
        }
        failed.map_or(Ok(()), |leaf| {
            body.zeroize();
            Err(BlockError::Sealed { leaf })
        })
    }

    /// [`open_into`](Self::open_into) a new vector.
    ///
    /// # Errors
    /// As `open_into`.
    #[cfg(feature = "alloc")]
    pub fn open(&self, key: &IntervalKey) -> Result<alloc::vec::Vec<u8>, BlockError> {
        let mut body = alloc::vec![0; self.header.body_len as usize];
        self.open_into(key, &mut body)?;
        Ok(body)
    }
}

/// Seals `body` under `header` into `out` (exactly [`BlockHeader::sealed_len`] bytes) and reports each leaf's
/// commitment in order. Needs no heap.
///
/// The header's `index` must never be sealed twice under one interval key: make the counter durable first.
///
/// # Errors
/// [`BlockError::Length`] if `body` or `out` has not the length that the header says, [`BlockError::TooLong`].
pub fn seal_into(
    header: &BlockHeader,
    key: &IntervalKey,
    body: &[u8],
    out: &mut [u8],
    mut commitment: impl FnMut(LeafCommitment),
) -> Result<(), BlockError> {
    if header.body_len > MAX_BODY_LEN {
        return Err(BlockError::TooLong);
    }
    if body.len() != header.body_len as usize {
        return Err(BlockError::Length { expected: header.body_len as usize, found: body.len() });
    }
    if out.len() != header.sealed_len() {
        return Err(BlockError::Length { expected: header.sealed_len(), found: out.len() });
    }
    let Some((head, mut rest)) = out.split_at_mut_checked(HEADER_LEN) else { return Err(BlockError::Format) };
    head.copy_from_slice(&header.to_bytes());
    let mut chunks = body.chunks(LEAF_LEN);
    for leaf in 0..header.leaf_count() {
        let plain = chunks.next().unwrap_or(&[]);
        let Some((sealed, after)) = rest.split_at_mut_checked(plain.len() + TAG_LEN) else {
            return Err(BlockError::Format);
        };
        let Some((cipher, tag)) = sealed.split_last_chunk_mut::<TAG_LEN>() else { return Err(BlockError::Format) };
        let secrets = LeafSecrets::derive(key, header.index, leaf);
        commitment(secrets.commit(plain));
        cipher.copy_from_slice(plain);
        *tag = secrets.seal(header, leaf, cipher).map_err(|_| BlockError::TooLong)?.0;
        rest = after;
    }
    Ok(())
}

/// [`seal_into`] new vectors: the sealed bytes and the commitments of its leaves.
///
/// ```
/// use cpchain_crypto::{Digest, block::{BlockHeader, SealedBlock, seal}, key_tree::{IntervalId, StreamSecret}};
/// let secret = StreamSecret::from_bytes([1; 32]);
/// let body = b"21.5,21.6,21.4";
/// let header = BlockHeader {
///     stream: Digest::content(b"my stream"), index: 0, interval: IntervalId(0), start_ms: 0,
///     count: 3, codec: 0, body_len: body.len() as u32, previous: Digest::ZERO,
/// };
/// let (bytes, _commitments) = seal(&header, &secret.interval_key(IntervalId(0)), body)?;
/// let block = SealedBlock::parse(&bytes)?;
/// assert_eq!(block.open(&secret.interval_key(IntervalId(0)))?, body);
/// assert!(block.open(&secret.interval_key(IntervalId(1))).is_err());
/// # Ok::<(), cpchain_crypto::BlockError>(())
/// ```
///
/// # Errors
/// As `seal_into`.
#[cfg(feature = "alloc")]
pub fn seal(
    header: &BlockHeader,
    key: &IntervalKey,
    body: &[u8],
) -> Result<(alloc::vec::Vec<u8>, alloc::vec::Vec<LeafCommitment>), BlockError> {
    if header.body_len > MAX_BODY_LEN {
        return Err(BlockError::TooLong);
    }
    let mut out = alloc::vec![0; header.sealed_len()];
    let mut commitments = alloc::vec::Vec::with_capacity(header.leaf_count() as usize);
    seal_into(header, key, body, &mut out, |commitment| commitments.push(commitment))?;
    Ok((out, commitments))
}
