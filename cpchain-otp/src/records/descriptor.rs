use std::fmt;

use cpchain_crypto::{Digest, Domain, PublicKey};
use prost::Message as _;

use super::{bytes, key};
use crate::{
    signed::{Record, RecordError},
    wire,
};

const PROXY_ID: Domain = Domain::new("cpchain/otp/proxy-id/v1");
const MAX_ADDRESSES: usize = 8;
const MAX_ADDRESS: usize = 256;

/// The name of a proxy: a hash of its key, and so the key of its record in a DHT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyId(pub Digest);

impl From<PublicKey> for ProxyId {
    fn from(key: PublicKey) -> Self {
        Self(Digest::of(PROXY_ID, &[&key.0]))
    }
}

impl fmt::Display for ProxyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a proxy is found. [`Signed::to_bytes`](crate::Signed::to_bytes) is at most 2.5 KiB: it fits a DHT record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyDescriptor {
    /// The proxy's key.
    pub key: PublicKey,
    /// At most 8 addresses of at most 256 bytes, as the transport reads them (libp2p: multiaddresses with `/p2p/`).
    pub addresses: Vec<String>,
    /// Counts up with each change; the highest counts.
    pub sequence: u64,
    /// End of validity, ms since 1970 UTC.
    pub expires_ms: u64,
}

impl ProxyDescriptor {
    /// The id that this descriptor is stored under.
    pub fn proxy_id(&self) -> ProxyId {
        self.key.into()
    }
}

impl Record for ProxyDescriptor {
    const DOMAIN: Domain = Domain::new("cpchain/otp/descriptor/v1");
    const MAX_LEN: usize = 2304;

    fn signer(&self) -> PublicKey {
        self.key
    }

    fn to_body(&self) -> Vec<u8> {
        wire::Descriptor {
            key: bytes(self.key.0),
            addresses: self.addresses.clone(),
            sequence: self.sequence,
            expires_ms: self.expires_ms,
        }
        .encode_to_vec()
    }

    fn from_body(body: &[u8]) -> Result<Self, RecordError> {
        let read = wire::Descriptor::decode(body).map_err(|_| RecordError::Malformed("not a descriptor"))?;
        if read.addresses.len() > MAX_ADDRESSES || read.addresses.iter().any(|address| address.len() > MAX_ADDRESS) {
            return Err(RecordError::Malformed("too many or too long addresses"));
        }
        Ok(Self {
            key: key(&read.key)?,
            addresses: read.addresses,
            sequence: read.sequence,
            expires_ms: read.expires_ms,
        })
    }
}
