use std::{collections::BTreeSet, ops::Range};

use cpchain_crypto::{Digest, Domain, PublicKey};
use prost::Message as _;

use super::{ProxyId, Revocations, bytes, digest, intervals, key, optional_digest};
use crate::{
    signed::{Record, RecordError, Signed},
    wire,
};

const MAX_PROXIES: usize = 32;

/// What a grant allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrantKind {
    /// Read the ciphertext.
    Read = 1,
    /// Have the capsules of the granted intervals re-encrypted; reading is included.
    Reencrypt = 2,
}

/// An owner's permission for one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Whose data.
    pub owner: PublicKey,
    /// Who may.
    pub grantee: PublicKey,
    /// The stream.
    pub stream: Digest,
    /// Encryption intervals of the stream.
    pub intervals: Range<u32>,
    /// Where it may be used, at most 32 proxies; empty: anywhere.
    pub proxies: BTreeSet<ProxyId>,
    /// What it allows.
    pub kind: GrantKind,
    /// It holds before this time, ms since 1970 UTC.
    pub expires_ms: Option<u64>,
    /// It holds below this chain height.
    pub expires_height: Option<u64>,
    /// The order that pays for it; needed for [`GrantKind::Reencrypt`].
    pub order: Option<Digest>,
    /// Tells grants of equal content apart.
    pub nonce: u64,
}

/// Why a grant does not cover a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Issued by somebody who does not own the data.
    #[error("the grant is not from the owner of the data")]
    Owner,
    /// Issued to another key.
    #[error("the grant is for another key")]
    Grantee,
    /// For another stream or other intervals.
    #[error("the grant does not cover these intervals of this stream")]
    Intervals,
    /// Not for this proxy.
    #[error("the grant does not name this proxy")]
    Proxy,
    /// A read grant does not allow re-encryption.
    #[error("the grant allows reading only")]
    Kind,
    /// Its time or height has passed.
    #[error("the grant has expired: ask the owner for a new one")]
    Expired,
    /// The owner took it back.
    #[error("the owner has revoked the grant")]
    Revoked,
}

/// A use that a grant is asked to cover.
#[derive(Debug, Clone)]
pub struct GrantUse {
    /// Who asks, as authenticated by the transport.
    pub caller: PublicKey,
    /// Which proxy is asked.
    pub proxy: ProxyId,
    /// What for.
    pub kind: GrantKind,
    /// Owner of the data.
    pub owner: PublicKey,
    /// Stream of the data.
    pub stream: Digest,
    /// Intervals of the data.
    pub intervals: Range<u32>,
    /// Now, ms since 1970 UTC.
    pub now_ms: u64,
    /// Chain height, as far as known.
    pub height: u64,
}

impl Signed<Grant> {
    /// Judges a use. `revocations` is the owner's newest list, if there is one.
    ///
    /// # Errors
    /// The first rule that the use breaks, in the order of [`GrantError`].
    pub fn covers(&self, usage: &GrantUse, revocations: Option<&Signed<Revocations>>) -> Result<(), GrantError> {
        let (has, wants) = (&self.intervals, &usage.intervals);
        if self.owner != usage.owner {
            Err(GrantError::Owner)
        } else if self.grantee != usage.caller {
            Err(GrantError::Grantee)
        } else if self.stream != usage.stream || wants.start < has.start || wants.end > has.end {
            Err(GrantError::Intervals)
        } else {
            self.holds(usage.proxy, usage.kind, usage.now_ms, usage.height, revocations)
        }
    }

    /// The rules that do not depend on a caller: proxy, kind, expiry, revocation.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn holds(
        &self,
        proxy: ProxyId,
        kind: GrantKind,
        now_ms: u64,
        height: u64,
        revocations: Option<&Signed<Revocations>>,
    ) -> Result<(), GrantError> {
        if !self.proxies.is_empty() && !self.proxies.contains(&proxy) {
            Err(GrantError::Proxy)
        } else if kind == GrantKind::Reencrypt && self.kind == GrantKind::Read {
            Err(GrantError::Kind)
        } else if self.expires_ms.is_some_and(|end| now_ms >= end)
            || self.expires_height.is_some_and(|end| height >= end)
        {
            Err(GrantError::Expired)
        } else if revocations.is_some_and(|list| list.owner == self.owner && list.grants.contains(&self.id())) {
            Err(GrantError::Revoked)
        } else {
            Ok(())
        }
    }
}

