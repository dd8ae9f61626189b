//! Signed statements about the keys of one identity: a rotation to a new key, or the end of the last one.
//!
//! An identity is the `did:key` of its first key and keeps that name for ever. Each record has a sequence number, one more
//! than the last. A rotation is signed by the key that leaves **and** by the key that comes, so that nobody can be given a
//! key, nor claim one, without holding it. A revocation is signed by the key that it ends.

use crate::{
    hash::{Digest, Domain},
    sign::{PublicKey, Signature, SignatureError, Signer},
};

use super::{
    did::Did,
    layout::{Kind, Reader, RecordError, Writer, header},
};

/// Encoded bytes of a [`SignedRotation`].
pub const ROTATION_LEN: usize = 248;
/// Encoded bytes of a [`SignedRevocation`].
pub const REVOCATION_LEN: usize = 152;

const ROTATION_BODY: usize = ROTATION_LEN - 128;
const REVOCATION_BODY: usize = REVOCATION_LEN - 64;

const LEAVES: Domain = Domain::new("cpchain/crypto/identity/rotation-from/v1");
const COMES: Domain = Domain::new("cpchain/crypto/identity/rotation-to/v1");
const REVOKES: Domain = Domain::new("cpchain/crypto/identity/revocation/v1");
const STATEMENT: Domain = Domain::new("cpchain/crypto/identity/key-statement/v1");

/// A signer was given whose key is not the one that the statement names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signer's key is not the one that the statement names")]
pub struct WrongSigner;

/// From `since_ms` on, `to` speaks for `identity` in place of `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Whose key changes: the `did:key` of the first key.
    pub identity: Did,
    /// 1 for the first record of the identity, then one more each time.
    pub sequence: u64,
    /// When the new key begins to speak, milliseconds since 1970-01-01 UTC; later than in the record before.
    pub since_ms: u64,
    /// The key that spoke until then.
    pub from: PublicKey,
    /// The key that speaks from then on.
    pub to: PublicKey,
}

/// From `since_ms` on, nobody speaks for `identity` any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Whose key ends: the `did:key` of the first key.
    pub identity: Did,
    /// One more than the record before, 1 if there is none.
    pub sequence: u64,
    /// When the key ceases to speak, milliseconds since 1970-01-01 UTC; later than in the record before.
    pub since_ms: u64,
    /// The key that ends.
    pub key: PublicKey,
    /// Why.
    pub reason: RevocationReason,
}

/// Why a key was revoked; the number stands in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RevocationReason {
    /// Not said.
    Unspecified = 0,
    /// Somebody else may hold the key.
    Compromised = 1,
    /// The device is out of service.
    Retired = 2,
}

/// A [`Rotation`] with both signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedRotation {
    /// What is said.
    pub statement: Rotation,
    /// By the key that leaves.
    pub leaves: Signature,
    /// By the key that comes: it is held by whoever asks for it.
    pub comes: Signature,
}

/// A [`Revocation`] with its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedRevocation {
    /// What is said.
    pub statement: Revocation,
    /// By the key that ends.
    pub signature: Signature,
}

/// A record of either kind, as it is stored and sent. Signatures are judged by [`verify`](Self::verify), the order by
/// [`KeyHistory`](super::KeyHistory).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRecord {
    /// The key changes.
    Rotation(SignedRotation),
    /// The last key ends.
    Revocation(SignedRevocation),
}

impl Rotation {
    fn body(&self) -> [u8; ROTATION_BODY] {
        Writer::new()
            .put(&header(Kind::Rotation, [0; 3]))
            .put(&self.identity.public_key().0)
            .put(&self.sequence.to_le_bytes())
            .put(&self.since_ms.to_le_bytes())
            .put(&self.from.0)
            .put(&self.to.0)
            .finish()
    }

    /// Signs with the key that leaves and the key that comes.
    ///
    /// # Errors
    /// [`WrongSigner`] if a signer is not the one of `from` and `to`.
    pub fn sign(self, leaves: &dyn Signer, comes: &dyn Signer) -> Result<SignedRotation, WrongSigner> {
        if leaves.public_key() != self.from || comes.public_key() != self.to {
            return Err(WrongSigner);
        }
        let body = self.body();
        Ok(SignedRotation { statement: self, leaves: leaves.sign(LEAVES, &body), comes: comes.sign(COMES, &body) })
    }
}

impl Revocation {
    fn body(&self) -> [u8; REVOCATION_BODY] {
        Writer::new()
            .put(&header(Kind::Revocation, [self.reason as u8, 0, 0]))
            .put(&self.identity.public_key().0)
            .put(&self.sequence.to_le_bytes())
            .put(&self.since_ms.to_le_bytes())
            .put(&self.key.0)
            .finish()
    }

