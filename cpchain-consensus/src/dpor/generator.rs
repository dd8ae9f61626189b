//! The random numbers of an election: ChaCha20, and how numbers are made of its key stream.
//!
//! # Specification
//! 1. The key stream is that of ChaCha20 as in RFC 8439: the key is the 32-byte seed, the nonce is 12 zero bytes, the block
//!    counter begins at 0. It is read once, from its first byte on.
//! 2. A *word* is the next 8 bytes of the stream, read as a little-endian number.
//! 3. A number *below* n, for n from 1 to 2⁶⁴ − 1: take words x until x < 2⁶⁴ − (2⁶⁴ mod n), then it is x mod n. Every number
//!    below n is equally likely. A number below 0 or 1 is 0 and takes no word.
//!
//! `the_key_stream_is_that_of_rfc_8439` and `numbers_are_pinned` hold it. The generator of the original was Go's `math/rand`,
//! which no other language has.

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit as _, StreamCipher as _},
};

/// The generator of one election. Not for keys: whoever knows the seed knows all.
///
/// ```
/// use cpchain_consensus::dpor::generator::Generator;
/// let mut generator = Generator::new(&[7; 32]);
/// assert!(generator.below(6) < 6);
/// ```
pub struct Generator {
    stream: ChaCha20,
}

impl Generator {
    /// The generator of a seed.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self { stream: ChaCha20::new(&(*seed).into(), &[0; 12].into()) }
    }

    /// The next word of the stream. The stream has 256 GiB, which no election comes near; past them words are zero.
    pub fn word(&mut self) -> u64 {
        let mut word = [0; 8];
        // At the end of the stream the buffer is left as it is.
        let _ = self.stream.try_apply_keystream(&mut word);
        u64::from_le_bytes(word)
    }

    /// A number below `bound`, by rule 3.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        // 2⁶⁴ mod n, and the first word that is refused, in which 0 stands for 2⁶⁴.
        let excess = (u64::MAX % bound + 1) % bound;
        let end = 0u64.wrapping_sub(excess);
        loop {
            let word = self.word();
            if end == 0 || word < end {
                return word % bound;
            }
        }
    }
}

impl core::fmt::Debug for Generator {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Generator").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439, appendix A.1, test vector 1: zero key, zero nonce, counter 0.
    #[test]
    fn the_key_stream_is_that_of_rfc_8439() {
        let mut generator = Generator::new(&[0; 32]);
        let stream: Vec<u8> = (0..4).flat_map(|_| generator.word().to_le_bytes()).collect();
        let expected = [
            0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28, 0xbd, 0xd2,
            0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a, 0xa8, 0x36, 0xef, 0xcc, 0x8b, 0x77, 0x0d, 0xc7,
        ];
        assert_eq!(stream, expected);
    }

    #[test]
    fn small_and_even_bounds() {
        let mut generator = Generator::new(&[0; 32]);
        assert_eq!((generator.below(0), generator.below(1)), (0, 0));
        // No word was taken; a power of two refuses none.
        assert_eq!(generator.below(1 << 32), 0xade0_b876);
        assert_eq!(generator.below(1 << 63), 0x28bd_8653_e56a_5d40);
    }

    /// Just above half of the words would be out of range: some are refused, and none goes above the bound.
    #[test]
    fn words_that_would_favour_low_numbers_are_refused() {
        let bound = (1 << 63) + 1;
        let (mut generator, mut plain) = (Generator::new(&[1; 32]), Generator::new(&[1; 32]));
        let words: Vec<_> = (0..100).map(|_| plain.word()).filter(|word| *word < bound).collect();
        assert!((20..80).contains(&words.len()));
        for word in words {
            assert_eq!(generator.below(bound), word);
        }
    }
}