impl Record for Grant {
    const DOMAIN: Domain = Domain::new("cpchain/otp/grant/v1");
    const MAX_LEN: usize = 1536;

    fn signer(&self) -> PublicKey {
        self.owner
    }

    fn to_body(&self) -> Vec<u8> {
        wire::Grant {
            owner: bytes(self.owner.0),
            grantee: bytes(self.grantee.0),
            stream: bytes(self.stream),
            from: self.intervals.start,
            to: self.intervals.end,
            proxies: self.proxies.iter().map(|proxy| bytes(proxy.0)).collect(),
            kind: self.kind as u32,
            expires_ms: self.expires_ms,
            expires_height: self.expires_height,
            order: self.order.map(bytes).unwrap_or_default(),
            nonce: self.nonce,
        }
        .encode_to_vec()
    }

    fn from_body(body: &[u8]) -> Result<Self, RecordError> {
        let read = wire::Grant::decode(body).map_err(|_| RecordError::Malformed("not a grant"))?;
        let kind = match read.kind {
            1 => GrantKind::Read,
            2 => GrantKind::Reencrypt,
            _ => return Err(RecordError::Malformed("unknown kind of grant")),
        };
        if read.proxies.len() > MAX_PROXIES || !read.proxies.is_sorted_by(|a, b| a < b) {
            return Err(RecordError::Malformed("proxies are not an ascending list of at most 32"));
        }
        let proxies = read.proxies.iter().map(|id| digest(id).map(ProxyId)).collect::<Result<_, _>>()?;
        Ok(Self {
            owner: key(&read.owner)?,
            grantee: key(&read.grantee)?,
            stream: digest(&read.stream)?,
            intervals: intervals(read.from, read.to)?,
            proxies,
            kind,
            expires_ms: read.expires_ms,
            expires_height: read.expires_height,
            order: optional_digest(&read.order)?,
            nonce: read.nonce,
        })
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::{Signer as _, SigningKey};

    use super::*;

    fn key_of(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn grant(kind: GrantKind) -> Grant {
        Grant {
            owner: key_of(1).public_key(),
            grantee: key_of(2).public_key(),
            stream: Digest([7; 32]),
            intervals: 10..20,
            proxies: [ProxyId::from(key_of(3).public_key())].into(),
            kind,
            expires_ms: Some(1000),
            expires_height: Some(50),
            order: None,
            nonce: 0,
        }
    }

    fn usage() -> GrantUse {
        GrantUse {
            caller: key_of(2).public_key(),
            proxy: key_of(3).public_key().into(),
            kind: GrantKind::Read,
            owner: key_of(1).public_key(),
            stream: Digest([7; 32]),
            intervals: 12..13,
            now_ms: 999,
            height: 49,
        }
    }

    #[test]
    fn each_rule_has_its_own_error() {
        let signed = Signed::sign(grant(GrantKind::Read), &key_of(1)).unwrap();
        assert_eq!(signed.covers(&usage(), None), Ok(()));
        let stranger = key_of(9).public_key();
        type Change = fn(&mut GrantUse, PublicKey);
        let cases: [(Change, GrantError); 9] = [
            (|u, s| u.owner = s, GrantError::Owner),
            (|u, s| u.caller = s, GrantError::Grantee),
            (|u, _| u.stream = Digest::ZERO, GrantError::Intervals),
            (|u, _| u.intervals = 9..11, GrantError::Intervals),
            (|u, _| u.intervals = 19..21, GrantError::Intervals),
            (|u, s| u.proxy = s.into(), GrantError::Proxy),
            (|u, _| u.kind = GrantKind::Reencrypt, GrantError::Kind),
            (|u, _| u.now_ms = 1000, GrantError::Expired),
            (|u, _| u.height = 50, GrantError::Expired),
        ];
        for (change, error) in cases {
            let mut usage = usage();
            change(&mut usage, stranger);
            assert_eq!(signed.covers(&usage, None), Err(error));
        }
    }

    #[test]
    fn only_the_owner_revokes() {
        let signed = Signed::sign(grant(GrantKind::Reencrypt), &key_of(1)).unwrap();
        let list = |by: u8| {
            let list = Revocations { owner: key_of(by).public_key(), sequence: 1, grants: [signed.id()].into() };
            Signed::sign(list, &key_of(by)).unwrap()
        };
        assert_eq!(signed.covers(&usage(), Some(&list(1))), Err(GrantError::Revoked));
        assert_eq!(signed.covers(&usage(), Some(&list(2))), Ok(()));
    }
}
