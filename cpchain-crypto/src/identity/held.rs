//! A credential as its holder keeps it: with all attributes and salts.

use alloc::{string::String, vec::Vec};
use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{hash::Digest, merkle, sign::Signer};

use super::{
    credential::{
        CREDENTIAL_LEN, Credential, CredentialError, MAX_ATTRIBUTES, SALT_LEN, attribute_hash, is_within_bounds,
    },
    layout::{HEADER_LEN, Kind, Reader, RecordError, header},
    presentation::{self, Challenge, PresentationError},
    speaker::Speaker,
};

/// One attested attribute with the salt that hides it. Wiped when dropped; prints its name alone.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Attribute {
    name: String,
    value: Vec<u8>,
    salt: [u8; SALT_LEN],
}

impl Attribute {
    pub(super) fn new(name: &str, value: &[u8], salt: [u8; SALT_LEN]) -> Self {
        Self { name: name.into(), value: value.into(), salt }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value, in the issuer's encoding.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    pub(super) const fn salt(&self) -> &[u8; SALT_LEN] {
        &self.salt
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attribute({:?})", self.name)
    }
}

/// A credential with everything that the holder may show of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldCredential {
    credential: Credential,
    attributes: Vec<Attribute>,
}

/// The salted hashes in order: the leaves under the root.
pub(super) fn hashes(attributes: &[Attribute]) -> Vec<Digest> {
    let hash = |(index, a): (u8, &Attribute)| attribute_hash(index, &a.salt, &a.name, &a.value);
    (0..).zip(attributes).map(hash).collect()
}

impl HeldCredential {
    pub(super) const fn new(credential: Credential, attributes: Vec<Attribute>) -> Self {
        Self { credential, attributes }
    }

    /// The part that is shown whole.
    pub const fn credential(&self) -> &Credential {
        &self.credential
    }

    /// All attributes, in the issuer's order.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// Is it signed by this issuer, in force at `at_ms`, and do the attributes belong to it?
    ///
    /// # Errors
    /// Those of [`Credential::verify`], and [`CredentialError::WrongAttributes`].
    pub fn check(&self, issuer: &Speaker, at_ms: u64) -> Result<(), CredentialError> {
        self.credential.verify(issuer, at_ms)?;
        let belongs = self.credential.count() == self.attributes.len()
            && self.credential.root() == merkle::root(&hashes(&self.attributes));
        if belongs { Ok(()) } else { Err(CredentialError::WrongAttributes) }
    }

    /// Shows the attributes of these names, and no other, to whoever asked with `challenge`. `holder` signs with the key that
    /// speaks for the subject.
    ///
    /// # Errors
    /// [`PresentationError::UnknownAttribute`].
    pub fn present(
        &self,
        names: &[&str],
        challenge: &Challenge,
        holder: &dyn Signer,
    ) -> Result<Vec<u8>, PresentationError> {
        if !names.iter().all(|name| self.attributes.iter().any(|attribute| attribute.name == *name)) {
            return Err(PresentationError::UnknownAttribute);
        }
        let leaves = hashes(&self.attributes);
        let mut shown = Vec::with_capacity(names.len());
        for (index, attribute) in self.attributes.iter().enumerate() {
            if names.contains(&attribute.name.as_str()) {
                let path = merkle::path(&leaves, index).ok_or(PresentationError::UnknownAttribute)?;
                shown.push((u8::try_from(index).map_err(|_| PresentationError::UnknownAttribute)?, attribute, path));
            }
        }
        presentation::write(&self.credential, challenge, &shown, holder)
    }

    /// The bytes to store: secret, as they hold the salts. Layout: header with the number of attributes, credential, then for each
    /// attribute the length of its name (1 byte), the length of its value (2), salt, name, value.
    pub fn to_bytes(&self) -> zeroize::Zeroizing<Vec<u8>> {
        let lengths = self.attributes.iter().map(|a| 3 + SALT_LEN + a.name.len() + a.value.len());
        // Sized at once, so that no copy of the salts is left behind by growing.
        let length = HEADER_LEN + CREDENTIAL_LEN + lengths.sum::<usize>();
        let mut out = zeroize::Zeroizing::new(Vec::with_capacity(length));
        out.extend_from_slice(&header(Kind::HeldCredential, [self.attributes.len() as u8, 0, 0]));
        out.extend_from_slice(&self.credential.to_bytes());
        for Attribute { name, value, salt } in &self.attributes {
            out.push(name.len() as u8);
            out.extend_from_slice(&(value.len() as u16).to_le_bytes());
            out.extend_from_slice(salt);
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(value);
        }
        out
    }

    /// The inverse of [`to_bytes`](Self::to_bytes). Follow it with [`check`](Self::check) if the bytes came from elsewhere.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let ([count, 0, 0], mut fields) = Reader::open(bytes, Kind::HeldCredential)? else {
            return Err(RecordError::Format);
        };
        let credential = Credential::from_bytes(fields.slice(CREDENTIAL_LEN)?)?;
        if usize::from(count) != credential.count() || usize::from(count) > MAX_ATTRIBUTES {
            return Err(RecordError::Field("count"));
        }
        let mut attributes = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let [name_len] = fields.array()?;
            let value_len = u16::from_le_bytes(fields.array()?);
            let salt = fields.array()?;
            let name = core::str::from_utf8(fields.slice(usize::from(name_len))?);
            let name = name.map_err(|_| RecordError::Field("name"))?;
            let value = fields.slice(usize::from(value_len))?;
            if !is_within_bounds(name, value) {
                return Err(RecordError::Field("attribute"));
            }
            attributes.push(Attribute::new(name, value, salt));
        }
        fields.end()?;
        Ok(Self { credential, attributes })
    }
}
