//! Authenticated encryption in place with a detached tag: ChaCha20-Poly1305 (RFC 8439).
//!
//! On x86-64 short messages take a path of their own (`short`), several times faster there and equal in every byte; other
//! targets have one path.

#[cfg(target_arch = "x86_64")]
mod poly1305;
#[cfg(target_arch = "x86_64")]
mod short;

use chacha20poly1305::{AeadInOut, KeyInit};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::entropy::{Entropy, EntropyError};

/// Opening failed: wrong key, nonce, associated data, tag or ciphertext. Which one is not said, on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("authenticated decryption failed: the bytes are not what was sealed under this key")]
pub struct AeadError;

/// A 32-byte symmetric key: wiped when dropped, never printed, compared in constant time.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; 32]);

/// A 12-byte nonce. The same nonce must never seal two messages under one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce(pub [u8; 12]);

/// A 16-byte authentication tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag(pub [u8; 16]);

/// Bytes that a [`Tag`] takes.
pub const TAG_LEN: usize = 16;

impl Key {
    /// Wraps key bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A fresh random key.
    ///
    /// # Errors
    /// [`EntropyError`] when the source fails.
    pub fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let mut key = Self([0; 32]);
        entropy.fill(&mut key.0)?;
        Ok(key)
    }

    /// The key bytes, for wrapping or storing the key.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Key {}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Nonce {
    /// The nonce that counts: 8 bytes of `counter`, 4 bytes of `part`, little endian.
    pub fn counter(counter: u64, part: u32) -> Self {
        let mut nonce = [0; 12];
        let (high, low) = nonce.split_at_mut(8);
        high.copy_from_slice(&counter.to_le_bytes());
        low.copy_from_slice(&part.to_le_bytes());
        Self(nonce)
    }
}

/// Seals and opens buffers in place.
pub trait Aead {
    /// Encrypts `buffer` in place and returns the tag over it and `associated`.
    ///
    /// # Errors
    /// [`AeadError`] if the buffer is longer than the cipher allows (256 GiB for ChaCha20).
    fn seal(&self, nonce: &Nonce, associated: &[u8], buffer: &mut [u8]) -> Result<Tag, AeadError>;

    /// Checks the tag, then decrypts `buffer` in place. On failure the buffer is wiped.
    ///
    /// # Errors
    /// [`AeadError`] if anything is not as it was sealed.
    fn open(&self, nonce: &Nonce, associated: &[u8], buffer: &mut [u8], tag: &Tag) -> Result<(), AeadError>;
}

impl<A: Aead + ?Sized> Aead for &A {
    fn seal(&self, nonce: &Nonce, associated: &[u8], buffer: &mut [u8]) -> Result<Tag, AeadError> {
        (**self).seal(nonce, associated, buffer)
    }

    fn open(&self, nonce: &Nonce, associated: &[u8], buffer: &mut [u8], tag: &Tag) -> Result<(), AeadError> {
        (**self).open(nonce, associated, buffer, tag)
    }
}

/// ChaCha20-Poly1305 under one key.
///
/// ```
/// use cpchain_crypto::{Aead, ChaCha20Poly1305, Key, Nonce};
/// let cipher = ChaCha20Poly1305::new(&Key::from_bytes([7; 32]));
/// let mut reading = *b"21.5 C";
/// let tag = cipher.seal(&Nonce::counter(1, 0), b"sensor 4", &mut reading)?;
/// cipher.open(&Nonce::counter(1, 0), b"sensor 4", &mut reading, &tag)?;
/// assert_eq!(&reading, b"21.5 C");
/// # Ok::<(), cpchain_crypto::AeadError>(())
/// ```
pub struct ChaCha20Poly1305 {
    cipher: chacha20poly1305::ChaCha20Poly1305,
    #[cfg(target_arch = "x86_64")]
    key: Key,
}

impl ChaCha20Poly1305 {
    /// The cipher under `key`.
    pub fn new(key: &Key) -> Self {
        Self {
            cipher: chacha20poly1305::ChaCha20Poly1305::new(&key.0.into()),
            #[cfg(target_arch = "x86_64")]
            key: Key(key.0),
        }
    }
}

impl ChaCha20Poly1305 {
    fn open_in_place(&self, nonce: &Nonce, associated: &[u8], buffer: &mut [u8], tag: &Tag) -> Result<(), AeadError> {
        #[cfg(target_arch = "x86_64")]
        if associated.len().saturating_add(buffer.len()) <= short::MAX_LEN {
            return short::open(&self.key.0, nonce, associated, buffer, tag);
        }
        self.cipher
            .decrypt_inout_detached(&nonce.0.into(), associated, buffer.into(), &tag.0.into())
            .map_err(|_| AeadError)
    }
}

impl Aead for ChaCha20Poly1305 {
    fn seal(&self, nonce: &Nonce, associated: &[u8], buffer: &mut [u8]) -> Result<Tag, AeadError> {
        #[cfg(target_arch = "x86_64")]
        if associated.len().saturating_add(buffer.len()) <= short::MAX_LEN {
            return Ok(short::seal(&self.key.0, nonce, associated, buffer));
        }
        self.cipher
            .encrypt_inout_detached(&nonce.0.into(), associated, buffer.into())
            .map(|tag| Tag(tag.into()))
            .map_err(|_| AeadError)
    }

    fn open(&self, nonce: &Nonce, associated: &[u8], buffer: &mut [u8], tag: &Tag) -> Result<(), AeadError> {
        self.open_in_place(nonce, associated, buffer, tag).inspect_err(|_| buffer.zeroize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_is_found_and_the_buffer_wiped() {
        let cipher = ChaCha20Poly1305::new(&Key::from_bytes([1; 32]));
        let nonce = Nonce::counter(0, 0);
        let mut buffer = [5; 40];
        let tag = cipher.seal(&nonce, b"", &mut buffer).unwrap();
        buffer[3] ^= 1;
        assert_eq!(cipher.open(&nonce, b"", &mut buffer, &tag), Err(AeadError));
        assert_eq!(buffer, [0; 40]);
    }
}
