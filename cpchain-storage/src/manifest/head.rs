//! The DHT record of a manifest: the manifest itself while it is short, else the object that it is in.

use bytes::Bytes;
use cpchain_crypto::Digest;
use prost::Message as _;

use super::{MAX_MANIFEST_LEN, Manifest, ManifestError};
use crate::{
    erasure::{CodedChunk, ErasureError, ErasureParams, encode_object},
    object::ObjectRef,
    wire,
};

/// Longest manifest that is put in the record itself; with the record's own envelope it stays below 8 KiB.
pub const MAX_INLINE_LEN: usize = 7 * 1024;

/// What a DHT record says about a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestHead {
    /// The manifest itself.
    Inline(Box<Manifest>),
    /// The object that holds its bytes.
    Stored {
        /// Where the bytes are.
        object: ObjectRef,
        /// The manifest's hash.
        hash: Digest,
    },
}

impl ManifestHead {
    /// The head of a manifest, and the chunks that must be stored for it (none for a short one).
    ///
    /// # Errors
    /// Never for a [`Manifest`]; the result is that of the coder.
    pub fn of(manifest: &Manifest) -> Result<(Self, Vec<CodedChunk>), ErasureError> {
        if manifest.bytes().len() <= MAX_INLINE_LEN {
            return Ok((Self::Inline(Box::new(manifest.clone())), Vec::new()));
        }
        let (object, chunks) = encode_object(manifest.bytes(), ErasureParams::default())?;
        Ok((Self::Stored { object, hash: manifest.hash() }, chunks))
    }

    /// The manifest's hash.
    pub fn hash(&self) -> Digest {
        match self {
            Self::Inline(manifest) => manifest.hash(),
            Self::Stored { hash, .. } => *hash,
        }
    }

    /// The bytes of the record, below 8 KiB.
    pub fn encode(&self) -> Vec<u8> {
        let wire = match self {
            Self::Inline(manifest) => {
                wire::ManifestHead { inline: manifest.bytes().to_vec(), object: None, hash: manifest.hash().0.to_vec() }
            }
            Self::Stored { object, hash } => {
                wire::ManifestHead { inline: Vec::new(), object: Some(object.into()), hash: hash.0.to_vec() }
            }
        };
        wire.encode_to_vec()
    }

    /// The inverse of [`encode`](Self::encode); an inline manifest is checked like any other.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let wire = wire::ManifestHead::decode(bytes).map_err(|_| ManifestError::Encoding)?;
        let hash = Digest::from_slice(&wire.hash).ok_or(ManifestError::Encoding)?;
        let head = match wire.object {
            None => Self::Inline(Box::new(Manifest::decode(wire.inline)?)),
            Some(_) if !wire.inline.is_empty() => {
                return Err(ManifestError::Inconsistent("the head holds a manifest and an object"));
            }
            Some(object) => Self::Stored { object: object.try_into()?, hash },
        };
        match &head {
            Self::Stored { object, .. } if object.length > MAX_MANIFEST_LEN as u64 => Err(ManifestError::TooLong),
            _ if head.hash() != hash => Err(ManifestError::Inconsistent("the head names another manifest")),
            _ => Ok(head),
        }
    }

    /// The manifest of this head, from the bytes of its object (ignored for an inline one).
    ///
    /// # Errors
    /// [`ManifestError`] if they are not that manifest.
    pub fn resolve(self, stored: Bytes) -> Result<Manifest, ManifestError> {
        match self {
            Self::Inline(manifest) => Ok(*manifest),
            Self::Stored { hash, .. } => {
                let manifest = Manifest::decode(stored)?;
                if manifest.hash() == hash {
                    Ok(manifest)
                } else {
                    Err(ManifestError::Inconsistent("the head names another manifest"))
                }
            }
        }
    }
}
