//! What makes a false answer visible: every row carries secret weights of its bits, summed up.
//!
//! Each slot has a weight of four 16-bit numbers, which the owner's key yields and the host does not know. A row ends with the sum of the
//! weights of its bits, number by number modulo 2¹⁶, under the row's pad as the bits are. The host's sums keep this true: the end of a sum of rows is the weight of
//! the sum's bits. Who changes any bit of an answer, in any way, must change its end by the weights of those bits, and guesses them with a probability
//! of 2⁻⁶⁴. It costs the host nothing: the ends are coefficients like others.

use alloc::vec::Vec;

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit, StreamCipher},
};
use zeroize::Zeroizing;

use super::{BLOCK_RECORDS, CHECKS, SLOTS};
use crate::aead::Key;

/// Numbers of a weight, four to a word; every second one is summed on its own, so that none runs into the next.
const EVEN: u64 = 0x0000_ffff_0000_ffff;

/// The weights of all slots.
pub(super) struct Weights(Zeroizing<Vec<u64>>);

impl Weights {
    /// The weights of an index, the same for all blocks: pads hide the sums.
    pub(super) fn new(index_key: &Key) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(index_key.expose());
        hasher.update(b"cpchain/crypto/search/scan-weights/v1");
        let key = Zeroizing::new(*hasher.finalize().as_bytes());
        let mut bytes = Zeroizing::new(alloc::vec![0; 8 * BLOCK_RECORDS]);
        ChaCha20::new(&(*key).into(), &[0; 12].into()).apply_keystream(bytes.as_mut_slice());
        Self(Zeroizing::new(bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect()))
    }

    /// What ends a row with these bits: the sum of the weights of all slots whose bit is set. Takes the same time whatever they are.
    pub(super) fn of(&self, bits: &[u16]) -> [u16; CHECKS] {
        let (mut even, mut odd) = (0u64, 0u64);
        for (bits, weights) in bits.iter().zip(self.0.as_chunks::<SLOTS>().0) {
            for (slot, weight) in weights.iter().enumerate() {
                let weight = weight & u64::from(bits >> slot & 1).wrapping_neg();
                // At most 2¹⁵ numbers below 2¹⁶ fit into 32 bits.
                even = even.wrapping_add(weight & EVEN);
                odd = odd.wrapping_add(weight >> 16 & EVEN);
            }
        }
        [even as u16, odd as u16, (even >> 32) as u16, (odd >> 32) as u16]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_and_no_change_of_a_bit_is_free() {
        let weights = Weights::new(&Key::from_bytes([1; 32]));
        let (a, b) = (alloc::vec![0x00ff_u16; 2044], alloc::vec![0xff00_u16; 2044]);
        let both: Vec<u16> = a.iter().zip(&b).map(|(a, b)| a | b).collect();
        let [of_a, of_b, of_both] = [&a, &b, &both].map(|bits| weights.of(bits));
        for at in 0..CHECKS {
            assert_eq!(of_a[at].wrapping_add(of_b[at]), of_both[at]);
        }
        for slot in 0..BLOCK_RECORDS {
            let mut changed = [0u16; 2044];
            changed[slot / SLOTS] = 1 << (slot % SLOTS);
            if slot % 501 == 0 || slot + 1 == BLOCK_RECORDS {
                assert_ne!(weights.of(&changed), [0; CHECKS]);
            }
        }
        assert_ne!(of_both, Weights::new(&Key::from_bytes([2; 32])).of(&both));
    }
}
