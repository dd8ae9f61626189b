//! The walk over the parts of a range, which accepts nothing that is not proven.

use std::{fmt, ops::Range};

use bao_tree::{
    BaoTree, ChunkNum, ChunkRanges,
    iter::{BaoChunk, ResponseIter},
};
use cpchain_crypto::Digest;

use super::{GROUP, GROUP_LEN, PAIR_LEN, group_hash, parent_hash};

/// The largest object, in bytes (256 TiB).
pub const MAX_OBJECT: u64 = 1 << 48;

/// One part of a range, in the order in which parts travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A pair of hashes, [`PAIR_LEN`] bytes.
    Pair {
        /// Where it stands in the outboard, in bytes.
        outboard_offset: u64,
    },
    /// A group of data.
    Group {
        /// Where it stands in the object, in bytes.
        offset: u64,
        /// Its length, at most [`GROUP_LEN`].
        len: usize,
    },
}

impl Part {
    /// Length of the part in bytes.
    pub const fn len(&self) -> usize {
        match self {
            Self::Pair { .. } => PAIR_LEN,
            Self::Group { len, .. } => *len,
        }
    }

    /// The only group of an empty object has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The bytes do not belong to the root: a lying peer or a rotten disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bytes at offset {offset} do not belong to the root")]
pub struct Corrupt {
    /// Offset in the object up to which everything was proven in this walk.
    pub offset: u64,
}

/// Walks over the parts of a range and proves each of them.
///
/// ```
/// use cpchain_crypto::Digest;
/// use cpchain_otp::bao::{Part, Walk};
/// let data = b"small objects are one group";
/// let mut walk = Walk::new(Digest::content(data), data.len() as u64, 0..5).unwrap();
/// assert_eq!(walk.part(), Some(Part::Group { offset: 0, len: data.len() }));
/// walk.accept(data)?;
/// assert_eq!(walk.part(), None);
/// # Ok::<(), cpchain_otp::bao::Corrupt>(())
/// ```
pub struct Walk {
    tree: BaoTree,
    parts: ResponseIter,
    current: Option<BaoChunk>,
    /// What the parts to come must hash to, the next one last.
    expected: Vec<[u8; 32]>,
    proven: u64,
    covers_end: bool,
}

impl Walk {
    /// A walk over `range` of the object with this root and size; `None` if the size is above [`MAX_OBJECT`] or the
    /// range runs backwards. The range may reach behind the end.
    pub fn new(root: Digest, size: u64, range: Range<u64>) -> Option<Self> {
        if size > MAX_OBJECT || range.start > range.end {
            return None;
        }
        let last = size.saturating_sub(1) / GROUP_LEN * GROUP_LEN;
        let start = range.start.min(last) / GROUP_LEN * GROUP_LEN;
        let end = range.end.min(MAX_OBJECT).max(start + 1).next_multiple_of(GROUP_LEN);
        let covers_end = end >= size;
        let from = ChunkNum::full_chunks(start);
        // A bound at or behind the end of the tree would split the last group.
        let ranges =
            if covers_end { ChunkRanges::from(from..) } else { ChunkRanges::from(from..ChunkNum::full_chunks(end)) };
        let tree = BaoTree::new(size, GROUP);
        let mut parts = ResponseIter::new(tree, ranges);
        let current = parts.next();
        Some(Self { tree, parts, current, expected: vec![root.0], proven: start, covers_end })
    }

    /// The part that is needed next; `None` when the walk is complete.
    pub fn part(&self) -> Option<Part> {
        Some(match self.current.as_ref()? {
            BaoChunk::Parent { node, .. } => {
                let index = self.tree.post_order_offset(*node).map_or(0, |offset| offset.value());
                Part::Pair { outboard_offset: index.saturating_mul(PAIR_LEN as u64) }
            }
            BaoChunk::Leaf { start_chunk, size, .. } => Part::Group { offset: start_chunk.to_bytes(), len: *size },
        })
    }

    /// Takes the bytes of the current [`part`](Self::part) and goes on to the next.
    ///
    /// # Errors
    /// [`Corrupt`] if they are not the ones that the root proves; the walk stays where it was.
    pub fn accept(&mut self, bytes: &[u8]) -> Result<(), Corrupt> {
        let corrupt = Corrupt { offset: self.proven };
        let (Some(current), Some(expected)) = (&self.current, self.expected.last().copied()) else {
            return Err(corrupt);
        };
        match current {
            BaoChunk::Parent { is_root, left, right, .. } => {
                let (a, rest) = bytes.split_first_chunk::<32>().ok_or(corrupt)?;
                let b: &[u8; 32] = rest.try_into().map_err(|_| corrupt)?;
                if parent_hash(a, b, *is_root) != expected {
                    return Err(corrupt);
                }
                self.expected.pop();
                if *right {
                    self.expected.push(*b);
                }
                if *left {
                    self.expected.push(*a);
                }
            }
            BaoChunk::Leaf { start_chunk, size, is_root, .. } => {
                let start = start_chunk.to_bytes();
                if bytes.len() != *size || group_hash(start, bytes, *is_root) != expected {
                    return Err(corrupt);
                }
                self.expected.pop();
                self.proven = start + bytes.len() as u64;
            }
        }
        self.current = self.parts.next();
        Ok(())
    }

