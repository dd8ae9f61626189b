//! Signed records: a body, its signature, and nothing in between that could be encoded twice.
//!
//! Rules, each held by a test below: a [`Signed`] value exists only verified; its bytes are those that were signed, also
//! after a round trip; the signature covers the [`Record::DOMAIN`], so that one kind of record never passes for another.

use std::ops::Deref;

use bytes::Bytes;
use cpchain_crypto::{Digest, Domain, PublicKey, Signature, SignatureError, Signer};
use prost::Message as _;

use crate::wire::SignedRecord;

const RECORD_ID: Domain = Domain::new("cpchain/otp/record-id/v1");

/// Why a record was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Longer than its kind may be.
    #[error("the record has {found} bytes, at most {most} are allowed")]
    TooLong {
        /// Its length.
        found: usize,
        /// The bound of its kind.
        most: usize,
    },
    /// The bytes are not a record of this kind.
    #[error("the record cannot be read: {0}")]
    Malformed(&'static str),
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A key was asked to sign a record that names another signer.
    #[error("the record names another signer than the key that should sign it")]
    WrongSigner,
}

/// A kind of record that somebody signs.
pub trait Record: Sized {
    /// What the signature is for.
    const DOMAIN: Domain;
    /// The longest body, in bytes.
    const MAX_LEN: usize;

    /// Whose signature it needs; part of the body.
    fn signer(&self) -> PublicKey;

    /// The body.
    fn to_body(&self) -> Vec<u8>;

    /// Reads a body and checks every bound on it.
    ///
    /// # Errors
    /// [`RecordError::Malformed`] names what is wrong.
    fn from_body(body: &[u8]) -> Result<Self, RecordError>;
}

/// A record with a signature that holds. Dereferences to the record.
///
/// ```
/// use cpchain_crypto::{Digest, Signer, SigningKey};
/// use cpchain_otp::{Signed, records::Registration};
/// let key = SigningKey::from_seed(&[1; 32]);
/// let record = Registration { owner: key.public_key(), name: "weather".into(), root: Digest::content(b"x"), sequence: 1 };
/// let signed = Signed::sign(record, &key)?;
/// let read = Signed::<Registration>::from_bytes(&signed.to_bytes())?;
/// assert_eq!(read.name, "weather");
/// # Ok::<(), cpchain_otp::RecordError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<T> {
    record: T,
    body: Bytes,
    signature: Signature,
}

impl<T: Record> Signed<T> {
    /// Signs a record.
    ///
    /// # Errors
    /// [`RecordError::WrongSigner`] if the record names another key; the errors of [`from_bytes`](Self::from_bytes)
    /// if it breaks a bound of its kind.
    pub fn sign(record: T, signer: &dyn Signer) -> Result<Self, RecordError> {
        if record.signer() != signer.public_key() {
            return Err(RecordError::WrongSigner);
        }
        let body = Bytes::from(record.to_body());
        let signature = signer.sign(T::DOMAIN, &body);
        Self::verify(body, signature)
    }

    /// Reads and verifies what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`RecordError`]; the length is judged first, the signature last.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let most = T::MAX_LEN + 128;
        if bytes.len() > most {
            return Err(RecordError::TooLong { found: bytes.len(), most });
        }
        let record = SignedRecord::decode(bytes).map_err(|_| RecordError::Malformed("not a signed record"))?;
        Self::from_message(record)
    }

    pub(crate) fn from_message(record: SignedRecord) -> Result<Self, RecordError> {
        let signature = Signature::from_slice(&record.signature).ok_or(RecordError::Malformed("signature length"))?;
        Self::verify(record.body, signature)
    }

    fn verify(body: Bytes, signature: Signature) -> Result<Self, RecordError> {
        if body.len() > T::MAX_LEN {
            return Err(RecordError::TooLong { found: body.len(), most: T::MAX_LEN });
        }
        let record = T::from_body(&body)?;
        record.signer().verify(T::DOMAIN, &body, &signature)?;
        Ok(Self { record, body, signature })
    }

    /// The bytes to send or store.
    pub fn to_bytes(&self) -> Bytes {
        let signature = Bytes::copy_from_slice(&self.signature.0);
        SignedRecord { body: self.body.clone(), signature }.encode_to_vec().into()
    }

    /// The id: a hash of kind and body, not of the signature.
    pub fn id(&self) -> Digest {
        Digest::of(RECORD_ID, &[T::DOMAIN.as_str().as_bytes(), &self.body])
    }

    /// The body as it was signed.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The signature over the body.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The record without its signature.
    pub fn into_inner(self) -> T {
        self.record
    }
}

impl<T> Deref for Signed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.record
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::SigningKey;
    use proptest::prelude::*;

    use super::*;
    use crate::records::{Label, Registration};

    fn signed() -> (SigningKey, Signed<Registration>) {
        let key = SigningKey::from_seed(&[1; 32]);
        let record =
            Registration { owner: key.public_key(), name: "weather".into(), root: Digest::content(b"x"), sequence: 1 };
        let signed = Signed::sign(record, &key).unwrap();
        (key, signed)
    }

    #[test]
    fn only_the_named_signer_signs_and_another_kind_is_refused() {
        let (_, record) = signed();
        let other = SigningKey::from_seed(&[2; 32]);
        assert_eq!(Signed::sign(record.clone().into_inner(), &other), Err(RecordError::WrongSigner));
        assert!(Signed::<Label>::from_bytes(&record.to_bytes()).is_err());
    }

    #[test]
    fn unknown_fields_stay_under_the_signature() {
        let (key, record) = signed();
        let mut body = record.body().to_vec();
        body.extend([0xf8, 0x01, 5]); // Field 31 of a later version.
        let signature = Bytes::copy_from_slice(&key.sign(Registration::DOMAIN, &body).0);
        let bytes = SignedRecord { body: body.clone().into(), signature }.encode_to_vec();
        let read = Signed::<Registration>::from_bytes(&bytes).unwrap();
        assert_eq!((read.body().as_ref(), read.to_bytes().as_ref()), (body.as_slice(), bytes.as_slice()));
        assert_ne!(read.id(), record.id());
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_found(at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let (_, record) = signed();
            let mut bytes = record.to_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(Signed::<Registration>::from_bytes(&bytes).is_err());
        }

        #[test]
        fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Signed::<Registration>::from_bytes(&bytes);
        }
    }
}
