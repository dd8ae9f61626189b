//! Sealed letters between keys: written by one, read by one, carried by anybody.
//!
//! A [`SealedLetter`] is a sealed box to the recipient's Ed25519 key ([`cpchain_crypto::sealed_box`]) around a [`Letter`]
//! that the sender signed. Rules:
//! - Only the recipient learns who wrote; a proxy sees the recipient, a length, and the transport key of whoever posts, which
//!   need not be the sender's (test `a_letter_goes_from_key_to_key`).
//! - A letter names its recipient under the signature: sealed anew to somebody else it is none (test
//!   `a_letter_that_was_passed_on_is_none`).
//! - A letter is known by [`Signed::id`] of what is inside: the same letter by several proxies is delivered once.
//! - The recipient refuses letters older than [`MAX_AGE_MS`] or from the future, so that what it has seen is bounded.

use bytes::Bytes;
use cpchain_crypto::{
    Digest, Domain, Entropy, PublicKey, Signer, SigningKey,
    sealed_box::{self, SealedBoxError},
};

use crate::{
    records::{Letter, MAX_LETTER},
    signed::{RecordError, Signed},
};

/// Longest sealed letter, in bytes.
pub const MAX_SEALED: usize = MAX_LETTER + 1024;
/// A letter is taken for so long after it was written, in ms (60 days).
pub const MAX_AGE_MS: u64 = 60 * 24 * 3_600_000;
/// How far a sender's clock may be ahead, in ms (a day).
const AHEAD_MS: u64 = 24 * 3_600_000;

const SEAL: Domain = Domain::new("cpchain/otp/sealed-letter/v1");

/// Why a letter was not made or is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LetterError {
    /// Not sealed to this key, or changed.
    #[error(transparent)]
    Seal(#[from] SealedBoxError),
    /// What is inside is no signed letter, or too long.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The letter inside is to somebody else.
    #[error("the letter was written to somebody else")]
    Recipient,
    /// Too old, or from the future.
    #[error("the letter is too old, or its date is ahead")]
    Date,
    /// Longer than any letter.
    #[error("a sealed letter has at most {MAX_SEALED} bytes")]
    TooLong,
}

/// A letter in its seal.
///
/// ```
/// use cpchain_crypto::{SeededEntropy, Signer, SigningKey};
/// use cpchain_otp::letters::SealedLetter;
/// let (alice, bob) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
/// let sealed = SealedLetter::seal(&alice, bob.public_key(), "come at noon".into(), 1000, &mut SeededEntropy::new(&[3; 32]))?;
/// let letter = sealed.open(&bob, 2000)?;
/// assert_eq!((letter.sender, letter.body.as_ref()), (alice.public_key(), b"come at noon".as_slice()));
/// # Ok::<(), cpchain_otp::letters::LetterError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedLetter {
    recipient: PublicKey,
    sealed: Bytes,
}

