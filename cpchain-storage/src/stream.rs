//! A stream: the readings of one device or sensor group under one owner and one name.

use std::fmt;

use cpchain_crypto::{Did, Digest, Domain};

const STREAM: Domain = Domain::new("cpchain/storage/stream/v1");
/// Bytes of the longest stream name.
pub const MAX_NAME_LEN: usize = 128;

/// A name that no stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stream name has 1 to 128 bytes and no control characters")]
pub struct StreamNameError;

/// Owner and name of a stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    owner: Did,
    name: String,
}

impl StreamId {
    /// The stream `name` of `owner`.
    ///
    /// # Errors
    /// [`StreamNameError`].
    pub fn new(owner: Did, name: impl Into<String>) -> Result<Self, StreamNameError> {
        let name = name.into();
        if name.is_empty() || name.len() > MAX_NAME_LEN || name.chars().any(char::is_control) {
            return Err(StreamNameError);
        }
        Ok(Self { owner, name })
    }

    /// Who signs its manifests and vouchers.
    pub const fn owner(&self) -> Did {
        self.owner
    }

    /// Its name, unique for this owner.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of owner and name that stands in block headers and vouchers.
    pub fn digest(&self) -> Digest {
        Digest::of(STREAM, &[&self.owner.public_key().0, self.name.as_bytes()])
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}
