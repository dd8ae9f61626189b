//! Frames: what packs are made of.
//!
//! A frame is a header of 64 bytes and a body. Layout, little endian: magic `CPF1`, type `u8`, three zero bytes, body
//! length `u32`, zero word, lease `u64`, id (32 bytes), checksum of the 56 bytes before (first 8 bytes of BLAKE3).
//! The body of a chunk is checked by its id, which is its hash.

use cpchain_crypto::Digest;

use crate::chunk::{ChunkId, Lease, MAX_CHUNK_LEN};

/// Bytes of a frame header.
pub(crate) const FRAME_HEADER: usize = 64;
pub(crate) const MAGIC: [u8; 4] = *b"CPF1";
const CHUNK: u8 = 1;
const RENEWAL: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// The body is a chunk.
    Chunk,
    /// No body: the lease of a chunk is extended.
    Renewal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: FrameKind,
    pub(crate) length: u32,
    pub(crate) lease: Lease,
    pub(crate) id: ChunkId,
}

impl Frame {
    /// Extends the lease of a chunk.
    pub(crate) const fn renewal(id: ChunkId, lease: Lease) -> Self {
        Self { kind: FrameKind::Renewal, length: 0, lease, id }
    }

    /// Bytes of header and body.
    pub(crate) const fn len(&self) -> u64 {
        FRAME_HEADER as u64 + self.length as u64
    }

    pub(crate) fn to_bytes(self) -> [u8; FRAME_HEADER] {
        let mut out = [0; FRAME_HEADER];
        let kind = match self.kind {
            FrameKind::Chunk => CHUNK,
            FrameKind::Renewal => RENEWAL,
        };
        let (front, sum) = out.split_at_mut(FRAME_HEADER - 8);
        let fields = [
            &MAGIC[..],
            &[kind, 0, 0, 0],
            &self.length.to_le_bytes(),
            &[0; 4],
            &self.lease.0.to_le_bytes(),
            self.id.as_bytes(),
        ];
        front.iter_mut().zip(fields.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        sum.copy_from_slice(&checksum(front));
        out
    }

    /// `None` for anything that [`to_bytes`](Self::to_bytes) does not write.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; FRAME_HEADER] = bytes.try_into().ok()?;
        let (front, sum) = bytes.split_at(FRAME_HEADER - 8);
        if checksum(front) != sum {
            return None;
        }
        let (magic, rest) = front.split_first_chunk::<4>()?;
        let ([kind, zero @ ..], rest) = rest.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (reserved, rest) = rest.split_first_chunk::<4>()?;
        let (lease, id) = rest.split_first_chunk::<8>()?;
        let length = u32::from_le_bytes(*length);
        let kind = match (*kind, length) {
            (CHUNK, 1..) if length as usize <= MAX_CHUNK_LEN => FrameKind::Chunk,
            (RENEWAL, 0) => FrameKind::Renewal,
            _ => return None,
        };
        if *magic != MAGIC || *zero != [0; 3] || *reserved != [0; 4] {
            return None;
        }
        Some(Self { kind, length, lease: Lease(u64::from_le_bytes(*lease)), id: ChunkId::from_slice(id)? })
    }
}

fn checksum(front: &[u8]) -> [u8; 8] {
    let Digest([a, b, c, d, e, f, g, h, ..]) = Digest::content(front);
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_frame() {
        let frame = Frame { kind: FrameKind::Chunk, length: 3, lease: Lease(7), id: ChunkId::of(b"abc") };
        let hex: String = frame.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, include_str!("../../testdata/frame.hex").trim());
    }

    proptest! {
        #[test]
        fn headers_round_trip_and_no_flipped_bit_passes(length in 1u32..=1 << 20, lease: u64, id: [u8; 32], bit in 0usize..512) {
            let frame = Frame { kind: FrameKind::Chunk, length, lease: Lease(lease), id: ChunkId(Digest(id)) };
            let mut bytes = frame.to_bytes();
            prop_assert_eq!(Frame::from_bytes(&bytes), Some(frame));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Frame::from_bytes(&bytes), None);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Frame::from_bytes(&bytes);
        }
    }
}
