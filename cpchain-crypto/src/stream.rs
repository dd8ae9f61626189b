//! Bodies too long for memory, sealed piece by piece: the STREAM construction over any [`Aead`].
//!
//! STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance",
//! 2015, section 7) in the form BE32: the nonce of a piece is a prefix of 7 bytes, the number of the piece in 4 bytes, big
//! endian, and one byte that is 1 for the last piece. Other implementations of STREAM-BE32 over ChaCha20-Poly1305 make the
//! same bytes.
//!
//! Rules, and the tests that hold them (`tests/stream.rs`):
//! - a piece opens only at its own place (`pieces_that_are_moved_repeated_or_left_out_are_refused`);
//! - a body ends where it was ended: only the last piece opens as the last, and nothing opens after it, for
//!   [`StreamOpener::open_last`] takes the opener away (`a_cut_or_a_continued_body_is_refused`);
//! - `associated` is bound to its piece (`associated_data_is_bound_to_its_piece`);
//! - a body has at most 2³² pieces: the counter never returns to 0 (`the_counter_never_starts_again`, here);
//! - a piece that does not open changes nothing: the right one still does (`a_refused_piece_may_be_asked_for_again`).
//!
//! How long the pieces are is up to the two sides, and each piece may have another length; 64 KiB cost little and are soon
//! there. A key may seal several bodies if each has a prefix of its own: random ones are safe for about a million bodies
//! (2²⁰ prefixes of 56 bits meet with a chance of 2⁻¹⁷), counted ones for all 2⁵⁶.

use crate::{
    aead::{Aead, AeadError, Nonce, Tag},
    entropy::{Entropy, EntropyError},
};

/// Why a piece was not sealed or not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// It does not open at this place of this body, or is longer than the cipher allows.
    #[error(transparent)]
    Aead(#[from] AeadError),
    /// The next piece must be the last one.
    #[error("a body has at most 2^32 pieces: take longer ones")]
    TooManyPieces,
}

/// What sets a body apart from all others under the same key: 7 bytes, public, sent along with the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamPrefix(pub [u8; 7]);

impl StreamPrefix {
    /// A random prefix.
    ///
    /// # Errors
    /// [`EntropyError`] when the source fails.
    pub fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let mut prefix = [0; 7];
        entropy.fill(&mut prefix)?;
        Ok(Self(prefix))
    }
}

/// Where in a body the next piece stands.
#[derive(Debug)]
struct Place {
    prefix: StreamPrefix,
    number: u32,
}

impl Place {
    const fn nonce(&self, is_last: bool) -> Nonce {
        let [a, b, c, d, e, f, g] = self.prefix.0;
        let [h, i, j, k] = self.number.to_be_bytes();
        Nonce([a, b, c, d, e, f, g, h, i, j, k, is_last as u8])
    }

    /// The place after this one; the highest number is left to the last piece.
    fn after(&self) -> Result<u32, StreamError> {
        match self.number.checked_add(1) {
            Some(next) => Ok(next),
            None => Err(StreamError::TooManyPieces),
        }
    }
}

/// Seals the pieces of one body in order.
///
/// ```
/// use cpchain_crypto::{ChaCha20Poly1305, Key, SeededEntropy, stream::{StreamOpener, StreamPrefix, StreamSealer}};
/// # let mut entropy = SeededEntropy::new(&[1; 32]);
/// let key = Key::generate(&mut entropy)?;
/// let prefix = StreamPrefix::generate(&mut entropy)?;
///
/// let mut sealer = StreamSealer::new(ChaCha20Poly1305::new(&key), prefix);
/// let (mut first, mut last) = (*b"a long ", *b"body");
/// let first_tag = sealer.seal_next(b"", &mut first)?;
/// let last_tag = sealer.seal_last(b"", &mut last)?;
///
/// let mut opener = StreamOpener::new(ChaCha20Poly1305::new(&key), prefix);
/// opener.open_next(b"", &mut first, &first_tag)?;
/// opener.open_last(b"", &mut last, &last_tag)?;
/// assert_eq!((&first, &last), (b"a long ", b"body"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a body that is not ended by `seal_last` does not open"]
pub struct StreamSealer<A> {
    aead: A,
    place: Place,
}

