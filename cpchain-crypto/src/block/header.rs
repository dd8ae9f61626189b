//! The header: what a block says about itself in the clear.

use super::{BlockError, HEADER_LEN, LEAF_LEN, MAX_BODY_LEN};
use crate::{aead::TAG_LEN, hash::Digest, key_tree::IntervalId};

const MAGIC: [u8; 4] = *b"CPB1";

/// What a block says about itself in the clear, bound to every leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// The stream that it belongs to (a digest of owner and name).
    pub stream: Digest,
    /// Place in the stream, from 0; also the nonce counter.
    pub index: u64,
    /// The encryption interval whose key seals it.
    pub interval: IntervalId,
    /// Start of the period, milliseconds since 1970-01-01 UTC.
    pub start_ms: u64,
    /// Readings inside.
    pub count: u32,
    /// How the body is compressed: a number that you choose and your reader knows. This crate never reads it; in
    /// `cpchain-storage` it names a codec of the registry.
    pub codec: u16,
    /// Bytes of the body before sealing.
    pub body_len: u32,
    /// Hash of the previous sealed block, [`Digest::ZERO`] for the first.
    pub previous: Digest,
}

impl BlockHeader {
    /// Leaves of the block: one at least, also for an empty body.
    pub const fn leaf_count(&self) -> u32 {
        let full = self.body_len.div_ceil(LEAF_LEN as u32);
        if full == 0 { 1 } else { full }
    }

    /// Bytes of the whole sealed block.
    pub const fn sealed_len(&self) -> usize {
        HEADER_LEN + self.body_len as usize + self.leaf_count() as usize * TAG_LEN
    }

    /// The fixed layout, little endian: magic, codec, two zero bytes, count, body length, interval, reserved zero word, index, start, stream, previous.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        let mut rest = out.as_mut_slice();
        let mut put = |bytes: &[u8]| {
            if let Some((head, tail)) = core::mem::take(&mut rest).split_at_mut_checked(bytes.len()) {
                head.copy_from_slice(bytes);
                rest = tail;
            }
        };
        put(&MAGIC);
        put(&self.codec.to_le_bytes());
        put(&[0, 0]);
        put(&self.count.to_le_bytes());
        put(&self.body_len.to_le_bytes());
        put(&self.interval.0.to_le_bytes());
        put(&[0; 4]);
        put(&self.index.to_le_bytes());
        put(&self.start_ms.to_le_bytes());
        put(&self.stream.0);
        put(&self.previous.0);
        out
    }

    /// Reads a header; the inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`BlockError::Length`], [`BlockError::Format`] or [`BlockError::TooLong`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlockError> {
        let wrong_length = BlockError::Length { expected: HEADER_LEN, found: bytes.len() };
        let bytes: &[u8; HEADER_LEN] = bytes.try_into().map_err(|_| wrong_length)?;
        let mut rest = bytes.as_slice();
        let magic = take::<4>(&mut rest)?;
        let codec = u16::from_le_bytes(take(&mut rest)?);
        let zero = take::<2>(&mut rest)?;
        let count = u32::from_le_bytes(take(&mut rest)?);
        let body_len = u32::from_le_bytes(take(&mut rest)?);
        let interval = IntervalId(u32::from_le_bytes(take(&mut rest)?));
        let reserved = take::<4>(&mut rest)?;
        let index = u64::from_le_bytes(take(&mut rest)?);
        let start_ms = u64::from_le_bytes(take(&mut rest)?);
        let stream = Digest(take(&mut rest)?);
        let previous = Digest(take(&mut rest)?);
        if magic != MAGIC || zero != [0; 2] || reserved != [0; 4] {
            return Err(BlockError::Format);
        }
        if body_len > MAX_BODY_LEN {
            return Err(BlockError::TooLong);
        }
        Ok(Self { stream, index, interval, start_ms, count, codec, body_len, previous })
    }

    pub(super) fn leaf_range(&self, leaf: u32) -> Option<core::ops::Range<usize>> {
        if leaf >= self.leaf_count() {
            return None;
        }
        let start = HEADER_LEN + leaf as usize * (LEAF_LEN + TAG_LEN);
        let plain = (self.body_len as usize - leaf as usize * LEAF_LEN).min(LEAF_LEN);
        Some(start..start + plain + TAG_LEN)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], BlockError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(BlockError::Format)?;
    *rest = tail;
    Ok(*head)
}
