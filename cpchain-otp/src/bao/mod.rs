//! Verified ranges: BLAKE3 trees (bao) in groups of 16 KiB.
//!
//! An object's root is its plain BLAKE3 hash. The hash pairs of its inner nodes, in post order, are its *outboard*
//! (64 bytes for each group but the first), made by [`OutboardBuilder`] in one pass and in memory logarithmic in the size.
//!
//! A range travels as the parts of a pre-order walk over the tree: 64 bytes for an inner node, up to 16 KiB for a group.
//! [`Walk`] checks each part against its parent; the same machine runs on both ends, so that a proxy with a rotten disk
//! finds it before it sends, and a reader never hands over a byte that is not proven.
//!
//! Rules:
//! - The range is widened to whole groups; the reader cuts it back (test `every_range_of_every_size_round_trips`).
//! - A range that reaches the end of the object, or lies behind it, includes the last group: so the size is proven
//!   whenever it decides what the reader gets (test `a_claimed_size_is_proven_when_it_matters`).
//! - No wrong byte is accepted anywhere (test `any_flipped_bit_is_found`).

mod outboard;
mod walk;

pub use outboard::{OutboardBuilder, outboard_len};
pub use walk::{Corrupt, MAX_OBJECT, Part, Walk};

use bao_tree::BlockSize;

/// Length of a group, in bytes: the unit of verification.
pub const GROUP_LEN: u64 = 16 * 1024;
/// Length of an inner node on the wire and in an outboard: two hashes.
pub const PAIR_LEN: usize = 64;

const GROUP: BlockSize = BlockSize::from_chunk_log(4);

fn group_hash(start: u64, bytes: &[u8], is_root: bool) -> [u8; 32] {
    use blake3::hazmat::HasherExt as _;
    if is_root {
        return *blake3::hash(bytes).as_bytes();
    }
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(start);
    hasher.update(bytes);
    hasher.finalize_non_root()
}

fn parent_hash(left: &[u8; 32], right: &[u8; 32], is_root: bool) -> [u8; 32] {
    use blake3::hazmat::{Mode, merge_subtrees_non_root, merge_subtrees_root};
    if is_root {
        *merge_subtrees_root(left, right, Mode::Hash).as_bytes()
    } else {
        merge_subtrees_non_root(left, right, Mode::Hash)
    }
}
