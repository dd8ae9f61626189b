use cpchain_crypto::{Digest, Domain, PublicKey};
use prost::Message as _;

use super::{bytes, digest, key};
use crate::{
    signed::{Record, RecordError},
    uri::is_name,
    wire,
};

/// Binds a name of an owner to a root. The one with the highest sequence counts, as ordered on the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Whose name it is.
    pub owner: PublicKey,
    /// 1 to 63 of `a-z`, `0-9`, `-`, `.`, starting with a letter or digit.
    pub name: String,
    /// What it means now: an object, or the head of a stream.
    pub root: Digest,
    /// Counts up with each change.
    pub sequence: u64,
}

impl Record for Registration {
    const DOMAIN: Domain = Domain::new("cpchain/otp/registration/v1");
    const MAX_LEN: usize = 256;

    fn signer(&self) -> PublicKey {
        self.owner
    }

    fn to_body(&self) -> Vec<u8> {
        wire::Registration {
            owner: bytes(self.owner.0),
            name: self.name.clone(),
            root: bytes(self.root),
            sequence: self.sequence,
        }
        .encode_to_vec()
    }

    fn from_body(body: &[u8]) -> Result<Self, RecordError> {
        let read = wire::Registration::decode(body).map_err(|_| RecordError::Malformed("not a registration"))?;
        if !is_name(&read.name) {
            return Err(RecordError::Malformed("not a name that can be registered"));
        }
        Ok(Self { owner: key(&read.owner)?, root: digest(&read.root)?, name: read.name, sequence: read.sequence })
    }
}
