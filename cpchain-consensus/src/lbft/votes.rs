//! Votes of others. They wait unverified, one for each signer and kind, until a quorum could form; then they are checked in
//! one batch. A vote that contradicts another of its signer is checked at once, since it may be evidence.
//!
//! - A forged vote is never counted and its sender is blamed, alone (`forged_votes_are_found_and_blamed`).
//! - Who forges votes in another's name keeps no place that the true one needs (`a_forgery_does_not_keep_the_true_vote_out`).
//! - Below a quorum the curve is not asked (`votes_wait_for_a_quorum`).

use alloc::vec::Vec;

use cpchain_crypto::PublicKey;

use super::{
    certificate::{Certificate, Vote},
    engine::{FUTURE, Lbft},
    statement::Kind,
};

impl Lbft {
    pub(crate) fn take_vote(&mut self, vote: Vote) {
        if vote.kind == Kind::Handover {
            self.take_handover_vote(vote);
            return;
        }
        if !self.is_current(vote.term) {
            return;
        }
        let window = vote.height > self.tip.height && vote.height.0 <= self.height.0.saturating_add(FUTURE);
        if !window
            || self.below_window(vote.height)
            || self.rounds.get(&vote.height).is_some_and(|round| round.has_vote(&vote))
        {
            return;
        }
        if vote.signed_by(&self.committee).is_none() {
            self.blame("a vote that is not of its validator");
            return;
        }
        let Some(from) = self.neighbour else { return };
        let round = self.rounds.entry(vote.height).or_default();
        // What the own key seems to have said is a matter of the log.
        let is_own = Some(vote.signer) == self.index;
        let due = if is_own { alloc::vec![(vote, from)] } else { round.arrive(vote, from, &self.committee) };
        self.verify_votes(due);
    }

    /// Checks votes in one batch; counts the good ones and blames who sent the others.
    pub(crate) fn verify_votes(&mut self, due: Vec<(Vote, PublicKey)>) {
        if due.is_empty() {
            return;
        }
        let shape = |(vote, _): &(Vote, PublicKey)| {
            let key = vote.signed_by(&self.committee)?;
            Some((key, vote.statement(&self.committee), vote.signature))
        };
        let signed: Vec<_> = due.iter().filter_map(shape).collect();
        let bad = self.cache.invalid(&signed);
        for (place, (vote, from)) in due.into_iter().enumerate() {
            if bad.contains(&place) {
                self.blame_peer(from, "a vote that is not signed by its validator");
                continue;
            }
            if Some(vote.signer) == self.index && vote.height > self.covered {
                self.expect_own(vote.height, vote.kind, vote.digest);
            }
            self.tally(vote);
        }
    }

    /// Counts a verified vote, and takes the certificate that it completes.
    pub(crate) fn tally(&mut self, vote: Vote) {
        let Vote { kind, height, digest, .. } = vote;
        let round = self.rounds.entry(height).or_default();
        let evidence = round.count(vote, &self.committee);
        self.accuse(evidence);
        let Some(round) = self.rounds.get(&height).filter(|round| !round.is_certified(kind)) else { return };
        if let Some(certificate) = round.certificate(kind, height, digest, &self.committee) {
            self.accept(certificate);
        } else if let Some(round) = self.rounds.get_mut(&height) {
            // It may be the last one that those that wait need.
            let due = round.due(kind, digest, &self.committee);
            self.verify_votes(due);
        }
    }

    /// Counts the votes of a verified certificate: they may contradict what their signers said before.
    pub(crate) fn count_all(&mut self, certificate: &Certificate) {
        let Some(round) = self.rounds.get_mut(&certificate.height) else { return };
        let (mut proofs, mut due) = (Vec::new(), Vec::new());
        for vote in certificate.votes() {
            proofs.extend(round.count(vote, &self.committee));
            due.extend(round.take_clashing(&vote, &self.committee));
        }
        due.retain(|(vote, _)| vote.kind != certificate.kind || vote.digest != certificate.digest);
        self.accuse(proofs);
        self.verify_votes(due);
    }
}

#[cfg(test)]
#[path = "votes_tests.rs"]
mod tests;
