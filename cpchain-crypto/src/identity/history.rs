//! Which key speaks for an identity, folded from its key records.
//!
//! Rules and the tests that hold them (`tests/identity_keys.rs`):
//! - The first key speaks from the beginning. Each record takes effect at its `since_ms`, later than the one before
//!   (`each_key_speaks_in_its_time`).
//! - A record counts if it is the next in sequence, about this identity, by the key that spoke, and validly signed. A record
//!   seen before, a gap, another identity, another key, a wrong signature, a time that does not advance, and a key that spoke
//!   before are each an error of their own, and change nothing (`each_misuse_has_its_own_error`).
//! - After a revocation nothing follows (`a_revoked_key_rotates_nothing`).
//! - Two different statements of one sequence by the key in charge are a **fork**. Nobody can tell which one the owner
//!   meant, so neither counts: the history ends there, at the earlier of the two times. The outcome does not depend on which
//!   of them came first (`a_fork_ends_the_history_whatever_came_first`). [`ForkEvidence`] proves it to others.
//!
//! A fork can also be made later by a thief of a key that left long ago. So destroy old keys; and where a ledger orders the
//! records, feed the history what the ledger took, in its order: of two statements a ledger takes the first, and refuses the
//! other.
//!
//! A time that the signer chose proves nothing: judge [`speaker_at`](KeyHistory::speaker_at) by the time of a block or of
//! your own receipt.

use crate::{
    hash::Digest,
    sign::{PublicKey, SignatureError},
};

use super::{did::Did, key_record::KeyRecord, speaker::Speaker};

/// Why a record was not taken into the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// It is about another identity.
    #[error("the record is about another identity")]
    WrongIdentity,
    /// Records between are missing.
    #[error("record {found} cannot follow: the next is {expected}")]
    Gap {
        /// The sequence that is next.
        expected: u64,
        /// The sequence of the record.
        found: u64,
    },
    /// The same statement was taken before: nothing to do.
    #[error("this record was taken before")]
    Repeated,
    /// Its signer is not the key that spoke at this place.
    #[error("the record is not by the key that spoke for the identity")]
    WrongKey,
    /// A signature is wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It does not take effect later than the record before.
    #[error("the record's time is not later than that of the record before")]
    TimeNotLater,
    /// The new key spoke for this identity before.
    #[error("the new key spoke before: a key never comes back")]
    KeyReused,
    /// The identity's key was revoked.
    #[error("the key was revoked: nothing follows")]
    Revoked,
    /// The key in charge signed two different statements of one sequence.
    #[error("two different records {sequence} were signed: the identity has no key from there on")]
    Forked {
        /// Where the history ends.
        sequence: u64,
    },
    /// The history holds as many records as it has room for.
    #[error("the history is full: take a larger one")]
    Full,
}

/// Why nobody speaks for the identity there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSpeaker {
    /// The last key was revoked.
    #[error("the identity's key was revoked at {since_ms} ms")]
    Revoked {
        /// From when, milliseconds since 1970-01-01 UTC.
        since_ms: u64,
    },
    /// The identity's keys signed contradicting records.
    #[error("the identity's records fork at {sequence}")]
    Forked {
        /// The sequence of which there are two records.
        sequence: u64,
    },
    /// No record of this sequence is known yet.
    #[error("record {sequence} is not known")]
    Unknown {
        /// The sequence asked for.
        sequence: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    statement: Digest,
    since_ms: u64,
    /// Who speaks from then on; `None` after a revocation.
    key: Option<PublicKey>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fork {
    sequence: u64,
    since_ms: u64,
}

/// The keys of one identity in order; holds at most `N` records and needs no heap.
///
/// ```
/// use cpchain_crypto::{Did, Signer, SigningKey, identity::{KeyHistory, Rotation}};
/// let (old, new) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
/// let identity = Did::from(old.public_key());
/// let rotation = Rotation { identity, sequence: 1, since_ms: 1000, from: old.public_key(), to: new.public_key() };
/// let mut history = KeyHistory::<16>::new(identity);
/// history.apply(&rotation.sign(&old, &new)?.into())?;
/// assert_eq!(history.speaker_at(999)?.key(), old.public_key());
/// assert_eq!(history.speaker_at(1000)?.key(), new.public_key());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHistory<const N: usize = 32> {
    identity: Did,
    steps: [Step; N],
    len: usize,
    fork: Option<Fork>,
}

impl<const N: usize> KeyHistory<N> {
    /// The history of an identity of which no record is known: its first key speaks.
    pub const fn new(identity: Did) -> Self {
        let unused = Step { statement: Digest::ZERO, since_ms: 0, key: None };
        Self { identity, steps: [unused; N], len: 0, fork: None }
    }

    /// Whose history it is.
    pub const fn identity(&self) -> Did {
        self.identity
    }

