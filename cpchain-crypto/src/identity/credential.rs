//! Attributes of an identity that an issuer attests and the holder shows one by one.
//!
//! The issuer signs the root of a list of salted hashes (the idea of SD-JWT, RFC 9901, in a fixed layout). The holder shows
//! some attributes with their salts, and proves each against the root; see [`presentation`](super::presentation). White paper
//! 3.2.1 asks for this: a driver shows a charging station what it needs, and nothing else.
//!
//! Rules and the tests that hold them (`tests/identity_credential.rs`):
//! - Only what the issuer signed verifies: issuer, subject, validity and every attribute are bound
//!   (`a_changed_credential_is_refused`).
//! - An attribute that is not shown cannot be guessed: its hash has a salt of 16 random bytes
//!   (`equal_attributes_of_two_credentials_have_nothing_in_common`).
//! - The holder checks what it was given before it relies on it (`a_holder_finds_what_the_issuer_did_not_sign`).
//!
//! What is not hidden: issuer, subject, validity, the number of attributes, the place of those that are shown, and that two
//! presentations come from one credential. To be unlinkable, ask for several credentials, each for an identity of its own.
//! There is no revocation list: let a credential end soon, and issue it again.

use crate::{
    hash::{Digest, Domain},
    sign::{Signature, SignatureError},
};

use super::{
    did::Did,
    layout::{HEADER_LEN, Kind, Reader, RecordError, Writer, header},
    speaker::Speaker,
};

/// Encoded bytes of a [`Credential`].
pub const CREDENTIAL_LEN: usize = BODY_LEN + 64;
/// Most attributes of one credential.
pub const MAX_ATTRIBUTES: usize = 64;
/// Most bytes of an attribute's name.
pub const MAX_NAME_LEN: usize = 64;
/// Most bytes of an attribute's value.
pub const MAX_VALUE_LEN: usize = 1024;

pub(super) const SALT_LEN: usize = 16;
const BODY_LEN: usize = HEADER_LEN + 112;
const ISSUES: Domain = Domain::new("cpchain/crypto/identity/credential/v1");
const ATTRIBUTE: Domain = Domain::new("cpchain/crypto/identity/attribute/v1");

/// Why a credential is not made or not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// No attribute or more than 64, a name of none or more than 64 bytes or twice, a value of more than 1,024 bytes, or
    /// a validity that ends before it begins.
    #[error(
        "a credential has 1 to 64 attributes of different names, each name 1 to 64 and each value at most 1024 bytes, and ends after it begins"
    )]
    Terms,
    /// Not an encoding of a credential.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Of another issuer than the one that it is judged for.
    #[error("the credential is of another issuer")]
    WrongIssuer,
    /// The signature is not the issuer's.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Not valid yet, or not any more.
    #[error("the credential does not hold at this time")]
    NotInForce,
    /// The attributes are not those that the issuer signed.
    #[error("the attributes are not those that the issuer signed")]
    WrongAttributes,
    /// The source of randomness failed; nothing was signed.
    #[error(transparent)]
    Entropy(#[from] crate::EntropyError),
}

/// Whom a credential is about, and when it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Who attests: the `did:key` of the issuer's first key.
    pub issuer: Did,
    /// About whom.
    pub subject: Did,
    /// When it begins to hold, milliseconds since 1970-01-01 UTC.
    pub from_ms: u64,
    /// When it has ended: the first millisecond at which it does not hold.
    pub until_ms: u64,
}

/// What the issuer signed: the terms, and the root over the salted hashes of all attributes. Tells no attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential {
    terms: Terms,
    count: u8,
    root: Digest,
    signature: Signature,
}

impl Credential {
    /// Whom it is about, by whom, and when it holds.
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// How many attributes it has.
    pub const fn count(&self) -> usize {
        self.count as usize
    }

    #[cfg(feature = "alloc")]
    pub(super) fn sign(terms: Terms, count: u8, root: Digest, issuer: &dyn crate::sign::Signer) -> Self {
        let mut credential = Self { terms, count, root, signature: Signature([0; 64]) };
        credential.signature = issuer.sign(ISSUES, &credential.body());
        credential
    }

    pub(super) const fn root(&self) -> Digest {
        self.root
    }

    /// Did this issuer sign it, and does it hold at the time `at_ms`? The issuer is judged by the key of the [`Speaker`] given:
    /// with the key that speaks at `at_ms`, a rotation of the issuer ends what its old key attested.
    ///
    /// # Errors
    /// [`CredentialError::WrongIssuer`], [`CredentialError::Signature`], [`CredentialError::NotInForce`].
    pub fn verify(&self, issuer: &Speaker, at_ms: u64) -> Result<(), CredentialError> {
        if issuer.identity() != self.terms.issuer {
            return Err(CredentialError::WrongIssuer);
        }
        issuer.verify(ISSUES, &self.body(), &self.signature)?;
        if !(self.terms.from_ms..self.terms.until_ms).contains(&at_ms) {
            return Err(CredentialError::NotInForce);
        }
        Ok(())
    }

    /// The fixed layout: header with the number of attributes, issuer, subject, from, until, root, signature.
    pub fn to_bytes(&self) -> [u8; CREDENTIAL_LEN] {
        Writer::new().put(&self.body()).put(&self.signature.0).finish()
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let ([count, 0, 0], mut fields) = Reader::open(bytes, Kind::Credential)? else {
            return Err(RecordError::Format);
        };
        let terms =
            Terms { issuer: fields.did()?, subject: fields.did()?, from_ms: fields.u64()?, until_ms: fields.u64()? };
        let credential = Self { terms, count, root: fields.digest()?, signature: fields.signature()? };
        fields.end()?;
        if count == 0 || usize::from(count) > MAX_ATTRIBUTES {
            return Err(RecordError::Field("count"));
        }
        if terms.from_ms >= terms.until_ms {
            return Err(RecordError::Field("until"));
        }
        Ok(credential)
    }

    fn body(&self) -> [u8; BODY_LEN] {
        Writer::new()
            .put(&header(Kind::Credential, [self.count, 0, 0]))
            .put(&self.terms.issuer.public_key().0)
            .put(&self.terms.subject.public_key().0)
            .put(&self.terms.from_ms.to_le_bytes())
            .put(&self.terms.until_ms.to_le_bytes())
            .put(&self.root.0)
            .finish()
    }
}

/// The salted hash of the attribute at its place in the list.
pub(super) fn attribute_hash(index: u8, salt: &[u8; SALT_LEN], name: &str, value: &[u8]) -> Digest {
    Digest::of(ATTRIBUTE, &[&[index], salt, name.as_bytes(), value])
}

pub(super) fn is_within_bounds(name: &str, value: &[u8]) -> bool {
    (1..=MAX_NAME_LEN).contains(&name.len()) && value.len() <= MAX_VALUE_LEN
}

#[cfg(feature = "alloc")]
pub use super::held::{Attribute, HeldCredential};
