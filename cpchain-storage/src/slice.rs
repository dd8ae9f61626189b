//! Verified slices: a range of a chunk's bytes, with what proves it against the chunk's id.
//!
//! A chunk id is a BLAKE3 hash, which is the root of a binary tree over leaves of [`LEAF_LEN`] bytes. A slice carries the
//! leaves that the range touches and, of every node above them, the chaining values of both children. Whoever knows the
//! id and the length of a chunk checks a slice of it alone: one leaf of 1 MiB comes with 640 bytes of proof.
//!
//! The bytes are those of a [Bao slice](https://github.com/oconnor663/bao/blob/master/docs/spec.md): the length (u64, little
//! endian), then the tree in pre-order. Any Bao decoder reads them.
//!
//! | rule | test |
//! | --- | --- |
//! | A slice is what `bao` makes and reads | `slices_are_those_of_bao` |
//! | Every bit of it matters | `a_flipped_bit_is_refused` |
//! | The bytes never change | `golden_slice` |
//! | It verifies for its own chunk, length and leaves only | `a_slice_is_good_for_its_own_question_only` |
//! | Arbitrary bytes are refused without a panic, and memory is bounded by what arrived | `arbitrary_bytes_never_verify` |

use std::ops::Range;

use blake3::{
    Hasher,
    hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root},
};

use crate::chunk::ChunkId;

/// Bytes of a leaf of the tree; the last leaf of a chunk may have fewer.
pub const LEAF_LEN: u64 = 1024;

const HEADER: usize = 8;
const VALUE: usize = 32;

/// Why a slice was not made, or is not what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SliceError {
    /// The range is empty, or goes beyond the chunk.
    #[error("a range of a chunk has at least one byte and ends with the chunk")]
    Range,
    /// Too short, too long, or of a chunk of another length.
    #[error("not a slice of this range: the bytes do not decode")]
    Malformed,
    /// Some hash does not match.
    #[error("the slice does not belong to the chunk: ask another holder")]
    Mismatch,
}

/// The slice that proves `range` of `chunk`.
///
/// ```
/// use cpchain_storage::{ChunkId, slice};
/// let chunk = vec![7; 100_000];
/// let proof = slice::prove(&chunk, 5000..6000)?;
/// assert!(proof.len() < 3000);
/// assert_eq!(slice::verify(&ChunkId::of(&chunk), 100_000, 5000..6000, &proof)?, chunk[5000..6000]);
/// # Ok::<(), slice::SliceError>(())
/// ```
///
/// # Errors
/// [`SliceError::Range`].
pub fn prove(chunk: &[u8], range: Range<u64>) -> Result<Vec<u8>, SliceError> {
    let length = chunk.len() as u64;
    check_range(length, &range)?;
    let mut out = Vec::new();
    out.extend_from_slice(&length.to_le_bytes());
    write(chunk, 0, &range, &mut out);
    Ok(out)
}

/// The bytes of `range`, once `slice` has proved that they are those of the chunk `id` of `length` bytes.
///
/// `length` must come from one who is believed, as a signed reference or receipt: a slice without the last leaf does not
/// prove it.
///
/// # Errors
/// [`SliceError`].
pub fn verify(id: &ChunkId, length: u64, range: Range<u64>, slice: &[u8]) -> Result<Vec<u8>, SliceError> {
    let claimed = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(claimed.min(slice.len()));
    check(id, length, &range, slice, |start, leaf| {
        let within = |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX).min(leaf.len());
        bytes.extend_from_slice(leaf.get(within(range.start)..within(range.end)).unwrap_or_default());
    })?;
    Ok(bytes)
}

/// [`verify`] of one whole leaf, without a copy: what an audit does.
///
/// # Errors
/// [`SliceError`].
pub fn verify_leaf<'a>(id: &ChunkId, length: u64, leaf: u64, slice: &'a [u8]) -> Result<&'a [u8], SliceError> {
    let start = leaf.checked_mul(LEAF_LEN).ok_or(SliceError::Range)?;
    let mut found: &[u8] = &[];
    check(id, length, &(start..start.saturating_add(LEAF_LEN).min(length)), slice, |_, bytes| found = bytes)?;
    Ok(found)
}

