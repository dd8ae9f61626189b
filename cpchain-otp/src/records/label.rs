use std::ops::Range;

use cpchain_crypto::{Digest, Domain, PublicKey};
use prost::Message as _;

use super::{bytes, digest, intervals, key};
use crate::{
    signed::{Record, RecordError},
    wire,
};

/// An owner's word about an object: which intervals of which stream are in it, and whether its ciphertext is public.
///
/// A proxy trusts the labels that its [`Registry`](crate::access::Registry) gives it, never one that a caller brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Whose object it is.
    pub owner: PublicKey,
    /// The object.
    pub root: Digest,
    /// The stream that it belongs to.
    pub stream: Digest,
    /// Encryption intervals in the object.
    pub intervals: Range<u32>,
    /// Anyone may read the ciphertext: buyers check it before they pay.
    pub public: bool,
}

impl Record for Label {
    const DOMAIN: Domain = Domain::new("cpchain/otp/label/v1");
    const MAX_LEN: usize = 256;

    fn signer(&self) -> PublicKey {
        self.owner
    }

    fn to_body(&self) -> Vec<u8> {
        wire::Label {
            owner: bytes(self.owner.0),
            root: bytes(self.root),
            stream: bytes(self.stream),
            from: self.intervals.start,
            to: self.intervals.end,
            public: self.public,
        }
        .encode_to_vec()
    }

    fn from_body(body: &[u8]) -> Result<Self, RecordError> {
        let read = wire::Label::decode(body).map_err(|_| RecordError::Malformed("not a label"))?;
        Ok(Self {
            owner: key(&read.owner)?,
            root: digest(&read.root)?,
            stream: digest(&read.stream)?,
            intervals: intervals(read.from, read.to)?,
            public: read.public,
        })
    }
}
