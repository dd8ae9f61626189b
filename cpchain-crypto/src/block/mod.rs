//! Sealed blocks: the readings of one period under one header, encrypted leaf by leaf, chained by hash.
//!
//! A block's body (compressed readings) is cut into leaves of [`LEAF_LEN`] bytes. Leaf `i` is sealed under a key of
//! its own, derived with a salt from (interval key, block index, `i`). The header is bound to every leaf as associated data,
//! together with the leaf's place. The next block's header carries the [`SealedBlock::hash`] of this one (white paper 2.2.1: a chain
//! guards the interval), and [`SealedBlock::follows`] checks it.
//!
//! Who seals keeps its last block: the next index and `previous` come from it, and
//! [`SealCounter::claim`](crate::counter::SealCounter::claim) of that index gives the interval whose key may be used.
//!
//! Bytes: header (fixed [`HEADER_LEN`]), then each leaf's ciphertext followed by its 16-byte tag.
//!
//! # What is published about a leaf
//! A [`LeafCommitment`] is two hashes. The one of the plaintext is salted, since readings are few and could be guessed. The one of the
//! key **holds the same salt**: the owner has committed to key and salt together, so whoever learns the key cannot make up another
//! salt with which an honest leaf looks like another plaintext. Key and salt ([`LeafSecrets`]) are all that a judge needs to open one
//! leaf and to compare it with what was promised, and they say nothing about the interval key or any other leaf.
//!
//! # Rules, and the tests that hold them
//! - One leaf opens alone, at its own place of its own block (`one_leaf_opens_alone_and_only_at_its_place`).
//! - The commitment binds key, salt and plaintext (`the_key_commitment_binds_the_salt`).
//! - A block that was changed anywhere does not open, and nothing of it stays in the buffer (`any_flipped_bit_is_found`).
//! - A block that is missing, swapped, changed or foreign breaks the chain (`a_chain_shows_what_was_done_to_it`).
//! - Bytes have one form, and any bytes are read without a panic (`golden_block`, `parsing_any_bytes_never_panics`).

mod chain;
mod header;
mod leaf;
mod sealed;

#[cfg(feature = "alloc")]
pub use sealed::seal;
pub use {
    chain::ChainError,
    header::BlockHeader,
    leaf::{LeafCommitment, LeafSecrets},
    sealed::{SealedBlock, seal_into},
};

/// Plaintext bytes in a leaf; the last leaf of a block may be shorter.
pub const LEAF_LEN: usize = 4096;
/// Encoded bytes of a [`BlockHeader`].
pub const HEADER_LEN: usize = 104;
/// Largest body of a block: 64 MiB.
pub const MAX_BODY_LEN: u32 = 64 << 20;

/// Why bytes are not the sealed block that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Too short, too long, or not the length that the header says.
    #[error("the block has {found} bytes, its header says {expected}")]
    Length {
        /// What the header asks for.
        expected: usize,
        /// What is there.
        found: usize,
    },
    /// Not a header of this format and version.
    #[error("not a sealed block of a version that this build reads")]
    Format,
    /// The body is longer than [`MAX_BODY_LEN`].
    #[error("a block body has at most 64 MiB: use a shorter period T")]
    TooLong,
    /// A leaf does not open under this interval key.
    #[error("leaf {leaf} does not open: wrong interval key, or the block was changed")]
    Sealed {
        /// The first leaf that failed.
        leaf: u32,
    },
    /// There is no such leaf in this block.
    #[error("the block has no leaf {leaf}")]
    NoSuchLeaf {
        /// The leaf asked for.
        leaf: u32,
    },
}
