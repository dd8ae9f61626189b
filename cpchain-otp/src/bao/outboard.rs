//! Making an outboard in one pass.

use cpchain_crypto::Digest;

use super::{GROUP_LEN, PAIR_LEN, group_hash, parent_hash};

/// Length of the outboard of an object of `size` bytes.
pub const fn outboard_len(size: u64) -> u64 {
    size.div_ceil(GROUP_LEN).saturating_sub(1).saturating_mul(PAIR_LEN as u64)
}

/// Makes root and outboard of an object from its bytes in order.
///
/// ```
/// use cpchain_otp::bao::{OutboardBuilder, outboard_len};
/// let data = vec![7; 100_000];
/// let mut outboard = Vec::new();
/// let mut builder = OutboardBuilder::new();
/// for piece in data.chunks(1000) {
///     builder.push(piece, &mut outboard);
/// }
/// let (root, size) = builder.finish(&mut outboard);
/// assert_eq!(root, cpchain_crypto::Digest::content(&data));
/// assert_eq!(outboard.len() as u64, outboard_len(size));
/// ```
#[derive(Debug, Default)]
pub struct OutboardBuilder {
    /// Hashes of complete subtrees, biggest first.
    subtrees: Vec<[u8; 32]>,
    /// Complete groups so far, without the pending one.
    groups: u64,
    /// The group that may be the last: at most `GROUP_LEN` bytes.
    pending: Vec<u8>,
}

impl OutboardBuilder {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes and appends finished hash pairs to `outboard`.
    pub fn push(&mut self, mut bytes: &[u8], outboard: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.pending.len() as u64 == GROUP_LEN {
                self.close_group(outboard);
            }
            let room = (GROUP_LEN as usize).saturating_sub(self.pending.len());
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.pending.extend_from_slice(now);
            bytes = later;
        }
    }

    /// More bytes follow, so neither the group nor any subtree that it completes is the root.
    fn close_group(&mut self, outboard: &mut Vec<u8>) {
        let mut hash = group_hash(self.groups * GROUP_LEN, &self.pending, false);
        self.pending.clear();
        self.groups += 1;
        for _ in 0..self.groups.trailing_zeros() {
            let Some(left) = self.subtrees.pop() else { break };
            hash = merge(&left, &hash, false, outboard);
        }
        self.subtrees.push(hash);
    }

    /// Closes the tree; the result is the root and the size.
    pub fn finish(mut self, outboard: &mut Vec<u8>) -> (Digest, u64) {
        let start = self.groups * GROUP_LEN;
        let size = start + self.pending.len() as u64;
        let mut hash = group_hash(start, &self.pending, self.subtrees.is_empty());
        while let Some(left) = self.subtrees.pop() {
            hash = merge(&left, &hash, self.subtrees.is_empty(), outboard);
        }
        (Digest(hash), size)
    }
}

fn merge(left: &[u8; 32], right: &[u8; 32], is_root: bool, outboard: &mut Vec<u8>) -> [u8; 32] {
    outboard.extend_from_slice(left);
    outboard.extend_from_slice(right);
    parent_hash(left, right, is_root)
}
