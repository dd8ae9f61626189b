//! Who may do what in a term: validators vote, proposers seal blocks in turn, everyone else follows.

use alloc::vec::Vec;
use cpchain_crypto::PublicKey;

use crate::ids::{ChainId, Height, Term};

/// Most validators of a committee; keeps certificates under 17 KiB.
pub const MAX_VALIDATORS: usize = 256;
/// Most proposers of a committee.
pub const MAX_PROPOSERS: usize = 1024;

/// Why a committee was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// No validators, or more than [`MAX_VALIDATORS`].
    #[error("a committee needs 1 to {MAX_VALIDATORS} validators")]
    Validators,
    /// No proposers, or more than [`MAX_PROPOSERS`].
    #[error("a committee needs 1 to {MAX_PROPOSERS} proposers")]
    Proposers,
    /// A validator or a proposer is listed twice.
    #[error("the key {0} is listed twice in the same role; list it once")]
    Twice(PublicKey),
}

/// What a node does in a term, by the membership of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Votes. It may be a proposer as well.
    Validator,
    /// Seals blocks at its heights, and follows.
    Proposer,
    /// A civilian: follows VALIDATE messages and checks certificates itself.
    Follower,
}

/// The bipartite committee of one term of one chain.
///
/// ```
/// use cpchain_consensus::{ChainId, Height, Term, lbft::Committee};
/// use cpchain_crypto::PublicKey;
/// let keys = |range: std::ops::Range<u8>| range.map(|i| PublicKey([i; 32])).collect::<Vec<_>>();
/// let committee = Committee::new(ChainId::new("test", b""), Term(0), keys(0..6), keys(10..12))?;
/// assert_eq!((committee.faults(), committee.quorum()), (1, 5));
/// assert_eq!(committee.proposer(Height(1)), PublicKey([10; 32]));
/// assert_eq!(committee.proposer(Height(2)), PublicKey([11; 32]));
/// # Ok::<(), cpchain_consensus::lbft::CommitteeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committee {
    chain: ChainId,
    term: Term,
    validators: Vec<PublicKey>,
    proposers: Vec<PublicKey>,
    /// Other numbers than the rules ask for, of PREPAREs and COMMITs and of IMPEACH PREPAREs: the model checker's mutants.
    #[cfg(feature = "model")]
    pub(crate) wrong_quorums: Option<(usize, usize)>,
}

impl Committee {
    /// A committee of these keys; their order is the order of bitmaps and of turns.
    ///
    /// # Errors
    /// [`CommitteeError`] for an empty, overlong or repeated list.
    pub fn new(
        chain: ChainId,
        term: Term,
        validators: Vec<PublicKey>,
        proposers: Vec<PublicKey>,
    ) -> Result<Self, CommitteeError> {
        if validators.is_empty() || validators.len() > MAX_VALIDATORS {
            return Err(CommitteeError::Validators);
        }
        if proposers.is_empty() || proposers.len() > MAX_PROPOSERS {
            return Err(CommitteeError::Proposers);
        }
        for list in [&validators, &proposers] {
            let mut sorted = list.clone();
            sorted.sort_unstable();
            let mut pairs = sorted.iter().zip(sorted.iter().skip(1));
            if let Some((twice, _)) = pairs.find(|(a, b)| a == b) {
                return Err(CommitteeError::Twice(*twice));
            }
        }
        Ok(Self {
            chain,
            term,
            validators,
            proposers,
            #[cfg(feature = "model")]
            wrong_quorums: None,
        })
    }

    /// The chain it serves.
    pub const fn chain(&self) -> ChainId {
        self.chain
    }

    /// The term it serves.
    pub const fn term(&self) -> Term {
        self.term
    }

    /// The validators in bitmap order.
    pub fn validators(&self) -> &[PublicKey] {
        &self.validators
    }

    /// The proposers in order of their turns.
    pub fn proposers(&self) -> &[PublicKey] {
        &self.proposers
    }