    /// Signs with the key that ends. Made in advance and kept apart it can end a lost key too, at a price: it holds from its own
    /// `since_ms`, so all that the key signed since then falls; and once a rotation has taken its sequence it is a fork. Keep
    /// it as secret as the key, and destroy it before you rotate.
    ///
    /// # Errors
    /// [`WrongSigner`] if the signer is not the one of `key`.
    pub fn sign(self, key: &dyn Signer) -> Result<SignedRevocation, WrongSigner> {
        if key.public_key() != self.key {
            return Err(WrongSigner);
        }
        Ok(SignedRevocation { statement: self, signature: key.sign(REVOKES, &self.body()) })
    }
}

impl SignedRotation {
    /// The fixed layout: header, identity, sequence, since, from, to, the two signatures.
    pub fn to_bytes(&self) -> [u8; ROTATION_LEN] {
        Writer::new().put(&self.statement.body()).put(&self.leaves.0).put(&self.comes.0).finish()
    }
}

impl SignedRevocation {
    /// The fixed layout: header with the reason, identity, sequence, since, key, signature.
    pub fn to_bytes(&self) -> [u8; REVOCATION_LEN] {
        Writer::new().put(&self.statement.body()).put(&self.signature.0).finish()
    }
}

impl KeyRecord {
    /// Whose keys it is about.
    pub const fn identity(&self) -> Did {
        match self {
            Self::Rotation(record) => record.statement.identity,
            Self::Revocation(record) => record.statement.identity,
        }
    }

    /// Its place among the records of the identity, from 1.
    pub const fn sequence(&self) -> u64 {
        match self {
            Self::Rotation(record) => record.statement.sequence,
            Self::Revocation(record) => record.statement.sequence,
        }
    }

    /// From when it holds, milliseconds since 1970-01-01 UTC.
    pub const fn since_ms(&self) -> u64 {
        match self {
            Self::Rotation(record) => record.statement.since_ms,
            Self::Revocation(record) => record.statement.since_ms,
        }
    }

    /// The key that spoke until then: the one that leaves or ends.
    pub const fn spoke(&self) -> PublicKey {
        match self {
            Self::Rotation(record) => record.statement.from,
            Self::Revocation(record) => record.statement.key,
        }
    }

    /// The key that speaks from then on; `None` after a revocation.
    pub const fn speaks(&self) -> Option<PublicKey> {
        match self {
            Self::Rotation(record) => Some(record.statement.to),
            Self::Revocation(_) => None,
        }
    }

    /// The digest of what is said, without the signatures: two records say the same exactly if these are equal.
    pub fn statement_digest(&self) -> Digest {
        match self {
            Self::Rotation(record) => Digest::of(STATEMENT, &[&record.statement.body()]),
            Self::Revocation(record) => Digest::of(STATEMENT, &[&record.statement.body()]),
        }
    }

    /// Are the signatures those of the named keys? Says nothing about whether those keys may speak.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self) -> Result<(), SignatureError> {
        match self {
            Self::Rotation(SignedRotation { statement, leaves, comes }) => {
                let body = statement.body();
                statement.from.verify(LEAVES, &body, leaves)?;
                statement.to.verify(COMES, &body, comes)
            }
            Self::Revocation(SignedRevocation { statement, signature }) => {
                statement.key.verify(REVOKES, &statement.body(), signature)
            }
        }
    }

    /// Reads either record, told apart by its kind.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        if let Ok((own, mut fields)) = Reader::open(bytes, Kind::Rotation) {
            if own != [0; 3] {
                return Err(RecordError::Format);
            }
            let statement = Rotation {
                identity: fields.did()?,
                sequence: fields.u64()?,
                since_ms: fields.u64()?,
                from: fields.key()?,
                to: fields.key()?,
            };
            let record = SignedRotation { statement, leaves: fields.signature()?, comes: fields.signature()? };
            fields.end()?;
            return Ok(Self::Rotation(record));
        }
        let ([reason, 0, 0], mut fields) = Reader::open(bytes, Kind::Revocation)? else {
            return Err(RecordError::Format);
        };
        let reason = match reason {
            0 => RevocationReason::Unspecified,
            1 => RevocationReason::Compromised,
            2 => RevocationReason::Retired,
            _ => return Err(RecordError::Field("reason")),
        };
        let statement = Revocation {
            identity: fields.did()?,
            sequence: fields.u64()?,
            since_ms: fields.u64()?,
            key: fields.key()?,
            reason,
        };
        let record = SignedRevocation { statement, signature: fields.signature()? };
        fields.end()?;
        Ok(Self::Revocation(record))
    }

    /// The bytes that [`from_bytes`](Self::from_bytes) reads.
    #[cfg(feature = "alloc")]
    pub fn to_vec(&self) -> alloc::vec::Vec<u8> {
        match self {
            Self::Rotation(record) => record.to_bytes().to_vec(),
            Self::Revocation(record) => record.to_bytes().to_vec(),
        }
    }
}

impl From<SignedRotation> for KeyRecord {
    fn from(record: SignedRotation) -> Self {
        Self::Rotation(record)
    }
}

impl From<SignedRevocation> for KeyRecord {
    fn from(record: SignedRevocation) -> Self {
        Self::Revocation(record)
    }
}