    /// The sequence of the last record that counts; 0 if there is none.
    pub const fn sequence(&self) -> u64 {
        self.len as u64
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// [`HistoryError`]. Only [`HistoryError::Forked`] may have changed something: it ended the history.
    pub fn apply(&mut self, record: &KeyRecord) -> Result<(), HistoryError> {
        if record.identity() != self.identity {
            return Err(HistoryError::WrongIdentity);
        }
        let found = record.sequence();
        let expected = self.sequence().saturating_add(1);
        if let Some(fork) = self.fork
            && found > fork.sequence
        {
            return Err(HistoryError::Forked { sequence: fork.sequence });
        }
        if found == 0 || found > expected {
            return Err(HistoryError::Gap { expected, found });
        }
        let before = usize::try_from(found - 1).map_err(|_| HistoryError::Full)?;
        let last = self.known().take(before).last();
        let Some(spoke) = last.map_or(Some(self.identity.public_key()), |step| step.key) else {
            return Err(HistoryError::Revoked);
        };
        if record.spoke() != spoke {
            return Err(HistoryError::WrongKey);
        }
        if record.since_ms() <= last.map_or(0, |step| step.since_ms) {
            return Err(HistoryError::TimeNotLater);
        }
        if let Some(key) = record.speaks() {
            let spoke_before = self.known().take(before).any(|step| step.key == Some(key));
            if spoke_before || key == self.identity.public_key() {
                return Err(HistoryError::KeyReused);
            }
        }
        let statement = record.statement_digest();
        let step = Step { statement, since_ms: record.since_ms(), key: record.speaks() };
        let held = self.known().nth(before).copied();
        if held.is_some_and(|held| held.statement == statement) {
            return Err(HistoryError::Repeated);
        }
        record.verify()?;
        if let Some(since_ms) = held.map(|held| held.since_ms).or(self.fork.map(|fork| fork.since_ms)) {
            self.len = before;
            self.fork = Some(Fork { sequence: found, since_ms: since_ms.min(step.since_ms) });
            return Err(HistoryError::Forked { sequence: found });
        }
        *self.steps.get_mut(self.len).ok_or(HistoryError::Full)? = step;
        self.len += 1;
        Ok(())
    }

    /// Who speaks at a time, milliseconds since 1970-01-01 UTC, as far as the records are known.
    ///
    /// # Errors
    /// [`NoSpeaker::Revoked`], [`NoSpeaker::Forked`].
    pub fn speaker_at(&self, time_ms: u64) -> Result<Speaker, NoSpeaker> {
        if let Some(fork) = self.fork
            && time_ms >= fork.since_ms
        {
            return Err(NoSpeaker::Forked { sequence: fork.sequence });
        }
        self.speaker_of(self.known().take_while(|step| step.since_ms <= time_ms).last())
    }

    /// Who speaks after the record of that sequence; 0 is the first key.
    ///
    /// # Errors
    /// [`NoSpeaker`].
    pub fn speaker_after(&self, sequence: u64) -> Result<Speaker, NoSpeaker> {
        match self.fork {
            Some(fork) if sequence >= fork.sequence => Err(NoSpeaker::Forked { sequence: fork.sequence }),
            _ if sequence > self.sequence() => Err(NoSpeaker::Unknown { sequence }),
            _ => self.speaker_of(self.known().take(usize::try_from(sequence).unwrap_or(N)).last()),
        }
    }

    /// Who speaks once all known records have taken effect.
    ///
    /// # Errors
    /// [`NoSpeaker::Revoked`], [`NoSpeaker::Forked`].
    pub fn speaker(&self) -> Result<Speaker, NoSpeaker> {
        self.speaker_at(u64::MAX)
    }

    fn known(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().take(self.len)
    }

    fn speaker_of(&self, step: Option<&Step>) -> Result<Speaker, NoSpeaker> {
        match step {
            None => Ok(Speaker::from(self.identity)),
            Some(Step { key: Some(key), .. }) => Ok(Speaker::new(self.identity, *key)),
            Some(step) => Err(NoSpeaker::Revoked { since_ms: step.since_ms }),
        }
    }
}

/// Two validly signed statements of one sequence by one key: proof that its holder contradicted itself, or lost the key.
///
/// It is about the [`key`](Self::key) that signed. Whether that key ever spoke for the identity that the statements name is not
/// proven: anybody can name a stranger's. Compare it with [`KeyHistory::speaker_after`] the sequence before.
///
/// ```
/// use cpchain_crypto::{Did, Signer, SigningKey, identity::{ForkEvidence, KeyRecord, Rotation}};
/// let key = |seed| SigningKey::from_seed(&[seed; 32]);
/// let rotate = |to: &SigningKey| -> KeyRecord {
///     let from = key(1).public_key();
///     let rotation = Rotation { identity: Did::from(from), sequence: 1, since_ms: 5, from, to: to.public_key() };
///     rotation.sign(&key(1), to).unwrap().into()
/// };
/// assert!(ForkEvidence::new(rotate(&key(2)), rotate(&key(3))).is_some());
/// assert!(ForkEvidence::new(rotate(&key(2)), rotate(&key(2))).is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForkEvidence {
    first: KeyRecord,
    second: KeyRecord,
}

impl ForkEvidence {
    /// The evidence, if the two records are one; the order in which they are given does not matter.
    pub fn new(one: KeyRecord, other: KeyRecord) -> Option<Self> {
        let same =
            one.identity() == other.identity() && one.sequence() == other.sequence() && one.spoke() == other.spoke();
        let (a, b) = (one.statement_digest(), other.statement_digest());
        if !same || a == b || one.verify().is_err() || other.verify().is_err() {
            return None;
        }
        let (first, second) = if a < b { (one, other) } else { (other, one) };
        Some(Self { first, second })
    }

    /// The two records, ordered by the digests of what they say.
    pub const fn records(&self) -> (&KeyRecord, &KeyRecord) {
        (&self.first, &self.second)
    }

    /// The key that signed both.
    pub const fn key(&self) -> PublicKey {
        self.first.spoke()
    }
}