    /// Byzantine validators that the committee stands: `(n - 1) / 3`.
    pub const fn faults(&self) -> usize {
        self.validators.len().saturating_sub(1) / 3
    }

    /// Votes in a certificate: `n - f`. Two quorums share an honest validator for every `n`, and the honest alone are one.
    pub const fn quorum(&self) -> usize {
        self.validators.len() - self.faults()
    }

    /// Whose turn it is at a height.
    pub fn proposer(&self, height: Height) -> PublicKey {
        let turn = height.0.saturating_sub(1) % self.proposers.len().max(1) as u64;
        // The list is never empty and the turn is below its length.
        self.proposers.get(turn as usize).copied().unwrap_or(PublicKey([0; 32]))
    }

    /// The place of a validator in bitmaps.
    pub fn index_of(&self, key: &PublicKey) -> Option<u16> {
        self.validators.iter().position(|v| v == key).and_then(|i| u16::try_from(i).ok())
    }

    /// The validator at a place of the bitmap.
    pub fn validator(&self, index: u16) -> Option<PublicKey> {
        self.validators.get(usize::from(index)).copied()
    }

    /// What a key does in this term.
    pub fn role(&self, key: &PublicKey) -> Role {
        if self.validators.contains(key) {
            Role::Validator
        } else if self.proposers.contains(key) {
            Role::Proposer
        } else {
            Role::Follower
        }
    }
}

#[cfg(test)]
mod tests {
    use cpchain_crypto::Digest;

    use super::*;

    fn keys(count: usize) -> Vec<PublicKey> {
        (0..count).map(|i| PublicKey(Digest::content(&i.to_le_bytes()).0)).collect()
    }

    #[test]
    fn quorums_intersect_in_an_honest_validator_for_every_n() {
        for n in 1..=MAX_VALIDATORS {
            let committee = Committee::new(ChainId(Digest::ZERO), Term(0), keys(n), keys(1)).unwrap();
            let (f, q) = (committee.faults(), committee.quorum());
            assert!(3 * f < n && 3 * (f + 1) >= n, "n = {n}: f is the largest below a third");
            assert!(2 * q - n > f, "n = {n}: two quorums share more than f");
            assert!(n - f >= q, "n = {n}: the honest alone are a quorum");
        }
        // "2f + 1" would be 3 of 5, and two such quorums may share a Byzantine validator alone.
        let five = Committee::new(ChainId(Digest::ZERO), Term(0), keys(5), keys(1)).unwrap();
        assert_eq!(five.quorum(), 4);
    }

    #[test]
    fn bad_lists_are_refused() {
        let chain = ChainId(Digest::ZERO);
        let new = |v, p| Committee::new(chain, Term(0), v, p);
        assert_eq!(new(vec![], keys(1)), Err(CommitteeError::Validators));
        assert_eq!(new(keys(MAX_VALIDATORS + 1), keys(1)), Err(CommitteeError::Validators));
        assert_eq!(new(keys(1), vec![]), Err(CommitteeError::Proposers));
        let twice = [keys(3), keys(1)].concat();
        assert_eq!(new(twice, keys(1)), Err(CommitteeError::Twice(keys(1)[0])));
    }

    #[test]
    fn turns_go_round_and_roles_follow_membership() {
        let all = keys(7);
        let committee = Committee::new(ChainId(Digest::ZERO), Term(0), all[..4].to_vec(), all[4..6].to_vec()).unwrap();
        let turns: Vec<_> = (1..=4).map(|h| committee.proposer(Height(h))).collect();
        assert_eq!(turns, [all[4], all[5], all[4], all[5]]);
        assert_eq!(committee.role(&all[0]), Role::Validator);
        assert_eq!(committee.role(&all[5]), Role::Proposer);
        assert_eq!(committee.role(&all[6]), Role::Follower);
    }
}
