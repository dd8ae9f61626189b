//! Who may do what in a term: validators vote, proposers seal blocks in turn, everyone else follows.

use alloc::vec::Vec;
use bytes::Bytes;
use cpchain_crypto::{Digest, Domain, PublicKey};
use prost::Message as _;

use super::wire;

use crate::ids::{ChainId, Height, Term};

/// Most validators of a committee; keeps certificates under 17 KiB.
pub const MAX_VALIDATORS: usize = 256;
/// Most proposers of a committee.
pub const MAX_PROPOSERS: usize = 1024;

const COMMITTEE: Domain = Domain::new("cpchain/consensus/committee/v1");

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
    /// A term without a height, or one that follows a term without an end.
    #[error("a term needs at least one height, and only a term with a last height has a next one")]
    Heights,
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
    pub(crate) term: Term,
    first: Height,
    last: Option<Height>,
    validators: Vec<PublicKey>,
    proposers: Vec<PublicKey>,
    /// Other numbers than the rules ask for, by kind of vote; 0 is none: the model checker's mutants.
    #[cfg(feature = "model")]
    pub(crate) wrong_quorums: [usize; 6],
}

impl Committee {
    /// A committee of these keys; their order is the order of bitmaps and of turns. Its term begins at height 1 and has no
    /// end: see [`until`](Self::until).
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
            first: Height::GENESIS.next(),
            last: None,
            validators,
            proposers,
            #[cfg(feature = "model")]
            wrong_quorums: [0; 6],
        })
    }

    /// The same committee for a term that ends with this height.
    ///
    /// # Errors
    /// [`CommitteeError::Heights`] if it is below the first height.
    pub fn until(self, last: Height) -> Result<Self, CommitteeError> {
        if last < self.first {
            return Err(CommitteeError::Heights);
        }
        Ok(Self { last: Some(last), ..self })
    }

    /// The committee of the next term, of `heights` heights; without a number, of a term that never ends.
    ///
    /// # Errors
    /// [`CommitteeError`] for bad lists, if this term has no end, or the next has no height.
    pub fn next(
        &self,
        validators: Vec<PublicKey>,
        proposers: Vec<PublicKey>,
        heights: Option<u64>,
    ) -> Result<Self, CommitteeError> {
        let last = self.last.filter(|last| last.0 < u64::MAX).ok_or(CommitteeError::Heights)?;
        let next = Self { first: last.next(), ..Self::new(self.chain, self.term.next(), validators, proposers)? };
        match heights {
            None => Ok(next),
            Some(heights) => {
                let last = last.0.checked_add(heights).filter(|_| heights > 0).ok_or(CommitteeError::Heights)?;
                next.until(Height(last))
            }
        }
    }

    /// The same members for the next term, which is as long; this committee itself if its term has no end.
    #[must_use]
    pub fn again(&self) -> Self {
        let Some(last) = self.last else { return self.clone() };
        let span = last.0.saturating_sub(self.first.0);
        let first = last.next();
        Self { term: self.term.next(), first, last: Some(Height(first.0.saturating_add(span))), ..self.clone() }
    }

    /// Whether this may be the committee of the term after `ended`: of the same chain, and from the next height on.
    pub fn follows(&self, ended: &Self) -> bool {
        let place = (self.chain, self.term, Some(self.first));
        place == (ended.chain, ended.term.next(), ended.last.map(Height::next))
    }

    /// The first height of the term.
    pub const fn first(&self) -> Height {
        self.first
    }

    /// The last height of the term; none if it never ends.
    pub const fn last(&self) -> Option<Height> {
        self.last
    }

    /// Whether a height is above the last of the term: a closing height, which serves to make the term's records final
    /// and has no place in the chain.
    pub fn is_closing(&self, height: Height) -> bool {
        self.last.is_some_and(|last| height > last)
    }

    /// What names this committee: a digest of everything in it.
    pub fn digest(&self) -> Digest {
        Digest::of(COMMITTEE, &[&self.to_bytes()])
    }

    /// The bytes for a log or a light client.
    pub fn to_bytes(&self) -> Bytes {
        let copy = |keys: &[PublicKey]| keys.iter().map(|key| Bytes::copy_from_slice(&key.0)).collect();
        wire::Committee {
            chain_id: Bytes::copy_from_slice(&self.chain.0.0),
            term: self.term.0,
            first: self.first.0,
            last: self.last.map(|last| last.0),
            validators: copy(&self.validators),
            proposers: copy(&self.proposers),
        }
        .encode_to_vec()
        .into()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) gave; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        // Each key is 34 bytes long in there.
        if bytes.len() > 128 + 34 * (MAX_VALIDATORS + MAX_PROPOSERS) {
            return None;
        }
        let wire = wire::Committee::decode(bytes).ok()?;
        let keys = |list: &[Bytes]| list.iter().map(|key| PublicKey::from_slice(key)).collect::<Option<Vec<_>>>();
        let chain = ChainId(Digest::from_slice(&wire.chain_id)?);
        let new = Self::new(chain, Term(wire.term), keys(&wire.validators)?, keys(&wire.proposers)?).ok()?;
        let new = Self { first: Height(wire.first), ..new };
        match wire.last {
            None => Some(new),
            Some(last) => new.until(Height(last)).ok(),
        }
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

    /// Whose turn it is at a height: the first of the list begins the chain, and turns go on across terms and through closing
    /// heights. So every proposer of a committee that serves again has a turn in each round of the list, however short its
    /// terms are.
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
        // Terms of one height with more proposers than heights: each has its turn.
        let mut short = committee.clone().until(Height(1)).unwrap();
        for place in [4, 5, 4, 5] {
            assert_eq!(short.proposer(short.first()), all[place]);
            short = short.again();
        }
        assert_eq!(committee.role(&all[0]), Role::Validator);
        assert_eq!(committee.role(&all[5]), Role::Proposer);
        assert_eq!(committee.role(&all[6]), Role::Follower);
    }

    #[test]
    fn terms_follow_each_other_without_a_gap() {
        let all = keys(7);
        let chain = ChainId(Digest::ZERO);
        let endless = Committee::new(chain, Term(3), all[..4].to_vec(), all[4..6].to_vec()).unwrap();
        assert_eq!(endless.again(), endless);
        assert_eq!(endless.next(keys(1), keys(1), Some(1)), Err(CommitteeError::Heights));
        assert_eq!(endless.clone().until(Height(0)), Err(CommitteeError::Heights));
        let first = endless.until(Height(5)).unwrap();
        assert!(!first.is_closing(Height(5)) && first.is_closing(Height(6)));
        let second = first.again();
        assert!(second.follows(&first) && !first.follows(&second));
        assert_eq!((second.term(), second.first(), second.last()), (Term(4), Height(6), Some(Height(10))));
        assert_eq!(second.proposer(Height(6)), all[5], "turns go on across terms");
        let third = second.next(all[..3].to_vec(), all[6..].to_vec(), Some(2)).unwrap();
        assert!(third.follows(&second));
        assert_eq!((third.first(), third.last()), (Height(11), Some(Height(12))));
        assert_eq!(second.next(all.clone(), all.clone(), Some(0)), Err(CommitteeError::Heights));
        assert_eq!(second.next(all.clone(), all.clone(), Some(u64::MAX)), Err(CommitteeError::Heights));
        assert_eq!(third.next(all.clone(), all, None).unwrap().last(), None);
    }

    #[test]
    fn bytes_round_trip_and_name_the_committee() {
        let all = keys(7);
        let new = |last| {
            let committee = Committee::new(ChainId(Digest::ZERO), Term(3), keys(4), all.clone()).unwrap();
            committee.until(Height(last)).unwrap()
        };
        let committee = new(9);
        assert_eq!(Committee::from_bytes(&committee.to_bytes()).as_ref(), Some(&committee));
        let digest = include_str!("../../testdata/committee_digest.hex").trim();
        assert_eq!(committee.digest().to_string(), digest);
        assert_ne!(new(8).digest(), committee.digest());
        let bytes = committee.to_bytes();
        for length in 0..bytes.len() {
            assert_ne!(Committee::from_bytes(&bytes[..length]).as_ref(), Some(&committee));
        }
    }
}
