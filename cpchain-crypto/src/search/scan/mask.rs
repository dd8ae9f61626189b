//! The one-time pads of a table: one keystream for each row of each sealing of a block.

use alloc::vec::Vec;

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit, StreamCipher},
};
use zeroize::Zeroizing;

use super::{DEGREE, wire::BlockHead};
use crate::aead::Key;

/// The pads of one sealing of one block.
pub(super) struct Pads {
    key: Zeroizing<[u8; 32]>,
}

impl Pads {
    pub(super) fn new(index_key: &Key, head: BlockHead) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(index_key.expose());
        hasher.update(b"cpchain/crypto/search/scan-pads/v1");
        hasher.update(&head.to_bytes());
        Self { key: Zeroizing::new(*hasher.finalize().as_bytes()) }
    }

    /// The pad of a row: one 16-bit number for each coefficient.
    pub(super) fn row(&self, row: usize) -> Zeroizing<Vec<u16>> {
        let mut nonce = [0; 12];
        let (counter, _) = nonce.split_at_mut(8);
        counter.copy_from_slice(&(row as u64).to_le_bytes());
        let mut bytes = Zeroizing::new([0; 2 * DEGREE]);
        ChaCha20::new(&(*self.key).into(), &nonce.into()).apply_keystream(bytes.as_mut_slice());
        let (pairs, _) = bytes.as_chunks::<2>();
        Zeroizing::new(pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect())
    }
}
