//! ChaCha20-Poly1305 for short messages: one pass of the cipher for the one-time key and the first bytes of the text, and a
//! Poly1305 without set-up. The bytes are those of RFC 8439 like any other's.

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit, StreamCipher},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::{AeadError, Nonce, Tag, poly1305::Poly1305};

/// Bytes of associated data and text up to which this path is the faster one: the two meet near 4.5 KiB (`lab crypto`), and
/// a leaf of a sealed block with its header is just below.
pub(super) const MAX_LEN: usize = 4352;

/// Four blocks of key stream, which the vector units make at once: the one-time key's and three of the text's.
const FIRST: usize = 256;
const BLOCK: usize = 64;

/// The cipher of one message after its first pass.
struct Message {
    rest: ChaCha20,
    first: [u8; FIRST],
}

impl Message {
    fn new(key: &[u8; 32], nonce: &Nonce) -> Self {
        let mut rest = ChaCha20::new(key.into(), &nonce.0.into());
        let mut first = [0; FIRST];
        rest.apply_keystream(&mut first);
        Self { rest, first }
    }

    fn authenticator(&self) -> Poly1305 {
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(&self.first) {
            *to = *from;
        }
        let poly = Poly1305::new(&key);
        key.zeroize();
        poly
    }

    fn apply(&mut self, text: &mut [u8]) {
        let (head, tail) = text.split_at_mut(text.len().min(FIRST - BLOCK));
        for (byte, stream) in head.iter_mut().zip(self.first.iter().skip(BLOCK)) {
            *byte ^= stream;
        }
        if !tail.is_empty() {
            self.rest.apply_keystream(tail);
        }
    }

    fn tag(&self, associated: &[u8], cipher_text: &[u8]) -> Tag {
        let mut poly = self.authenticator();
        poly.update_padded(associated);
        poly.update_padded(cipher_text);
        poly.update_lengths(associated.len(), cipher_text.len());
        Tag(poly.finish())
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.first.zeroize();
    }
}

/// As [`Aead::seal`](super::Aead::seal).
pub(super) fn seal(key: &[u8; 32], nonce: &Nonce, associated: &[u8], buffer: &mut [u8]) -> Tag {
    let mut message = Message::new(key, nonce);
    message.apply(buffer);
    message.tag(associated, buffer)
}

/// As [`Aead::open`](super::Aead::open), but leaves the buffer as it was on failure.
pub(super) fn open(
    key: &[u8; 32],
    nonce: &Nonce,
    associated: &[u8],
    buffer: &mut [u8],
    tag: &Tag,
) -> Result<(), AeadError> {
    let mut message = Message::new(key, nonce);
    if !bool::from(message.tag(associated, buffer).0.ct_eq(&tag.0)) {
        return Err(AeadError);
    }
    message.apply(buffer);
    Ok(())
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::{AeadInOut, KeyInit};
    use proptest::prelude::*;

    use super::*;

    fn the_crate(key: [u8; 32], nonce: &Nonce, associated: &[u8], buffer: &mut [u8]) -> Tag {
        let cipher = chacha20poly1305::ChaCha20Poly1305::new(&key.into());
        Tag(cipher.encrypt_inout_detached(&nonce.0.into(), associated, buffer.into()).unwrap().into())
    }

    fn check(key: [u8; 32], nonce: Nonce, associated: &[u8], text: &[u8]) {
        let (mut ours, mut theirs) = (text.to_vec(), text.to_vec());
        let tag = seal(&key, &nonce, associated, &mut ours);
        assert_eq!(tag, the_crate(key, &nonce, associated, &mut theirs));
        assert_eq!(ours, theirs);
        open(&key, &nonce, associated, &mut ours, &tag).unwrap();
        assert_eq!(ours, text);
    }

    /// Also beyond the threshold: the two paths agree wherever it lies.
    #[test]
    #[cfg_attr(miri, ignore = "long loops over safe code")]
    fn equals_the_crate_on_every_length() {
        for length in (0..700).chain(MAX_LEN - 40..MAX_LEN + 40) {
            let text: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
            check([length as u8; 32], Nonce::counter(length as u64, 1), &text[..length % 67], &text);
        }
    }

    /// Limbs full of ones, and sums at and around the prime.
    #[test]
    #[cfg_attr(miri, ignore = "long loops over safe code")]
    fn equals_the_crate_at_the_edges_of_the_field() {
        for r in [[0xff; 16], [0; 16], [1; 16]] {
            for pad in [[0xff; 16], [0; 16]] {
                let key: [u8; 32] = [r, pad].concat().try_into().unwrap();
                for fill in [0x00, 0x01, 0x7f, 0x80, 0xfa, 0xfb, 0xfc, 0xfe, 0xff] {
                    for length in [0, 1, 15, 16, 17, 32, 48, 64, 255] {
                        let data = vec![fill; length];
                        let mut ours = Poly1305::new(&key);
                        ours.update_padded(&data);
                        let mut theirs: poly1305::Poly1305 = KeyInit::new(&key.into());
                        poly1305::universal_hash::UniversalHash::update_padded(&mut theirs, &data);
                        let theirs = poly1305::universal_hash::UniversalHash::finalize(theirs);
                        assert_eq!(ours.finish(), theirs.as_slice(), "{fill:x} {length}");
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn equals_the_crate(key: [u8; 32], nonce: [u8; 12], associated in prop::collection::vec(any::<u8>(), 0..200), text in prop::collection::vec(any::<u8>(), 0..6000)) {
            check(key, Nonce(nonce), &associated, &text);
        }

        #[test]
        fn a_changed_bit_is_found(length in 1usize..600, at: prop::sample::Index, bit in 0u8..8) {
            let (key, nonce) = ([3; 32], Nonce::counter(9, 9));
            let mut sealed = vec![5; length + 16];
            let (text, tag) = sealed.split_at_mut(length);
            tag.copy_from_slice(&seal(&key, &nonce, b"header", text).0);
            sealed[at.index(length + 16)] ^= 1 << bit;
            let (text, tag) = sealed.split_at_mut(length);
            prop_assert_eq!(open(&key, &nonce, b"header", text, &Tag(tag.try_into().unwrap())), Err(AeadError));
        }
    }
}
