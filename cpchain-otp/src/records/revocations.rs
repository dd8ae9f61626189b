use std::collections::BTreeSet;

use cpchain_crypto::{Digest, Domain, PublicKey};
use prost::Message as _;

use super::key;
use crate::{
    signed::{Record, RecordError},
    wire,
};

const MAX_GRANTS: usize = 4096;

/// All grants that an owner has taken back and that would not have ended by now. The list with the highest sequence counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocations {
    /// Whose grants.
    pub owner: PublicKey,
    /// Counts up with each list.
    pub sequence: u64,
    /// Ids of the grants ([`Signed::id`](crate::Signed::id)), at most 4096.
    pub grants: BTreeSet<Digest>,
}

impl Record for Revocations {
    const DOMAIN: Domain = Domain::new("cpchain/otp/revocations/v1");
    const MAX_LEN: usize = MAX_GRANTS * 32 + 64;

    fn signer(&self) -> PublicKey {
        self.owner
    }

    fn to_body(&self) -> Vec<u8> {
        let grants: Vec<u8> = self.grants.iter().flat_map(|id| id.0).collect();
        wire::Revocations { owner: super::bytes(self.owner.0), sequence: self.sequence, grants: grants.into() }
            .encode_to_vec()
    }

    fn from_body(body: &[u8]) -> Result<Self, RecordError> {
        let read = wire::Revocations::decode(body).map_err(|_| RecordError::Malformed("not a revocation list"))?;
        let (ids, rest) = read.grants.as_chunks::<32>();
        if !rest.is_empty() || ids.len() > MAX_GRANTS || !ids.is_sorted_by(|a, b| a < b) {
            return Err(RecordError::Malformed("grant ids are not an ascending list"));
        }
        let grants = ids.iter().map(|id| Digest(*id)).collect();
        Ok(Self { owner: key(&read.owner)?, sequence: read.sequence, grants })
    }
}