/// Leaves of a chunk of `length` bytes.
pub const fn leaf_count(length: u64) -> u64 {
    length.div_ceil(LEAF_LEN)
}

fn check_range(length: u64, range: &Range<u64>) -> Result<(), SliceError> {
    if range.start < range.end && range.end <= length { Ok(()) } else { Err(SliceError::Range) }
}

fn touches(range: &Range<u64>, start: u64, length: u64) -> bool {
    range.start < start.saturating_add(length) && start < range.end
}

fn chaining_value(subtree: &[u8], start: u64) -> ChainingValue {
    Hasher::new().set_input_offset(start).update(subtree).finalize_non_root()
}

/// Writes the part of a subtree that the range touches, and returns the subtree's chaining value.
fn write(subtree: &[u8], start: u64, range: &Range<u64>, out: &mut Vec<u8>) -> ChainingValue {
    let length = subtree.len() as u64;
    if !touches(range, start, length) {
        return chaining_value(subtree, start);
    }
    if length <= LEAF_LEN {
        out.extend_from_slice(subtree);
        return chaining_value(subtree, start);
    }
    let left_len = left_subtree_len(length);
    let (left, right) = subtree.split_at(usize::try_from(left_len).unwrap_or(subtree.len()));
    let at = out.len();
    out.resize(at + 2 * VALUE, 0);
    let values = [write(left, start, range, out), write(right, start.saturating_add(left_len), range, out)];
    if let Some(place) = out.get_mut(at..at + 2 * VALUE) {
        place.copy_from_slice(values.as_flattened());
    }
    merge_subtrees_non_root(&values[0], &values[1], Mode::Hash)
}

/// Checks all of `slice` and gives each leaf, with where it starts, to `leaf`, in order.
fn check<'a>(
    id: &ChunkId,
    length: u64,
    range: &Range<u64>,
    slice: &'a [u8],
    leaf: impl FnMut(u64, &'a [u8]),
) -> Result<(), SliceError> {
    check_range(length, range)?;
    let (header, rest) = slice.split_first_chunk::<HEADER>().ok_or(SliceError::Malformed)?;
    if u64::from_le_bytes(*header) != length {
        return Err(SliceError::Malformed);
    }
    let mut checker = Checker { rest, range, leaf };
    checker.subtree(id.as_bytes(), 0, length, true)?;
    if checker.rest.is_empty() { Ok(()) } else { Err(SliceError::Malformed) }
}

struct Checker<'a, 'r, F> {
    rest: &'a [u8],
    range: &'r Range<u64>,
    leaf: F,
}

impl<'a, F: FnMut(u64, &'a [u8])> Checker<'a, '_, F> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], SliceError> {
        let length = usize::try_from(length).map_err(|_| SliceError::Malformed)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(SliceError::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn subtree(&mut self, value: &ChainingValue, start: u64, length: u64, root: bool) -> Result<(), SliceError> {
        if !touches(self.range, start, length) {
            return Ok(());
        }
        if length <= LEAF_LEN {
            let bytes = self.take(length)?;
            let found = if root { *blake3::hash(bytes).as_bytes() } else { chaining_value(bytes, start) };
            if found != *value {
                return Err(SliceError::Mismatch);
            }
            (self.leaf)(start, bytes);
            return Ok(());
        }
        let (values, rest) = self.rest.split_first_chunk::<{ 2 * VALUE }>().ok_or(SliceError::Malformed)?;
        self.rest = rest;
        let (left, right) = values.split_first_chunk::<VALUE>().ok_or(SliceError::Malformed)?;
        let right = right.first_chunk::<VALUE>().ok_or(SliceError::Malformed)?;
        let found = if root {
            *merge_subtrees_root(left, right, Mode::Hash).as_bytes()
        } else {
            merge_subtrees_non_root(left, right, Mode::Hash)
        };
        if found != *value {
            return Err(SliceError::Mismatch);
        }
        let left_len = left_subtree_len(length);
        self.subtree(left, start, left_len, false)?;
        self.subtree(right, start.saturating_add(left_len), length.saturating_sub(left_len), false)
    }
}
