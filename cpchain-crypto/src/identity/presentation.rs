//! Showing chosen attributes of a credential to one verifier, once.
//!
//! The verifier sends a [`Challenge`] with a fresh nonce. The holder answers with the credential, the chosen attributes with
//! their salts and Merkle paths, and a signature of the subject's key over all of it and the challenge. Verifying needs no heap,
//! so that a lock or a charging station can do it.
//!
//! Rules and the tests that hold them (`tests/identity_credential.rs`):
//! - Nothing but the chosen attributes is in the bytes (`what_is_not_shown_is_not_there`).
//! - Each attribute is one that the issuer signed at that place; none is shown twice (`a_changed_presentation_is_refused`).
//! - Only the subject can show it (`a_thief_of_the_bytes_shows_nothing`).
//! - It answers one challenge of one verifier: a recorded answer to another is refused (`a_presentation_is_not_replayed`).
//!   The verifier must forget a nonce once it was answered.

use crate::{
    entropy::{Entropy, EntropyError},
    hash::{Digest, Domain},
    merkle,
    sign::{Signature, SignatureError},
};

use super::{
    credential::{
        CREDENTIAL_LEN, Credential, CredentialError, MAX_ATTRIBUTES, SALT_LEN, attribute_hash, is_within_bounds,
    },
    did::Did,
    layout::{Kind, Reader, RecordError},
    speaker::Speaker,
};

/// Longest path in a list of [`MAX_ATTRIBUTES`].
const MAX_PATH: usize = MAX_ATTRIBUTES.ilog2() as usize;
const SHOWS: Domain = Domain::new("cpchain/crypto/identity/presentation/v1");

/// Why a presentation is not made or not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PresentationError {
    /// Not an encoding of a presentation.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The credential in it is not good.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// It answers another challenge, or another verifier's.
    #[error("the presentation does not answer this challenge")]
    WrongChallenge,
    /// The holder that it is judged for is not the credential's subject.
    #[error("the credential is about somebody else than this holder")]
    WrongHolder,
    /// The signature is not the holder's.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// An attribute is not one that the issuer signed.
    #[error("attribute {index} is not one that the issuer signed")]
    WrongAttribute {
        /// Its place in the credential.
        index: u8,
    },
    /// The credential has no attribute of a name that shall be shown.
    #[error("the credential has no attribute of that name")]
    UnknownAttribute,
}

/// What a verifier asks with: who it is, and a nonce that it never used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// Who asks. The holder looks whether it is whom it talks to: else an answer could be passed on to somebody else.
    pub verifier: Did,
    /// 32 random bytes.
    pub nonce: [u8; 32],
}

impl Challenge {
    /// A fresh challenge of `verifier`.
    ///
    /// # Errors
    /// [`EntropyError`] when the source fails.
    pub fn generate(verifier: Did, entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let mut nonce = [0; 32];
        entropy.fill(&mut nonce)?;
        Ok(Self { verifier, nonce })
    }
}

/// An attribute that was shown and verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value, in the issuer's encoding.
    pub value: &'a [u8],
}

/// A presentation over borrowed bytes: in its bounds, not yet judged. Needs no heap.
///
/// ```
/// # #[cfg(feature = "alloc")]
/// use cpchain_crypto::{Did, SeededEntropy, Signer, SigningKey};
/// # #[cfg(feature = "alloc")]
/// use cpchain_crypto::identity::{credential::Terms, presentation::{Challenge, Presentation}};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # #[cfg(feature = "alloc")] {
/// let key = |seed| SigningKey::from_seed(&[seed; 32]);
/// let did = |seed| Did::from(key(seed).public_key());
/// let (issuer, driver, station) = (1, 2, 3);
/// let mut entropy = SeededEntropy::new(&[9; 32]);
/// let terms = Terms { issuer: did(issuer), subject: did(driver), from_ms: 0, until_ms: 1_000 };
/// let held = terms.issue(&key(issuer), &[("name", b"Ada"), ("class", b"electric")], &mut entropy)?;
///
/// let challenge = Challenge::generate(did(station), &mut entropy)?;
/// let answer = held.present(&["class"], &challenge, &key(driver))?;
///
/// let shown = Presentation::parse(&answer)?.verify(&did(issuer).into(), &did(driver).into(), &challenge, 500)?;
/// assert_eq!(shown.value("class"), Some(&b"electric"[..]));
/// assert_eq!(shown.value("name"), None);
/// # }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presentation<'a> {
    signed: &'a [u8],
    credential: Credential,
    challenge: Challenge,
    items: Items<'a>,
    signature: Signature,
}

/// What a verified presentation shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disclosed<'a> {
    credential: Credential,
    items: Items<'a>,
}