impl SealedLetter {
    /// Writes, signs and seals.
    ///
    /// # Errors
    /// [`LetterError::Record`] for a body above [`MAX_LETTER`], [`LetterError::Seal`] for a recipient key that is none.
    pub fn seal(
        sender: &dyn Signer,
        recipient: PublicKey,
        body: Bytes,
        now_ms: u64,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, LetterError> {
        let mut nonce = [0; 32];
        entropy.fill(&mut nonce).map_err(SealedBoxError::from)?;
        let letter = Letter { sender: sender.public_key(), recipient, sent_ms: now_ms, nonce: Digest(nonce), body };
        let signed = Signed::sign(letter, sender)?;
        let sealed = sealed_box::seal(&recipient, SEAL, &[], &signed.to_bytes(), entropy)?;
        Self::from_bytes(recipient, sealed.into())
    }

    /// Sealed bytes as they came.
    ///
    /// # Errors
    /// [`LetterError::TooLong`].
    pub fn from_bytes(recipient: PublicKey, sealed: Bytes) -> Result<Self, LetterError> {
        if sealed.len() > MAX_SEALED { Err(LetterError::TooLong) } else { Ok(Self { recipient, sealed }) }
    }

    /// To whom.
    pub fn recipient(&self) -> PublicKey {
        self.recipient
    }

    /// The sealed bytes.
    pub fn to_bytes(&self) -> &Bytes {
        &self.sealed
    }

    /// The hash that proxies and delivery records know it by.
    pub fn digest(&self) -> Digest {
        Digest::content(&self.sealed)
    }

    /// Opens, verifies the sender, and checks recipient and date.
    ///
    /// # Errors
    /// [`LetterError`]: it is no letter to this key.
    pub fn open(&self, recipient: &SigningKey, now_ms: u64) -> Result<Signed<Letter>, LetterError> {
        let letter = Signed::<Letter>::from_bytes(&sealed_box::open(recipient, SEAL, &[], &self.sealed)?)?;
        if letter.recipient != recipient.public_key() {
            return Err(LetterError::Recipient);
        }
        let (sent, last) = (letter.sent_ms, now_ms.saturating_add(AHEAD_MS));
        if sent > last || sent.saturating_add(MAX_AGE_MS) < now_ms {
            return Err(LetterError::Date);
        }
        Ok(letter)
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::SeededEntropy;
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn sealed(body: &'static [u8]) -> SealedLetter {
        let mut entropy = SeededEntropy::new(&[9; 32]);
        SealedLetter::seal(&key(1), key(2).public_key(), body.into(), 1000, &mut entropy).unwrap()
    }

    #[test]
    fn a_letter_goes_from_key_to_key() {
        let sealed = sealed(b"hello");
        let letter = sealed.open(&key(2), 1000).unwrap();
        assert_eq!((letter.sender, letter.body.as_ref()), (key(1).public_key(), b"hello".as_slice()));
        assert!(matches!(sealed.open(&key(3), 1000), Err(LetterError::Seal(_))));
        let shows = |what: &[u8]| sealed.to_bytes().windows(what.len()).any(|part| part == what);
        assert!(!shows(&key(1).public_key().0) && !shows(b"hello"), "neither sender nor words are seen");
        assert_eq!(sealed.open(&key(2), 1000 + MAX_AGE_MS + 1), Err(LetterError::Date));
        let early =
            SealedLetter::seal(&key(1), key(2).public_key(), Bytes::new(), u64::MAX, &mut SeededEntropy::new(&[1; 32]));
        assert_eq!(early.unwrap().open(&key(2), 0), Err(LetterError::Date));
        let long = Bytes::from(vec![0; MAX_LETTER + 1]);
        let refused = SealedLetter::seal(&key(1), key(2).public_key(), long, 0, &mut SeededEntropy::new(&[1; 32]));
        assert!(matches!(refused, Err(LetterError::Record(_))));
        assert_eq!(
            SealedLetter::from_bytes(key(2).public_key(), vec![0; MAX_SEALED + 1].into()),
            Err(LetterError::TooLong)
        );
    }

    #[test]
    fn a_letter_that_was_passed_on_is_none() {
        let letter = sealed(b"to bob").open(&key(2), 0).unwrap();
        let to_carol = key(4).public_key();
        let passed =
            sealed_box::seal(&to_carol, SEAL, &[], &letter.to_bytes(), &mut SeededEntropy::new(&[5; 32])).unwrap();
        let passed = SealedLetter::from_bytes(to_carol, passed.into()).unwrap();
        assert_eq!(passed.open(&key(4), 0), Err(LetterError::Recipient));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_flipped_bit_is_found_and_any_bytes_never_panic(
            at in any::<prop::sample::Index>(), bit in 0u8..8, bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut changed = sealed(b"hello").to_bytes().to_vec();
            let at = at.index(changed.len());
            changed[at] ^= 1 << bit;
            for bytes in [changed, bytes] {
                let sealed = SealedLetter::from_bytes(key(2).public_key(), bytes.into()).unwrap();
                prop_assert!(sealed.open(&key(2), 1000).is_err());
            }
        }
    }
}
