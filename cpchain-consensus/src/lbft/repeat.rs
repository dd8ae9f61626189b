//! Repetition and restart: a network may lose every message once, and a process may end at any moment.

use super::{
    engine::{Check, Held, Lbft, Tip},
    io::{Output, Restored},
    message::Message,
    mutant::Rule,
    round::State,
    statement::Kind,
};
use crate::ids::Height;
use alloc::vec::Vec;
use cpchain_crypto::Digest;

impl Lbft {
    /// At the retry interval: own votes at H, own COMMITs that nothing covers, the certificate that let it into H, the own
    /// proposal. Nothing in the first interval after H changed, and what is missing may be pulled again.
    pub(crate) fn repeat(&mut self) {
        let coming = self.ranges_that_come();
        self.asked.clear();
        self.asked.extend(coming);
        self.later = false;
        if !core::mem::take(&mut self.moved) {
            self.say_again();
        }
    }

    fn say_again(&mut self) {
        self.hand_over();
        let member = self.index.is_some() || self.committee.proposers().contains(&self.me);
        if let Some(entry) = self.entry.clone().filter(|_| member && !self.drops(Rule::RepeatCertificates)) {
            let to = self.audience();
            self.send(to, Message::Certificate(entry));
        }
        let (current, covered) = (self.height, self.covered);
        let due = |height: Height, kind: Kind| height == current || kind == Kind::Commit && height > covered;
        let votes: Vec<_> = self
            .rounds
            .values()
            .flat_map(|round| &round.own)
            .filter(|vote| due(vote.height, vote.kind))
            .copied()
            .collect();
        for vote in votes {
            self.send_vote(vote);
        }
        let own_seal = self.rounds.get(&current).filter(|round| round.own_seal).and_then(|round| round.seals.first());
        let sealed = own_seal.and_then(|(digest, _)| self.blocks.get(digest)).map(|held| held.block.clone());
        if let Some(block) = sealed {
            self.propose(block);
        }
    }

    /// Puts the state together from the log: certificates give H, votes give the states, blocks are checked again.
    pub(crate) fn restore(&mut self, restored: Restored) {
        if let Some(committee) = restored.committee.filter(|later| later.term() > self.committee.term()) {
            let first = core::mem::replace(&mut self.committee, committee);
            // After a snapshot the first committee may be terms away: what it handed over is not this term.
            self.ended = restored.ended.or(Some(first)).filter(|ended| self.committee.follows(ended));
            self.index = self.committee.index_of(&self.me);
        }
        if let Some(fault) = restored.fault {
            self.fault = Some(fault);
            self.outputs.push(Output::Fault(fault));
        }
        if let Some(entry) = restored.tip {
            let (height, digest) = (entry.block.height, entry.block.digest);
            let certificate = entry.closing.map(|closing| closing.certificate).or(entry.certificate);
            self.tip = Tip { height, digest, certificate: certificate.clone() };
            self.remember(height, digest);
            self.covered = height;
            self.height = height.next();
            self.entry = certificate;
        }
        let handover = restored.handover;
        if self.committee.last().is_some_and(|last| last == self.tip.height) {
            self.end_term();
            self.handover.certificate = handover.filter(|proof| proof.term == self.committee.term());
            return;
        }
        self.handover.certificate =
            handover.filter(|proof| self.ended.as_ref().is_some_and(|ended| ended.term() == proof.term));
        // The same as before: the committee was logged with it.
        self.sign_handover();
        let term = self.committee.term();
        let above = |height: Height| height > self.tip.height;
        let mut certificates = restored.certificates;
        certificates.retain(|certificate| certificate.term == term && above(certificate.height));
        let mut votes = restored.votes;
        votes.retain(|vote| vote.term == term && above(vote.height));
        let blocks = restored.blocks.into_iter().map(|block| (block, false));
        let sealed = restored.sealed.into_iter().map(|block| (block, true));
        let blocks: Vec<_> =
            blocks.chain(sealed).filter(|(block, _)| block.header().term == term && above(block.height())).collect();

        for certificate in certificates {
            let height = certificate.height;
            if height >= self.height {
                self.height = height.next();
                self.entry = Some(certificate.clone());
            }
            let round = self.rounds.entry(height).or_default();
            match certificate.kind {
                Kind::Prepare => round.prepared = Some(certificate),
                Kind::ImpeachPrepare => round.impeached = Some(certificate),
                Kind::Commit => {
                    round.committed = Some(certificate);
                    self.covered = self.covered.max(height);
                }
                Kind::Seal | Kind::Handover => {}
            }
        }
        for vote in votes {
            let round = self.rounds.entry(vote.height).or_default();
            round.own.push(vote);
            // Counted again: this cannot clash, the log holds no two votes that exclude each other.
            round.count(vote, &self.committee);
        }
        let lax = self.drops(Rule::ImpeachExcludesCommit);
        for round in self.rounds.values_mut() {
            let voted = |kind| round.own.iter().any(|vote| vote.kind == kind);
            round.state = if round.committed.is_some() || voted(Kind::Commit) {
                State::Commit
            } else if round.impeached.is_some() {
                // Whether it came before or after the height was left is not logged: never COMMIT is safe in both.
                State::ImpeachCommit
            } else if voted(Kind::ImpeachPrepare) {
                State::ImpeachPrepare
            } else if voted(Kind::Prepare) {
                State::Prepare
            } else {
                State::Idle
            };
            round.armed = round.prepared.is_some() && round.state.may_commit(lax);
        }
        for (block, own) in blocks {
            let digest: Digest = block.digest();
            let round = self.rounds.entry(block.height()).or_default();
            round.own_seal |= own;
            round.note_seal(block.statement(), *block.signature(), &self.committee);
            self.blocks.entry(digest).or_insert(Held { block, check: Check::New, logged: true });
        }
        let after = self.pacemaker.entered(self.height, self.covered);
        if self.index.is_some() {
            self.outputs.push(Output::StartTimer { height: self.height, after });
        }
        self.say_again();
    }
}