impl<A: Aead> StreamSealer<A> {
    /// Begins a body. The prefix must be new under the key of `aead`, and the key must seal nothing but bodies.
    pub const fn new(aead: A, prefix: StreamPrefix) -> Self {
        Self { aead, place: Place { prefix, number: 0 } }
    }

    /// Encrypts a piece in place that is not the last one, and returns its tag.
    ///
    /// # Errors
    /// [`StreamError`].
    pub fn seal_next(&mut self, associated: &[u8], piece: &mut [u8]) -> Result<Tag, StreamError> {
        let next = self.place.after()?;
        let tag = self.aead.seal(&self.place.nonce(false), associated, piece)?;
        self.place.number = next;
        Ok(tag)
    }

    /// Encrypts the last piece (it may be empty) in place and ends the body.
    ///
    /// # Errors
    /// [`StreamError::Aead`].
    pub fn seal_last(self, associated: &[u8], piece: &mut [u8]) -> Result<Tag, StreamError> {
        Ok(self.aead.seal(&self.place.nonce(true), associated, piece)?)
    }
}

/// Opens the pieces of one body in order. What it returned is the body's beginning; the body is whole only when
/// [`open_last`](Self::open_last) has returned.
#[must_use = "a body is whole only when `open_last` has returned"]
pub struct StreamOpener<A> {
    aead: A,
    place: Place,
}

impl<A: Aead> StreamOpener<A> {
    /// Begins to open the body with this prefix.
    pub const fn new(aead: A, prefix: StreamPrefix) -> Self {
        Self { aead, place: Place { prefix, number: 0 } }
    }

    /// Decrypts the next piece in place, which must not be the last one. If it is refused it is wiped, and the same
    /// place can be tried again.
    ///
    /// # Errors
    /// [`StreamError`].
    pub fn open_next(&mut self, associated: &[u8], piece: &mut [u8], tag: &Tag) -> Result<(), StreamError> {
        let next = self.place.after()?;
        self.aead.open(&self.place.nonce(false), associated, piece, tag)?;
        self.place.number = next;
        Ok(())
    }

    /// Decrypts the last piece in place: the body is whole and nothing follows.
    ///
    /// # Errors
    /// [`StreamError::Aead`]: also if this piece is not the last one.
    pub fn open_last(self, associated: &[u8], piece: &mut [u8], tag: &Tag) -> Result<(), StreamError> {
        Ok(self.aead.open(&self.place.nonce(true), associated, piece, tag)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::{ChaCha20Poly1305, Key};

    #[test]
    fn the_counter_never_starts_again() {
        let cipher = ChaCha20Poly1305::new(&Key::from_bytes([1; 32]));
        let at = |number| Place { prefix: StreamPrefix([9; 7]), number };
        let mut sealer = StreamSealer { aead: &cipher, place: at(u32::MAX - 1) };
        let mut opener = StreamOpener { aead: &cipher, place: at(u32::MAX - 1) };
        let mut piece = [7; 20];
        let tag = sealer.seal_next(b"", &mut piece).unwrap();
        opener.open_next(b"", &mut piece, &tag).unwrap();
        assert_eq!(sealer.seal_next(b"", &mut piece), Err(StreamError::TooManyPieces));
        assert_eq!(opener.open_next(b"", &mut piece, &tag), Err(StreamError::TooManyPieces));
        assert_eq!(piece, [7; 20]);
        let tag = sealer.seal_last(b"", &mut piece).unwrap();
        opener.open_last(b"", &mut piece, &tag).unwrap();
    }

    #[test]
    fn golden_nonce() {
        let place = Place { prefix: StreamPrefix([1, 2, 3, 4, 5, 6, 7]), number: 0x0a0b_0c0d };
        assert_eq!(place.nonce(false).0, [1, 2, 3, 4, 5, 6, 7, 0x0a, 0x0b, 0x0c, 0x0d, 0]);
        assert_eq!(place.nonce(true).0, [1, 2, 3, 4, 5, 6, 7, 0x0a, 0x0b, 0x0c, 0x0d, 1]);
    }
}