impl<'a> Presentation<'a> {
    /// Reads what `HeldCredential::present` (feature `alloc`) wrote.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let signed = bytes.get(..bytes.len().saturating_sub(64)).ok_or(RecordError::Length)?;
        let ([count, 0, 0], mut fields) = Reader::open(signed, Kind::Presentation)? else {
            return Err(RecordError::Format);
        };
        let credential = Credential::from_bytes(fields.slice(CREDENTIAL_LEN)?)?;
        let challenge = Challenge { verifier: fields.did()?, nonce: fields.array()? };
        let items = Items { count, bytes: fields.rest() };
        items.check(credential.count())?;
        let signature = bytes.last_chunk().map(|last| Signature(*last)).ok_or(RecordError::Length)?;
        Ok(Self { signed, credential, challenge, items, signature })
    }

    /// The credential that is shown, not yet judged: says which issuer and subject to look up.
    pub const fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Judges all of it: issuer, holder, challenge, time (milliseconds since 1970-01-01 UTC), and each attribute.
    ///
    /// # Errors
    /// [`PresentationError`].
    pub fn verify(
        &self,
        issuer: &Speaker,
        holder: &Speaker,
        challenge: &Challenge,
        at_ms: u64,
    ) -> Result<Disclosed<'a>, PresentationError> {
        if self.challenge != *challenge {
            return Err(PresentationError::WrongChallenge);
        }
        if holder.identity() != self.credential.terms().subject {
            return Err(PresentationError::WrongHolder);
        }
        self.credential.verify(issuer, at_ms)?;
        holder.verify(SHOWS, self.signed, &self.signature)?;
        let (root, count) = (self.credential.root(), self.credential.count() as u64);
        for Item { index, salt, shown, path } in self.items.iter() {
            let leaf = attribute_hash(index, &salt, shown.name, shown.value);
            let mut siblings = [Digest::ZERO; MAX_PATH];
            siblings.iter_mut().zip(path).for_each(|(place, sibling)| *place = Digest(*sibling));
            let proven = siblings
                .get(..path.len())
                .is_some_and(|siblings| merkle::verify(root, leaf, u64::from(index), count, siblings));
            if !proven {
                return Err(PresentationError::WrongAttribute { index });
            }
        }
        Ok(Disclosed { credential: self.credential, items: self.items })
    }
}

impl<'a> Disclosed<'a> {
    /// The credential that it is from.
    pub const fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The attributes that were shown, in the issuer's order.
    pub fn attributes(&self) -> impl Iterator<Item = Shown<'a>> + use<'a> {
        self.items.iter().map(|item| item.shown)
    }

    /// The value of one of them; `None` if it was not shown.
    pub fn value(&self, name: &str) -> Option<&'a [u8]> {
        self.attributes().find(|shown| shown.name == name).map(|shown| shown.value)
    }
}

/// The shown attributes as they stand in the bytes: index, lengths of name (1 byte), value (2) and path (1, in hashes), salt,
/// name, value, path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Items<'a> {
    count: u8,
    bytes: &'a [u8],
}

struct Item<'a> {
    index: u8,
    salt: [u8; SALT_LEN],
    shown: Shown<'a>,
    path: &'a [[u8; 32]],
}

impl<'a> Items<'a> {
    /// Are there `count` well-formed items, in ascending order, of different names, and nothing after them?
    fn check(&self, of: usize) -> Result<(), RecordError> {
        let mut fields = Reader::bare(self.bytes);
        let mut next = 0;
        for _ in 0..self.count {
            let item = Item::read(&mut fields)?;
            if item.index < next || usize::from(item.index) >= of {
                return Err(RecordError::Field("index"));
            }
            if self
                .iter()
                .take_while(|before| before.index < item.index)
                .any(|before| before.shown.name == item.shown.name)
            {
                return Err(RecordError::Field("name"));
            }
            next = item.index + 1;
        }
        fields.end()
    }

    fn iter(&self) -> impl Iterator<Item = Item<'a>> + use<'a> {
        let mut fields = Reader::bare(self.bytes);
        (0..self.count).map_while(move |_| Item::read(&mut fields).ok())
    }
}

impl<'a> Item<'a> {
    fn read(fields: &mut Reader<'a>) -> Result<Self, RecordError> {
        let [index, name_len] = fields.array()?;
        let value_len = u16::from_le_bytes(fields.array()?);
        let [path_len] = fields.array()?;
        let salt = fields.array()?;
        let name = core::str::from_utf8(fields.slice(usize::from(name_len))?);
        let name = name.map_err(|_| RecordError::Field("name"))?;
        let value = fields.slice(usize::from(value_len))?;
        if !is_within_bounds(name, value) {
            return Err(RecordError::Field("attribute"));
        }
        if usize::from(path_len) > MAX_PATH {
            return Err(RecordError::Field("path"));
        }
        let path = fields.slice(usize::from(path_len) * 32)?.as_chunks().0;
        Ok(Self { index, salt, shown: Shown { name, value }, path })
    }
}

/// Lays out and signs: header with the number of items, credential, verifier, nonce, items, signature.
#[cfg(feature = "alloc")]
pub(super) fn write(
    credential: &Credential,
    challenge: &Challenge,
    shown: &[(u8, &super::credential::Attribute, alloc::vec::Vec<Digest>)],
    holder: &dyn crate::sign::Signer,
) -> Result<alloc::vec::Vec<u8>, PresentationError> {
    let out_of_bounds = |_| PresentationError::UnknownAttribute;
    let count = u8::try_from(shown.len()).map_err(out_of_bounds)?;
    let mut out = alloc::vec::Vec::new();
    out.extend_from_slice(&super::layout::header(Kind::Presentation, [count, 0, 0]));
    out.extend_from_slice(&credential.to_bytes());
    out.extend_from_slice(&challenge.verifier.public_key().0);
    out.extend_from_slice(&challenge.nonce);
    for (index, attribute, path) in shown {
        out.push(*index);
        out.push(u8::try_from(attribute.name().len()).map_err(out_of_bounds)?);
        out.extend_from_slice(&u16::try_from(attribute.value().len()).map_err(out_of_bounds)?.to_le_bytes());
        out.push(u8::try_from(path.len()).map_err(out_of_bounds)?);
        out.extend_from_slice(attribute.salt());
        out.extend_from_slice(attribute.name().as_bytes());
        out.extend_from_slice(attribute.value());
        path.iter().for_each(|sibling| out.extend_from_slice(&sibling.0));
    }
    let signature = holder.sign(SHOWS, &out);
    out.extend_from_slice(&signature.0);
    Ok(out)
}
