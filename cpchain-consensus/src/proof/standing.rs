//! What the ledger keeps of an identity's keys: the outcome of its records.

use alloc::vec::Vec;

use cpchain_crypto::{
    Did, PublicKey,
    identity::{NoSpeaker, Speaker},
};

use super::key::StateKey;
use crate::ids::Height;

const VERSION: u8 = 1;
const REVOKED: u8 = 0;
const SPEAKS: u8 = 1;
#[cfg(feature = "ledger")]
const LEN: usize = 58;

/// A state value that is not a standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the standing of an identity's keys that this build reads")]
pub struct MalformedStanding;

/// Which key speaks for an identity, as the ledger has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyStanding {
    identity: Did,
    /// `None` once revoked.
    key: Option<PublicKey>,
    sequence: u64,
    since_ms: u64,
    height: Height,
}

impl KeyStanding {
    /// The module of the ledger that keeps it.
    pub const KIND: &str = "identity";

    /// What a proof of an identity's standing is about.
    pub fn key_of(identity: &Did) -> StateKey {
        StateKey::entry(Self::KIND, &Self::state_key(identity))
    }

    /// Of an identity that has no record on the ledger: its first key speaks.
    pub const fn first(identity: Did) -> Self {
        Self { identity, key: Some(identity.public_key()), sequence: 0, since_ms: 0, height: Height(0) }
    }

    #[cfg(feature = "ledger")]
    pub(crate) const fn after(
        identity: Did,
        key: Option<PublicKey>,
        sequence: u64,
        since_ms: u64,
        height: Height,
    ) -> Self {
        Self { identity, key, sequence, since_ms, height }
    }

    /// Whose it is.
    pub const fn identity(&self) -> Did {
        self.identity
    }

    /// The key that speaks; `None` after a revocation.
    pub const fn key(&self) -> Option<PublicKey> {
        self.key
    }

    /// The sequence of the last record; 0 if there is none.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// From when the last record says that it holds, milliseconds since 1970-01-01 UTC.
    pub const fn since_ms(&self) -> u64 {
        self.since_ms
    }

    /// The height at which the ledger took the last record; 0 if there is none.
    pub const fn height(&self) -> Height {
        self.height
    }

    /// Who speaks.
    ///
    /// # Errors
    /// [`NoSpeaker::Revoked`].
    pub fn speaker(&self) -> Result<Speaker, NoSpeaker> {
        let revoked = NoSpeaker::Revoked { since_ms: self.since_ms };
        self.key.map(|key| Speaker::registered(self.identity, key)).ok_or(revoked)
    }

    /// The key, in the space of the module [`KIND`](Self::KIND), under which the standing stands; [`key_of`](Self::key_of) is the key in the whole state.
    pub fn state_key(identity: &Did) -> Vec<u8> {
        [b"k".as_slice(), &identity.public_key().0].concat()
    }

    /// Reads the value of that key; `None` where there is none.
    ///
    /// # Errors
    /// [`MalformedStanding`].
    pub fn read(identity: Did, value: Option<&[u8]>) -> Result<Self, MalformedStanding> {
        let Some(value) = value else { return Ok(Self::first(identity)) };
        let ([VERSION, state], rest) = value.split_first_chunk::<2>().ok_or(MalformedStanding)? else {
            return Err(MalformedStanding);
        };
        let (numbers, key) = rest.split_first_chunk::<24>().ok_or(MalformedStanding)?;
        let mut numbers = numbers.as_chunks::<8>().0.iter().map(|bytes| u64::from_be_bytes(*bytes));
        let (Some(sequence), Some(since_ms), Some(height)) = (numbers.next(), numbers.next(), numbers.next()) else {
            return Err(MalformedStanding);
        };
        let key = PublicKey::from_slice(key).ok_or(MalformedStanding)?;
        let key = match *state {
            SPEAKS => Some(key),
            REVOKED if key.0 == [0; 32] => None,
            _ => return Err(MalformedStanding),
        };
        Ok(Self { identity, key, sequence, since_ms, height: Height(height) })
    }

    /// Version, state, sequence, since, height, key or zeros.
    #[cfg(feature = "ledger")]
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEN);
        out.extend([VERSION, if self.key.is_some() { SPEAKS } else { REVOKED }]);
        for number in [self.sequence, self.since_ms, self.height.0] {
            out.extend(number.to_be_bytes());
        }
        out.extend(self.key.map_or([0; 32], |key| key.0));
        out
    }
}
