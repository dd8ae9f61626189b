//! The model checker's seam (feature `model`): cores with a rule left out, and what tells one core from another.
//!
//! In a default build no rule can be left out: [`Lbft::drops`] is a constant `false`.

use cpchain_crypto::Digest;

use super::{
    certificate::Certificate,
    committee::Committee,
    engine::{Check, Lbft},
    round::Round,
    statement::Kind,
};
use crate::ids::Height;
#[cfg(feature = "model")]
use crate::ids::Term;

/// A rule of the protocol that a mutated core leaves out, so that the model checker shows what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "model"), allow(unreachable_pub))]
pub enum Rule {
    /// One PREPARE at a height.
    OnePrepare,
    /// A block stands on a certified parent.
    ParentCertified,
    /// Every height that a block skips is impeached.
    SkippedImpeached,
    /// No COMMIT after IMPEACH PREPARE.
    ImpeachExcludesCommit,
    /// No IMPEACH PREPARE after COMMIT.
    CommitExcludesImpeach,
    /// A certificate of a later height lets a validator jump.
    Jump,
    /// Rows are conditions and a P-certificate lets a validator leave at once: without it, it leaves once the block is here
    /// and checked, and not any more when the timer ran out in between.
    RowsAreConditions,
    /// The entry certificate is sent again and again.
    RepeatCertificates,
    /// A committee whose term passed with nothing final goes on with closing heights.
    ClosingHeights,
    /// A term ends with a C-certificate: without it, with a P-certificate.
    EndIsFinal,
    /// Each term has a number, which every signature binds: without it, the next committee goes on under the old number.
    TermIsSigned,
}

impl Committee {
    /// Votes in a certificate of this kind: [`quorum`](Self::quorum) for every kind.
    #[cfg(not(feature = "model"))]
    pub(crate) const fn votes_needed(&self, _: Kind) -> usize {
        self.quorum()
    }

    /// Votes in a certificate of this kind: [`quorum`](Self::quorum), unless this is a mutant.
    #[cfg(feature = "model")]
    pub fn votes_needed(&self, kind: Kind) -> usize {
        let wrong = self.wrong_quorums.get(kind as usize).copied().filter(|votes| *votes > 0);
        wrong.unwrap_or(self.quorum())
    }

    /// A mutant: a committee that certifies blocks with `block` votes and impeaches with `impeach`.
    #[cfg(feature = "model")]
    #[must_use]
    pub const fn with_quorums(mut self, block: usize, impeach: usize) -> Self {
        self.wrong_quorums = [block; 6];
        self.with_votes_needed(Kind::ImpeachPrepare, impeach)
    }

    /// A mutant: a committee that takes so many votes for a certificate of this kind.
    #[cfg(feature = "model")]
    #[must_use]
    pub const fn with_votes_needed(mut self, kind: Kind, votes: usize) -> Self {
        // Kinds are 1 to 5.
        let [_, seal, prepare, commit, impeach, handover] = &mut self.wrong_quorums;
        match kind {
            Kind::Seal => *seal = votes,
            Kind::Prepare => *prepare = votes,
            Kind::Commit => *commit = votes,
            Kind::ImpeachPrepare => *impeach = votes,
            Kind::Handover => *handover = votes,
        }
        self
    }

    /// A mutant: the same committee under the number of another term.
    #[cfg(feature = "model")]
    #[must_use]
    pub const fn under_term(mut self, term: Term) -> Self {
        self.term = term;
        self
    }
}

impl Lbft {
    /// Whether this core leaves the rule out.
    #[cfg(not(feature = "model"))]
    pub(crate) const fn drops(&self, _: Rule) -> bool {
        false
    }

    /// Whether this core leaves the rule out.
    #[cfg(feature = "model")]
    pub(crate) fn drops(&self, rule: Rule) -> bool {
        self.dropped.contains(&rule)
    }

    /// The timer of H; one of an earlier height is ignored.
    pub(crate) fn timeout(&mut self, height: Height) {
        self.timed_out |= height == self.height;
        let round = self.rounds.get(&height);
        let open = round.is_some_and(|round| round.own_vote(Kind::ImpeachPrepare).is_none());
        if self.drops(Rule::CommitExcludesImpeach)
            && open
            && height < self.height
            && let Some(index) = self.votes()
        {
            self.vote(index, Kind::ImpeachPrepare, height, Digest::ZERO);
        }
    }

    /// Mutants that do not leave H by a certificate: of a later height; or of a block that is not here.
    pub(crate) fn stays(&self, certificate: &Certificate) -> bool {
        let here = self.blocks.get(&certificate.digest).is_some_and(|held| held.check == Check::Valid);
        let waits = self.drops(Rule::RowsAreConditions) && certificate.kind == Kind::Prepare && !here;
        let jumps = certificate.height > self.height && certificate.kind != Kind::Commit;
        waits || jumps && self.drops(Rule::Jump)
    }

    /// Whether the next committee may begin: it follows, or the mutant does not count terms.
    pub(crate) fn may_follow(&self, next: &Committee) -> bool {
        let place = |committee: &Committee| (committee.chain(), committee.term());
        let goes_on =
            (place(next), Some(next.first())) == (place(&self.committee), self.committee.last().map(Height::next));
        next.follows(&self.committee) || self.drops(Rule::TermIsSigned) && goes_on
    }