    /// The size of the object, once the walk has proven it: complete, and over the end of the object.
    pub fn proven_size(&self) -> Option<u64> {
        (self.covers_end && self.current.is_none()).then(|| self.tree.size())
    }
}

impl fmt::Debug for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk").field("size", &self.tree.size()).field("proven", &self.proven).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bao::{OutboardBuilder, outboard_len};

    fn data(size: usize) -> Vec<u8> {
        (0..size).map(|i| (i / 251) as u8 ^ i as u8).collect()
    }

    fn outboard(data: &[u8]) -> (Digest, Vec<u8>) {
        let mut outboard = Vec::new();
        let mut builder = OutboardBuilder::new();
        data.chunks(5000).for_each(|piece| builder.push(piece, &mut outboard));
        let (root, size) = builder.finish(&mut outboard);
        assert_eq!((root, size), (Digest::content(data), data.len() as u64));
        assert_eq!(outboard.len() as u64, outboard_len(size));
        (root, outboard)
    }

    fn encode(data: &[u8], range: Range<u64>) -> Vec<u8> {
        let (root, outboard) = outboard(data);
        let mut walk = Walk::new(root, data.len() as u64, range).unwrap();
        let mut wire = Vec::new();
        while let Some(part) = walk.part() {
            let bytes = match part {
                Part::Pair { outboard_offset } => &outboard[outboard_offset as usize..][..PAIR_LEN],
                Part::Group { offset, len } => &data[offset as usize..][..len],
            };
            walk.accept(bytes).unwrap();
            wire.extend_from_slice(bytes);
        }
        wire
    }

    fn decode(root: Digest, size: u64, range: Range<u64>, mut wire: &[u8]) -> Option<(Vec<u8>, Option<u64>)> {
        let mut walk = Walk::new(root, size, range.clone())?;
        let mut got = Vec::new();
        while let Some(part) = walk.part() {
            let (bytes, rest) = wire.split_at_checked(part.len())?;
            walk.accept(bytes).ok()?;
            if let Part::Group { offset, .. } = part {
                let cut = |at: u64| (at.clamp(offset, offset + bytes.len() as u64) - offset) as usize;
                got.extend_from_slice(&bytes[cut(range.start)..cut(range.end)]);
            }
            wire = rest;
        }
        wire.is_empty().then_some((got, walk.proven_size()))
    }

    #[test]
    fn every_range_of_every_size_round_trips() {
        let group = GROUP_LEN as usize;
        for size in
            [0, 1, 1024, group - 1, group, group + 1, 2 * group, 3 * group + 5, 5 * group, 8 * group, 13 * group + 1]
        {
            let data = data(size);
            let root = Digest::content(&data);
            let edges =
                [0, 1, group - 1, group, group + 1, size / 2, size.saturating_sub(1), size, size + 1, size + 3 * group];
            for start in edges {
                for end in edges.into_iter().filter(|end| *end >= start) {
                    let range = start as u64..end as u64;
                    let wire = encode(&data, range.clone());
                    let (got, proven) = decode(root, size as u64, range, &wire).unwrap();
                    assert_eq!(got, data[start.min(size)..end.min(size)], "size {size}, {start}..{end}");
                    let must = (end >= size).then_some(size as u64);
                    assert!(proven == must || (must.is_none() && proven == Some(size as u64)));
                }
            }
        }
    }

    #[test]
    fn a_claimed_size_is_proven_when_it_matters() {
        let data = data(5 * GROUP_LEN as usize);
        let root = Digest::content(&data);
        for claimed in [0, 1, GROUP_LEN, 4 * GROUP_LEN, 5 * GROUP_LEN - 1, 5 * GROUP_LEN + 1, 6 * GROUP_LEN, MAX_OBJECT]
        {
            for range in [0..u64::MAX, claimed..claimed + 1, MAX_OBJECT..u64::MAX] {
                let truth = encode(&data, range.clone());
                assert!(decode(root, claimed, range, &truth).is_none());
            }
        }
        assert!(Walk::new(root, MAX_OBJECT + 1, 0..1).is_none());
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_found(size in 1usize..100_000, at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let data = data(size);
            let mut wire = encode(&data, 0..u64::MAX);
            let at = at.index(wire.len());
            wire[at] ^= 1 << bit;
            prop_assert!(decode(Digest::content(&data), size as u64, 0..u64::MAX, &wire).is_none());
        }

        #[test]
        fn any_bytes_never_panic(size in any::<u64>(), range in any::<(u64, u64)>(), wire in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode(Digest([3; 32]), size, range.0..range.1, &wire).is_none());
        }
    }
}