    /// Whether this node votes and proposes at H: who has no closing heights stops with the last one.
    pub(crate) fn goes_on(&self) -> bool {
        !self.drops(Rule::ClosingHeights) || !self.is_closing(self.height)
    }

    /// What ends the term in the eyes of who does not wait for it to be final.
    pub(crate) fn ends_early(&self, height: Height, round: &Round) -> Option<Certificate> {
        let ends = self.drops(Rule::EndIsFinal) && self.committee.last().is_some_and(|last| height >= last);
        round.prepared.clone().filter(|_| ends)
    }

    /// Who does not jump walks, one height after the other, by the certificates that it holds.
    pub(crate) fn walk(&mut self) {
        let held = self.rounds.get(&self.height).and_then(|round| round.certificates().next().cloned());
        if self.drops(Rule::Jump)
            && let Some(certificate) = held
        {
            self.enter(self.height.next(), certificate);
        }
    }

    /// The same reading, after COMMIT.
    pub(crate) fn leaves(&mut self, height: Height) {
        let certificate = self.rounds.get(&height).and_then(|round| round.prepared.clone());
        if self.drops(Rule::RowsAreConditions)
            && height >= self.height
            && let Some(certificate) = certificate
        {
            self.enter(height.next(), certificate);
        }
    }
}

#[cfg(feature = "model")]
mod seam {
    use std::{
        hash::{Hash, Hasher},
        sync::Arc,
    };

    use cpchain_crypto::Signer;

    use super::{Check, Lbft, Rule};
    use crate::lbft::{Config, Output, Restored, SignatureCache, State};

    impl Lbft {
        /// [`Lbft::new`] with rules left out.
        pub fn without(
            rules: &[Rule],
            config: Config,
            signer: Arc<dyn Signer>,
            cache: Arc<SignatureCache>,
            restored: Restored,
        ) -> (Self, Vec<Output>) {
            let mut node = Self::unstarted(config, signer, cache);
            node.dropped = rules.to_vec();
            let outputs = node.start(restored);
            (node, outputs)
        }

        /// Hashes everything that a later step can depend on, apart from what steers repetition and pulls alone
        /// (`asked`, `lanes`, `cursor`, `moved`, and the length of timers) and from whose core it is: two cores with equal
        /// fingerprints give equal votes, certificates and final blocks for equal certificates, blocks and timers.
        ///
        /// Every field is named, so that a new one is decided on.
        pub fn fingerprint(&self, hasher: &mut impl Hasher) {
            let Self {
                committee,
                cache: _,
                signer: _,
                me: _,
                index: _,
                ended: _,
                // Says nothing about blocks.
                handover: _,
                over,
                later: _,
                height,
                entry,
                timed_out,
                pacemaker: _,
                rounds,
                blocks,
                tip,
                covered,
                remembered,
                fault,
                offered,
                building,
                asked: _,
                cursor: _,
                no_ranges: _,
                ranged: _,
                waited: _,
                pieces: _,
                lanes: _,
                heard: _,
                neighbour: _,
                moved: _,
                records: _,
                outputs: _,
                dropped: _,
            } = self;
            (committee.term(), over, height).hash(hasher);
            (timed_out, covered, remembered, offered, building, fault.is_some()).hash(hasher);
            entry.as_ref().map(|entry| (entry.kind, entry.height, entry.digest)).hash(hasher);
            (tip.height, tip.digest).hash(hasher);
            for (height, round) in rounds {
                let empty = round.state == State::Idle && round.seals.is_empty() && !round.illicit;
                if empty && round.certificates().next().is_none() {
                    continue;
                }
                (height, round.state as u8, round.armed, round.illicit, round.own_seal).hash(hasher);
                for vote in &round.own {
                    (vote.kind, vote.digest).hash(hasher);
                }
                for certificate in round.certificates() {
                    (certificate.kind, certificate.digest).hash(hasher);
                }
                for (digest, _) in &round.seals {
                    digest.hash(hasher);
                }
            }
            for (digest, held) in blocks {
                (digest, held.logged, matches!(held.check, Check::New)).hash(hasher);
                matches!(held.check, Check::Valid).hash(hasher);
            }
        }
    }
}

#[cfg(all(test, feature = "model"))]
mod tests {
    use alloc::sync::Arc;
    use core::time::Duration;

    use cpchain_crypto::{Signer, SigningKey};

    use super::*;
    use crate::{
        ids::{ChainId, Term},
        lbft::{Config, Output, Restored, SignatureCache},
    };

    #[test]
    fn a_mutant_starts_with_the_same_outputs() {
        let key = SigningKey::from_seed(&[1; 32]);
        let me = vec![key.public_key()];
        let committee = Committee::new(ChainId::new("seam", b""), Term(0), me.clone(), me).unwrap();
        let config = Config { committee, timeout: Duration::from_secs(1), timeout_cap: Duration::from_secs(9) };
        let (signer, cache) = (Arc::new(key), Arc::new(SignatureCache::new(10)));
        let (_, plain) = Lbft::new(config.clone(), signer.clone(), cache.clone(), Restored::default());
        let (_, outputs) = Lbft::without(&[Rule::Jump], config, signer, cache, Restored::default());
        assert_eq!(format!("{outputs:?}"), format!("{plain:?}"));
        assert!(outputs.iter().any(|output| matches!(output, Output::MayPropose { height: Height(1) })));
    }
}
